//! Limits of sizes and counts.

use std::sync::{Arc, Barrier};

use weir_tests::{Client, Origin, Weir, message::Framing, origin, weir::simple};

#[track_caller]
fn expect_refusal(client: &mut Client, status: u16) {
    let answer = client.response();
    assert_eq!((answer.status, answer.fields.get("connection")), (status, Some("close")));
    client.expect_closed();
}

#[test]
fn max_uri_bytes() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ max_uri_bytes: 64B }");
    let get = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 1));
    assert_eq!(weir.ask(get(64)).status, 200);
    expect_refusal(weir.connect().send(get(65)), 414);
    weir.wait_for_limit("max_uri_bytes", 1.0);
    assert_eq!(origin.count(), 1);
}

#[test]
fn max_header_bytes() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ max_header_bytes: 1KiB }");
    let get = |len: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(len - start.len() - end.len()))
    };
    assert_eq!(weir.ask(get(1024)).status, 200);
    expect_refusal(weir.connect().send(get(1025)), 431);
    weir.wait_for_limit("max_header_bytes", 1.0);
    assert_eq!(origin.count(), 1);
}

#[test]
fn max_headers() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ max_headers: 10 }");
    let get = |fields: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields - 1));
    assert_eq!(weir.ask(get(10)).status, 200);
    expect_refusal(weir.connect().send(get(11)), 431);
    weir.wait_for_limit("max_headers", 1.0);
    assert_eq!(weir.metrics().limit("max_header_bytes"), 0.0);
    assert_eq!(origin.count(), 1);
}

#[test]
fn max_body_bytes() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ max_body_bytes: 10B }");
    let sized = |len: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    assert_eq!(weir.ask(sized(10) + "0123456789").status, 200);
    assert_eq!(
        weir.ask(chunked.clone() + "5\r\n01234\r\n5;long=extension\r\n56789\r\n0\r\n\r\n").status,
        200
    );
    origin.forget();
    let connections = origin.connections().len();
    expect_refusal(weir.connect().send(sized(11)), 413);
    expect_refusal(weir.connect().send(chunked.clone() + "5\r\n01234\r\n6\r\n"), 413);
    assert_eq!(origin.connections().len(), connections);
    // What has begun is broken off: the server never sees its end.
    let mut client = weir.connect();
    client.send(chunked + "5\r\n01234\r\n").wait_until_read();
    expect_refusal(client.send("6\r\n567890\r\n0\r\n\r\n"), 413);
    weir.wait_for_limit("max_body_bytes", 3.0);
    assert_eq!(origin.count(), 0);
}

#[test]
fn no_body_at_all() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ max_body_bytes: 0B }");
    assert_eq!(weir.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status, 200);
    assert_eq!(weir.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status, 413);
}

#[test]
fn answers_have_no_largest_body() {
    let origin = Origin::saying("more than the ten bytes of a request's body");
    let weir = Weir::before_with(&[&origin], "{ max_body_bytes: 10B }");
    assert_eq!(weir.get("/").status, 200);
}

#[test]
fn interim_responses() {
    let origin = Origin::answering("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17) + &origin::ok("late"));
    let weir = Weir::before(&[&origin]);
    assert_eq!(weir.get("/").status, 502);
    weir.wait_for_limit("interim_responses", 1.0);
    let origin = Origin::answering("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(16) + &origin::ok("in time"));
    let weir = Weir::before(&[&origin]);
    assert_eq!(weir.get("/").text(), "in time");
}

#[test]
fn connect_attempts() {
    let dead: Vec<Origin> = (0..12).map(|_| Origin::saying("dead")).collect();
    let weir = Weir::before(&dead.iter().collect::<Vec<_>>());
    dead.iter().for_each(Origin::kill);
    assert_eq!(weir.get("/").status, 502);
    weir.wait_for_limit("connect_attempts", 1.0);
    assert_eq!(weir.metrics().sum("weir_server_connect_failures_total", &[]), 8.0);
}

/// Both servers' connections are in use at once; then one of the two is one too many.
#[test]
fn keep_alive_max() {
    let both = Arc::new(Barrier::new(2));
    let origin = Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/together" {
                both.wait();
            }
            connection.send(origin::ok("ok"))?;
        }
        Ok(())
    });
    let weir = Weir::start(&(simple(&[&origin], "{}") + "    keep_alive: { max: 1 }\n"));
    let mut clients = [weir.connect(), weir.connect()];
    for client in &mut clients {
        client.send("GET /together HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "ok");
    }
    weir.wait_for_limit("keep_alive.max", 1.0);
    assert_eq!(weir.metrics().sum("weir_server_connections_idle", &[]), 1.0);
}

#[test]
fn keep_alive_of_none() {
    let origin = Origin::saying("ok");
    let weir = Weir::start(&(simple(&[&origin], "{}") + "    keep_alive: { max: 0 }\n"));
    let mut client = weir.connect();
    for n in 0..3 {
        assert_eq!(client.get("/").text(), "ok");
        origin.wait_until_closed(n);
    }
    assert_eq!(origin.connections().len(), 3);
}

#[test]
fn a_large_answer_of_a_route_is_written_whole() {
    let body = "0123456789abcdef".repeat(65_536);
    let weir = Weir::start(&format!(
        "listeners:\n  - name: web\n    bind: 127.0.0.1:0\n    routes: [{{ respond: {{ body: \"{body}\" }} }}]\n"
    ));
    let mut client = weir.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.framing, Framing::Sized(1 << 20));
        assert_eq!(answer.text(), body);
    }
}
