//! Limits of servers that Weir must keep to. The audit of each connection does most of the looking.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use weir_tests::{
    Client,
    h2::{Block, Event, H2Connection, H2Origin, frame::*, setting},
    kernel,
    message::Framing,
    until,
};

use super::front::Front;

/// Answers everything.
fn answer_all(connection: &mut H2Connection) -> io::Result<()> {
    while let Some(request) = connection.request()? {
        connection.send(&connection.answer(request.stream, "ok"))?;
    }
    Ok(())
}

/// RFC 9113, 5.1.2: "Endpoints MUST NOT exceed the limit set by their peer."
#[test]
fn concurrent_streams() {
    for limit in [1, 2, 5] {
        let origin = H2Origin::start_with(&[(setting::MAX_CONCURRENT_STREAMS, limit)], answer_all);
        let front = Front::before(&origin);
        // The first one has learned the settings.
        assert_eq!(front.get("/first").status, 200);
        let mut clients: Vec<Client> = (0..20).map(|_| front.connect()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.response().status, 200);
        }
        assert!(origin.streams_open_max() <= limit as usize, "{} of {limit}", origin.streams_open_max());
    }
}

fn post(length: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; length]].concat()
}

/// RFC 9113, 6.9.1: "The sender MUST NOT send a flow-controlled frame with a length that exceeds the space available in
/// either of the flow-control windows."
#[test]
fn windows() {
    for window in [1, 10, 1000, 65_535, 1 << 20] {
        let origin = H2Origin::start_with(&[(setting::INITIAL_WINDOW_SIZE, window)], answer_all);
        let front = Front::before(&origin);
        assert_eq!(front.get("/first").status, 200);
        let length = 100 + 3 * window.min(100_000) as usize;
        assert_eq!(front.ask(post(length)).status, 200);
        assert_eq!(origin.wait_for_requests(2)[1].body.len(), length, "window {window}");
    }
}

/// The same for the connection's window: nothing moves beyond it, on however many streams.
#[test]
fn the_window_of_the_connection() {
    let origin = H2Origin::start_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], |connection| {
        let first = connection.request()?.expect("a request");
        connection.send(&connection.answer(first.stream, "ok"))?;
        connection.link.manners.refill = false;
        let mut came = 0;
        let mut stream = 0;
        while came < 65_535 {
            match connection.event()? {
                Event::Data { stream: id, flow, .. } => (came, stream) = (came + flow, id),
                Event::Closed | Event::Late => return Ok(()),
                _ => {}
            }
        }
        connection.send(&[ping(*b"is that ")])?;
        connection.wait_for(|event| matches!(event, Event::PingAck(_)))?;
        assert_eq!(connection.link.audit.windows(stream).1, 0);
        connection.link.manners.refill = true;
        connection.send(&[window_update(0, 1 << 20)])?;
        connection.wait_for(|event| matches!(event, Event::Data { ends: true, .. }))?;
        connection.send(&connection.answer(stream, "ok"))?;
        connection.wait_for_end()
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    assert_eq!(client.get("/first").status, 200);
    assert_eq!(client.send(post(200_000)).response().status, 200);
    assert_eq!(origin.connections(), 1);
}

/// RFC 9113, 6.9.2: a smaller initial window can make windows negative, and "a sender MUST track the negative
/// flow-control window".
#[test]
fn a_window_becomes_negative() {
    let origin = H2Origin::start(|connection| {
        connection.link.manners.refill = false;
        let request = connection.head()?.expect("a request");
        let stream = request.stream;
        let mut came = 0;
        while came < 65_535 {
            match connection.event()? {
                Event::Data { flow, .. } => came += flow,
                Event::Closed | Event::Late => return Ok(()),
                _ => {}
            }
        }
        connection.send(&[settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]), window_update(0, 1 << 20)])?;
        connection.wait_for(|event| *event == Event::SettingsAck)?;
        connection.send(&[window_update(stream, 65_535), ping(*b"is that ")])?;
        connection.wait_for(|event| matches!(event, Event::PingAck(_)))?;
        connection.send(&[window_update(stream, 1 << 20)])?;
        connection.wait_for(|event| matches!(event, Event::Data { ends: true, .. }))?;
        connection.send(&connection.answer(stream, "ok"))?;
        connection.wait_for_end()
    });
    let front = Front::before(&origin);
    assert_eq!(front.ask(post(100_000)).status, 200);
    assert_eq!(origin.requests()[0].body.len(), 100_000);
}

/// RFC 9113, 4.2: no frame is larger than the server takes; larger ones are allowed where it says so.
#[test]
fn frame_sizes() {
    for size in [16_384, 20_000, 1 << 20] {
        let settings = [(setting::MAX_FRAME_SIZE, size), (setting::INITIAL_WINDOW_SIZE, 1 << 20)];
        let origin = H2Origin::start_with(&settings, answer_all);
        let front = Front::before(&origin);
        assert_eq!(front.get("/first").status, 200);
        assert_eq!(front.ask(post(100_000)).status, 200);
        // Fields that fill more than one frame.
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(12_000));
        assert_eq!(front.ask(long).status, 200);
    }
}

/// RFC 7541, 4.2: the encoder keeps to the decoder's table, also when it shrinks.
#[test]
fn header_tables() {
    for size in [0, 100, 4096, 1 << 20] {
        let origin = H2Origin::start_with(&[(setting::HEADER_TABLE_SIZE, size)], |connection| {
            let mut sizes = [0, 1000, 50].into_iter().cycle();
            while let Some(request) = connection.request()? {
                let next = sizes.next().expect("it is endless");
                connection.send(&[settings(&[(setting::HEADER_TABLE_SIZE, next)])])?;
                connection.wait_for(|event| *event == Event::SettingsAck)?;
                connection.send(&connection.answer(request.stream, "ok"))?;
            }
            Ok(())
        });
        let front = Front::before(&origin);
        let mut client = front.connect();
        for n in 0..8 {
            let request = format!("GET /{n} HTTP/1.1\r\nHost: a\r\nX-A: always the same\r\nX-B: {n}\r\n\r\n");
            assert_eq!(client.send(request).response().status, 200);
        }
    }
}

/// RFC 9113, 5.2: a client that does not read stops the server, instead of filling the memory of what is in between.
#[test]
fn a_slow_client_stops_the_server() {
    const LENGTH: usize = 64 << 20;
    let stalled_at = Arc::new(AtomicUsize::new(0));
    let stalled = Arc::clone(&stalled_at);
    let origin = H2Origin::start(move |connection| send_all(connection, LENGTH, &stalled));
    let front = Front::before(&origin);
    let mut slow = front.connect();
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(slow.head().line.starts_with("HTTP/1.1 200"));
    until("the server has no window left", || stalled_at.load(Relaxed) > 0);
    let sent = stalled_at.load(Relaxed);
    assert!(sent < LENGTH / 2, "{sent} octets were asked for");
    if let Front::Weir(weir) = &front {
        assert!(kernel::memory_peak_kib(weir.pid()) < 48 << 10, "memory grows with the body");
    }
    let mut came = 0;
    slow.body(Framing::Sized(LENGTH as u64), &mut |piece| came += piece.len()).expect("the rest");
    assert_eq!(came, LENGTH);
}

/// Answers with so many octets. When twenty answers to PING came and brought no window, `stalled` gets what was sent.
fn send_all(connection: &mut H2Connection, length: usize, stalled: &AtomicUsize) -> io::Result<()> {
    let stream = connection.request()?.expect("a request").stream;
    let text = length.to_string();
    connection.send(&[headers(stream, Block::of(&[(":status", "200"), ("content-length", &text)]))])?;
    let (mut sent, mut pings, mut asked) = (0, 0, 0);
    while sent < length {
        let piece = connection.link.audit.room(stream).min(16_384).min((length - sent) as i64);
        if piece > 0 {
            sent += piece as usize;
            (pings, asked) = (0, 0);
            let frame = data(stream, vec![b'x'; piece as usize]);
            connection.send(&[if sent == length { frame.end() } else { frame }])?;
            continue;
        }
        if pings == asked && pings < 20 {
            asked += 1;
            connection.send(&[ping([asked; 8])])?;
        }
        match connection.event()? {
            Event::PingAck(_) => {
                pings += 1;
                if pings == 20 {
                    stalled.store(sent, Relaxed);
                }
            }
            Event::Closed | Event::Late => return Ok(()),
            _ => {}
        }
    }
    connection.wait_for_end()
}
