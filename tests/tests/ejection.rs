//! Servers that fail or dawdle lose their traffic and get it back, and those that come get theirs step by step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use weir_tests::{
    Load, Origin, Weir,
    origin::ok,
    until,
    weir::{field, pool},
};

/// How long an answer takes, as a rule.
const WORK_MS: u64 = 4;

/// Within so long a pool is to notice.
const NOTICE: Duration = Duration::from_secs(5);

/// Clients that ask without a pause.
const CLIENTS: usize = 8;

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

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Relaxed);
    }
}

fn servers(count: usize) -> Vec<Moody> {
    (0..count).map(|_| Moody::start()).collect()
}

fn yaml(servers: &[Moody], settings: &str) -> String {
    let servers: Vec<&Origin> = servers.iter().map(|server| &server.origin).collect();
    pool(&servers, settings)
}

/// Waits until the server's share of the next few hundred requests is so; gives how long that took.
#[track_caller]
fn share_is_soon(what: &str, servers: &[Moody], at: usize, is_so: impl Fn(f64) -> bool) -> Duration {
    let answered = || servers.iter().map(|server| server.answered.load(Relaxed)).collect::<Vec<_>>();
    let (began, mut before) = (Instant::now(), answered());
    until(what, || {
        let now = answered();
        let more: Vec<u64> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
        let all: u64 = more.iter().sum();
        if all < 300 {
            return false;
        }
        before = now;
        is_so(more[at] as f64 / all as f64)
    });
    began.elapsed()
}

/// So much traffic, and so long.
fn go_on(load: &Load, requests: u64, time: Duration) {
    let began = Instant::now();
    load.wait_for(requests);
    until("the time has passed", || began.elapsed() >= time);
}

#[track_caller]
fn reason(line: &str) -> &str {
    let (_, reason) = line.split_once("reason=\"").unwrap_or_else(|| panic!("{line}"));
    reason.trim_end_matches('"')
}

#[test]
fn by_default_a_server_that_fails_at_once_gets_hardly_any_traffic() {
    let servers = servers(4);
    let weir = Weir::start(&yaml(&servers, ""));
    let load = Load::start(weir.address(), CLIENTS, "/");
    share_is_soon("all share", &servers, 0, |share| (0.15..0.35).contains(&share));
    let mark = weir.mark();
    servers[0].fail(true);
    let took = share_is_soon("it gets less than 2%", &servers, 0, |share| share < 0.02);
    assert!(took <= NOTICE, "{took:?}");
    let line = weir.wait_for_log(mark, " ejected ");
    assert_eq!((field(&line, "cause"), field(&line, "time")), (Some("errors"), Some("30s")), "{line}");
    assert!(reason(&line).contains(" errors in a row; in "), "{line}");
    let name = servers[0].origin.to_string();
    let metrics = weir.metrics();
    let labels = [("pool", "web"), ("server", name.as_str())];
    assert_eq!(metrics.sum("weir_server_ejected", &labels), 1.0);
    assert_eq!(metrics.sum("weir_server_ejected", &[]), 1.0);
    assert_eq!(metrics.sum("weir_server_ejections_total", &[labels[0], labels[1], ("cause", "errors")]), 1.0);
    assert_eq!(metrics.sum("weir_server_up", &labels), 1.0, "its checks find it well");
    load.stop();
}

#[test]
fn a_server_that_is_well_again_gets_its_share_back() {
    let servers = servers(4);
    let weir = Weir::start(&yaml(&servers, "eject: { time: 1s }"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    servers[0].fail(true);
    weir.wait_for_log(0, " ejected ");
    servers[0].fail(false);
    let line = weir.wait_for_log(0, "no longer ejected");
    assert_eq!(reason(&line), "its time is over");
    let took = share_is_soon("it has its share again", &servers, 0, |share| share > 0.2);
    assert!(took <= NOTICE, "{took:?}");
    assert_eq!(weir.metrics().sum("weir_server_ejected", &[]), 0.0);
    load.stop();
}

#[test]
fn a_server_that_goes_on_failing_is_out_for_longer_each_time() {
    let servers = servers(3);
    let weir = Weir::start(&yaml(&servers, "eject: { time: 300ms }"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    servers[0].fail(true);
    let times = || -> Vec<String> {
        let log = weir.log();
        let lines = log.lines().filter(|line| line.contains("  ejected pool="));
        lines.filter_map(|line| field(line, "time").map(str::to_owned)).collect()
    };
    until("it was ejected four times", || times().len() >= 4);
    assert_eq!(times()[..4], ["300ms", "600ms", "900ms", "1.2s"]);
    load.stop();
}

#[test]
fn a_slow_server_is_out_until_it_is_not_slow() {
    let servers = servers(4);
    let weir = Weir::start(&yaml(&servers, "eject: { latency: 3x, time: 1s }"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    share_is_soon("all share", &servers, 0, |share| (0.15..0.35).contains(&share));
    let began = Instant::now();
    servers[0].work_ms.store(20 * WORK_MS, Relaxed);
    let line = weir.wait_for_log(0, " ejected ");
    assert!(began.elapsed() <= NOTICE, "{:?}", began.elapsed());
    assert_eq!(field(&line, "cause"), Some("latency"), "{line}");
    assert!(line.contains(&servers[0].origin.to_string()), "{line}");
    assert!(reason(&line).contains(", more than 3 times the pool's median of "), "{line}");
    share_is_soon("it gets next to nothing", &servers, 0, |share| share < 0.02);
    servers[0].work_ms.store(WORK_MS, Relaxed);
    weir.wait_for_log(0, "no longer ejected");
    share_is_soon("it has its share again", &servers, 0, |share| share > 0.2);
    load.stop();
}

#[test]
fn no_more_are_out_than_max_allows() {
    let servers = servers(4);
    let weir = Weir::start(&yaml(&servers, "eject: { max: 30% }"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    servers[..2].iter().for_each(|server| server.fail(true));
    let line = weir.wait_for_log(0, "not ejected: ");
    assert!(reason(&line).contains(" errors in a row"), "{line}");
    go_on(&load, 500, Duration::from_secs(1));
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_server_ejected", &[]), 1.0);
    assert_eq!(metrics.sum("weir_pool_ejections_held_total", &[("pool", "web")]), 1.0);
    assert_eq!(metrics.limit("eject.max"), 1.0);
    load.stop();
}

#[test]
fn when_all_fail_all_stay() {
    let servers = servers(4);
    let weir = Weir::start(&yaml(&servers, "eject: { max: 100%, success_rate: 90%, latency: 3x }"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    load.wait_for(200);
    servers.iter().for_each(|server| server.fail(true));
    let count = || servers.iter().map(|server| server.answered.load(Relaxed)).sum::<u64>();
    let (began, before) = (Instant::now(), count());
    until("much has failed", || began.elapsed() >= Duration::from_secs(3) && count() > before + 1000);
    assert_eq!(weir.metrics().sum("weir_server_ejections_total", &[]), 0.0, "{}", weir.log());
    load.stop();
}

#[test]
fn none_is_ejected_where_the_file_says_so() {
    let servers = servers(3);
    let weir = Weir::start(&yaml(&servers, "eject: none"));
    let load = Load::start(weir.address(), CLIENTS, "/");
    servers[0].fail(true);
    go_on(&load, 1000, Duration::from_secs(2));
    assert!(!weir.log().contains(" ejected "), "{}", weir.log());
    share_is_soon("it still has its share", &servers, 0, |share| share > 0.25);
    load.stop();
}

#[test]
fn a_reload_keeps_ejections_and_ends_them_only_where_it_says_so() {
    let servers = servers(3);
    let mut weir = Weir::start(&yaml(&servers, ""));
    let load = Load::start(weir.address(), CLIENTS, "/");
    servers[0].fail(true);
    weir.wait_for_log(0, " ejected ");
    weir.reload(&yaml(&servers, "eject: { errors: 7 }\n    connect_timeout: 3s"));
    assert_eq!(weir.metrics().sum("weir_server_ejected", &[]), 1.0);
    share_is_soon("it gets nothing", &servers, 0, |share| share == 0.0);
    weir.reload(&yaml(&servers, "eject: none"));
    let line = weir.wait_for_log(0, "no longer ejected");
    assert_eq!(reason(&line), "servers of this pool are not ejected any more");
    share_is_soon("it has its share again", &servers, 0, |share| share > 0.25);
    load.stop();
}

#[test]
fn a_server_that_joins_gets_its_share_step_by_step() {
    let servers = servers(3);
    let settings = "slow_start: 4s";
    let mut weir = Weir::start(&yaml(&servers[..2], settings));
    let ramp = |weir: &Weir, at: usize| {
        let name = servers[at].origin.to_string();
        weir.metrics().sum("weir_server_ramp_percent", &[("server", &name)])
    };
    assert_eq!((ramp(&weir, 0), ramp(&weir, 1)), (100.0, 100.0), "those of the start are all new");
    let load = Load::start(weir.address(), CLIENTS, "/");
    weir.reload(&yaml(&servers, settings));
    assert!(ramp(&weir, 2) <= 20.0);
    assert_eq!((ramp(&weir, 0), ramp(&weir, 1)), (100.0, 100.0));
    share_is_soon("it begins with little", &servers, 2, |share| (0.001..0.12).contains(&share));
    assert!(ramp(&weir, 2) < 100.0);
    share_is_soon("it gets more", &servers, 2, |share| (0.12..0.26).contains(&share));
    until("it has warmed up", || ramp(&weir, 2) == 100.0);
    share_is_soon("it has its share", &servers, 2, |share| (0.28..0.38).contains(&share));
    load.stop().expect_no_failure();
}

#[test]
fn a_server_that_comes_back_gets_its_share_step_by_step() {
    let servers = servers(2);
    let settings = "slow_start: 3s\n    health: { tcp: connect, interval: 100ms, fall: 1, rise: 1 }";
    let weir = Weir::start(&yaml(&servers, settings));
    let name = servers[1].origin.to_string();
    let ramp = || weir.metrics().sum("weir_server_ramp_percent", &[("server", &name)]);
    servers[1].origin.kill();
    weir.wait_for_log(0, "to=down");
    servers[1].origin.restart();
    weir.wait_for_log(0, "from=down to=up");
    assert!(ramp() < 50.0);
    until("it has warmed up", || ramp() == 100.0);
}
