//! What a listener's `tls` says: versions, suites, HSTS, and the redirect beside it.

use weir_tests::{
    Client, Origin, Weir,
    peer::{curl, s_client},
    tls::{TlsClient, trusting},
};

use super::stage::Stage;

#[test]
fn older_versions_than_min_version_are_refused() {
    let stage = Stage::new();
    let weir = stage.start("min_version: \"1.3\"");
    let said = s_client(weir.address(), &["-tls1_3"]);
    assert!(said.contains("New, TLSv1.3"), "{said}");
    let said = s_client(weir.address(), &["-tls1_2"]);
    assert!(said.contains("Cipher is (NONE)") && said.contains("alert protocol version"), "{said}");
    drop(weir);

    let weir = stage.start("");
    let said = s_client(weir.address(), &["-tls1_2"]);
    assert!(said.contains("New, TLSv1.2"), "{said}");
    let said = s_client(weir.address(), &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(said.contains("Cipher is (NONE)"), "{said}");
}

#[test]
fn only_the_named_suites_are_taken_in_their_order() {
    let stage = Stage::new();
    let weir = stage.start(
        "ciphers: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, \
         TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]",
    );
    for (arguments, expected) in [
        (&["-tls1_3"][..], "Cipher is TLS_AES_128_GCM_SHA256"),
        (&["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"], "Cipher is (NONE)"),
        (
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"],
            "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "Cipher is (NONE)"),
    ] {
        let said = s_client(weir.address(), arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

const HSTS: &str = "max-age=3600; includeSubDomains";

#[test]
fn hsts_is_in_every_answer_once_unless_a_route_edits_it() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let server = Origin::answering(
        "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n",
    );
    let weir = Weir::start(&format!(
        "
runtime: {{ workers: 1 }}
certificates: {{ own: {{ cert: {own} }} }}
listeners:
  - name: plain
    bind: 127.0.0.1:0
    routes: [{{ pool: web }}]
  - name: web
    bind: 127.0.0.1:0
    tls: {{ certificates: [own], hsts: {{ max_age: 1h, include_subdomains: true }} }}
    routes:
      - match: {{ path: /set }}
        response_headers: {{ set: {{ strict-transport-security: max-age=0 }} }}
        pool: web
      - match: {{ path: /remove }}
        response_headers: {{ remove: [strict-transport-security] }}
        pool: web
      - match: {{ path: /redirect }}
        redirect: {{ to: \"https://b.example/\" }}
      - match: {{ path: /respond }}
        respond: {{ status: 200, body: hi }}
      - match: {{ path: /server }}
        pool: web
pools:
  web: {{ servers: [{server}], health: none }}
"
    ));
    let mut client = TlsClient::connect(weir.address_of("web"), &trusting(&stage.authority), "a.example");
    for (path, expected) in [
        ("/server", &[HSTS][..]),
        ("/redirect", &[HSTS]),
        ("/respond", &[HSTS]),
        ("/nothing", &[HSTS]),
        ("/set", &["max-age=0"]),
        ("/remove", &[]),
    ] {
        assert_eq!(client.get(path).fields.all("strict-transport-security"), expected, "{path}");
    }
    // RFC 6797 section 7.2: not over plain HTTP; what a server says there is its own affair.
    let plain = Client::connect(weir.address_of("plain")).get("/server");
    assert_eq!(plain.fields.all("strict-transport-security"), ["max-age=1"]);
    let said = curl(&[
        "--http2",
        "--cacert",
        &stage.path("ca.pem"),
        "--connect-to",
        &format!("a.example:443:{}", weir.address_of("web")),
        "--write-out",
        "%{http_version} %header{strict-transport-security}",
        "https://a.example/respond",
    ]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), format!("hi2 {HSTS}"));
}

#[test]
fn a_plain_port_redirects_and_curl_follows() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let weir = Weir::start(&format!(
        "
certificates: {{ own: {{ cert: {own} }} }}
listeners:
  - {{ name: plain, bind: 127.0.0.1:0, routes: [{{ redirect: {{ scheme: https, status: 308 }} }}] }}
  - {{ name: web, bind: 127.0.0.1:0, tls: {{ certificates: [own] }}, pool: web }}
pools:
  web: {{ servers: [{}], health: none }}
",
        stage.origin
    ));
    let said = curl(&[
        "--location",
        "--cacert",
        &stage.path("ca.pem"),
        "--connect-to",
        &format!("a.example:80:{}", weir.address_of("plain")),
        "--connect-to",
        &format!("a.example:443:{}", weir.address_of("web")),
        "--write-out",
        " %{url_effective} %{http_version}",
        "http://a.example/x?y",
    ]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "hello https://a.example/x?y 2", "{said:?}");
    let request = stage.origin.wait_for_requests(1).remove(0);
    assert_eq!(request.fields.all("x-forwarded-proto"), ["https"]);
}
