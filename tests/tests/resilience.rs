//! Full servers, queues, circuit breakers and hedges.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use weir_tests::{Client, Origin, Weir, origin::ok, until};

/// Some workers and one route with these settings; each server is the YAML of an entry.
fn yaml(workers: usize, servers: &[String], route: &str, pool: &str) -> String {
    format!(
        "
runtime: {{ workers: {workers} }}
metrics: {{ bind: 127.0.0.1:0 }}
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

fn limited(server: &Gated, max: usize) -> String {
    format!("{{ address: \"{}\", max_connections: {max} }}", server.origin)
}

/// A server that answers only when it is told, and knows how much it works on.
struct Gated {
    origin: Origin,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    permits: Mutex<usize>,
    opened: Condvar,
    working: AtomicUsize,
    most: AtomicUsize,
}

impl Gated {
    fn start(name: &'static str) -> Self {
        let gate = Arc::new(Gate::default());
        let of_script = Arc::clone(&gate);
        let origin = Origin::start(move |connection| {
            let gate = &of_script;
            while connection.request()?.is_some() {
                let working = gate.working.fetch_add(1, SeqCst) + 1;
                gate.most.fetch_max(working, SeqCst);
                let mut permits = gate.permits.lock().unwrap();
                while *permits == 0 {
                    permits = gate.opened.wait(permits).unwrap();
                }
                *permits -= 1;
                drop(permits);
                gate.working.fetch_sub(1, SeqCst);
                connection.send(ok(name))?;
            }
            Ok(())
        });
        Self { origin, gate }
    }

    fn allow(&self, requests: usize) {
        *self.gate.permits.lock().unwrap() += requests;
        self.gate.opened.notify_all();
    }

    fn working(&self) -> usize {
        self.gate.working.load(SeqCst)
    }
}

impl Drop for Gated {
    /// Its threads end.
    fn drop(&mut self) {
        self.allow(1 << 20);
    }
}

fn ask(weir: &Weir, path: &str) -> Client {
    let mut client = weir.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client
}

fn queued(weir: &Weir) -> f64 {
    weir.metrics().sum("weir_pool_queued_requests", &[("pool", "web")])
}

#[test]
fn a_full_server_is_not_asked() {
    let (first, second) = (Gated::start("first"), Gated::start("second"));
    let weir = Weir::start(&yaml(1, &[limited(&first, 2), limited(&second, 1)], "", ""));
    let clients: Vec<Client> = (0..3).map(|_| ask(&weir, "/")).collect();
    until("both are full", || first.working() == 2 && second.working() == 1);
    let answer = weir.get("/");
    assert_eq!((answer.status, answer.fields.get("retry-after")), (503, Some("1")));
    assert!(answer.text().contains("no server of pool `web` has room"), "{}", answer.text());
    weir.wait_for_limit("no_room", 1.0);
    first.allow(1);
    until("there is room", || first.working() == 1);
    let mut next = ask(&weir, "/");
    until("it is taken", || first.working() == 2);
    first.allow(2);
    second.allow(1);
    assert_eq!(next.response().text(), "first");
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn who_waits_is_served_in_the_order_of_coming() {
    let server = Gated::start("x");
    let pool = ", queue: { max: 10, timeout: 30s }";
    let weir = Weir::start(&yaml(1, &[limited(&server, 1)], "", pool));
    let mut clients: Vec<Client> = Vec::new();
    for n in 0..6 {
        clients.push(ask(&weir, &format!("/{n}")));
        until("it works or waits", || server.working() as f64 + queued(&weir) == f64::from(n + 1));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        server.allow(1);
        assert_eq!(client.response().status, 200, "{n}");
    }
    assert_eq!(server.origin.targets(), (0..6).map(|n| format!("/{n}")).collect::<Vec<_>>());
    assert_eq!(server.gate.most.load(SeqCst), 1);
}

#[test]
fn a_full_queue_and_a_long_wait_are_answered() {
    let server = Gated::start("x");
    let pool = ", queue: { max: 2, timeout: 300ms }";
    let weir = Weir::start(&yaml(1, &[limited(&server, 1)], "", pool));
    let mut first = ask(&weir, "/");
    until("it works", || server.working() == 1);
    let mut waiting: Vec<Client> = (0..2).map(|_| ask(&weir, "/")).collect();
    until("both wait", || queued(&weir) == 2.0);
    let begin = Instant::now();
    let refused = weir.get("/");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("2 requests wait already"), "{}", refused.text());
    for client in &mut waiting {
        let answer = client.response();
        assert_eq!(answer.status, 503);
        assert!(answer.text().contains("within `queue.timeout`"), "{}", answer.text());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    weir.wait_for_limit("queue.max", 1.0);
    weir.wait_for_limit("queue.timeout", 2.0);
    assert_eq!(queued(&weir), 0.0);
    server.allow(1);
    assert_eq!(first.response().status, 200);
}

/// Several workers share one limit and one line: nobody is forgotten, and the limit holds at every moment.
#[test]
fn many_clients_over_two_workers_are_all_served_within_the_limit() {
    let (a, b) = (Gated::start("a"), Gated::start("b"));
    a.allow(1 << 19);
    b.allow(1 << 19);
    let pool = ", queue: { max: 1000, timeout: 60s }";
    for breaker in ["", ", circuit_breaker: { max_requests: 3 }"] {
        let settings = format!("{pool}{breaker}");
        let weir = Weir::start(&yaml(2, &[limited(&a, 2), limited(&b, 3)], "", &settings));
        let clients: Vec<_> = (0..40)
            .map(|_| {
                let mut client = weir.connect();
                thread::spawn(move || (0..100).filter(|_| client.get("/").status == 200).count())
            })
            .collect();
        let served: usize = clients.into_iter().map(|client| client.join().expect("it ends")).sum();
        assert_eq!(served, 4000, "{breaker}");
        until("nobody waits", || queued(&weir) == 0.0);
    }
    assert!(a.gate.most.load(SeqCst) <= 2 && b.gate.most.load(SeqCst) <= 3);
}

#[test]
fn a_client_that_leaves_leaves_the_queue_too() {
    let server = Gated::start("x");
    let pool = ", protocol: http1, queue: { max: 2, timeout: 30s }";
    let weir = Weir::start(&yaml(1, &[limited(&server, 1)], "", pool));
    let mut first = ask(&weir, "/1");
    until("it works", || server.working() == 1);
    let leaving = ask(&weir, "/2");
    until("it waits", || queued(&weir) == 1.0);
    leaving.reset();
    until("it has left", || queued(&weir) == 0.0);
    server.allow(2);
    assert_eq!(first.response().status, 200);
    assert_eq!(weir.get("/3").status, 200);
    assert_eq!(server.origin.targets(), ["/1", "/3"]);
}

#[test]
fn a_server_that_comes_up_serves_who_waits() {
    let (server, other) = (Gated::start("full"), Origin::saying("other"));
    other.kill();
    let pool = ", queue: { max: 10, timeout: 30s }";
    let servers = [limited(&server, 1), format!("\"{other}\"")];
    let checked = "health: { tcp: connect, interval: 50ms, rise: 1 }";
    let weir = Weir::start(&yaml(1, &servers, "", pool).replace("health: none", checked));
    let _first = ask(&weir, "/");
    until("it works", || server.working() == 1);
    let mut waiting = ask(&weir, "/");
    until("it waits", || queued(&weir) == 1.0);
    other.restart();
    assert_eq!(waiting.response().text(), "other");
}

#[test]
fn who_waits_goes_on_waiting_over_a_reload() {
    let (server, other) = (Gated::start("full"), Gated::start("other"));
    let pool = ", queue: { max: 10, timeout: 30s }";
    let mut weir = Weir::start(&yaml(1, &[limited(&server, 1)], "", pool));
    let mut first = ask(&weir, "/");
    until("it works", || server.working() == 1);
    let mut waiting = ask(&weir, "/");
    until("it waits", || queued(&weir) == 1.0);
    // Who began under the old file ends under it.
    weir.reload(&yaml(1, &[limited(&server, 1), limited(&other, 1)], "", pool));
    assert_eq!(queued(&weir), 1.0);
    server.allow(2);
    assert_eq!((first.response().text(), waiting.response().text()), ("full".into(), "full".into()));
}

#[test]
fn pool_limits_hold() {
    let server = Gated::start("x");
    let servers = [format!("\"{}\"", server.origin)];
    let weir = Weir::start(&yaml(2, &servers, "", ", circuit_breaker: { max_requests: 2 }"));
    let mut clients: Vec<Client> = (0..2).map(|_| ask(&weir, "/")).collect();
    until("both work", || server.working() == 2);
    assert_eq!(weir.get("/").status, 503);
    server.allow(2);
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    let mut next = ask(&weir, "/");
    server.allow(1);
    assert_eq!(next.response().status, 200);
}

/// A server that waits a while before some of its answers.
fn slow_server(name: &'static str, slow_every: usize, pause: Duration) -> Origin {
    Origin::start(move |connection| {
        let mut count = 0;
        while connection.request()?.is_some() {
            count += 1;
            if count % slow_every == 0 {
                work(pause);
            }
            connection.send(ok(name))?;
        }
        Ok(())
    })
}

/// What a slow server does.
fn work(time: Duration) {
    let begun = Instant::now();
    until("the work is done", || begun.elapsed() >= time);
}

fn latencies(weir: &Weir, clients: usize, each: usize) -> Vec<Duration> {
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let mut client = weir.connect();
            thread::spawn(move || {
                let mut taken = Vec::new();
                for _ in 0..each {
                    let begin = Instant::now();
                    assert_eq!(client.get("/").status, 200);
                    taken.push(begin.elapsed());
                }
                taken
            })
        })
        .collect();
    let mut all: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all.sort_unstable();
    all
}

/// One server of three is slow. The answers that take longest take less than half as long with second requests.
#[test]
fn hedging_halves_the_tail_with_one_slow_server_of_three() {
    let pause = Duration::from_millis(400);
    let servers = [slow_server("slow", 1, pause), Origin::saying("a"), Origin::saying("b")];
    let names: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let p99 = |route: &str| {
        let weir = Weir::start(&yaml(1, &names, route, ""));
        let taken = latencies(&weir, 4, 30);
        (taken[taken.len() * 99 / 100], weir)
    };
    let (plain, _weir) = p99("");
    let (hedged, weir) = p99(", hedge: { after: 50ms, budget: 50% }");
    assert!(plain >= pause && hedged * 2 <= plain, "{plain:?} {hedged:?}");
    let metrics = weir.metrics();
    let hedges = metrics.sum("weir_server_hedges_total", &[]);
    assert!(hedges > 0.0 && metrics.sum("weir_server_hedges_won_total", &[]) > 0.0);
    assert!(hedges <= 0.5 * 120.0 + 1.0, "{hedges}");
}

/// After the 95th percentile of what is usual, without a word about times.
#[test]
fn hedging_learns_what_is_usual() {
    let pause = Duration::from_millis(300);
    let servers: Vec<Origin> = ["a", "b", "c"].map(|name| slow_server(name, 33, pause)).into();
    let names: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let weir = Weir::start(&yaml(1, &names, ", hedge: {}", ""));
    latencies(&weir, 4, 50);
    let taken = latencies(&weir, 4, 100);
    let p99 = taken[taken.len() * 99 / 100];
    assert!(p99 < pause / 2, "{p99:?}");
}

#[test]
fn hedges_keep_to_their_budget_and_to_what_may_be_sent_twice() {
    let slow: Vec<Origin> = (0..2).map(|_| slow_server("x", 1, Duration::from_millis(60))).collect();
    let names: Vec<String> = slow.iter().map(|server| format!("\"{server}\"")).collect();
    let weir = Weir::start(&yaml(1, &names, ", hedge: { after: 1ms, budget: 10% }", ""));
    let mut client = weir.connect();
    for _ in 0..20 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(weir.metrics().sum("weir_server_hedges_total", &[]), 0.0, "not a POST");
    latencies(&weir, 4, 40);
    let hedges = weir.metrics().sum("weir_server_hedges_total", &[]);
    // A tenth of 180, or the ten that are always allowed in ten seconds.
    assert!((10.0..=19.0).contains(&hedges), "{hedges}");
    assert!(weir.metrics().limit("hedge.budget") > 0.0);
}

/// An error comes fast. It does not win against an answer that takes its time.
#[test]
fn an_error_does_not_win() {
    let slow = slow_server("slow", 1, Duration::from_millis(200));
    let failing = Origin::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let names = [format!("\"{slow}\""), format!("{{ address: \"{failing}\", weight: 1 }}")];
    let weir = Weir::start(&yaml(1, &names, ", hedge: { after: 10ms, budget: 100% }", ""));
    let statuses: Vec<u16> = (0..10).map(|_| weir.get("/").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert_eq!(weir.metrics().sum("weir_server_hedges_won_total", &[]), 0.0);
    assert_eq!(weir.metrics().sum("weir_server_hedges_total", &[]), 5.0);
}

/// The first server dies while the second is at work: the client gets the second one's answer.
#[test]
fn the_second_answer_is_taken_when_the_first_server_dies() {
    let dying = Origin::start(|connection| {
        connection.request()?;
        work(Duration::from_millis(100));
        Ok(())
    });
    let slow = slow_server("slow", 1, Duration::from_millis(200));
    let names = [format!("\"{dying}\""), format!("\"{slow}\"")];
    let route = ", retry: { attempts: 2, when: [] }, hedge: { after: 10ms, budget: 100% }";
    let weir = Weir::start(&yaml(1, &names, route, ""));
    for _ in 0..6 {
        assert_eq!(weir.get("/").text(), "slow");
    }
}

/// A server of those with a limit is gone: who was to go there waits for the others like everybody.
#[test]
fn who_waits_is_not_lost_to_a_server_that_is_gone() {
    let (server, dead) = (Gated::start("full"), Gated::start("dead"));
    dead.origin.kill();
    let pool = ", queue: { max: 20, timeout: 30s }";
    let weir = Weir::start(&yaml(1, &[limited(&server, 1), limited(&dead, 1)], "", pool));
    let mut clients: Vec<Client> = (0..8).map(|_| ask(&weir, "/")).collect();
    until("they wait", || server.working() as f64 + queued(&weir) == 8.0);
    server.allow(8);
    for client in &mut clients {
        assert_eq!(client.response().text(), "full");
    }
}

/// Waiting costs nothing: neither the one who is first nor a pool that has room while its servers have none.
#[test]
fn waiting_takes_no_time_of_the_cpu() {
    let server = Gated::start("full");
    let pool = ", queue: { max: 20, timeout: 2s }, circuit_breaker: { max_requests: 10 }";
    let weir = Weir::start(&yaml(1, &[limited(&server, 1)], "", pool));
    let _first = ask(&weir, "/");
    until("it works", || server.working() == 1);
    let mut waiting: Vec<Client> = (0..3).map(|_| ask(&weir, "/")).collect();
    until("they wait", || queued(&weir) == 3.0);
    let before = cpu_ticks(&weir);
    for client in &mut waiting {
        assert_eq!(client.response().status, 503);
    }
    // A hundred are a second.
    let used = cpu_ticks(&weir) - before;
    assert!(used < 50, "{used} hundredths of a second");
}

/// CPU time of the process, in hundredths of a second (proc(5), `utime` and `stime`).
fn cpu_ticks(weir: &Weir) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", weir.pid())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Whoever must stay with its server gets no second request to another.
#[test]
fn sticky_clients_are_not_hedged() {
    let slow: Vec<Origin> = (0..2).map(|_| slow_server("x", 1, Duration::from_millis(60))).collect();
    let names: Vec<String> = slow.iter().map(|server| format!("\"{server}\"")).collect();
    let route = ", hedge: { after: 1ms, budget: 100% }";
    let weir = Weir::start(&yaml(1, &names, route, ", sticky: { table: client_ip }"));
    let mut client = weir.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(weir.metrics().sum("weir_server_hedges_total", &[]), 0.0);
}

#[test]
fn a_sticky_client_waits_for_its_own_server() {
    let servers = [Gated::start("a"), Gated::start("b")];
    let names = [limited(&servers[0], 1), limited(&servers[1], 1)];
    let pool = ", sticky: { cookie: W }, queue: { max: 1, timeout: 30s }";
    let weir = Weir::start(&yaml(1, &names, "", pool));
    servers[0].allow(1);
    servers[1].allow(1);
    let first = weir.get("/");
    let (home, other) =
        if first.text() == "a" { (&servers[0], &servers[1]) } else { (&servers[1], &servers[0]) };
    let cookie = first.fields.get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let stay = || {
        let mut client = weir.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
        client
    };
    let mut working = stay();
    until("its server is full", || home.working() == 1);
    let mut waiting = stay();
    until("it waits", || queued(&weir) == 1.0);
    assert_eq!(stay().response().status, 503, "as many wait as may");
    // It keeps nobody from the other server.
    other.allow(1);
    assert_ne!(weir.get("/").text(), first.text());
    home.allow(2);
    assert_eq!((working.response().text(), waiting.response().text()), (first.text(), first.text()));
}
