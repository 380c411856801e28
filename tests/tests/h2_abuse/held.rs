//! What many connections hold that are kept open for no good.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use weir_tests::{
    Origin, Weir,
    h2::{
        Block, H2Client,
        attack::{Attack, End},
        frame::headers,
    },
    kernel,
    origin::ok,
    until,
};

const CONNECTIONS: usize = 10;

/// Holds connections by this attack until `look` has seen enough.
fn hold(weir: &Weir, name: &str, look: impl FnOnce()) {
    let attack = Attack::find(name).expect("it is listed").prepare();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let run = || scope.spawn(|| attack.run(weir.address(), || stop.load(Relaxed)).expect("Weir listens"));
        let held: Vec<_> = (0..CONNECTIONS).map(|_| run()).collect();
        look();
        stop.store(true, Relaxed);
        for connection in held {
            assert_eq!(connection.join().expect("it does not panic"), End::Stopped, "{name}");
        }
    });
}

/// Exchanges whose answers nobody takes hold a buffer each and no more, however large the answers are.
#[test]
fn answers_that_nobody_takes() {
    let origin = Origin::answering(ok(&"x".repeat(1 << 20)));
    // While a client does not read what was sent, no more of its requests are begun.
    for (name, begun) in [("window-stall", 100 * CONNECTIONS), ("unread", CONNECTIONS)] {
        let weir = Weir::before(&[&origin]);
        let asked = origin.count();
        hold(&weir, name, || {
            until(name, || origin.count() >= asked + begun);
            assert_eq!(weir.get("/").status, 200);
        });
        // 40 KiB per stream: the buffer, the exchange itself, and connections on both sides.
        let peak = kernel::memory_peak_kib(weir.pid());
        assert!(peak < (100 * CONNECTIONS * 40 + (24 << 10)) as u64, "{name}: {peak} KiB");
    }
}

#[test]
fn requests_that_do_not_end() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    hold(&weir, "half-open", || {
        until("all have begun", || {
            weir.metrics().sum("weir_server_requests_in_flight", &[]) >= (100 * CONNECTIONS) as f64
        });
        assert_eq!(weir.get("/").status, 200);
    });
    let peak = kernel::memory_peak_kib(weir.pid());
    assert!(peak < 64 << 10, "{peak} KiB");
}

/// Interim responses are heads, which no window bounds: they wait at the server while the client does not read.
#[test]
fn interim_responses_that_nobody_takes() {
    const STREAMS: u32 = 100;
    const INTERIMS: usize = 15;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let link = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(30_000));
            connection.send(link.repeat(INTERIMS))?;
            counted.fetch_add(1, Relaxed);
            connection.send(ok("ok"))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    let get = |n| {
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
        headers(2 * n + 1, Block::of(&fields)).end()
    };
    client.send((0..STREAMS).map(get).collect::<Vec<_>>());
    until("the server has sent them", || sent.load(Relaxed) == STREAMS as usize);
    for n in 0..STREAMS {
        let answer = client.response(2 * n + 1);
        assert_eq!((answer.status, answer.interim.len()), (200, INTERIMS));
    }
    let peak = kernel::memory_peak_kib(weir.pid());
    assert!(peak < 40 << 10, "{peak} KiB");
}
