//! Each algorithm from end to end: who gets how much, and who keeps whom.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use weir_tests::{Client, Load, Origin, Weir, origin::ok, until};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn origins() -> Vec<Origin> {
    NAMES.iter().map(|name| Origin::saying(name)).collect()
}

/// One worker, a pool of these servers (each the YAML of an entry) with these settings.
fn yaml(servers: &[String], settings: &str) -> String {
    format!(
        "
runtime:
  workers: 1
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{}]
    health: none
    {settings}
",
        servers.join(", ")
    )
}

fn plain(origins: &[Origin]) -> Vec<String> {
    origins.iter().map(|origin| origin.to_string()).collect()
}

fn weighted(origins: &[Origin], weights: &[u16]) -> Vec<String> {
    origins
        .iter()
        .zip(weights)
        .map(|(origin, weight)| format!("{{ address: \"{origin}\", weight: {weight} }}"))
        .collect()
}

/// How many of these requests each server answered.
#[track_caller]
fn shares(weir: &Weir, count: usize, request: impl Fn(usize) -> String) -> BTreeMap<String, usize> {
    let mut client = weir.connect();
    let mut shares = BTreeMap::new();
    for n in 0..count {
        let answer = client.send(request(n)).response();
        assert_eq!(answer.status, 200, "{}", answer.text());
        *shares.entry(answer.text()).or_default() += 1;
    }
    shares
}

fn get(_: usize) -> String {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()
}

#[track_caller]
fn expect_about(shares: &BTreeMap<String, usize>, expected: &[(&str, usize)], span: usize) {
    for (name, expected) in expected {
        let share = shares.get(*name).copied().unwrap_or_default();
        assert!(share.abs_diff(*expected) <= span, "{name}: {shares:?}, not about {expected}");
    }
}

#[test]
fn round_robin_is_exact_and_smooth() {
    let origins = origins();
    let weir = Weir::start(&yaml(&weighted(&origins[..3], &[5, 2, 1]), "balance: round_robin"));
    expect_about(&shares(&weir, 800, get), &[("a", 500), ("b", 200), ("c", 100)], 0);
    // Smooth: within any eight, the share is kept, and `a` never has six in a row.
    let mut client = weir.connect();
    let said: String = (0..80).map(|_| client.get("/").text()).collect();
    assert!(!said.contains("aaaaaa"), "{said}");
}

#[test]
fn two_workers_share_what_one_would_do() {
    let origins = origins();
    let weir = Weir::start(&yaml(&plain(&origins), "").replace("workers: 1", "workers: 2"));
    // Each worker goes round for itself, each connection belongs to one of them.
    for _ in 0..20 {
        let mut client = weir.connect();
        for _ in 0..40 {
            client.get("/");
        }
    }
    for origin in &origins {
        assert!(origin.count().abs_diff(200) <= 2, "{}", origin.count());
    }
}

#[test]
fn random_and_p2c_are_fair() {
    let origins = origins();
    for algorithm in ["random", "p2c"] {
        let weir = Weir::start(&yaml(&plain(&origins), &format!("balance: {algorithm}")));
        // 2000 draws with a chance of a quarter: a standard deviation of 19.
        expect_about(&shares(&weir, 2000, get), &NAMES.map(|name| (name, 500)), 190);
    }
    let weir = Weir::start(&yaml(&weighted(&origins[..2], &[3, 1]), "balance: random"));
    expect_about(&shares(&weir, 2000, get), &[("a", 1500), ("b", 500)], 190);
}

#[test]
fn least_requests_avoids_the_busy() {
    for algorithm in ["least_requests", "p2c"] {
        let busy = Origin::start(|connection| {
            connection.request()?;
            connection.wait_for_end()
        });
        let idle = Origin::saying("idle");
        let weir =
            Weir::start(&yaml(&[busy.to_string(), idle.to_string()], &format!("balance: {algorithm}")));
        // Sooner or later one request meets the server that never answers, and from then on it counts one more.
        let mut waiting: Vec<Client> = Vec::new();
        while busy.count() == 0 {
            let mut client = weir.connect();
            client.send(get(0)).wait_until_read();
            waiting.push(client);
            assert!(waiting.len() < 1000, "{algorithm}");
        }
        for _ in 0..200 {
            assert_eq!(weir.get("/").text(), "idle", "{algorithm}");
        }
        assert_eq!(busy.count(), 1, "{algorithm}");
    }
}

#[test]
fn least_requests_counts_over_all_workers() {
    let busy = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let idle = Origin::saying("idle");
    let weir = Weir::start(
        &yaml(&[busy.to_string(), idle.to_string()], "balance: least_requests")
            .replace("workers: 1", "workers: 2"),
    );
    let mut waiting: Vec<Client> = Vec::new();
    while busy.count() == 0 {
        let mut client = weir.connect();
        client.send(get(0)).wait_until_read();
        waiting.push(client);
    }
    // These connections are spread over both workers. One may take the next request before the other has counted the
    // end of the last.
    let stuck = || busy.count() as f64;
    let rested = || weir.metrics().sum("weir_server_requests_in_flight", &[]) == stuck();
    until("the last request has ended", rested);
    let before = stuck();
    for _ in 0..100 {
        assert_eq!(weir.get("/").text(), "idle");
        until("the last request has ended", rested);
    }
    assert_eq!(stuck(), before);
}

#[test]
fn a_weight_of_zero_takes_no_new_requests() {
    let origins = origins();
    for algorithm in ["round_robin", "least_requests", "random", "p2c", "client_ip", "{ hash: path }"] {
        let weir = Weir::start(&yaml(&weighted(&origins[..3], &[1, 0, 1]), &format!("balance: {algorithm}")));
        let shares = shares(&weir, 100, |n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!shares.contains_key("b"), "{algorithm}: {shares:?}");
    }
}

#[test]
fn backups_work_only_while_no_other_does() {
    let origins = origins();
    for algorithm in ["round_robin", "least_requests", "random", "p2c", "client_ip"] {
        let mut servers = plain(&origins[..2]);
        servers.push(format!("{{ address: \"{}\", backup: true }}", origins[2]));
        let health = format!("balance: {algorithm}");
        let text = yaml(&servers, &health)
            .replace("health: none", "health: { tcp: connect, interval: 100ms, fall: 1, rise: 1 }");
        let weir = Weir::start(&text);
        assert!(!shares(&weir, 50, get).contains_key("c"), "{algorithm}");
        let mark = weir.mark();
        origins[0].kill();
        weir.wait_for_log(mark, "to=down");
        assert_eq!(shares(&weir, 50, get), BTreeMap::from([("b".to_owned(), 50)]), "{algorithm}");
        let mark = weir.mark();
        origins[1].kill();
        weir.wait_for_log(mark, "to=down");
        assert_eq!(shares(&weir, 50, get), BTreeMap::from([("c".to_owned(), 50)]), "{algorithm}");
        let mark = weir.mark();
        origins[0].restart();
        weir.wait_for_log(mark, "to=up");
        assert_eq!(shares(&weir, 50, get), BTreeMap::from([("a".to_owned(), 50)]), "{algorithm}");
        origins[1].restart();
    }
}

#[test]
fn one_client_keeps_its_server() {
    let origins = origins();
    let weir = Weir::start(&yaml(&plain(&origins), "balance: client_ip"));
    let first = weir.get("/").text();
    assert_eq!(
        shares(&weir, 50, |n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")),
        BTreeMap::from([(first, 50)])
    );
}

/// Who answers each of many keys.
#[track_caller]
fn placed(weir: &Weir, keys: usize, request: &dyn Fn(usize) -> String) -> HashMap<usize, String> {
    let mut client = weir.connect();
    (0..keys)
        .map(|key| {
            let answer = client.send(request(key)).response();
            assert_eq!(answer.status, 200);
            (key, answer.text())
        })
        .collect()
}

#[test]
fn a_key_keeps_its_server_over_reloads_and_restarts() {
    const KEYS: usize = 400;
    let origins = origins();
    let by_header = |key| format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: user-{key}\r\n\r\n");
    let by_cookie = |key| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y; id={key}\r\n\r\n");
    let by_path = |key| format!("GET /{key}?any={key} HTTP/1.1\r\nHost: a\r\n\r\n");
    let by_query = |key| format!("GET /?x=1&user={key} HTTP/1.1\r\nHost: a\r\n\r\n");
    let kinds: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("\"header:X-User\"", &by_header),
        ("\"cookie:id\"", &by_cookie),
        ("path", &by_path),
        ("\"query:user\"", &by_query),
    ];
    for (key, request) in kinds {
        let settings = format!("balance: {{ hash: {key} }}");
        let mut weir = Weir::start(&yaml(&plain(&origins[..3]), &settings));
        let before = placed(&weir, KEYS, request);
        let mut shares = BTreeMap::new();
        before.values().for_each(|server| *shares.entry(server.clone()).or_default() += 1);
        expect_about(&shares, &[("a", 133), ("b", 133), ("c", 133)], 60);
        assert_eq!(placed(&weir, KEYS, request), before, "{key}: the same again");
        weir.reload(
            &yaml(&plain(&origins[..3]), &settings)
                .replace("workers: 1", "workers: 1\n  max_connections: 99"),
        );
        assert_eq!(placed(&weir, KEYS, request), before, "{key}: a reload that changes other things");
        let again = Weir::start(&yaml(&plain(&origins[..3]), &settings));
        assert_eq!(placed(&again, KEYS, request), before, "{key}: another process places the same");

        // A server more takes its share from the others, and moves nothing between them.
        weir.reload(&yaml(&plain(&origins), &settings));
        let after = placed(&weir, KEYS, request);
        let moved = (0..KEYS).filter(|key| before[key] != after[key]).count();
        let astray = (0..KEYS).filter(|key| before[key] != after[key] && after[key] != "d").count();
        assert!((KEYS / 8..KEYS / 2).contains(&moved), "{key}: {moved} of {KEYS} moved");
        assert!(astray <= KEYS / 20, "{key}: {astray} moved between servers that stayed");
        // And when it goes, all is as before.
        weir.reload(&yaml(&plain(&origins[..3]), &settings));
        assert_eq!(placed(&weir, KEYS, request), before, "{key}: back again");
    }
}

#[test]
fn a_server_that_is_down_moves_only_its_own_keys() {
    const KEYS: usize = 300;
    let origins = origins();
    let request = |key: usize| format!("GET /{key} HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = yaml(&plain(&origins), "balance: { hash: path }")
        .replace("health: none", "health: { tcp: connect, interval: 100ms, fall: 1, rise: 1 }");
    let weir = Weir::start(&text);
    let before = placed(&weir, KEYS, &request);
    let mark = weir.mark();
    origins[1].kill();
    weir.wait_for_log(mark, "to=down");
    let after = placed(&weir, KEYS, &request);
    for key in 0..KEYS {
        assert!(after[&key] != "b");
        assert!(
            before[&key] == after[&key] || before[&key] == "b",
            "{key}: from {} to {}",
            before[&key],
            after[&key]
        );
    }
    let mark = weir.mark();
    origins[1].restart();
    weir.wait_for_log(mark, "to=up");
    assert_eq!(placed(&weir, KEYS, &request), before);
}

#[test]
fn requests_without_the_key_are_spread() {
    let origins = origins();
    let weir = Weir::start(&yaml(&plain(&origins), "balance: { hash: \"header:x-user\" }"));
    assert_eq!(shares(&weir, 200, get).len(), 4);
}

#[test]
fn new_weights_take_effect_with_a_reload() {
    let origins = origins();
    let mut weir = Weir::start(&yaml(&weighted(&origins[..2], &[1, 1]), ""));
    expect_about(&shares(&weir, 100, get), &[("a", 50), ("b", 50)], 0);
    weir.reload(&yaml(&weighted(&origins[..2], &[4, 1]), ""));
    expect_about(&shares(&weir, 100, get), &[("a", 80), ("b", 20)], 1);
}

/// A server that works a while for each answer, and whose mood changes.
struct Moody {
    origin: Origin,
    work_ms: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Moody {
    fn start() -> Self {
        let (work_ms, fails, answered) =
            (Arc::new(AtomicU64::new(WORK_MS)), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let moody = (Arc::clone(&work_ms), Arc::clone(&fails), Arc::clone(&answered));
        let origin = Origin::start(move |connection| {
            let (work_ms, fails, answered) = &moody;
            while connection.request()?.is_some() {
                answered.fetch_add(1, Relaxed);
                if fails.load(Relaxed) {
                    connection.send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")?;
                } else {
                    let (begun, work) = (Instant::now(), Duration::from_millis(work_ms.load(Relaxed)));
                    until("the work is done", || begun.elapsed() >= work);
                    connection.send(ok("done"))?;
                }
            }
            Ok(())
        });
        Self { origin, work_ms, fails, answered }
    }
}

/// How long an answer takes, as a rule.
const WORK_MS: u64 = 4;

/// Within so long a pool is to notice.
const NOTICE: Duration = Duration::from_secs(5);

/// Waits until the first server's share of the next few hundred requests is so; it must be within [`NOTICE`].
#[track_caller]
fn expect_share_soon(what: &str, servers: &[Moody], is_so: impl Fn(f64) -> bool) {
    let answered = || servers.iter().map(|server| server.answered.load(Relaxed)).collect::<Vec<_>>();
    let (began, mut before, mut share) = (Instant::now(), answered(), 0.0);
    until(what, || {
        let now = answered();
        let more: Vec<u64> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
        let all: u64 = more.iter().sum();
        if all < 300 {
            return false;
        }
        before = now;
        share = more[0] as f64 / all as f64;
        is_so(share)
    });
    assert!(began.elapsed() <= NOTICE, "{what}: it took {:?}", began.elapsed());
}

/// Four servers behind `peak_ewma` alone, under load.
fn moody_pool(run: impl FnOnce(&[Moody])) {
    let servers: Vec<Moody> = (0..4).map(|_| Moody::start()).collect();
    let addresses: Vec<String> = servers.iter().map(|server| server.origin.to_string()).collect();
    let weir = Weir::start(&yaml(&addresses, "balance: peak_ewma\n    eject: none"));
    let load = Load::start(weir.address(), 8, "/");
    expect_share_soon("all share", &servers, |share| (0.15..0.35).contains(&share));
    run(&servers);
    load.stop();
}

#[test]
fn a_server_that_fails_at_once_is_no_magnet() {
    moody_pool(|servers| {
        servers[0].fails.store(true, Relaxed);
        expect_share_soon("it gets less than 2%", servers, |share| share < 0.02);
        servers[0].fails.store(false, Relaxed);
        expect_share_soon("it gets its share again", servers, |share| share > 0.15);
    });
}

#[test]
fn a_server_that_is_slowed_loses_its_share_until_it_is_not() {
    moody_pool(|servers| {
        servers[0].work_ms.store(10 * WORK_MS, Relaxed);
        expect_share_soon("it gets less than 5%", servers, |share| share < 0.05);
        servers[0].work_ms.store(WORK_MS, Relaxed);
        expect_share_soon("it gets its share again", servers, |share| share > 0.15);
    });
}
