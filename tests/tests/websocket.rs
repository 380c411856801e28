//! WebSockets through Weir, between libraries that speak them: HTTP/1.1 and HTTP/2 (RFC 8441) in all combinations.

use std::net::SocketAddr;

use weir_tests::{Weir, folder::Folder, pki::Authority, python::Script, until};

const H1_CASES: [&str; 4] = ["messages", "closed_by_server", "broken_by_server", "refused"];
const H2_CASES: [&str; 3] = ["messages", "broken_by_server", "refused"];

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One Weir for all: `h1` leads to the server, `h2` leads to `h1` over HTTP/2.
fn chain(server: SocketAddr) -> (Weir, Weir) {
    let start = |name: &str, server: SocketAddr, protocol: &str| Weir::start(&yaml(name, server, protocol));
    let near = start("near", server, "http1");
    let far = start("far", near.address(), "h2");
    (near, far)
}

fn yaml(name: &str, server: SocketAddr, protocol: &str) -> String {
    format!(
        "
runtime:
  workers: 1
listeners:
  - {{ name: {name}, bind: 127.0.0.1:0, pool: {name} }}
pools:
  {name}: {{ servers: [\"{server}\"], protocol: {protocol}, health: none }}
"
    )
}

fn port(weir: &Weir) -> String {
    weir.address().port().to_string()
}

#[test]
fn between_all_versions_of_http() {
    let (_server, address) = Script::server("websocket_server", &[]);
    let (near, far) = chain(address);
    for weir in [&near, &far] {
        for case in H1_CASES {
            Script::run("websocket_client", &[&port(weir), case]);
        }
        for case in H2_CASES {
            Script::run("websocket_h2_client", &[&port(weir), case]);
        }
    }
    let took = |weir: &Weir, name: &str| {
        let labels = [("listener", name), ("route", &format!("{name}#1")[..])];
        weir.metrics().sum("weir_request_duration_seconds_count", &labels)
    };
    // The refused ones alone: a tunnel is no answer that took its time.
    assert_eq!((took(&near, "near"), took(&far, "far")), (4.0, 2.0));
}

#[test]
fn one_of_http1_after_one_of_http2() {
    let (_server, address) = Script::server("websocket_server", &[]);
    let weir = Weir::start(&yaml("web", address, "http1"));
    // What a worker works with is reused, by one version after the other: the next exchanges get that of the last.
    for _ in 0..3 {
        Script::run("websocket_h2_client", &[&port(&weir), "messages"]);
        for _ in 0..3 {
            let answer = weir.connect().send(UPGRADE).next_response("GET");
            assert_eq!((answer.status, answer.fields.get("upgrade")), (101, Some("websocket")));
        }
    }
}

#[test]
fn over_tls_on_both_sides() {
    let (authority, folder) = (Authority::new(), Folder::new("wss"));
    let ca = folder.write("ca.pem", &authority.pem).display().to_string();
    let own = folder.write("own.pem", &authority.server(&["127.0.0.1"]).both()).display().to_string();
    let start = |server: SocketAddr, protocol: &str, tls: &str| {
        Weir::start(&format!(
            "
runtime: {{ workers: 1 }}
certificates: {{ own: {{ cert: {own} }} }}
listeners:
  - {{ name: web, bind: 127.0.0.1:0, tls: {{ certificates: [own] }}, pool: web }}
pools:
  web: {{ servers: [\"{server}\"], protocol: {protocol}, health: none, {tls} }}
"
        ))
    };
    let (_server, address) = Script::server("websocket_server", &[]);
    let near = start(address, "http1", "");
    let to_near = |protocol| start(near.address(), protocol, &format!("tls: {{ ca: {ca} }}"));
    for weir in [&near, &to_near("http1"), &to_near("h2")] {
        for case in H1_CASES {
            Script::run("websocket_client", &[&port(weir), case, &ca]);
        }
        for case in H2_CASES {
            Script::run("websocket_h2_client", &[&port(weir), case, &ca]);
        }
    }
}

#[test]
fn a_client_that_breaks_off_is_told_to_the_server() {
    let (_server, address) = Script::server("websocket_server", &[]);
    let (near, far) = chain(address);
    let mut client = Script::start("websocket_h2_client", &[&port(&far), "broken_by_client"]);
    assert_eq!(client.line(), "reset");
    let server = [("pool", "near"), ("server", &address.to_string()[..])];
    until("the server has no request", || {
        near.metrics().sum("weir_server_requests_in_flight", &server) == 0.0
    });
    client.tell("");
    client.finish();
}

#[test]
fn a_server_without_extended_connect() {
    // It speaks HTTP/2, but not this.
    let (_server, address) = Script::server("grpc_server", &[]);
    let weir = Weir::start(&yaml("grpc", address, "h2"));
    Script::run("websocket_h2_client", &[&port(&weir), "not_taken", "502"]);
}

#[test]
fn they_live_on_through_reloads() {
    let (_server, address) = Script::server("websocket_server", &[]);
    let (mut near, mut far) = chain(address);
    let mut clients = Vec::new();
    for weir in [&near, &far] {
        for name in ["websocket_client", "websocket_h2_client"] {
            clients.push(Script::start(name, &[&port(weir), "long_lived"]));
        }
    }
    let mut count = 1;
    for round in 0..3 {
        for client in &clients {
            assert_eq!(client.line(), count.to_string());
        }
        // The server leaves the file in the second round: its tunnels stay.
        let server = if round == 1 { SocketAddr::from(([127, 0, 0, 1], 1)) } else { address };
        near.reload(&yaml("near", server, "http1"));
        far.reload(&yaml("far", near.address(), "h2"));
        count += 1;
        for client in &mut clients {
            client.tell("");
        }
    }
    for client in &clients {
        assert_eq!(client.line(), count.to_string());
    }
    clients.into_iter().for_each(Script::finish);
}
