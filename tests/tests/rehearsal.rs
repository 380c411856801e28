//! Mirrors and faults made on purpose: what the copies' servers get, and that clients notice nothing of it; what clients get
//! when they are to notice something.

use std::time::{Duration, Instant};

use weir_tests::{
    Client, Origin, Weir,
    h2::{Block, H2Client, H2Origin, frame::*},
    origin::ok,
    until,
    weir::{File, run},
};

/// One worker, a route `main` to pool `web` with these settings, and a pool `shadow`.
fn yaml(web: &impl ToString, shadow: &impl ToString, route: &str, of_shadow: &str) -> String {
    let (web, shadow) = (web.to_string(), shadow.to_string());
    format!(
        "
runtime: {{ workers: 1 }}
log: {{ access: {{ to: stdout }} }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes: [{{ name: main, pool: web, {route} }}]
pools:
  web: {{ servers: [\"{web}\"], health: none }}
  shadow: {{ servers: [\"{shadow}\"], health: none{of_shadow} }}
"
    )
}

fn mirror(web: &Origin, shadow: &Origin, settings: &str) -> Weir {
    Weir::start(&yaml(web, shadow, &format!("mirror: {{ pool: shadow{settings} }}"), ""))
}

fn copies(weir: &Weir, outcome: &str) -> f64 {
    weir.metrics().sum("weir_mirrored_requests_total", &[("route", "main"), ("outcome", outcome)])
}

#[track_caller]
fn wait_for(weir: &Weir, outcome: &str, times: f64) {
    until(&format!("{times} copies {outcome}"), || copies(weir, outcome) == times);
}

#[test]
fn a_copy_is_the_request_with_a_mark() {
    let (web, shadow) = (Origin::saying("web"), Origin::saying("shadow"));
    let weir = mirror(&web, &shadow, "");
    let mut client = weir.connect();
    client.send("GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-Weir-Mirror: mine\r\nCookie: d=e\r\n\r\n");
    assert_eq!(client.response().text(), "web");
    let copy = &shadow.wait_for_requests(1)[0];
    let request = &web.requests()[0];
    assert_eq!((copy.method.as_str(), copy.target.as_str()), ("GET", "/a?b=c"));
    for field in ["host", "cookie", "x-forwarded-for", "x-forwarded-proto"] {
        assert_eq!(copy.fields.all(field), request.fields.all(field), "{field}");
    }
    assert_eq!(copy.fields.all("x-weir-mirror"), ["1"]);
    assert_eq!(request.fields.all("x-weir-mirror"), ["mine"]);
    wait_for(&weir, "answered", 1.0);
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_requests_total", &[("route", "main")]), 1.0);
    assert_eq!(metrics.sum("weir_server_responses_total", &[("pool", "shadow"), ("code", "2xx")]), 1.0);
    assert_eq!(metrics.sum("weir_server_requests_in_flight", &[("pool", "shadow")]), 0.0);
}

#[test]
fn bodies_are_copied_whole_or_not_at_all() {
    let (web, shadow) = (Origin::saying("web"), Origin::saying("shadow"));
    let weir = mirror(&web, &shadow, ", max_body_bytes: 100B");
    let mut client = weir.connect();
    // With the head, behind it in two pieces, and in chunks with the next request behind them.
    client.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 200);
    wait_for(&weir, "answered", 1.0);
    client.send("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nfoo");
    web.wait_for_requests(1);
    until("the body is awaited", || web.connections()[0].bytes.ends_with(b"foo"));
    assert_eq!(shadow.count(), 1, "a copy goes when it is whole");
    client.send("bar");
    assert_eq!(client.response().status, 200);
    client.send(
        "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: u\r\n\r\n\
         GET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    for _ in 0..2 {
        assert_eq!(client.response().status, 200);
    }
    wait_for(&weir, "answered", 4.0);
    let mut bodies: Vec<(String, String)> = shadow
        .requests()
        .iter()
        .map(|copy| (copy.target.clone(), String::from_utf8(copy.body.clone()).unwrap()))
        .collect();
    bodies.sort();
    let expected = [("/1", "hello"), ("/2", "foobar"), ("/3", "abcde"), ("/4", "")];
    assert_eq!(bodies, expected.map(|(target, body)| (target.to_owned(), body.to_owned())));
    // Too long, as announced and in chunks.
    client.send(format!("POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101)));
    assert_eq!(client.response().status, 200);
    client.send(format!(
        "POST /6 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n\r\n",
        "x".repeat(101)
    ));
    assert_eq!(client.response().status, 200);
    assert_eq!((copies(&weir, "body"), weir.metrics().limit("mirror.max_body_bytes")), (2.0, 2.0));
    // Broken off.
    client.send("POST /7 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nfoo");
    client.reset();
    wait_for(&weir, "incomplete", 1.0);
    assert_eq!(shadow.count(), 4);
}

#[test]
fn a_body_that_is_waited_for_is_copied() {
    let web = Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
            connection.finish(request)?;
            connection.send(ok("web"))?;
        }
        Ok(())
    });
    let shadow = Origin::saying("shadow");
    let weir = Weir::start(&yaml(
        &web,
        &shadow,
        "mirror: { pool: shadow }, retry: { methods: [PUT], max_body_bytes: 1KiB }",
        "",
    ));
    let mut client = weir.connect();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.next_response("PUT").status, 100);
    client.send("abc");
    assert_eq!(client.response().text(), "web");
    let copy = &shadow.wait_for_requests(1)[0];
    assert_eq!((copy.body.as_slice(), copy.fields.has("expect")), (&b"abc"[..], false));
}

#[test]
fn a_silent_mirror_holds_up_nobody() {
    let web = Origin::saying("web");
    let shadow = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let weir = mirror(&web, &shadow, ", max_requests: 2, timeout: 2s");
    let mut client = weir.connect();
    let begin = Instant::now();
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "web");
    }
    assert!(begin.elapsed() < Duration::from_secs(2));
    shadow.wait_for_requests(2);
    assert_eq!((copies(&weir, "full"), weir.metrics().limit("mirror.max_requests")), (3.0, 3.0));
    wait_for(&weir, "late", 2.0);
    let metrics = weir.metrics();
    assert_eq!(metrics.limit("mirror.timeout"), 2.0);
    assert_eq!(metrics.sum("weir_server_failures_total", &[("pool", "shadow")]), 2.0);
    assert_eq!(metrics.sum("weir_server_requests_in_flight", &[("pool", "shadow")]), 0.0);
    shadow.wait_until_closed(0);
}

#[test]
fn a_dead_or_broken_mirror_harms_nobody() {
    let web = Origin::saying("web");
    let shadow = Origin::start(|connection| {
        connection.request()?;
        connection.send("nonsense\r\n\r\n")
    });
    let weir = mirror(&web, &shadow, "");
    assert_eq!(weir.get("/").text(), "web");
    wait_for(&weir, "failed", 1.0);
    shadow.kill();
    assert_eq!(weir.get("/").text(), "web");
    wait_for(&weir, "failed", 2.0);
    assert_eq!(weir.metrics().sum("weir_server_connect_failures_total", &[("pool", "shadow")]), 1.0);
}

#[test]
fn a_full_mirror_gets_no_copies() {
    let web = Origin::saying("web");
    let shadow = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let breaker = ", circuit_breaker: { max_requests: 1 }";
    let weir = Weir::start(&yaml(&web, &shadow, "mirror: { pool: shadow, timeout: 1h }", breaker));
    assert_eq!(weir.get("/").text(), "web");
    shadow.wait_for_requests(1);
    assert_eq!(weir.get("/").text(), "web");
    wait_for(&weir, "no_server", 1.0);
}

#[test]
fn connections_of_copies_are_used_again_unless_answers_are_long() {
    let web = Origin::saying("web");
    let shadow = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let bytes = if request.target == "/long" { 2 << 20 } else { 70_000 };
            connection.send(ok(&"x".repeat(bytes)))?;
        }
        Ok(())
    });
    let weir = mirror(&web, &shadow, "");
    let mut client = weir.connect();
    for n in 1..=3 {
        assert_eq!(client.get("/").text(), "web");
        wait_for(&weir, "answered", f64::from(n));
    }
    assert_eq!(shadow.connections().len(), 1);
    assert_eq!(client.get("/long").text(), "web");
    wait_for(&weir, "answered", 4.0);
    assert_eq!(weir.metrics().limit("mirror_answer_bytes"), 1.0);
    shadow.wait_until_closed(0);
}

#[test]
fn a_share_is_copied() {
    let (web, shadow) = (Origin::saying("web"), Origin::saying("shadow"));
    let weir = mirror(&web, &shadow, ", share: 50%, max_requests: 1000");
    let mut client = weir.connect();
    for _ in 0..400 {
        assert_eq!(client.get("/").status, 200);
    }
    let in_flight = || weir.metrics().sum("weir_server_requests_in_flight", &[("pool", "shadow")]);
    // Six standard deviations.
    until("about half is copied", || shadow.count() >= 140 && in_flight() == 0.0);
    assert!(shadow.count() <= 260, "{}", shadow.count());
}

#[test]
fn other_protocols_are_not_copied() {
    let (web, shadow) = (Origin::saying("web"), Origin::saying("shadow"));
    let weir = mirror(&web, &shadow, "");
    let answer = weir.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: else\r\n\r\n");
    assert_eq!(answer.status, 200, "the server does not care");
    assert_eq!((copies(&weir, "protocol"), shadow.count()), (1.0, 0));
}

#[test]
fn copies_go_from_and_to_http2() {
    let (web, shadow) = (Origin::saying("web"), H2Origin::saying("shadow"));
    let weir = Weir::start(&yaml(&web, &shadow, "mirror: { pool: shadow }", ", protocol: h2"));
    let mut client = H2Client::connect(weir.address());
    let head = |method: &str, path: &str| {
        Block::of(&[(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)])
    };
    client.send([headers(1, head("POST", "/1")), data(1, "hello "), data(1, "you").end()]);
    assert_eq!(client.response(1).text(), "web");
    client.send([headers(3, head("GET", "/2")).end()]);
    assert_eq!(client.response(3).text(), "web");
    // From HTTP/1, in chunks.
    weir.ask("POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    wait_for(&weir, "answered", 3.0);
    let mut bodies: Vec<(String, Vec<u8>)> =
        shadow.requests().iter().map(|copy| (copy.path().to_owned(), copy.body.clone())).collect();
    bodies.sort();
    let expected = [("/1", &b"hello you"[..]), ("/2", b""), ("/3", b"abc")];
    assert_eq!(bodies, expected.map(|(path, body)| (path.to_owned(), body.to_vec())));
    assert!(shadow.requests().iter().all(|copy| copy.fields.get("x-weir-mirror") == Some("1")));
    assert_eq!(shadow.connections(), 1);
    shadow.expect_unbroken();
}

fn faults(web: &impl ToString, faults: &str) -> Weir {
    Weir::start(&yaml(web, web, &format!("faults: {{ {faults} }}"), ""))
}

fn made(weir: &Weir, fault: &str) -> f64 {
    weir.metrics().sum("weir_faults_total", &[("route", "main"), ("fault", fault)])
}

#[test]
fn aborted_requests_reach_no_server() {
    let web = Origin::saying("web");
    let weir = faults(&web, "abort: { share: 100%, status: 599 }");
    let mut client = weir.connect();
    let answer = client.get("/");
    assert_eq!(answer.status, 599);
    assert!(answer.text().contains("made on purpose"), "{}", answer.text());
    assert_eq!(client.get("/").status, 599, "the connection goes on");
    assert!(weir.wait_for_output(2)[0].contains("this fault is made on purpose"));
    assert_eq!((made(&weir, "abort"), web.count()), (2.0, 0));
    let mut caller = H2Client::connect(weir.address());
    let call = Block::of(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/s/m"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]);
    caller.send([headers(1, call), data(1, [0; 5]).end()]);
    let answer = caller.response(1);
    assert_eq!((answer.status, answer.fields.get("grpc-status")), (200, Some("2")));
}

#[test]
fn delayed_requests_wait_and_are_bounded() {
    let web = Origin::saying("web");
    let weir = faults(&web, "delay: { share: 100%, time: 600ms, max_requests: 1 }");
    let begin = Instant::now();
    let mut first = Client::connect(weir.address());
    first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it waits", || made(&weir, "delay") == 1.0);
    assert_eq!(weir.get("/second").text(), "web");
    weir.wait_for_limit("faults.delay.max_requests", 1.0);
    assert_eq!(first.response().text(), "web");
    assert!(begin.elapsed() >= Duration::from_millis(600));
    assert_eq!(web.targets(), ["/second", "/first"]);
}

#[test]
fn clients_that_go_away_wait_no_longer() {
    let web = Origin::saying("web");
    let weir = faults(&web, "delay: { share: 100%, time: 1h, max_requests: 1 }");
    let mut first = weir.connect();
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it waits", || made(&weir, "delay") == 1.0);
    first.reset();
    let abandoned = || weir.metrics().sum("weir_requests_abandoned_total", &[("route", "main")]);
    until("it is gone", || abandoned() == 1.0);
    let mut second = H2Client::connect(weir.address());
    let get = Block::of(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
    second.send([headers(1, get).end()]);
    until("it waits", || made(&weir, "delay") == 2.0);
    second.send([rst_stream(1, 8)]);
    until("it is gone", || abandoned() == 2.0);
    assert_eq!(web.count(), 0);
}

#[test]
fn the_check_warns_of_faults() {
    let file = File::new(&yaml(&"127.0.0.1:1", &"127.0.0.1:1", "faults: { abort: { share: 0.1% } }", ""));
    let output = run(file.folder(), &["check", "weir.yaml"]);
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("faults are made on purpose: this route answers 0.1% of the requests with 503"),
        "{text}"
    );
}
