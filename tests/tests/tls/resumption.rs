//! Sessions that go on: by tickets, here and at another node, but not where something else is asked of clients.

use weir_tests::{
    Weir,
    tls::{TlsClient, trusting},
};

use super::stage::Stage;

// 48 bytes in base64.
const KEYS: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm\n";

/// Connects twice, the second time to `second`; whether the second resumed the first one's session.
fn resumes(stage: &Stage, first: (&Weir, &str), second: (&Weir, &str)) -> bool {
    let config = trusting(&stage.authority);
    let mut client = TlsClient::connect(first.0.address_of(first.1), &config, "a.example");
    // Tickets come behind the handshake.
    assert_eq!(client.get("/").text(), "hello");
    assert!(!client.is_resumed());
    let mut client = TlsClient::connect(second.0.address_of(second.1), &config, "a.example");
    assert_eq!(client.get("/").text(), "hello");
    client.is_resumed()
}

#[test]
fn sessions_resume_also_over_a_reload() {
    let stage = Stage::new();
    let mut weir = stage.start("");
    assert!(resumes(&stage, (&weir, "web"), (&weir, "web")));
    let kinds = |kind| [("listener", "web"), ("version", "1.3"), ("kind", kind)];
    for kind in ["full", "resumed"] {
        assert_eq!(weir.metrics().sum("weir_tls_handshakes_total", &kinds(kind)), 1.0, "{kind}");
    }
    let config = trusting(&stage.authority);
    TlsClient::connect(weir.address(), &config, "a.example").get("/");
    let yaml = weir.read("weir.yaml");
    weir.reload(&yaml);
    assert!(TlsClient::connect(weir.address(), &config, "a.example").is_resumed());
    drop(weir);

    let weir = stage.start("tickets: none");
    assert!(!resumes(&stage, (&weir, "web"), (&weir, "web")));
}

#[test]
fn nodes_with_the_same_keys_resume_each_others_sessions() {
    let stage = Stage::new();
    let keys = stage.file("keys", KEYS);
    let shared = format!("tickets: {{ keys: {{ file: {keys} }} }}");
    let (one, other) = (stage.start(&shared), stage.start(&shared));
    assert!(resumes(&stage, (&one, "web"), (&other, "web")));
    let alone = stage.start("");
    assert!(!resumes(&stage, (&one, "web"), (&alone, "web")));
}

#[test]
fn a_session_is_worth_nothing_at_another_listener() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let keys = stage.file("keys", KEYS);
    let ca = stage.path("ca.pem");
    let tickets = format!("tickets: {{ keys: {{ file: {keys} }} }}");
    let weir = Weir::start(&format!(
        "
certificates: {{ own: {{ cert: {own} }} }}
listeners:
  - name: open
    bind: 127.0.0.1:0
    tls: {{ certificates: [own], {tickets} }}
    pool: web
  - name: asking
    bind: 127.0.0.1:0
    tls: {{ certificates: [own], {tickets}, client_auth: {{ ca: {ca}, mode: optional }} }}
    pool: web
pools:
  web: {{ servers: [{}], health: none }}
",
        stage.origin
    ));
    assert!(resumes(&stage, (&weir, "open"), (&weir, "open")));
    assert!(!resumes(&stage, (&weir, "open"), (&weir, "asking")));
}
