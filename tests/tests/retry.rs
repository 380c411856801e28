//! Further attempts: on what, how often, with which body, and within which budget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use weir_tests::{Origin, Weir, message::Framing, origin::ok, until};

/// One worker and one route with these settings of it and of the pool.
fn yaml(servers: &[&Origin], route: &str, pool: &str) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!(
        "
runtime: {{ workers: 1 }}
metrics: {{ bind: 127.0.0.1:0 }}
log: {{ access: {{ to: stdout, format: json }} }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes: [{{ name: main, pool: web{route} }}]
pools:
  web: {{ servers: [{}], health: none, eject: none{pool} }}
",
        servers.join(", ")
    )
}

/// Answers each request with this status, and keeps the connection.
fn failing(status: u16) -> Origin {
    Origin::start(move |connection| {
        while connection.request()?.is_some() {
            connection.send(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno"))?;
        }
        Ok(())
    })
}

/// Breaks each connection once it has a request.
fn breaking() -> Origin {
    Origin::start(|connection| connection.request().map(|_| ()))
}

/// Never answers.
fn hanging() -> Origin {
    Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    })
}

fn post(body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn an_error_goes_to_another_server_only_when_asked() {
    let (bad, good) = (failing(503), Origin::saying("good"));
    let plain = Weir::start(&yaml(&[&bad, &good], "", ""));
    let statuses: Vec<u16> = (0..10).map(|_| plain.get("/").status).collect();
    assert!(statuses.contains(&503) && statuses.contains(&200), "{statuses:?}");
    bad.forget();
    let retried = Weir::start(&yaml(&[&bad, &good], ", retry: { when: ['503'] }", ""));
    let mut client = retried.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "good");
    }
    assert_eq!(bad.count(), 5);
    assert_eq!(bad.connections().len(), 1 + 1, "one of each Weir, used again and again");
    let server = bad.to_string();
    let metrics = retried.metrics();
    assert_eq!(metrics.sum("weir_server_replays_total", &[("server", &server)]), 5.0);
    assert_eq!(metrics.sum("weir_server_responses_total", &[("server", &server), ("code", "5xx")]), 5.0);
}

#[test]
fn other_statuses_and_the_last_attempt_are_passed_on() {
    let bad = failing(503);
    let weir = Weir::start(&yaml(&[&bad], ", retry: { attempts: 3, when: ['502-503'] }", ""));
    let answer = weir.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "no"));
    assert_eq!(bad.count(), 3, "the same server, for there is no other");
    let other = failing(500);
    let weir = Weir::start(&yaml(&[&other], ", retry: { attempts: 3, when: ['502-503'] }", ""));
    assert_eq!(weir.get("/").status, 500);
    assert_eq!(other.count(), 1);
}

#[test]
fn what_is_not_idempotent_is_sent_once_unless_told() {
    let (bad, good) = (failing(503), Origin::saying("good"));
    let kept = "when: ['503', reset], max_body_bytes: 64KiB";
    let weir = Weir::start(&yaml(&[&bad, &good], &format!(", retry: {{ {kept} }}"), ""));
    let statuses: Vec<u16> = (0..4).map(|_| weir.ask(post("x")).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 2, "{statuses:?}");
    let told = format!(", retry: {{ {kept}, methods: [POST] }}");
    let weir = Weir::start(&yaml(&[&bad, &good], &told, ""));
    good.forget();
    for _ in 0..4 {
        assert_eq!(weir.ask(post("body")).status, 200);
    }
    assert!(good.requests().iter().all(|request| request.body == b"body"), "{:?}", good.requests());
    // A GET is not among the methods that it was told.
    let statuses: Vec<u16> = (0..4).map(|_| weir.get("/").status).collect();
    assert!(statuses.contains(&503), "{statuses:?}");
}

#[test]
fn bodies_are_sent_again_whole() {
    let bad = breaking();
    let good = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            connection.send(ok(&format!(
                "{} {}",
                request.body.len(),
                request.body.iter().map(|b| u64::from(*b)).sum::<u64>()
            )))?;
        }
        Ok(())
    });
    let route = ", retry: { when: [reset], methods: [PUT], max_body_bytes: 128KiB, budget: 1000% }";
    let weir = Weir::start(&yaml(&[&bad, &good], route, ""));
    let mut client = weir.connect();
    for len in [0_usize, 1, 4000, 30_000, 40_000, 100_000, 131_072] {
        let body: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let expected = format!("{len} {}", body.iter().map(|b| u64::from(*b)).sum::<u64>());
        for chunked in [false, true] {
            // Both servers come first in turn. The next request follows at once.
            for _ in 0..2 {
                let mut request = match chunked {
                    false => {
                        format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n").into_bytes()
                    }
                    true => b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                };
                if chunked {
                    for piece in body.chunks(3000) {
                        request.extend(format!("{:x}\r\n", piece.len()).bytes());
                        request.extend(piece);
                        request.extend(b"\r\n");
                    }
                    request.extend(b"0\r\n\r\n");
                } else {
                    request.extend(&body);
                }
                if chunked && len > 120_000 {
                    // With its framing it is longer than what is kept.
                    continue;
                }
                request.extend(b"PUT /next HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
                client.send(&request);
                assert_eq!(client.response().text(), expected, "{len} {chunked}");
                assert_eq!(
                    client.response().text(),
                    format!("1 {}", u64::from(b'x')),
                    "behind {len} {chunked}"
                );
            }
        }
    }
}

#[test]
fn a_longer_body_is_sent_once() {
    let bad = breaking();
    let route = ", retry: { attempts: 3, when: [reset], methods: [PUT], max_body_bytes: 1KiB }";
    let weir = Weir::start(&yaml(&[&bad], route, ""));
    let body = "x".repeat(1025);
    let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n{body}");
    assert_eq!(weir.ask(&request).status, 502);
    assert_eq!(bad.count(), 1);
    assert_eq!(weir.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status, 502);
    assert_eq!(bad.count(), 1 + 3);
}

#[test]
fn one_server_that_hangs_costs_one_try() {
    let (bad, good) = (hanging(), Origin::saying("good"));
    let route = ", timeout: 30s, retry: { when: [timeout], per_try_timeout: 100ms }";
    let weir = Weir::start(&yaml(&[&bad, &good], route, ""));
    for _ in 0..4 {
        assert_eq!(weir.get("/").text(), "good");
    }
    assert_eq!(bad.count(), 2);
    weir.wait_for_limit("per_try_timeout", 2.0);
    // Alone, it is asked twice, and then the client is told.
    let weir = Weir::start(&yaml(&[&bad], route, ""));
    let answer = weir.get("/");
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("per_try_timeout"), "{}", answer.text());
}

#[test]
fn the_timeout_holds_for_all_attempts() {
    let bad = hanging();
    let route = ", timeout: 500ms, retry: { attempts: 10, when: [timeout], per_try_timeout: 200ms }";
    let weir = Weir::start(&yaml(&[&bad], route, ""));
    let begin = Instant::now();
    assert_eq!(weir.get("/").status, 504);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(bad.count() <= 3, "{}", bad.count());
}

/// All servers fail: what they get is at most a fifth more than what the clients have asked.
#[test]
fn a_full_outage_multiplies_the_load_by_a_fifth_at_most() {
    for kind in ["error", "break"] {
        let servers: Vec<Origin> =
            (0..3).map(|_| if kind == "error" { failing(503) } else { breaking() }).collect();
        let route = ", retry: { attempts: 5, when: ['503', reset], budget: 20% }";
        let weir = Weir::start(&yaml(&servers.iter().collect::<Vec<_>>(), route, ""));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let mut client = weir.connect();
                thread::spawn(move || (0..400).filter(|_| client.get("/").status >= 500).count())
            })
            .collect();
        let failed: usize = clients.into_iter().map(|client| client.join().expect("it ends")).sum();
        assert_eq!(failed, 3200);
        let got: usize = servers.iter().map(Origin::count).sum();
        let ratio = got as f64 / 3200.0;
        // That it was tried at all: else this would say nothing.
        assert!((1.1..=1.2).contains(&ratio), "{kind}: {got} requests, {ratio} of what was asked");
        assert!(weir.metrics().limit("retry.budget") > 0.0);
    }
}

#[test]
fn a_few_failures_of_a_quiet_site_are_always_tried_again() {
    let (bad, good) = (failing(503), Origin::saying("good"));
    let weir = Weir::start(&yaml(&[&bad, &good], ", retry: { when: ['503'], budget: 1% }", ""));
    let statuses: Vec<u16> = (0..40).map(|_| weir.get("/").status).collect();
    assert!(statuses[..20].iter().all(|status| *status == 200), "{statuses:?}");
    assert!(statuses.contains(&503), "ten are tried again in ten seconds: {statuses:?}");
}

#[test]
fn retries_in_flight_are_bounded() {
    // It fails the first request for each path, and never answers the second.
    let server = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            if connection.asked_for(&request.target) > 1 {
                return connection.wait_for_end();
            }
            connection.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    });
    let route = ", timeout: 20s, retry: { when: ['503'], budget: 100% }";
    let weir = Weir::start(&yaml(&[&server], route, ", circuit_breaker: { max_retries: 1 }"));
    let mut first = weir.connect();
    first.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_requests(2);
    assert_eq!(weir.get("/two").status, 503, "no second attempt while one is under way");
    weir.wait_for_limit("max_retries", 1.0);
    // Once that has been given up, there is room for another.
    first.reset();
    until("the first request has ended", || weir.metrics().sum("weir_requests_abandoned_total", &[]) == 1.0);
    let mut third = weir.connect();
    third.send("GET /three HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_requests(5);
}

#[test]
fn without_connect_failure_no_second_server_is_tried() {
    let (dead, good) = (Origin::saying("dead"), Origin::saying("good"));
    dead.kill();
    let weir = Weir::start(&yaml(&[&dead, &good], ", retry: { when: [reset] }", ""));
    let statuses: Vec<u16> = (0..4).map(|_| weir.get("/").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
}

/// A client that is still sending while its server breaks: what it has sent is kept, what comes goes on.
#[test]
fn a_body_under_way_goes_on_to_the_next_server() {
    let broken = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&broken);
    let bad = Origin::start(move |connection| {
        connection.head()?;
        let mut sink = |_: &[u8]| {};
        // The first half only.
        let _ = connection.body(Framing::Sized(5), &mut sink);
        seen.fetch_add(1, SeqCst);
        Ok(())
    });
    let good = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            connection.send(ok(&String::from_utf8_lossy(&request.body)))?;
        }
        Ok(())
    });
    let route = ", retry: { when: [reset], methods: [PUT], max_body_bytes: 1KiB }";
    let weir = Weir::start(&yaml(&[&bad, &good], route, ""));
    let mut client = weir.connect();
    while broken.load(SeqCst) == 0 {
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
        let before = good.count() + broken.load(SeqCst);
        client.wait_until_read();
        until("a server has it", || good.connections().len() + broken.load(SeqCst) > before);
        client.send("later");
        assert_eq!(client.response().text(), "firstlater");
    }
}

/// What a client sends behind a request, while that is tried again, is the next request and comes whole.
#[test]
fn a_request_behind_one_that_is_sent_again_is_not_lost() {
    for body in [1_usize, 32 * 1024 - 67, 40_000] {
        let bad = Origin::start(|connection| {
            let request = connection.request()?;
            // Not before the client has sent more.
            if request.is_some() {
                let begun = Instant::now();
                until("the client had time to send more", || begun.elapsed() > Duration::from_millis(150));
            }
            Ok(())
        });
        let good = Origin::start(|connection| {
            while let Some(request) = connection.request()? {
                connection.send(ok(&format!("{} {}", request.target, request.body.len())))?;
            }
            Ok(())
        });
        let route = ", retry: { when: [reset], methods: [PUT], max_body_bytes: 64KiB }";
        let weir = Weir::start(&yaml(&[&bad, &good], route, ""));
        let mut client = weir.connect();
        for turn in 0..2 {
            let head = format!("PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: {body}\r\n\r\n");
            client.send(format!("{head}{}", "x".repeat(body)));
            client.wait_until_read();
            client.send("PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecond");
            assert_eq!(client.response().text(), format!("/first {body}"), "{turn}");
            assert_eq!(client.response().text(), "/second 6", "{turn} behind {body}");
        }
        assert!(bad.count() > 0);
    }
}
