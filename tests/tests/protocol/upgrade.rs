//! Connections that change to another protocol.

use std::sync::{Mutex, mpsc};

use weir_tests::{Origin, Weir};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";

/// Switches and echoes until the client ends.
fn echo() -> Origin {
    Origin::start(|connection| {
        connection.request()?;
        connection.send(SWITCHING)?;
        connection.echo()
    })
}

#[test]
fn a_tunnel_carries_bytes_both_ways() {
    let origin = echo();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send(UPGRADE);
    let answer = client.next_response("GET");
    assert_eq!(answer.status, 101);
    assert_eq!(answer.fields.get("upgrade"), Some("websocket"));
    assert_eq!(answer.fields.get("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(answer.fields.get("sec-websocket-accept"), Some("y"));
    let request = &origin.requests()[0];
    assert_eq!(request.fields.get("upgrade"), Some("websocket"));
    assert_eq!(request.fields.get("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(request.fields.get("sec-websocket-key"), Some("x"));
    for message in ["hello", "\0\r\n\r\n\u{1}", "GET /evil HTTP/1.1\r\n\r\n"] {
        assert_eq!(client.send(message).exactly(message.len()), message.as_bytes());
    }
    client.half_close().expect_closed();
    origin.wait_until_closed(0);
    assert_eq!(origin.count(), 1, "what looks like a request in a tunnel is none");
}

#[test]
fn a_client_that_sends_no_more_still_gets_what_comes() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send(SWITCHING)?;
        connection.wait_for_end()?;
        connection.send("the last word")
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    assert_eq!(client.send(UPGRADE).next_response("GET").status, 101);
    assert_eq!(client.send("bye").half_close().rest(), b"the last word");
}

#[test]
fn a_server_that_sends_no_more_still_gets_what_comes() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send(SWITCHING)?;
        connection.half_close()?;
        let mut came = Vec::new();
        connection
            .body(weir_tests::message::Framing::UntilClose, &mut |data| came.extend_from_slice(data))?;
        tell.lock().expect("one connection").send(came).expect("the test waits");
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    assert_eq!(client.send(UPGRADE).next_response("GET").status, 101);
    client.expect_closed();
    client.send("the last word").half_close();
    assert_eq!(told.recv().expect("the server reads on"), b"the last word");
}

#[test]
fn bytes_that_come_with_the_switch_are_not_lost() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send(SWITCHING.to_owned() + "welcome")?;
        connection.echo()
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    // The client does not wait for the answer either.
    client.send(UPGRADE.to_owned() + "impatient");
    assert_eq!(client.next_response("GET").status, 101);
    assert_eq!(client.exactly(16), b"welcomeimpatient");
}

#[test]
fn a_server_may_decline() {
    let origin = Origin::saying("no");
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.send(UPGRADE).response();
        assert_eq!((answer.status, answer.text().as_str()), (200, "no"));
    }
    assert_eq!(origin.connections().len(), 1);
}

#[test]
fn who_breaks_off_ends_both_ends() {
    let origin = echo();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send(UPGRADE).next_response("GET");
    client.reset();
    origin.wait_until_closed(0);

    let mut client = weir.connect();
    client.send(UPGRADE).next_response("GET");
    origin.kill();
    client.expect_gone();
}

#[test]
fn an_upgrade_that_connection_does_not_name_is_none() {
    let origin = Origin::saying("plain");
    let weir = Weir::before(&[&origin]);
    weir.ask("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n");
    weir.ask("GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
    weir.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
    );
    for request in origin.requests() {
        assert!(!request.fields.has("upgrade") && !request.fields.has("connection"), "{request:?}");
    }
}

#[test]
fn a_server_that_wants_an_upgrade_says_which() {
    let origin = Origin::start(|connection| {
        while connection.request()?.is_some() {
            connection.send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: x/2\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.status, 426);
        assert_eq!(answer.fields.get("upgrade"), Some("x/2"));
        assert_eq!(answer.fields.get("connection"), Some("upgrade"));
    }
}
