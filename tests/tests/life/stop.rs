//! SIGTERM and SIGINT: open exchanges end, nothing new begins, and it does not take for ever.

use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use weir_tests::{Client, Origin, Weir, origin, until, weir::simple};

/// Answers `/slow` when the test says so.
fn patient() -> (Origin, mpsc::Sender<()>) {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/slow" {
                let _ = gone.lock().expect("one request waits").recv();
            }
            connection.send(origin::ok("done"))?;
        }
        Ok(())
    });
    (origin, go)
}

fn with_grace(origin: &Origin, grace: &str) -> String {
    simple(&[origin], "{}").replace("workers: 1", &format!("workers: 2\n  shutdown_grace: {grace}"))
}

#[test]
fn open_exchanges_end_and_nothing_new_begins() {
    for signal in [Signal::TERM, Signal::INT] {
        let (origin, go) = patient();
        let mut weir = Weir::start(&with_grace(&origin, "30s"));
        let address = weir.address();
        let mut idle = weir.connect();
        let mut fresh = weir.connect();
        idle.get("/");
        let mut busy = weir.connect();
        origin.forget();
        busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        origin.wait_for_requests(1);

        weir.signal(signal);
        idle.expect_closed();
        fresh.expect_closed();
        until("nobody listens", || Client::try_connect(address).is_err());
        assert!(weir.is_running());
        go.send(()).expect("the server waits");
        let answer = busy.response();
        assert_eq!((answer.text().as_str(), answer.fields.get("connection")), ("done", Some("close")));
        busy.expect_closed();
        assert_eq!(weir.wait_for_exit().code(), Some(0));
        let log = weir.log();
        assert!(
            log.contains(" stopping") && log.lines().last().is_some_and(|l| l.ends_with(" stopped")),
            "{log}"
        );
    }
}

#[test]
fn a_body_on_its_way_is_brought_to_its_end() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let origin = Origin::start(move |connection| {
        let request = connection.head()?.expect("a request");
        let mut body = 0;
        connection.body(request.framing, &mut |data| {
            body += data.len();
            tell.lock().expect("one connection").send(()).expect("the test waits");
        })?;
        connection.send(origin::ok(&body.to_string()))
    });
    let mut weir = Weir::start(&with_grace(&origin, "30s"));
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    told.recv().expect("the body begins");
    let mark = weir.mark();
    weir.signal(Signal::TERM);
    weir.wait_for_log(mark, "stopping");
    client.send("there");
    assert_eq!(client.response().text(), "10");
    assert_eq!(weir.wait_for_exit().code(), Some(0));
}

#[test]
fn tunnels_may_go_on_until_the_grace_is_over() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")?;
        connection.echo()
    });
    let mut weir = Weir::start(&with_grace(&origin, "1s"));
    let mut client = weir.connect();
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        .next_response("GET");
    let mark = weir.mark();
    weir.signal(Signal::TERM);
    weir.wait_for_log(mark, "stopping");
    assert_eq!(client.send("still there").exactly(11), b"still there");
    client.expect_gone();
    assert_eq!(weir.wait_for_exit().code(), Some(0));
}

#[test]
fn what_does_not_end_is_cut_when_the_grace_is_over() {
    let (origin, _go) = patient();
    let mut weir = Weir::start(&with_grace(&origin, "300ms"));
    let mut client = weir.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);
    let begin = Instant::now();
    weir.signal(Signal::TERM);
    assert_eq!(weir.wait_for_exit().code(), Some(0));
    assert!(begin.elapsed() >= Duration::from_millis(300) && begin.elapsed() < Duration::from_secs(5));
    client.expect_gone();
    assert!(weir.log().contains("open exchanges were cut"), "{}", weir.log());
}

#[test]
fn a_second_signal_stops_at_once() {
    let (origin, _go) = patient();
    let mut weir = Weir::start(&with_grace(&origin, "1h"));
    let mut client = weir.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);
    let mark = weir.mark();
    weir.signal(Signal::TERM);
    weir.wait_for_log(mark, "stopping");
    assert!(weir.is_running());
    weir.signal(Signal::TERM);
    assert_eq!(weir.wait_for_exit().code(), Some(0));
    client.expect_gone();
}

#[test]
fn with_nothing_open_it_stops_at_once() {
    let origin = Origin::saying("x");
    let mut weir = Weir::start(&with_grace(&origin, "1h"));
    let mut client = weir.connect();
    client.get("/");
    let begin = Instant::now();
    weir.signal(Signal::TERM);
    assert_eq!(weir.wait_for_exit().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    client.expect_closed();
}

/// Clients that connected before the end are served: their connections wait in the kernel.
#[test]
fn nobody_who_was_accepted_by_the_kernel_is_reset() {
    let origin = Origin::saying("x");
    for _ in 0..10 {
        let mut weir = Weir::start(&with_grace(&origin, "10s"));
        let mut clients: Vec<Client> = (0..50).map(|_| weir.connect()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        weir.signal(Signal::TERM);
        for client in &mut clients {
            assert_eq!(client.response().text(), "x");
        }
        assert_eq!(weir.wait_for_exit().code(), Some(0));
    }
}
