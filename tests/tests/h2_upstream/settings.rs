//! What a new connection does before the server's SETTINGS have come, and after they allow nothing.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use weir_tests::{
    Client, Origin, Weir,
    h2::{Block, Event, H2Origin, Link, PREFACE, audit::Side, code, frame::*, setting},
    until,
};

use super::front::Front;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

fn weir(origin: &Origin, timeout: &str, connect_timeout: &str) -> Weir {
    Weir::start(&format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", routes: [{{ pool: web, timeout: {timeout} }}] }}]
pools: {{ web: {{ servers: [\"{origin}\"], protocol: h2, health: none, connect_timeout: {connect_timeout} }} }}
"
    ))
}

/// Takes one stream at a time and refuses all others, as it says as soon as `is_due`.
fn one_at_a_time(stream: &std::net::TcpStream, is_due: &AtomicBool) -> io::Result<()> {
    let mut link = Link::new(stream.try_clone()?, Side::Server);
    until("the requests have come", || is_due.load(Relaxed));
    link.send(&[settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)])])?;
    link.expect_octets(PREFACE)?;
    // What came before the acknowledgement is answered behind it: so much was open at once.
    let (mut open, mut whole, mut is_acknowledged) = (BTreeSet::new(), Vec::new(), false);
    loop {
        match link.event().map_err(io::Error::other)? {
            Event::Head { stream, .. } => {
                open.insert(stream);
                if open.len() > 1 {
                    open.remove(&stream);
                    link.send(&[rst_stream(stream, code::REFUSED_STREAM)])?;
                }
            }
            Event::Data { stream, ends: true, .. } if open.contains(&stream) => whole.push(stream),
            Event::SettingsAck => is_acknowledged = true,
            Event::Closed | Event::Late => return Ok(()),
            _ => {}
        }
        if !is_acknowledged {
            continue;
        }
        for stream in whole.drain(..) {
            open.remove(&stream);
            link.send(&[headers(stream, Block::of(&[(":status", "200")])), data(stream, "ok").end()])?;
        }
    }
}

/// A server may allow one stream only, which is known when its SETTINGS have come: requests with a body, which could not
/// be sent again, are not sent before.
#[test]
fn a_burst_on_a_new_connection() {
    let is_due = Arc::new(AtomicBool::new(false));
    let due = Arc::clone(&is_due);
    let origin = Origin::start(move |connection| one_at_a_time(connection.stream(), &due));
    let weir = weir(&origin, "10s", "10s");
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(weir.address())).collect();
    for client in &mut clients {
        client.send(POST).wait_until_read();
    }
    is_due.store(true, Relaxed);
    for client in &mut clients {
        let answer = client.response();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// A server that never sends its SETTINGS has not begun to speak: who waits for them is told in time.
#[test]
fn no_settings_ever() {
    let origin = Origin::start(weir_tests::origin::Connection::wait_for_end);
    let weir = weir(&origin, "1s", "300ms");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(weir.address())).collect();
    for client in &mut clients {
        client.send(POST);
    }
    for client in &mut clients {
        let status = client.response().status;
        assert!([502, 504].contains(&status), "{status}");
    }
}

/// A server that allows no streams gets no connection more for each request, to keep.
#[test]
fn no_streams_at_all() {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    let origin = H2Origin::start_with(&[(setting::MAX_CONCURRENT_STREAMS, 0)], move |connection| {
        counted.fetch_add(1, Relaxed);
        while let Some(request) = connection.head()? {
            connection.send(&[rst_stream(request.stream, code::REFUSED_STREAM)])?;
        }
        counted.fetch_sub(1, Relaxed);
        Ok(())
    });
    let front = Front::before(&origin);
    for _ in 0..5 {
        assert!([502, 503].contains(&front.ask(POST).status));
    }
    if front.is_weir() {
        assert!(origin.connections() >= 5);
        until("all connections have been given up", || open.load(Relaxed) == 0);
    }
}
