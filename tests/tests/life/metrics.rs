//! The metrics: a text that scrapers take, and numbers that are right.

use std::collections::HashSet;

use weir_tests::{Client, Origin, Weir, until};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nrequest";

#[test]
fn the_text_is_openmetrics() {
    let origin = Origin::saying("hello");
    let weir = Weir::before(&[&origin]);
    weir.get("/");
    let answer = Client::connect(weir.metrics_address()).get("/metrics");
    let kind = answer.fields.get("content-type").expect("a type").to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = weir.metrics().text;
    let mut typed: Vec<(&str, &str)> = Vec::new();
    let mut seen = HashSet::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').expect("a name and a type");
            assert!(typed.iter().all(|(other, _)| *other != name), "{name} is there twice");
            typed.push((name, kind));
        } else if !line.starts_with('#') {
            let (name, kind) = typed.last().expect("a type comes first");
            let sample = line.split(['{', ' ']).next().expect("a name");
            let suffixes: &[&str] = match *kind {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => panic!("{other}"),
            };
            assert!(suffixes.iter().any(|suffix| sample == format!("{name}{suffix}")), "{line} under {name}");
            let (identity, _) = line.rsplit_once(' ').expect("a value");
            assert!(seen.insert(identity), "twice: {identity}");
        }
    }
    assert!(typed.len() > 15, "{typed:?}");
}

#[test]
fn the_numbers_are_right() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            match request.target.as_str() {
                "/missing" => connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")?,
                "/bad" => connection.send("nonsense\r\n\r\n")?,
                _ => connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")?,
            }
        }
        Ok(())
    });
    let weir = Weir::start(&format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - name: fixed
        match: {{ path: /fixed }}
        respond: {{ status: 201, body: x }}
      - name: rest
        match: {{ host: a }}
        pool: web
pools:
  web:
    servers: [{{ address: \"{origin}\", name: one }}]
    health: none
"
    ));
    let mut client = weir.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(client.send(POST).response().status, 200);
    }
    assert_eq!(client.send(get("/missing")).response().status, 404);
    assert_eq!(client.send(get("/fixed")).response().status, 201);
    let bad = client.send(get("/bad")).response();
    assert_eq!(bad.status, 502);
    assert_eq!(weir.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n").status, 404);
    assert_eq!(weir.ask("nonsense\r\n\r\n").status, 400);

    until("the connections are closed", || weir.metrics().sum("weir_connections_open", &[]) == 1.0);
    let metrics = weir.metrics();
    let rest = |code| metrics.sum("weir_requests_total", &[("route", "rest"), ("code", code)]);
    assert_eq!([rest("2xx"), rest("3xx"), rest("4xx"), rest("5xx")], [3.0, 0.0, 1.0, 1.0]);
    assert_eq!(metrics.sum("weir_requests_total", &[("route", "fixed")]), 1.0);
    assert_eq!(metrics.sum("weir_request_duration_seconds_count", &[("route", "rest")]), 5.0);
    let buckets = metrics.sum("weir_request_duration_seconds_bucket", &[("route", "rest"), ("le", "+Inf")]);
    assert_eq!(buckets, 5.0);
    assert_eq!(metrics.sum("weir_request_body_bytes_total", &[("route", "rest")]), 21.0);
    assert_eq!(
        metrics.sum("weir_response_body_bytes_total", &[("route", "rest")]),
        22.0 + bad.body.len() as f64
    );
    let server = |name| metrics.sum(name, &[("server", "one")]);
    assert_eq!(server("weir_server_responses_total"), 4.0);
    assert_eq!(server("weir_server_connects_total"), 1.0);
    assert_eq!(server("weir_server_reuses_total"), 4.0);
    assert_eq!(server("weir_server_failures_total"), 1.0);
    assert_eq!(server("weir_server_requests_in_flight"), 0.0);
    assert_eq!(server("weir_server_connections_idle"), 0.0);
    assert_eq!(server("weir_server_request_duration_seconds_count"), 4.0);
    assert_eq!(metrics.sum("weir_connections_accepted_total", &[("listener", "web")]), 3.0);
    assert_eq!(metrics.sum("weir_requests_refused_total", &[]), 1.0);
    assert_eq!(metrics.sum("weir_requests_unrouted_total", &[]), 1.0);
}

#[test]
fn the_endpoint_takes_nothing_else() {
    let origin = Origin::saying("hello");
    let weir = Weir::before(&[&origin]);
    assert_eq!(Client::connect(weir.metrics_address()).get("/").status, 404);
    let mut client = Client::connect(weir.metrics_address());
    assert_eq!(
        client.send("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").response().status,
        405
    );
}

#[test]
fn without_the_section_there_is_no_endpoint() {
    let origin = Origin::saying("hello");
    let weir = Weir::of_servers(&[&origin]);
    assert!(!weir.log().contains("metrics address="), "{}", weir.log());
}
