//! What many connections hold that are kept open for no good.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use weir_tests::{
    Origin, Weir,
    h2::attack::{Attack, End},
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
