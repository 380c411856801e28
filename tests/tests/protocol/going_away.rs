//! Clients that close half of their connection, or all of it.

use std::{
    io,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use weir_tests::{Client, Origin, Weir, origin};

/// Answers when the test says so.
fn patient() -> (Origin, mpsc::Sender<()>) {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let _ = gone.lock().expect("one request waits").recv();
            connection.send(origin::ok("at last"))?;
        }
        Ok(())
    });
    (origin, go)
}

/// Never answers.
fn silent() -> Origin {
    Origin::start(|connection| {
        connection.head()?;
        connection.wait_for_end()
    })
}

#[test]
fn a_client_that_sends_no_more_gets_its_answer() {
    let (origin, go) = patient();
    let weir = Weir::before(&[&origin]);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ] {
        origin.forget();
        let mut client = weir.connect();
        client.send(request).half_close();
        origin.wait_for_requests(1);
        go.send(()).expect("the server waits");
        assert_eq!(client.response().text(), "at last");
        client.expect_closed();
    }
}

/// A second after the client's last byte, Weir asks whether it is still there. It is.
#[test]
fn a_client_that_sends_no_more_gets_a_late_answer_too() {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let origin = Origin::start(|connection| {
            connection.head()?;
            // Nothing but time makes the difference here.
            let begin = Instant::now();
            connection.stream().set_read_timeout(Some(Duration::from_secs(2)))?;
            let waited = connection.wait_for_end();
            assert!(begin.elapsed() > Duration::from_millis(1900), "cancelled: {waited:?}");
            connection.send(origin::ok("late"))
        });
        let weir = Weir::before(&[&origin]);
        let mut client = weir.connect();
        client.send(format!("GET / {version}\r\nHost: a\r\n\r\n")).half_close();
        assert_eq!(client.response().text(), "late", "{version}");
    }
}

#[test]
fn an_abandoned_request_is_cancelled() {
    let origin = silent();
    let weir = Weir::before(&[&origin]);
    let requests = [
        "GET /get HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello",
    ];
    let ways: [fn(Client); 2] = [drop, Client::reset];
    for (n, (request, away)) in requests.iter().flat_map(|r| ways.map(|w| (r, w))).enumerate() {
        let mut client = weir.connect();
        client.send(request);
        origin.wait_for_requests(n + 1);
        let begin = Instant::now();
        away(client);
        origin.wait_until_closed(n);
        assert!(begin.elapsed() < Duration::from_secs(5), "{request:?} after {:?}", begin.elapsed());
    }
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_requests_abandoned_total", &[]), 6.0);
    assert_eq!(metrics.sum("weir_server_requests_in_flight", &[]), 0.0);
    assert_eq!(metrics.sum("weir_server_failures_total", &[]), 0.0, "that is not the server's fault");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_stops_the_server() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            connection.send("5\r\nhello\r\n")?;
        }
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(client.exactly(10), b"5\r\nhello\r\n");
    drop(client);
    origin.wait_until_closed(0);
}

/// A server that is idle in the middle of an answer gives no occasion to notice by writing.
#[test]
fn a_client_that_leaves_a_quiet_answer_stops_the_server_too() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        connection.wait_for_end()
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(client.exactly(10), b"5\r\nhello\r\n");
    let begin = Instant::now();
    client.reset();
    origin.wait_until_closed(0);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_client_that_leaves_an_upload_is_no_complete_request() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let origin = Origin::start(move |connection| {
        let request = connection.head()?.expect("a request");
        let result = connection.body(request.framing, &mut |_| {});
        tell.lock().expect("one connection").send(result.map(|_| ())).expect("the test waits");
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    for (framing, piece) in
        [("Content-Length: 100", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n")]
    {
        for half in [true, false] {
            let mut client = weir.connect();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{piece}")).wait_until_read();
            if half {
                client.half_close().expect_closed();
            } else {
                client.reset();
            }
            let error = told.recv().expect("the server reads").expect_err("the body must not end");
            assert!(matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset));
        }
    }
}

#[test]
fn connections_that_say_nothing_leave_no_trace() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    for _ in 0..20 {
        drop(weir.connect());
        weir.connect().reset();
        weir.connect().half_close().expect_closed();
    }
    weir_tests::until("all are closed", || weir.metrics().sum("weir_connections_open", &[]) == 0.0);
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_connections_accepted_total", &[]), 60.0);
    assert_eq!(metrics.sum("weir_requests_refused_total", &[]), 0.0);
    assert_eq!(origin.connections().len(), 0);
}
