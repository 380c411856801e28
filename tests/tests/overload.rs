//! Adaptive concurrency: a pool that is asked for more than it can do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use weir_tests::{Origin, Weir, origin::ok, until};

const WORK: Duration = Duration::from_millis(5);

fn yaml(server: &Origin, pool: &str) -> String {
    format!(
        "
runtime: {{ workers: 1 }}
metrics: {{ bind: 127.0.0.1:0 }}
listeners: [{{ name: web, bind: 127.0.0.1:0, pool: web }}]
pools:
  web: {{ servers: [\"{server}\"], health: none, eject: none{pool} }}
"
    )
}

/// A server that does one thing after the other.
fn one_at_a_time() -> Origin {
    let desk = Arc::new(Mutex::new(()));
    Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let at_work = desk.lock().unwrap();
            let begun = Instant::now();
            until("the work is done", || begun.elapsed() >= WORK);
            drop(at_work);
            connection.send(ok("done"))?;
        }
        Ok(())
    })
}

/// What many clients got who ask again and again, for some time.
struct Told {
    /// Sorted.
    latencies: Vec<Duration>,
    refused: usize,
}

impl Told {
    fn p99(&self) -> Duration {
        self.latencies[self.latencies.len() * 99 / 100]
    }
}

fn ask(weir: &Weir, clients: usize, time: Duration) -> Told {
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (mut client, over) = (weir.connect(), Arc::clone(&over));
            thread::spawn(move || {
                let (mut latencies, mut refused) = (Vec::new(), 0);
                while !over.load(SeqCst) {
                    let begun = Instant::now();
                    match client.get("/") {
                        answer if answer.status == 200 => latencies.push(begun.elapsed()),
                        answer => {
                            assert_eq!((answer.status, answer.fields.get("retry-after")), (503, Some("1")));
                            refused += 1;
                            // Nobody asks again at once who is told to wait; a second would be long for a test.
                            until("it was a while", || begun.elapsed() >= 4 * WORK);
                        }
                    }
                }
                (latencies, refused)
            })
        })
        .collect();
    let begun = Instant::now();
    until("the time is over", || begun.elapsed() >= time);
    over.store(true, SeqCst);
    let mut told = Told { latencies: Vec::new(), refused: 0 };
    for thread in threads {
        let (latencies, refused) = thread.join().expect("a client ends");
        told.latencies.extend(latencies);
        told.refused += refused;
    }
    told.latencies.sort_unstable();
    told
}

#[test]
fn in_an_overload_who_is_let_in_is_served_fast_and_the_server_works_on() {
    let time = Duration::from_secs(4);
    let server = one_at_a_time();
    let plain = Weir::start(&yaml(&server, ""));
    ask(&plain, 2, Duration::from_secs(1));
    let without = ask(&plain, 50, time);
    assert_eq!(without.refused, 0);
    drop(plain);

    let weir = Weir::start(&yaml(&server, ", adaptive_concurrency: { min: 1 }"));
    let limit = || weir.metrics().sum("weir_pool_concurrency_limit", &[("pool", "web")]);
    assert_eq!(limit(), 1000.0);
    assert_eq!(ask(&weir, 2, Duration::from_secs(1)).refused, 0);
    ask(&weir, 50, Duration::from_secs(3));
    let with = ask(&weir, 50, time);
    assert!(with.refused > 0);
    assert!(with.p99() * 3 <= without.p99(), "{:?} {:?}", with.p99(), without.p99());
    let (kept, all) = (with.latencies.len(), without.latencies.len());
    assert!(kept * 100 >= all * 80, "{kept} answers of {all}");
    assert!(weir.metrics().sum("weir_limits_reached_total", &[("limit", "adaptive_concurrency")]) > 0.0);
    assert!(limit() < 50.0, "{}", limit());

    // The load falls, and soon nobody is refused.
    let begun = Instant::now();
    while ask(&weir, 2, Duration::from_millis(500)).refused > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it still refuses at a limit of {}", limit());
    }
}

#[test]
fn a_place_is_held_until_the_answer_begins_and_no_queue_is_stood_in() {
    let server = Origin::start(|connection| {
        while connection.request()?.is_some() {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")?;
            // The rest comes when the client has gone.
            let _ = connection.request();
        }
        Ok(())
    });
    let pool = ", adaptive_concurrency: { min: 1, max: 1 }, queue: { max: 10, timeout: 30s }, circuit_breaker: { max_requests: 100 }";
    let weir = Weir::start(&yaml(&server, pool));
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = weir.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.head().line.contains("200"));
        clients.push(client);
    }
    let silent = Origin::start(|connection| {
        while connection.request()?.is_some() {
            let _ = connection.request();
        }
        Ok(())
    });
    let weir = Weir::start(&yaml(&silent, pool));
    let mut waiting = weir.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it waits", || silent.targets().len() == 1);
    let refused = weir.get("/");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("overloaded"), "{}", refused.text());
    weir.wait_for_limit("adaptive_concurrency", 1.0);
}
