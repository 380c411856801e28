//! Certificates by ACME through the whole binary, from a real ACME server.

use std::net::SocketAddr;

use weir_tests::{
    Client, Weir,
    pebble::{Pebble, Setup, free_ports},
    peer::s_client,
    until,
};

use super::stage::Stage;

/// A port that redirects everything, and one with TLS.
fn yaml(stage: &Stage, [http, tls]: [u16; 2], directory: &str) -> String {
    let acme = |domain: &str, challenge: &str| {
        format!(
            "{{ acme: {{ domains: [{domain}], directory: \"{directory}\", ca: {}, challenge: {challenge} }} }}",
            stage.path("ca.pem")
        )
    };
    format!(
        "
runtime: {{ workers: 1, state_dir: {} }}
certificates:
  shop: {}
  api: {}
listeners:
  - name: plain
    bind: 127.0.0.1:{http}
    routes: [{{ redirect: {{ scheme: https }} }}]
  - name: web
    bind: 127.0.0.1:{tls}
    tls: {{ certificates: [shop, api] }}
    pool: web
pools:
  web: {{ servers: [{}], health: none }}
",
        stage.path("state"),
        acme("shop.example", "http-01"),
        acme("api.example", "tls-alpn-01"),
        stage.origin
    )
}

fn issuer(address: SocketAddr, name: &str) -> String {
    let said = s_client(address, &["-servername", name]);
    said.lines().find(|line| line.starts_with("issuer=")).unwrap_or(&said).to_owned()
}

#[test]
fn the_first_start_serves_a_placeholder_and_then_what_both_challenges_bring() {
    let stage = Stage::new();
    let ports = free_ports();
    let setup = Setup { http_port: ports[0], tls_port: ports[1], ..Setup::default() };
    let pebble = Pebble::start(&stage.authority, &setup);
    let yaml = yaml(&stage, ports, &pebble.directory);
    let mut weir = Weir::start(&yaml);
    for name in ["shop", "api"] {
        let log = weir.log();
        let placeholder =
            format!("certificate `{name}`: serving a self-signed placeholder until one is issued");
        assert!(log.contains(&placeholder), "{log}");
        weir.wait_for_log(0, &format!("certificate `{name}`: issued, ends "));
        until("it is served", || {
            issuer(weir.address_of("web"), &format!("{name}.example")).contains("Pebble Intermediate")
        });
        let metrics = weir.metrics();
        let labels = [("certificate", name)];
        assert_eq!(metrics.sum("weir_acme_orders_total", &labels), 1.0);
        assert_eq!(metrics.sum("weir_acme_issued_total", &labels), 1.0);
        assert!(metrics.sum("weir_acme_next_order_timestamp_seconds", &labels) > 1e9);
        assert!(metrics.sum("weir_certificate_expiry_timestamp_seconds", &labels) > 1e9);
    }
    // Any other token is a path like all others.
    let other = Client::connect(weir.address_of("plain")).get("/.well-known/acme-challenge/other");
    assert_eq!(other.status, 308);

    // A reload makes another store, which has it from the start; so does the next process.
    weir.reload(&yaml);
    assert!(issuer(weir.address_of("web"), "shop.example").contains("Pebble Intermediate"));
    drop(weir);
    drop(pebble);
    let weir = Weir::start(&yaml);
    assert!(issuer(weir.address_of("web"), "shop.example").contains("Pebble Intermediate"));
    assert!(weir.log().contains("certificate `shop`: serving the one from the state directory"));
}

#[test]
fn an_order_that_fails_leaves_a_line_and_a_count() {
    let stage = Stage::new();
    let weir = Weir::start(&yaml(&stage, [0, 0], "https://127.0.0.1:1/dir"));
    let line = weir.wait_for_log(0, "failure 1 in a row");
    assert!(
        line.contains("error") && line.contains("making an account at https://127.0.0.1:1/dir"),
        "{line}"
    );
    assert!(line.contains("clients get a self-signed placeholder"), "{line}");
    until("it is counted", || {
        weir.metrics().sum("weir_acme_failures_total", &[("certificate", "shop")]) == 1.0
    });
    // The placeholder is not taken for a certificate that lasts.
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_certificates", &[("certificate", "shop")]), 0.0);
    assert!(!metrics.text.contains("weir_certificate_expiry_timestamp_seconds{"), "{}", metrics.text);
    assert!(weir.metrics().sum("weir_acme_next_order_timestamp_seconds", &[("certificate", "shop")]) > 1e9);
    let said = s_client(weir.address_of("web"), &["-servername", "shop.example"]);
    assert!(said.contains("self-signed certificate") || said.contains("New, TLSv1.3"), "{said}");
}
