//! Which servers get traffic: checks, what requests meet on the way, and requests that find a server gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use weir_tests::{
    Load, Origin, Weir, origin,
    peer::Peer,
    until,
    weir::{field, pool},
};

/// A server that says `text`, and whose `/healthz` is as good as the switch says.
fn switched(text: &str, is_good: bool) -> (Origin, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(is_good));
    let (text, state) = (origin::ok(text), Arc::clone(&switch));
    let origin = Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/healthz" && !state.load(SeqCst) {
                connection.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")?;
            } else {
                connection.send(&text)?;
            }
        }
        Ok(())
    });
    (origin, switch)
}

/// How many requests of clients a server got.
fn asked(origin: &Origin) -> usize {
    origin.targets().iter().filter(|target| *target != "/healthz").count()
}

#[test]
fn it_takes_fall_failures_and_rise_successes() {
    let (good, _) = switched("good", true);
    let (other, switch) = switched("other", true);
    let health = "health: { http: /healthz, interval: 40ms, fall: 4, rise: 3 }";
    let weir = Weir::start(&pool(&[&good, &other], health));
    let server = other.to_string();
    let up = || weir.metrics().sum("weir_server_up", &[("server", &server)]);
    assert_eq!(up(), 1.0);

    let mark = weir.mark();
    switch.store(false, SeqCst);
    let line = weir.wait_for_log(mark, "to=down");
    assert_eq!(field(&line, "server"), Some(server.as_str()), "{line}");
    assert!(line.contains("from=up") && line.contains("4 times in a row"), "{line}");
    assert_eq!(up(), 0.0);
    other.forget();
    for _ in 0..20 {
        assert_eq!(weir.get("/").text(), "good");
    }
    assert_eq!(asked(&other), 0);

    let mark = weir.mark();
    switch.store(true, SeqCst);
    let line = weir.wait_for_log(mark, "to=up");
    assert!(line.contains("from=down") && line.contains("3 times in a row"), "{line}");
    until("it gets traffic again", || weir.get("/").text() == "other");
    let metrics = weir.metrics();
    assert!(metrics.sum("weir_checks_total", &[("server", &server), ("result", "failed")]) >= 4.0);
    assert!(metrics.sum("weir_checks_total", &[("server", &server), ("result", "passed")]) >= 4.0);
}

#[test]
fn a_check_expects_what_it_is_told_to() {
    let ok = "HTTP/1.1 200 OK\r\nX-State: all well here\r\nContent-Length: 14\r\n\r\ndatabase: fine";
    let moved = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    let cases = [
        ("http: /healthz", ok, true),
        ("http: /healthz", moved, false),
        ("http: /healthz, expect: 200-399", moved, true),
        ("http: /healthz, expect: [204, 302]", moved, true),
        ("http: /healthz, expect: [204, 301]", moved, false),
        ("http: /healthz, expect: 204", ok, false),
        ("http: /healthz, expect_headers: { x-state: well }", ok, true),
        ("http: /healthz, expect_headers: { x-state: ill }", ok, false),
        ("http: /healthz, expect_headers: { x-other: well }", ok, false),
        ("http: /healthz, expect_body: \"database: fine\"", ok, true),
        ("http: /healthz, expect_body: \"database: slow\"", ok, false),
        ("http: /healthz", "nonsense\r\n\r\n", false),
        ("tcp: connect", "nonsense\r\n\r\n", true),
    ];
    for (health, answer, is_up) in cases {
        let origin = Origin::start(move |connection| {
            while connection.request()?.is_some() {
                connection.send(answer)?;
            }
            Ok(())
        });
        let weir = Weir::start(&pool(&[&origin], &format!("health: {{ {health}, interval: 1h }}")));
        let up = weir.metrics().sum("weir_server_up", &[]);
        assert_eq!(up == 1.0, is_up, "{health}: {answer:?}\n{}", weir.log());
        if !is_up {
            assert_eq!(weir.get("/").status, 503);
        }
    }
}

#[test]
fn a_check_asks_as_it_is_told_to() {
    let origin = Origin::saying("ok");
    let weir = Weir::start(&pool(&[&origin], "health: { http: \"/healthz?deep=1\", interval: 1h }"));
    let request = &origin.wait_for_requests(1)[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/healthz?deep=1"));
    assert_eq!(request.fields.get("host"), Some(origin.to_string().as_str()));
    drop(weir);
    origin.forget();
    let _weir =
        Weir::start(&pool(&[&origin], "health: { http: /healthz, host: shop.example, interval: 1h }"));
    assert_eq!(origin.wait_for_requests(1)[0].fields.get("host"), Some("shop.example"));
}

#[test]
fn a_check_that_is_not_answered_in_time_has_failed() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let weir = Weir::start(&pool(&[&origin], "health: { http: /healthz, interval: 1h, timeout: 100ms }"));
    assert_eq!(weir.metrics().sum("weir_server_up", &[]), 0.0);
}

#[test]
fn a_new_server_gets_no_traffic_before_its_first_check() {
    let (old, _) = switched("old", true);
    let (new, switch) = switched("new", false);
    let health = "health: { http: /healthz, interval: 40ms, rise: 2 }";
    let mut weir = Weir::start(&pool(&[&old], health));
    let load = Load::start(weir.address(), 8, "/");
    load.wait_for(100);
    weir.reload(&pool(&[&old, &new], health));
    load.wait_for(500);
    assert_eq!(asked(&new), 0, "it has failed its check");
    switch.store(true, SeqCst);
    until("it gets traffic", || asked(&new) > 0);
    load.stop().expect_no_failure();
}

#[test]
fn connects_that_fail_count_as_failed_checks() {
    let live = Origin::saying("live");
    let dead = Origin::saying("dead");
    let weir = Weir::start(&pool(&[&live, &dead], "health: { tcp: connect, interval: 1h, fall: 3 }"));
    dead.kill();
    let mark = weir.mark();
    for _ in 0..20 {
        assert_eq!(weir.get("/").text(), "live", "a connect that fails goes elsewhere at once");
    }
    let line = weir.wait_for_log(mark, "to=down");
    assert!(line.contains("3 times in a row"), "{line}");
    let server = dead.to_string();
    let failures = || weir.metrics().sum("weir_server_connect_failures_total", &[("server", &server)]);
    let before = failures();
    for _ in 0..20 {
        assert_eq!(weir.get("/").text(), "live");
    }
    assert_eq!(failures(), before, "nobody is sent to a server that is down");
    assert_eq!(weir.metrics().sum("weir_server_up", &[("server", &server)]), 0.0);
}

#[test]
fn any_request_goes_elsewhere_when_a_connect_fails() {
    let live = Origin::saying("live");
    let dead = Origin::saying("dead");
    let weir = Weir::before(&[&dead, &live]);
    dead.kill();
    let mut client = weir.connect();
    let begin = Instant::now();
    for n in 1..=10 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().text(), "live");
        assert_eq!(live.count(), n);
        assert_eq!(live.requests()[n - 1].body, b"hello");
    }
    assert!(begin.elapsed().as_secs() < 2, "at once");
}

#[test]
fn no_server_at_all() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let weir = Weir::before(&[&one, &two]);
    one.kill();
    two.kill();
    assert_eq!(weir.get("/").status, 502, "all were tried");
    one.restart();
    assert_eq!(weir.get("/").text(), "one");

    let weir = Weir::start(&pool(&[&two], "health: { tcp: connect, interval: 1h }"));
    assert_eq!(weir.get("/").status, 503, "none is up");
    let settings = "health: { tcp: connect, interval: 1h }\n    when_all_down: spread";
    let weir = Weir::start(&pool(&[&two], settings));
    assert_eq!(weir.get("/").status, 502, "it is tried all the same");
    two.restart();
    assert_eq!(weir.get("/").text(), "two");
}

/// A server that takes a request and then dies without a byte of an answer, and one that answers.
fn dying_and_living() -> (Origin, Origin) {
    let dying = Origin::start(|connection| connection.request().map(|_| ()));
    (dying, Origin::saying("fine"))
}

#[test]
fn an_idempotent_request_without_a_body_is_sent_again_once_elsewhere() {
    let (dying, living) = dying_and_living();
    let weir = Weir::before(&[&dying, &living]);
    let mut died = 0;
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        dying.forget();
        living.forget();
        let mut client = weir.connect();
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
            assert_eq!(client.response_to(method).status, 200, "{method}");
        }
        assert!((1..=2).contains(&dying.count()), "{method}");
        assert_eq!(living.count(), 2, "{method}");
        died += dying.count();
    }
    let replays = weir.metrics().sum("weir_server_replays_total", &[("server", &dying.to_string())]);
    assert_eq!(replays, died as f64);
}

#[test]
fn no_other_request_is_ever_sent_twice() {
    let (dying, living) = dying_and_living();
    let weir = Weir::before(&[&dying, &living]);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "LOCK / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        dying.forget();
        living.forget();
        let mut statuses: Vec<u16> = (0..2).map(|_| weir.ask(request).status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 502], "{request:?}");
        assert_eq!((dying.count(), living.count()), (1, 1), "{request:?}");
    }
}

#[test]
fn a_request_that_died_twice_is_not_sent_a_third_time() {
    let dying: Vec<Origin> = (0..3).map(|_| dying_and_living().0).collect();
    let weir = Weir::before(&dying.iter().collect::<Vec<_>>());
    for _ in 0..3 {
        dying.iter().for_each(Origin::forget);
        assert_eq!(weir.get("/").status, 502);
        assert_eq!(dying.iter().map(Origin::count).sum::<usize>(), 2);
    }
}

#[test]
fn with_one_server_it_is_sent_again_on_a_new_connection() {
    let origin = Origin::start(|connection| {
        if connection.request()?.is_some() && connection.index() > 0 {
            connection.send(origin::ok("second try"))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    assert_eq!(weir.get("/").text(), "second try");
}

/// A server that closes an idle connection while a request is on its way to it does no wrong.
#[test]
fn idle_connections_that_a_server_closes_fail_nobody() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send(origin::ok("one each"))
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for n in 0..200 {
        let request = match n % 2 {
            0 => "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            _ => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        };
        // The end of the last connection is seen by nobody but the kernel when a POST is sent: it must look.
        if n % 2 == 1 {
            origin.wait_until_closed(n - 1);
        }
        assert_eq!(client.send(request).response().text(), "one each", "{n}");
    }
    assert_eq!(origin.count(), 200);
}

#[test]
fn killing_one_of_three_servers_under_load_fails_nobody() {
    let mut servers: Vec<Peer> = (0..3).map(|_| Peer::nginx_saying("hello")).collect();
    let addresses: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    let weir = Weir::start(&format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{}]
    health: {{ tcp: connect, interval: 200ms }}
",
        addresses.join(", ")
    ));
    let load = Load::start(weir.address(), 64, "/");
    load.wait_for(3000);
    let mark = weir.mark();
    servers[1].kill();
    let line = weir.wait_for_log(mark, "to=down");
    assert_eq!(field(&line, "server"), Some(addresses[1].as_str()), "{line}");
    load.wait_for(3000);
    let tally = load.stop();
    tally.expect_no_failure();
    assert_eq!(tally.connects, 64, "no client's connection was closed");
    for (server, up) in addresses.iter().zip([1.0, 0.0, 1.0]) {
        assert_eq!(weir.metrics().sum("weir_server_up", &[("server", server)]), up);
    }
}
