//! Bodies larger than memory should ever hold: passed on as they come, no faster than the slower side takes them.

use std::{
    io::{self, Write},
    sync::{Mutex, mpsc},
    time::Duration,
};

use weir_tests::{Origin, Weir, kernel, message::Framing, origin, pattern};

/// The size of a large body, in bytes.
const LARGE: u64 = 256 << 20;

/// What Weir may hold more than before, while large bodies go through, in KiB.
const MEMORY_GROWTH_MAX_KIB: u64 = 8 << 10;

/// A stream that takes nothing for so long is blocked.
const BLOCKED: Duration = Duration::from_millis(500);

const PIECE: usize = 100 << 10;

/// Writes the pattern up to `len`.
fn write_pattern(to: &mut impl Write, len: u64) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let piece = pattern::at(at, PIECE.min((len - at) as usize));
        to.write_all(piece)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// The same in chunks.
fn write_chunks(to: &mut impl Write, len: u64) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let piece = pattern::at(at, PIECE.min((len - at) as usize));
        write!(to, "{:x}\r\n", piece.len())?;
        to.write_all(piece)?;
        to.write_all(b"\r\n")?;
        at += piece.len() as u64;
    }
    to.write_all(b"0\r\n\r\n")
}

#[track_caller]
fn expect_flat_memory(weir: &Weir, before_kib: u64) {
    let peak_kib = kernel::memory_peak_kib(weir.pid());
    assert!(peak_kib < before_kib + MEMORY_GROWTH_MAX_KIB, "{before_kib} KiB before, {peak_kib} KiB at most");
}

#[test]
fn large_downloads_come_whole_and_are_never_held() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/sized" {
                connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
                write_pattern(&mut connection.stream(), LARGE)?;
            } else {
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                write_chunks(&mut connection.stream(), LARGE)?;
            }
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let before_kib = kernel::memory_kib(weir.pid());
    for (request, framing) in [
        ("GET /sized HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Sized(LARGE)),
        ("GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Chunked),
        ("GET /chunked HTTP/1.0\r\n\r\n", Framing::UntilClose),
    ] {
        let mut client = weir.connect();
        let answer = client.send(request).head().into_response("GET").expect("an answer");
        assert_eq!(answer.framing, framing);
        let mut check = pattern::Check::default();
        client.body(framing, &mut |data| check.take(data)).expect("the whole body");
        check.expect(LARGE);
        expect_flat_memory(&weir, before_kib);
    }
}

#[test]
fn large_uploads_come_whole_and_are_never_held() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            let mut check = pattern::Check::default();
            connection.body(request.framing, &mut |data| check.take(data))?;
            connection.send(origin::ok(&check.right.to_string()))?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let before_kib = kernel::memory_kib(weir.pid());
    let mut client = weir.connect();
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    write_pattern(&mut client.stream(), LARGE).expect("the whole body is taken");
    assert_eq!(client.response().text(), LARGE.to_string());
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    write_chunks(&mut client.stream(), LARGE).expect("the whole body is taken");
    assert_eq!(client.response().text(), LARGE.to_string());
    expect_flat_memory(&weir, before_kib);
    assert_eq!(origin.connections().len(), 1);
}

/// Writes until the other side takes no more; gives how much it took.
fn write_until_blocked(stream: &mut impl Write, max: u64) -> u64 {
    let mut written = 0;
    while written < max {
        match stream.write(pattern::at(written, PIECE)) {
            Ok(n) => written += n as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("after {written} bytes: {error}"),
        }
    }
    written
}

#[test]
fn a_client_that_does_not_read_stops_the_server() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
        connection.stream().set_write_timeout(Some(BLOCKED))?;
        let written = write_until_blocked(&mut connection.stream(), LARGE);
        tell.lock().expect("one connection").send(written).expect("the test waits");
        connection.stream().set_write_timeout(None)?;
        let mut at = written;
        while at < LARGE {
            let piece = pattern::at(at, PIECE.min((LARGE - at) as usize));
            connection.send(piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let before_kib = kernel::memory_kib(weir.pid());
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
    let written = told.recv().expect("the server stops");
    assert!(written < LARGE / 4, "{written} bytes went out to a client that reads none");
    expect_flat_memory(&weir, before_kib);
    let mut check = pattern::Check::default();
    client.body(Framing::Sized(LARGE), &mut |data| check.take(data)).expect("the whole body");
    check.expect(LARGE);
}

#[test]
fn a_server_that_does_not_read_stops_the_client() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        let request = connection.head()?.expect("a request");
        let _ = gone.lock().expect("one connection").recv();
        let mut check = pattern::Check::default();
        connection.body(request.framing, &mut |data| check.take(data))?;
        connection.send(origin::ok(&check.right.to_string()))
    });
    let weir = Weir::before(&[&origin]);
    let before_kib = kernel::memory_kib(weir.pid());
    let mut client = weir.connect();
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.stream().set_write_timeout(Some(BLOCKED)).expect("a socket");
    let written = write_until_blocked(&mut client.stream(), LARGE);
    assert!(written < LARGE / 4, "{written} bytes were taken for a server that reads none");
    expect_flat_memory(&weir, before_kib);
    client.stream().set_write_timeout(None).expect("a socket");
    go.send(()).expect("the server waits");
    let mut at = written;
    while at < LARGE {
        let piece = pattern::at(at, PIECE.min((LARGE - at) as usize));
        client.send(piece);
        at += piece.len() as u64;
    }
    assert_eq!(client.response().text(), LARGE.to_string());
}

#[test]
fn many_slow_readers_cost_a_buffer_each_at_most() {
    const CLIENTS: u64 = 100;
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
        connection.stream().set_write_timeout(Some(BLOCKED))?;
        let written = write_until_blocked(&mut connection.stream(), LARGE);
        tell.lock().expect("a channel").send(written).expect("the test waits");
        connection.wait_for_end()
    });
    let weir = Weir::before(&[&origin]);
    let before_kib = kernel::memory_kib(weir.pid());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = weir.connect();
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
            client
        })
        .collect();
    for _ in 0..CLIENTS {
        assert!(told.recv().expect("each server stops") < LARGE / 4);
    }
    let peak_kib = kernel::memory_peak_kib(weir.pid());
    assert!(peak_kib < before_kib + CLIENTS * 64 + MEMORY_GROWTH_MAX_KIB, "{before_kib} KiB, {peak_kib} KiB");
    drop(clients);
    weir_tests::until("all are closed", || weir.metrics().sum("weir_connections_open", &[]) == 0.0);
}
