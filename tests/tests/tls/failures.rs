//! Handshakes that fail are counted by their reason.

use std::io::Write;
use std::net::TcpStream;

use weir_tests::{
    Client, Weir,
    peer::s_client,
    pki::Authority,
    tls::{TlsClient, trusting},
    until,
};

use super::stage::Stage;

#[track_caller]
fn wait_for(weir: &Weir, reason: &str, times: f64) {
    let labels = [("listener", "web"), ("reason", reason)];
    until(&format!("a handshake fails: {reason}"), || {
        weir.metrics().sum("weir_tls_handshake_failures_total", &labels) == times
    });
}

#[test]
fn each_reason_has_its_count() {
    let stage = Stage::new();
    let weir = stage.start("min_version: \"1.3\", handshake_timeout: 300ms");
    s_client(weir.address(), &["-tls1_2"]);
    wait_for(&weir, "nothing_shared", 1.0);

    TlsClient::try_connect(weir.address(), &trusting(&Authority::new()), "a.example")
        .expect_err("a stranger");
    wait_for(&weir, "refused_by_client", 1.0);

    let mut plain = Client::connect(weir.address());
    plain.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for(&weir, "not_tls", 1.0);

    drop(TcpStream::connect(weir.address()).expect("it listens"));
    wait_for(&weir, "cut_off", 1.0);

    // The beginning of a ClientHello, and nothing more.
    let mut slow = TcpStream::connect(weir.address()).expect("it listens");
    slow.write_all(&[0x16, 0x03, 0x01, 0x01, 0x00, 0x01]).expect("it reads");
    wait_for(&weir, "timeout", 1.0);
    assert_eq!(weir.metrics().limit("handshake_timeout"), 1.0);
    assert_eq!(weir.metrics().limit("header_timeout"), 0.0);

    let mut client = TlsClient::connect(weir.address(), &trusting(&stage.authority), "a.example");
    assert_eq!(client.get("/").text(), "hello");
    let full = [("listener", "web"), ("version", "1.3"), ("kind", "full")];
    assert_eq!(weir.metrics().sum("weir_tls_handshakes_total", &full), 1.0);
}
