//! Connections that go on, on both sides, and those that must not.

use std::sync::{Mutex, mpsc};

use weir_tests::{Origin, Weir, message::Framing, origin};

/// Answers with the target and the number of its connection.
fn telling() -> Origin {
    Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            connection.send(origin::ok(&format!("{} on {}", request.target, connection.index())))?;
        }
        Ok(())
    })
}

#[test]
fn both_connections_serve_many_requests() {
    let origin = telling();
    let weir = Weir::before(&[&origin]);
    let mut first = weir.connect();
    for path in ["/1", "/2", "/3"] {
        let answer = first.get(path);
        assert_eq!(answer.text(), format!("{path} on 0"));
        assert!(!answer.fields.has("connection"), "HTTP/1.1 needs no word for it");
    }
    assert_eq!(weir.get("/other").text(), "/other on 0", "another client uses the server's connection too");
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_server_connects_total", &[]), 1.0);
    assert_eq!(metrics.sum("weir_server_reuses_total", &[]), 3.0);
    assert_eq!(metrics.sum("weir_connections_accepted_total", &[]), 2.0);
}

/// Weir reads into buffers of 32 KiB: a last read that fills one to the brim does not say that nothing is left.
#[test]
fn answers_that_just_fill_a_buffer_leave_the_servers_connection_in_use() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let size: usize = request.target[1..].parse().expect("a number");
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n";
            let body = size - head.len();
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n{:body$}", ""))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    for size in [32 * 1024, 64 * 1024, 32 * 1024] {
        assert_eq!(weir.get(&format!("/{size}")).status, 200);
    }
    assert_eq!(weir.metrics().sum("weir_server_connects_total", &[]), 1.0);
}

#[test]
fn a_client_that_says_close_is_closed_but_the_server_is_not() {
    let origin = telling();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    let answer = client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response();
    assert_eq!(answer.fields.get("connection"), Some("close"));
    client.expect_closed();
    assert_eq!(weir.get("/2").text(), "/2 on 0");
    assert!(!origin.requests()[0].fields.has("connection"), "the client's word is not for the server");
}

#[test]
fn a_server_that_says_close_is_not_used_again_but_the_client_goes_on() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
        // It does not close at once: Weir must not wait for that, nor use the connection.
        connection.wait_for_end()
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for connection in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "ok");
        assert!(!answer.fields.has("connection"), "the server's word is not for the client");
        origin.wait_until_closed(connection);
    }
    assert_eq!(origin.connections().len(), 3);
}

#[test]
fn a_server_of_http_1_0_is_not_used_again_unless_it_says_so() {
    for (field, connections) in [("X: y", 2), ("Connection: keep-alive", 1)] {
        let origin = Origin::answering(format!("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n{field}\r\n\r\nok"));
        let weir = Weir::before(&[&origin]);
        let mut client = weir.connect();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!((answer.line.as_str(), answer.text().as_str()), ("HTTP/1.1 200 OK", "ok"));
        }
        assert_eq!(origin.connections().len(), connections, "{field}");
    }
}

#[test]
fn clients_of_http_1_0_are_closed_unless_they_ask() {
    let origin = telling();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    let answer = client.send("GET /1 HTTP/1.0\r\n\r\n").response();
    assert_eq!((answer.text().as_str(), answer.fields.get("connection")), ("/1 on 0", Some("close")));
    client.expect_closed();

    let mut client = weir.connect();
    for path in ["/2", "/3"] {
        let request = format!("GET {path} HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n");
        let answer = client.send(request).response();
        assert_eq!(answer.fields.get("connection"), Some("keep-alive"));
        assert_eq!(answer.text(), format!("{path} on 0"));
    }

    let requests = origin.requests();
    assert!(requests.iter().all(|request| request.version == "HTTP/1.1"));
    assert_eq!(requests[0].fields.get("host"), Some(origin.address().to_string().as_str()), "it had none");
    assert_eq!(requests[1].fields.get("host"), Some("a"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/0" {
                let _ = gone.lock().expect("one request waits").recv();
            }
            connection.send(origin::ok(&format!("{}{}", request.target, "x".repeat(request.body.len()))))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    let mut requests = String::new();
    for n in 0..50 {
        let (method, body) = if n % 3 == 1 { ("POST", "y".repeat(n)) } else { ("GET", String::new()) };
        let head = format!("{method} /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        requests += &(head + &body);
    }
    client.send(requests);
    origin.wait_for_requests(1);
    assert!(client.is_open(), "no answer may overtake the first");
    go.send(()).expect("the server waits");
    for n in 0..50 {
        let body = if n % 3 == 1 { n } else { 0 };
        assert_eq!(client.response().text(), format!("/{n}{}", "x".repeat(body)));
    }
    assert!(client.is_open());
}

#[test]
fn one_empty_line_before_a_request_is_forgiven() {
    let origin = telling();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(client.response().text(), "/1 on 0");
    assert_eq!(client.response().text(), "/2 on 0");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    for (method, answer, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1000\r\n\r\n", 304),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200),
    ] {
        let origin = Origin::answering(answer);
        let weir = Weir::before(&[&origin]);
        let mut client = weir.connect();
        for _ in 0..3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            let response = client.response_to(method);
            assert_eq!((response.status, response.framing), (status, response.framing));
            if answer.contains("1000") {
                assert_eq!(response.fields.get("content-length"), Some("1000"), "{answer:?}");
            }
            if response.framing == Framing::UntilClose {
                panic!("{answer:?} has no end");
            }
        }
        assert!(client.is_open(), "nothing follows: {answer:?}");
        assert_eq!(origin.connections().len(), 1, "{answer:?}");
    }
}

#[test]
fn refusals_leave_the_connection_in_step() {
    let origin = telling();
    let weir = Weir::start(&format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - match: {{ path: /dead }}
        pool: dead
      - match: {{ path: \"~ ^/[0-9]\" }}
        pool: web
pools:
  web: {{ servers: [{origin}], health: none }}
  dead: {{ servers: [127.0.0.1:1], health: {{ tcp: connect, interval: 1h }} }}
"
    ));
    let mut client = weir.connect();
    for n in 0..3 {
        for (path, status) in [("/dead", 503), ("/missing", 404)] {
            assert_eq!(client.get(path).status, status);
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = client.response_to("HEAD");
            assert_eq!(answer.status, status);
            assert!(answer.fields.has("content-length") && !answer.fields.has("connection"), "{answer:?}");
        }
        assert!(client.get(&format!("/{n}")).text().starts_with(&format!("/{n} on ")));
    }
}

/// The rest of a body that nobody wants is read and thrown away, within bounds, so that the answer arrives.
#[test]
fn a_refusal_arrives_though_the_body_is_still_on_its_way() {
    let weir = Weir::start(
        "listeners: [{ name: web, bind: 127.0.0.1:0, routes: [{ match: { path: /x }, respond: {} }] }]\n",
    );
    let body = vec![b'x'; 500_000];
    let mut client = weir.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).send(&body);
    let answer = client.response();
    assert_eq!((answer.status, answer.fields.get("connection")), (404, Some("close")));
    client.expect_closed();
}
