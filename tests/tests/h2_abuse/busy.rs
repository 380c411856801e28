//! Clients that do much, and nothing wrong.

use weir_tests::{
    Origin, Weir,
    h2::{Block, Event, Frame, H2Client, code, frame::*, setting},
    message::Framing,
    origin::ok,
    peer::h2load,
};

fn fields(method: &str) -> Block {
    Block::of(&[(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "weir.test")])
}

fn get(stream: u32) -> Frame {
    headers(stream, fields("GET")).end()
}

/// No connection was ended for what came on it.
#[track_caller]
fn expect_none_ended(weir: &Weir) {
    assert_eq!(weir.metrics().sum("weir_http2_abuses_total", &[]), 0.0);
}

#[test]
fn ten_thousand_requests_on_one_connection() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    for n in 0..10_000 {
        client.send([get(2 * n + 1)]);
        assert_eq!(client.response(2 * n + 1).status, 200);
    }
    expect_none_ended(&weir);
}

/// As clients of gRPC do that measure how much is on its way: a PING with each request, and one with each piece.
#[test]
fn a_ping_with_each_request() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    for n in 0..3000 {
        let id = 2 * n + 1;
        client.send([
            headers(id, fields("POST")),
            ping([1; 8]),
            data(id, *b"\0\0\0\0\x01x").end(),
            ping([2; 8]),
        ]);
        client.send([window_update(0, 10)]);
        let response = client.response(id);
        assert_eq!(response.status, 200, "{n}: {}", response.text());
    }
    client.ping();
    expect_none_ended(&weir);
}

/// As a browser whose page is left.
#[test]
fn a_hundred_downloads_cancelled_at_once() {
    let origin = Origin::answering(ok(&"x".repeat(1 << 20)));
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect_with(weir.address(), &[(setting::INITIAL_WINDOW_SIZE, 1000)]);
    let ids = |round: u32| (round * 100..round * 100 + 100).map(|n| 2 * n + 1);
    client.send(ids(0).map(get).collect::<Vec<_>>());
    client.wait_until("the heads of all", |client| ids(0).all(|id| client.so_far(id).status == 200));
    client.send(ids(0).map(|id| rst_stream(id, code::CANCEL)).collect::<Vec<_>>());
    client.send([get(201)]);
    assert_eq!(client.head(201).status, 200);
    expect_none_ended(&weir);
}

/// 1 GiB, which is what `max_body_bytes` allows, in frames of 1 KiB.
#[test]
fn an_upload_in_small_frames() {
    const LENGTH: u64 = 1 << 30;
    const PIECE: u64 = 32 * 1024;
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.body(Framing::Sized(LENGTH), &mut |_| {})?;
        connection.send(ok("done"))
    });
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    client.send([headers(1, fields("POST").plain("content-length", &LENGTH.to_string()))]);
    let piece: Vec<Frame> = (0..PIECE / 1024).map(|_| data(1, vec![b'x'; 1024])).collect();
    for _ in 0..LENGTH / PIECE {
        while client.link.audit.room(1) < PIECE as i64 {
            assert!(!matches!(client.event(), Event::Closed | Event::Late), "it stopped");
        }
        client.send(&piece);
    }
    client.send([data(1, *b"").end()]);
    assert_eq!(client.response(1).status, 200);
    expect_none_ended(&weir);
}

/// 100 streams on each of 4 connections, in the hands of a client that is not ours.
#[test]
fn h2load_is_not_cut_off() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    let url = format!("http://{}/", weir.address());
    let output = h2load(&["-n", "20000", "-c", "4", "-m", "100", &url]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
    expect_none_ended(&weir);
}

/// Downloads that are given up after their heads, on one connection through another that Weir shares: no window leaks on
/// either, and the last one still comes whole.
#[test]
fn ten_thousand_downloads_given_up() {
    const LENGTH: usize = 100_000;
    const AT_ONCE: u32 = 50;
    const BUDGETS: &str = "{ http2: { max_resets: 1000000/s, max_control_frames: 1000000/s } }";
    let origin = Origin::answering(ok(&"x".repeat(LENGTH)));
    let near = Weir::before_with(&[&origin], BUDGETS);
    let far = Weir::start(&format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ name: far, bind: \"127.0.0.1:0\", pool: far, http: {BUDGETS} }}]
pools: {{ far: {{ servers: [\"{}\"], protocol: h2, health: none }} }}
",
        near.address()
    ));
    let mut client = H2Client::connect(far.address());
    for round in 0..10_000 / AT_ONCE {
        let ids = || (round * AT_ONCE..(round + 1) * AT_ONCE).map(|n| 2 * n + 1);
        client.send(ids().map(get).collect::<Vec<_>>());
        client.wait_until("the heads of all", |client| ids().all(|id| client.so_far(id).status == 200));
        client.send(ids().map(|id| rst_stream(id, code::CANCEL)).collect::<Vec<_>>());
    }
    let last = 2 * 10_000 + 1;
    client.send([get(last)]);
    assert_eq!(client.response(last).body.len(), LENGTH);
    // The connection between the two is the one that all went over.
    let labels = [("pool", "far")];
    assert_eq!(far.metrics().sum("weir_server_connects_total", &labels), 1.0);
    expect_none_ended(&near);
    expect_none_ended(&far);
}
