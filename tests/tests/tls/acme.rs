//! Certificates by ACME through the whole binary, from a real ACME server.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
};

use serde_json::json;
use weir_tests::{Client, Weir, folder::Folder, peer::s_client, until};

use super::stage::Stage;

/// How often other ports are tried when somebody took those that were free.
const STARTS_MAX: usize = 5;

/// `pebble`, and the DNS for which every name is this machine. Ended when dropped.
struct Pebble {
    directory: String,
    children: Vec<Child>,
    _folder: Folder,
}

impl Pebble {
    /// One that looks for answers at these ports.
    #[track_caller]
    fn start(stage: &Stage, http_port: u16, tls_port: u16) -> Self {
        (0..STARTS_MAX)
            .find_map(|_| Self::try_start(stage, http_port, tls_port))
            .expect("pebble starts; `cargo xtask test` installs it")
    }

    fn try_start(stage: &Stage, http_port: u16, tls_port: u16) -> Option<Self> {
        let [acme, management, dns, dns_management] = free_ports();
        let identity = stage.authority.server(&["127.0.0.1"]);
        let folder = Folder::new("pebble");
        let (cert, key) = (folder.write("cert.pem", &identity.cert), folder.write("key.pem", &identity.key));
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{acme}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": cert,
            "privateKey": key,
            "httpPort": http_port,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let config = folder.write("pebble.json", &config.to_string());
        let output = || File::create(folder.path().join("log")).expect("the folder is ours");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let mut pebble = Command::new("pebble");
        pebble
            .arg("-config")
            .arg(&config)
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
            .env("PEBBLE_VA_NOSLEEP", "1");
        let children = [resolver, pebble]
            .into_iter()
            .map(|mut program| {
                program
                    .stdin(Stdio::null())
                    .stdout(output())
                    .stderr(output())
                    .spawn()
                    .expect("it is installed")
            })
            .collect();
        let directory = format!("https://127.0.0.1:{acme}/dir");
        let mut started = Self { directory, children, _folder: folder };
        let mut runs = true;
        until("pebble listens", || {
            runs = started.children.iter_mut().all(|child| child.try_wait().expect("a child").is_none());
            let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            !runs || (listens(acme) && listens(dns))
        });
        runs.then_some(started)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ports that were free for TCP and UDP a moment ago, all different.
fn free_ports<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    while held.len() < N {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = tcp.local_addr().expect("it is bound").port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            held.push((tcp, udp, port));
        }
    }
    std::array::from_fn(|index| held[index].2)
}

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
    let pebble = Pebble::start(&stage, ports[0], ports[1]);
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
