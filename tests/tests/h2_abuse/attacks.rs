//! Every attack that is known by name, once.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use weir_tests::{
    Origin, Weir,
    h2::{
        Block, H2Client, PREFACE,
        attack::{ALL, Attack, CALM, End, Ending},
        code,
        frame::{headers, rst_stream, settings},
    },
    kernel,
    origin::ok,
    until,
};

/// More memory than this, in KiB, is never taken for one connection.
const GROWTH_KIB_MAX: u64 = 16 << 10;

/// Who has overdrawn a budget is held so long before it is told.
const HELD: Duration = Duration::from_secs(1);

/// No more at a time, in each worker.
const HELD_MAX: usize = 256;

/// Before a server whose answers are larger than a window.
fn weir(origin: &Origin) -> Weir {
    Weir::before_with(&[origin], "{ header_timeout: 1s, body_timeout: 1s }")
}

fn origin() -> Origin {
    Origin::answering(ok(&"x".repeat(65_536)))
}

/// Attacks once; whoever is there besides is served meanwhile and afterwards.
fn attack(weir: &Weir, attack: &Attack) -> End {
    let mut other = H2Client::connect(weir.address());
    other.send([get(1)]);
    assert_eq!(other.response(1).status, 200, "{}", attack.name);
    let before = kernel::memory_kib(weir.pid());
    let end = attack.prepare().run_for(weir.address(), Duration::from_secs(10)).expect("Weir listens");
    let grown = kernel::memory_kib(weir.pid()).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{}: {grown} KiB more", attack.name);
    other.send([get(3)]);
    assert_eq!(other.response(3).status, 200, "{}: another client is still served", attack.name);
    end
}

fn get(stream: u32) -> weir_tests::h2::Frame {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "weir.test")];
    headers(stream, Block::of(&fields)).end()
}

fn ended(weir: &Weir, reasons: &[&str]) -> f64 {
    let metrics = weir.metrics();
    reasons.iter().map(|reason| metrics.sum("weir_http2_abuses_total", &[("abuse", reason)])).sum()
}

#[test]
fn floods_are_told_to_calm_down() {
    let origin = origin();
    let weir = weir(&origin);
    for flood in ALL {
        let Ending::Calm(reasons) = flood.end else { continue };
        let before = ended(&weir, reasons);
        let began = Instant::now();
        let end = attack(&weir, flood);
        assert!(began.elapsed() >= HELD, "{}: told after {:?}", flood.name, began.elapsed());
        // Who does not read finds out by the reset alone.
        let expected = if flood.reads { CALM } else { End::Closed };
        assert!(end == expected || end == CALM, "{}: {end:?}", flood.name);
        until(flood.name, || ended(&weir, reasons) == before + 1.0);
    }
}

/// No more connections are held than may be, and those that were make room for others.
#[test]
fn few_are_held() {
    let origin = origin();
    let weir = Weir::start(&format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ bind: \"127.0.0.1:0\", pool: web }}]
pools: {{ web: {{ servers: [\"{origin}\"], health: none }} }}
"
    ));
    let overdrawn = [PREFACE, &vec![settings(&[]).encode(); 200].concat()].concat();
    let mut clients = Vec::new();
    // More at a time than may be held: they begin faster than those before are let go.
    until("one is not held", || {
        for _ in 0..HELD_MAX {
            let mut client = TcpStream::connect(weir.address()).expect("Weir listens");
            let _ = client.write_all(&overdrawn);
            clients.push(client);
        }
        weir.metrics().limit("http2_held") >= 1.0
    });
    for client in &mut clients {
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told);
    }
    let crowded = weir.metrics().limit("http2_held");
    // As many have room again.
    clients.clear();
    for _ in 0..HELD_MAX {
        let mut client = TcpStream::connect(weir.address()).expect("Weir listens");
        let _ = client.write_all(&overdrawn);
        clients.push(client);
    }
    for client in &mut clients {
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told);
    }
    assert_eq!(weir.metrics().limit("http2_held"), crowded);
}

#[test]
fn what_is_held_ends_in_time() {
    let origin = origin();
    for hold in ALL {
        let Ending::Time(limits) = hold.end else { continue };
        let weir = weir(&origin);
        attack(&weir, hold);
        until(hold.name, || limits.iter().any(|limit| weir.metrics().limit(limit) >= 1.0));
    }
}

/// What is within all budgets is served as honest requests are, within the bounds of heads.
#[test]
fn what_is_within_budgets_stays_within_bounds() {
    let origin = origin();
    for bomb in ALL.iter().filter(|attack| attack.end == Ending::Bounded) {
        let weir = weir(&origin);
        let end = attack(&weir, bomb);
        assert!(
            matches!(end, End::GoAway(code::ENHANCE_YOUR_CALM) | End::Left | End::Stopped),
            "{}: {end:?}",
            bomb.name
        );
    }
}

/// The rates of the file are those that hold.
#[test]
fn rates_are_configured() {
    let origin = origin();
    for (rate, resets) in [("1/m", 10), ("100/s", 1000)] {
        let weir = Weir::before_with(&[&origin], &format!("{{ http2: {{ max_resets: {rate} }} }}"));
        let mut client = H2Client::connect(weir.address());
        let round = |n: u32| [get(2 * n + 1), rst_stream(2 * n + 1, code::CANCEL)];
        client.send((0..resets).flat_map(round).collect::<Vec<_>>());
        client.ping();
        assert_eq!(client.goaway, None, "{rate}");
        client.send((resets..2 * resets + 200).flat_map(round).collect::<Vec<_>>());
        client.wait_until("GOAWAY", |client| client.goaway.is_some());
        assert_eq!(client.goaway.map(|(_, code)| code), Some(code::ENHANCE_YOUR_CALM), "{rate}");
    }
}
