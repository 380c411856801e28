//! Certificates of clients, and what servers are told of them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::ClientConfig;
use weir_tests::{
    Client, Origin, Weir,
    message::Request,
    peer::curl,
    pki::Identity,
    tls::{TlsClient, trusting, trusting_as},
    until,
};

use super::stage::Stage;

/// Everything that could say who a client is.
const NAMES: [&str; 6] = [
    "client-cert",
    "client-cert-chain",
    "x-client-cert-subject",
    "x-client-cert-san",
    "x-client-cert-fingerprint",
    "x-forwarded-client-cert",
];

/// The same from somebody who lies.
const FORGED: &str = "Client-Cert: :AAAA:\r\nclient-cert-chain: :AAAA:\r\nX-Client-Cert-Subject: CN=root\r\n\
    x-client-cert-san: DNS:root\r\nX-CLIENT-CERT-FINGERPRINT: 00\r\nx-forwarded-client-cert: Hash=00\r\n\
    x_client_cert_subject: CN=root\r\nClient_Cert: :AAAA:\r\nX-Client_Cert-San: DNS:root\r\n\
    X.Client.Cert.Subject: CN=root\r\n";

fn auth(stage: &Stage, mode: &str) -> String {
    format!("client_auth: {{ ca: {}, mode: {mode} }}", stage.path("ca.pem"))
}

fn alice(stage: &Stage) -> Identity {
    stage.authority.client("alice, CN=root", "spiffe://a/alice")
}

/// Nothing that a client could have written, and what is true.
#[track_caller]
fn expect_identity(request: &Request, identity: &Identity) {
    let fields = &request.fields;
    assert_eq!(fields.all("x-client-cert-subject"), ["CN=alice\\, CN\\=root"]);
    assert_eq!(fields.all("x-client-cert-san"), ["URI:spiffe://a/alice"]);
    let base64: String = identity.cert.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(fields.all("client-cert"), [format!(":{base64}:")]);
    let fingerprint = fields.get("x-client-cert-fingerprint").expect("it is there");
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
    expect_none(request, &["client-cert-chain", "x-forwarded-client-cert"]);
}

#[track_caller]
fn expect_none(request: &Request, names: &[&str]) {
    for name in names {
        assert_eq!(request.fields.all(name), [""; 0], "{name}");
    }
    expect_no_lookalikes(request);
}

#[track_caller]
fn expect_no_lookalikes(request: &Request) {
    for name in ["x_client_cert_subject", "client_cert", "x-client_cert-san", "x.client.cert.subject"] {
        assert_eq!(request.fields.all(name), [""; 0], "{name}");
    }
}

#[test]
fn required_means_that_nobody_else_gets_in() {
    let stage = Stage::new();
    let weir = stage.start(&auth(&stage, "required"));
    let identity = alice(&stage);
    let known = trusting_as(&stage.authority, &identity);
    let mut client = TlsClient::connect(weir.address(), &known, "a.example");
    assert_eq!(client.try_get("/", FORGED).expect("an answer").text(), "hello");
    expect_identity(&stage.origin.wait_for_requests(1)[0], &identity);
    // The same on a session that is resumed: the certificate went along in the ticket.
    let mut again = TlsClient::connect(weir.address(), &known, "a.example");
    assert_eq!(again.get("/again").text(), "hello");
    assert!(again.is_resumed());
    expect_identity(&stage.origin.wait_for_requests(2)[1], &identity);

    // In TLS 1.3 a client learns of it with its first read.
    let nobody = TlsClient::try_connect(weir.address(), &trusting(&stage.authority), "a.example");
    assert!(nobody.and_then(|mut client| client.try_get("/", "")).is_err());
    let stranger = weir_tests::pki::Authority::new().client("alice", "spiffe://b/");
    let stranger = trusting_as(&stage.authority, &stranger);
    let stranger = TlsClient::try_connect(weir.address(), &stranger, "a.example");
    assert!(stranger.and_then(|mut client| client.try_get("/", "")).is_err());
    let labels = [("reason", "client_certificate")];
    until("both are counted", || weir.metrics().sum("weir_tls_handshake_failures_total", &labels) == 2.0);
    assert_eq!(stage.origin.count(), 2);
}

#[test]
fn optional_tells_servers_who_comes_with_one() {
    let stage = Stage::new();
    let weir = stage.start(&auth(&stage, "optional"));
    let mut nobody = TlsClient::connect(weir.address(), &trusting(&stage.authority), "a.example");
    assert_eq!(nobody.try_get("/", FORGED).expect("an answer").text(), "hello");
    expect_none(&stage.origin.wait_for_requests(1)[0], &NAMES);

    // Over HTTP/2, each stream tells the same.
    let identity = alice(&stage);
    let pem = stage.pem("alice.pem", &identity);
    let url = "https://a.example/";
    let (ca, to) = (stage.path("ca.pem"), format!("a.example:443:{}", weir.address()));
    let said = curl(&[
        "--http2",
        "--cacert",
        &ca,
        "--cert",
        &pem,
        "--connect-to",
        &to,
        "--header",
        "x-client-cert-subject: CN=root",
        "--header",
        "client_cert: :AAAA:",
        "--header",
        "x.client.cert.subject: CN=root",
        "--write-out",
        " %{http_version} ",
        url,
        url,
    ]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "hello 2 hello 2 ");
    for request in &stage.origin.wait_for_requests(3)[1..] {
        expect_identity(request, &identity);
        expect_no_lookalikes(request);
    }
}

#[test]
fn a_revoked_certificate_is_refused_from_the_next_reload_on() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let (alice, bob) = (alice(&stage), stage.authority.client("bob", "spiffe://a/bob"));
    let crl = stage.file("crl.pem", &stage.authority.revocations(&[&bob]));
    let yaml = stage.yaml(
        &format!("own: {{ cert: {own} }}"),
        &format!("certificates: [own], client_auth: {{ ca: {}, crl: {crl} }}", stage.path("ca.pem")),
    );
    let mut weir = Weir::start(&yaml);
    let known = trusting_as(&stage.authority, &alice);
    let gets_in = |weir: &Weir, config: &Arc<ClientConfig>| {
        let client = TlsClient::try_connect(weir.address(), config, "a.example");
        client.and_then(|mut client| client.try_get("/", "")).is_ok()
    };
    assert!(gets_in(&weir, &known));
    assert!(!gets_in(&weir, &trusting_as(&stage.authority, &bob)));

    stage.file("crl.pem", &stage.authority.revocations(&[&bob, &alice]));
    weir.reload(&yaml);
    // Not by a ticket from before, either.
    assert!(!gets_in(&weir, &known));
}

#[test]
fn a_certificate_that_has_expired_is_refused_with_a_ticket_too() {
    let stage = Stage::new();
    let weir = stage.start(&auth(&stage, "required"));
    // Of the second in which it ends, nothing is left to be sure of.
    let end = SystemTime::now() + Duration::from_secs(3);
    let known =
        trusting_as(&stage.authority, &stage.authority.client_until("alice", "spiffe://a/alice", end));
    for is_resumed in [false, true] {
        let mut client = TlsClient::connect(weir.address(), &known, "a.example");
        assert_eq!(client.get("/").text(), "hello");
        assert_eq!(client.is_resumed(), is_resumed);
    }
    until("it has expired", || SystemTime::now() > end + Duration::from_secs(1));
    let mut client = TlsClient::connect(weir.address(), &known, "a.example");
    assert!(client.is_resumed() && client.try_get("/", "").is_err());
    let labels = [("reason", "client_certificate")];
    until("it is counted", || weir.metrics().sum("weir_tls_handshake_failures_total", &labels) == 1.0);
    assert_eq!(stage.origin.count(), 2);
}

#[test]
fn nobody_can_say_who_he_is_but_a_trusted_proxy() {
    let origin = Origin::saying("hello");
    let weir = Weir::before(&[&origin]);
    Client::connect(weir.address()).send(format!("GET / HTTP/1.1\r\nHost: a\r\n{FORGED}\r\n")).response();
    expect_none(&origin.wait_for_requests(1)[0], &NAMES);
    drop(weir);

    let weir = Weir::before_with(&[&origin], "{ trusted_proxies: [127.0.0.1] }");
    Client::connect(weir.address())
        .send("GET / HTTP/1.1\r\nHost: a\r\nx-client-cert-subject: CN=alice\r\n\r\n")
        .response();
    assert_eq!(origin.wait_for_requests(2)[1].fields.all("x-client-cert-subject"), ["CN=alice"]);
    drop(weir);

    // A listener that asks for certificates itself believes nobody else.
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let tls = format!("certificates: [own], {}", auth(&stage, "optional"));
    let yaml = stage
        .yaml(&format!("own: {{ cert: {own} }}"), &tls)
        .replace("    pool: web\n", "    http: { trusted_proxies: [127.0.0.1] }\n    pool: web\n");
    let weir = Weir::start(&yaml);
    let mut proxy = TlsClient::connect(weir.address(), &trusting(&stage.authority), "a.example");
    assert_eq!(proxy.try_get("/", FORGED).expect("an answer").text(), "hello");
    expect_none(&stage.origin.wait_for_requests(1)[0], &NAMES);
}
