//! RFC 9113 section 6.8: GOAWAY from Weir, when it stops or a listener goes. Only Weir is asked.

use std::sync::{Mutex, mpsc};

use rustix::process::Signal;
use weir_tests::{
    Origin, Weir,
    h2::{
        Event, Frame, H2Client, WINDOW_MAX, code,
        suite::{Ask, is_against_weir},
    },
    origin,
    weir::simple,
};

/// An origin that answers its first request when it is told to.
fn held() -> (Origin, mpsc::Sender<()>) {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let _ = gone.lock().expect("one request waits").recv();
            connection.send(origin::ok("held"))?;
        }
        Ok(())
    });
    (origin, go)
}

fn get(stream: u32) -> Frame {
    Ask { path: "/".into() }.get(stream)
}

/// "A server that is attempting to gracefully shut down a connection SHOULD send an initial GOAWAY frame with the last
/// stream identifier set to 2^31-1 and a NO_ERROR code. … After allowing time for any in-flight stream creation, the
/// server MAY send another GOAWAY frame with an updated last stream identifier."
fn check(change: impl FnOnce(&mut Weir, &Origin)) -> Option<Weir> {
    if !is_against_weir() {
        return None;
    }
    let (origin, go) = held();
    let mut weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    client.send([get(1)]);
    origin.wait_for_requests(1);
    change(&mut weir, &origin);
    let first = client.wait_for("GOAWAY", |event| match event {
        Event::GoAway { last, code } => Some((*last, *code)),
        _ => None,
    });
    assert_eq!(first, (WINDOW_MAX, code::NO_ERROR));
    // The link answers the PING that Weir measures the round trip with, if it does; the stream is open all the while.
    let last = client.wait_for("the second GOAWAY", |event| match event {
        Event::GoAway { last, code } => Some((*last, *code)),
        _ => None,
    });
    assert_eq!(last, (1, code::NO_ERROR));
    go.send(()).expect("the server waits");
    assert_eq!(client.response(1).text(), "held");
    client.expect_closed();
    Some(weir)
}

#[test]
fn streams_are_finished_when_weir_stops() {
    if let Some(mut weir) = check(|weir, _| weir.signal(Signal::TERM)) {
        assert!(weir.wait_for_exit().success());
    }
}

#[test]
fn streams_are_finished_when_their_listener_goes() {
    check(|weir, origin| weir.reload(&simple(&[origin], "{}").replace("name: web", "name: other")));
}

/// An idle connection is told as well, before it ends.
#[test]
fn an_idle_connection_is_told() {
    if !is_against_weir() {
        return;
    }
    let origin = Origin::saying("ok");
    let mut weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    client.send([get(1)]);
    assert_eq!(client.response(1).status, 200);
    weir.signal(Signal::TERM);
    client.expect_closed();
    assert!(client.goaway.is_some(), "closed without GOAWAY");
    assert!(weir.wait_for_exit().success());
}

/// "Once the GOAWAY is sent, the sender will ignore frames sent on streams initiated by the receiver if the stream has an
/// identifier higher than the included last stream identifier."
#[test]
fn later_streams_are_ignored() {
    if !is_against_weir() {
        return;
    }
    let (origin, go) = held();
    let weir = Weir::before(&[&origin]);
    let mut client = H2Client::connect(weir.address());
    client.send([get(1)]);
    origin.wait_for_requests(1);
    weir.signal(Signal::TERM);
    client.wait_until("the second GOAWAY", |client| client.goaway == Some((1, code::NO_ERROR)));
    client.send([get(3)]).ping();
    assert!(!client.so_far(3).is_whole);
    go.send(()).expect("the server waits");
    assert_eq!(client.response(1).text(), "held");
    assert_eq!(origin.count(), 1);
}
