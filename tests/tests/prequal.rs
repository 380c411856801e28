//! `prequal` from end to end: servers say how much they have to do, in answers to probes or in every answer.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use weir_tests::{Load, Origin, Weir, origin::Connection, until};

/// Within so long a pool is to notice.
const NOTICE: Duration = Duration::from_secs(5);

/// A server whose word about its load can be changed.
struct Server {
    origin: Origin,
    says: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
    /// Says nothing that can be read.
    babbles: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    probed: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Header,
    ProbeBody,
    ProbeField,
}

impl Server {
    fn start(by: By) -> Self {
        let says = Arc::new(AtomicU64::new(3));
        let (fails, babbles) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (answered, probed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let state = (says.clone(), fails.clone(), babbles.clone(), answered.clone(), probed.clone());
        let origin = Origin::start(move |connection: &mut Connection| -> io::Result<()> {
            let (says, fails, babbles, answered, probed) = &state;
            while let Some(request) = connection.request()? {
                let busy = says.load(Relaxed);
                let field = match babbles.load(Relaxed) {
                    true => "endpoint-load-metrics: TEXT \u{1f600}={{{,,,\r\n".to_owned(),
                    false => format!(
                        "Endpoint-Load-Metrics: JSON {{\"cpu_utilization\": 0.3, \
                         \"named_metrics\": {{\"requests_in_flight\": {busy}, \"latency_ms\": {busy}}}}}\r\n"
                    ),
                };
                if request.target == "/load" {
                    probed.fetch_add(1, Relaxed);
                    let text =
                        format!("named_metrics.requests_in_flight={busy}, named_metrics.latency_ms={busy}");
                    let (field, body) = if by == By::ProbeField { (&field[..], "") } else { ("", &text[..]) };
                    let length = body.len();
                    connection
                        .send(format!("HTTP/1.1 200 OK\r\n{field}Content-Length: {length}\r\n\r\n{body}"))?;
                    continue;
                }
                answered.fetch_add(1, Relaxed);
                let field = if by == By::Header { &field[..] } else { "" };
                let status = if fails.load(Relaxed) { "500 Oops" } else { "200 OK" };
                connection.send(format!("HTTP/1.1 {status}\r\n{field}Content-Length: 0\r\n\r\n"))?;
            }
            Ok(())
        });
        Self { origin, says, fails, babbles, answered, probed }
    }
}

fn yaml(servers: &[Server], prequal: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| server.origin.to_string()).collect();
    format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    balance: {{ prequal: {prequal} }}
    servers: [{}]
    health: none
",
        servers.join(", ")
    )
}

/// Waits until the first server's share of the next few hundred requests is so; it must be within [`NOTICE`].
#[track_caller]
fn expect_share_soon(what: &str, servers: &[Server], is_so: impl Fn(f64) -> bool) {
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

/// Four servers under load.
fn pool(by: By, prequal: &str, run: impl FnOnce(&Weir, &[Server])) {
    let servers: Vec<Server> = (0..4).map(|_| Server::start(by)).collect();
    let weir = Weir::start(&yaml(&servers, prequal));
    let load = Load::start(weir.address(), 4, "/");
    expect_share_soon("the first gets some", &servers, |share| share > 0.05);
    run(&weir, &servers);
    load.stop();
}

#[test]
fn a_server_that_says_it_is_busy_gets_little() {
    let ways = [
        (By::Header, "{ header: true }"),
        (By::ProbeBody, "{ probe: /load }"),
        (By::ProbeField, "{ probe: /load }"),
    ];
    for (by, prequal) in ways {
        pool(by, prequal, |_, servers| {
            servers[0].says.store(90, Relaxed);
            expect_share_soon("it gets less than 5%", servers, |share| share < 0.05);
            servers[0].says.store(1, Relaxed);
            expect_share_soon("now it is the best", servers, |share| share > 0.3);
        });
    }
}

#[test]
fn a_server_that_fails_at_once_is_no_magnet() {
    for (by, prequal) in [(By::Header, "{ header: true }"), (By::ProbeBody, "{ probe: /load }")] {
        pool(by, prequal, |_, servers| {
            servers[0].says.store(0, Relaxed);
            servers[0].fails.store(true, Relaxed);
            expect_share_soon("it gets less than 2%", servers, |share| share < 0.02);
            servers[0].fails.store(false, Relaxed);
            expect_share_soon("it is forgiven", servers, |share| share > 0.05);
        });
    }
}

#[test]
fn what_cannot_be_read_harms_nobody() {
    pool(By::Header, "{ header: true }", |_, servers| {
        servers.iter().for_each(|server| server.babbles.store(true, Relaxed));
        expect_share_soon("all share", servers, |share| share > 0.05);
    });
}

#[test]
fn the_field_is_passed_on() {
    let servers = [Server::start(By::Header)];
    let weir = Weir::start(&yaml(&servers, "{ header: true }"));
    assert!(
        weir.get("/").fields.get("endpoint-load-metrics").is_some_and(|field| field.starts_with("JSON "))
    );
}

#[test]
fn probes_are_few_and_keep_their_connection() {
    pool(By::ProbeBody, "{ probe: /load }", |weir, servers| {
        let probed = || servers.iter().map(|server| server.probed.load(Relaxed)).sum::<u64>();
        let (began, before) = (Instant::now(), probed());
        until("many were probed", || probed() >= before + 20);
        let longest = began.elapsed().as_millis() as u64 / 100 + 1;
        assert!(probed() - before <= 4 * longest + 4, "each is asked ten times a second at most");
        let labels = [("pool", "web")];
        assert!(weir.metrics().sum("weir_server_probes_total", &labels) >= 20.0);
        assert_eq!(weir.metrics().sum("weir_server_probe_failures_total", &labels), 0.0);
        for server in servers {
            let probing = server
                .origin
                .connections()
                .iter()
                .filter(|connection| connection.bytes.starts_with(b"GET /load "))
                .count();
            assert!(probing <= 1, "one connection is kept for probes: {probing}");
        }
    });
}

#[test]
fn probes_that_are_not_answered_are_bounded_and_counted() {
    let silent = || {
        Origin::start(|connection| {
            while let Some(request) = connection.request()? {
                if request.target == "/load" {
                    return connection.wait_for_end();
                }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            }
            Ok(())
        })
    };
    let origins: Vec<Origin> = (0..4).map(|_| silent()).collect();
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    let weir = Weir::start(&format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    balance: {{ prequal: {{ probe: /load, timeout: 200ms, max_probes: 2 }} }}
    servers: [{}]
    health: none
",
        servers.join(", ")
    ));
    let load = Load::start(weir.address(), 2, "/");
    until("some were not answered in time", || weir.metrics().limit("prequal.timeout") >= 4.0);
    until("some were not sent", || weir.metrics().limit("max_probes") >= 1.0);
    let open = |origin: &Origin| {
        let is_probe = |connection: &&weir_tests::origin::Record| {
            connection.bytes.starts_with(b"GET /load ") && !connection.is_closed
        };
        origin.connections().iter().filter(is_probe).count()
    };
    // One may have ended here and not been seen to end there.
    assert!(origins.iter().map(open).sum::<usize>() <= 4);
    load.stop().expect_no_failure();
}
