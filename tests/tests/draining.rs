//! Ends: of the process, and of a listener that a reload takes away.

use std::sync::{Mutex, mpsc};

use rustix::process::Signal;
use weir_tests::{Client, Origin, Weir, origin, until, weir::simple};

/// A client that has sent more than is answered must still be able to read what was: closing at once would make Weir's
/// kernel reset the connection over the unread rest.
#[test]
fn a_pipelining_client_is_not_reset_by_a_drain() {
    let mut weir = check_pipelining(|weir, _| {
        let mark = weir.mark();
        weir.signal(Signal::TERM);
        weir.wait_for_log(mark, "stopping");
    });
    assert!(weir.wait_for_exit().success());
}

#[test]
fn a_pipelining_client_is_not_reset_when_its_listener_goes() {
    check_pipelining(|weir, origin| {
        weir.reload(&simple(&[origin], "{}").replace("name: web", "name: other"));
    });
}

/// `change` ends connections. That of a client which has pipelined more ends behind the answer that is under way.
fn check_pipelining(change: impl FnOnce(&mut Weir, &Origin)) -> Weir {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let _ = gone.lock().expect("one request waits").recv();
            connection.send(origin::ok("first"))?;
        }
        Ok(())
    });
    let mut weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);
    // More than Weir reads ahead.
    client.send("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").send(vec![b'x'; 100_000]);
    change(&mut weir, &origin);
    go.send(()).expect("the server waits");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.fields.get("connection")), ("first", Some("close")));
    client.expect_closed();
    origin.expect_only(&["/1"]);
    weir
}

/// A listener whose worker accepts no more, since the limit is reached, lets go of its address all the same.
#[test]
fn a_listener_goes_while_the_limit_of_connections_is_reached() {
    let origin = Origin::saying("ok");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let yaml = |more: &str| {
        format!(
            "
runtime: {{ workers: 1, max_connections: 1 }}
listeners:
  - {{ name: stays, bind: \"127.0.0.1:0\", pool: web }}
{more}
pools:
  web: {{ servers: [\"{origin}\"], health: none }}
"
        )
    };
    let with = yaml(&format!("  - {{ name: goes, bind: \"{free}\", pool: web }}"));
    let mut weir = Weir::start(&with);
    let mut client = Client::connect(weir.address_of("stays"));
    assert_eq!(client.get("/").status, 200);
    let mut waiting = Client::connect(free);
    until("the limit is reached", || weir.metrics().limit("max_connections") >= 1.0);
    weir.reload(&yaml(""));
    waiting.expect_gone();
    until("nobody listens there", || Client::try_connect(free).is_err());
    weir.reload(&with);
    assert_eq!(client.get("/").status, 200);
}
