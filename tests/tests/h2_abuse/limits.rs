//! Limits that no rate stands for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use rustix::process::Signal;

use weir_tests::{
    Origin, Weir,
    h2::{Block, Event, Frame, H2Client, code, frame::*},
    origin::ok,
    until,
};

fn fields(method: &str) -> Block {
    Block::of(&[(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "weir.test")])
}

/// A request with a head of 15,000 bytes, which fit into a frame.
fn large(stream: u32) -> Frame {
    headers(stream, fields("GET").plain("x", &"x".repeat(15_000))).end()
}

/// Large heads of requests that have not ended are refused where they are too much together, and taken again when others
/// have ended.
#[test]
fn heads_under_way() {
    let gate = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&gate);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            until("the gate opens", || is_open.load(Relaxed));
            connection.send(ok("done"))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    // 34 of them are below 512 KiB.
    let (fit, all) = (30, 50);
    let ids = |count: u32| (0..count).map(|n| 2 * n + 1);
    client.send(ids(all).map(large).collect::<Vec<_>>());
    client.ping();
    let resets: Vec<u32> = ids(all).filter_map(|id| client.so_far(id).reset).collect();
    assert!(!resets.is_empty() && resets.len() < (all - fit) as usize, "{} are refused", resets.len());
    assert!(resets.iter().all(|code| *code == code::REFUSED_STREAM), "{resets:?}");
    assert!(ids(fit).all(|id| client.so_far(id).reset.is_none()), "those that fit are not");
    until("they are counted", || weir.metrics().limit("http2_heads") == resets.len() as f64);
    gate.store(true, Relaxed);
    for id in ids(fit) {
        assert_eq!(client.response(id).status, 200);
    }
    client.send([large(2 * all + 1)]);
    assert_eq!(client.response(2 * all + 1).status, 200, "room again");
}

/// What a client sends while so much waits for it that nothing is read is read when that has gone out: nothing else comes
/// to say that there is something to read.
#[test]
fn reading_goes_on_behind_large_answers() {
    const ANSWERS: u32 = 20;
    let sent = Arc::new(AtomicU32::new(0));
    let (counter, gate) = (Arc::clone(&sent), Arc::new(AtomicBool::new(false)));
    let is_open = Arc::clone(&gate);
    let head = format!("HTTP/1.1 204 No Content\r\nx: {}\r\n\r\n", "x".repeat(15_000));
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            until("the gate opens", || is_open.load(Relaxed));
            connection.send(&head)?;
            counter.fetch_add(1, Relaxed);
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    let ids = || (0..ANSWERS).map(|n| 2 * n + 1);
    client.send(ids().map(|id| headers(id, fields("GET")).end()).collect::<Vec<_>>());
    // One that goes on, so that the connection does not look around as it falls asleep.
    client.send([headers(2 * ANSWERS + 1, fields("POST"))]);
    origin.wait_for_requests(ANSWERS as usize);
    // When Weir wakes up, all has come at once.
    weir.signal(Signal::STOP);
    gate.store(true, Relaxed);
    until("all answers are sent", || sent.load(Relaxed) == ANSWERS);
    client.send([ping(*b"are you?")]);
    weir.signal(Signal::CONT);
    client.wait_for("answer to PING", |event| matches!(event, Event::PingAck(_)).then_some(()));
    for id in ids() {
        assert_eq!(client.response(id).status, 204);
    }
}

/// More streams than were allowed are refused, and counted.
#[test]
fn streams() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ http2: { max_concurrent_streams: 5 } }");
    let mut client = H2Client::connect(weir.address());
    client.send((0..7).map(|n| headers(2 * n + 1, fields("POST"))).collect::<Vec<_>>());
    client.ping();
    let refused = (0..7).filter(|n| client.so_far(2 * n + 1).reset == Some(code::REFUSED_STREAM)).count();
    assert_eq!(refused, 2);
    weir.wait_for_limit("max_concurrent_streams", 2.0);
}
