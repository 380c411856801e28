//! What Weir sends to servers: prefaces, settings, requests.

use weir_tests::{
    Client,
    h2::{Block, Event, H2Origin, code, flag, frame::*, setting},
    until,
};

use super::front::Front;

/// RFC 9113, 3.4: the client preface, then SETTINGS; those of the server "MUST be acknowledged".
#[test]
fn the_preface() {
    let origin = H2Origin::start_with(&[(setting::MAX_CONCURRENT_STREAMS, 50)], |connection| {
        let request = connection.request()?.expect("a request");
        connection.send(&connection.answer(request.stream, "ok"))?;
        connection.wait_for_end()
    });
    let front = Front::before(&origin);
    assert_eq!(front.get("/").text(), "ok");
    origin.wait_for("acknowledgement", |event| *event == Event::SettingsAck);
    let events = origin.events();
    let Event::Settings(settings) = &events[0].1 else { panic!("{events:?}") };
    // Pushes are of no use to a proxy. HAProxy says so as well.
    assert!(settings.contains(&(setting::ENABLE_PUSH, 0)), "{settings:?}");
}

/// RFC 9113, 8.3.1: control data comes from the HTTP/1.1 request. The audit looks at the order of the fields.
#[test]
fn a_request() {
    let origin = H2Origin::saying("ok");
    let front = Front::before(&origin);
    let request =
        "GET /a%20b?c=d HTTP/1.1\r\nHost: weir.test:81\r\nX-Upper: Value\r\nCookie: a=1; b=2\r\n\r\n";
    assert_eq!(front.ask(request).text(), "ok");
    let fields = &origin.requests()[0].fields;
    if front.is_weir() {
        assert_eq!(fields.get(":scheme"), Some("http"));
    }
    let expected = [
        (":method", "GET"),
        (":path", "/a%20b?c=d"),
        (":authority", "weir.test:81"),
        ("x-upper", "Value"),
        ("cookie", "a=1; b=2"),
    ];
    for (name, value) in expected {
        assert_eq!(fields.all(name).join("; "), value, "{name}");
    }
    assert_eq!(origin.requests()[0].body, b"");
}

/// RFC 9113, 8.2.2: "An intermediary transforming an HTTP/1.x message to HTTP/2 MUST remove connection-specific header
/// fields." The audit refuses those that it names.
#[test]
fn fields_of_the_connection_stay_here() {
    let origin = H2Origin::saying("ok");
    let front = Front::before(&origin);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                   Proxy-Connection: keep-alive\r\nTE: gzip, trailers\r\nX-Stays: 1\r\n\r\n";
    assert_eq!(front.ask(request).status, 200);
    let fields = &origin.requests()[0].fields;
    if front.is_weir() {
        assert!(!fields.has("x-hop"), "{fields:?}");
    }
    assert_eq!(fields.get("x-stays"), Some("1"));
}

/// RFC 9113, 8.1: content goes as DATA, whatever framed it in HTTP/1.1.
#[test]
fn bodies() {
    let origin = H2Origin::saying("ok");
    let front = Front::before(&origin);
    let sized = "POST /sized HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let empty = "POST /empty HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for request in [sized, chunked, empty] {
        assert_eq!(front.ask(request).status, 200);
    }
    for request in origin.wait_for_requests(3) {
        let (expected, length): (&[u8], _) = match request.path() {
            "/sized" => (b"hello", Some("5")),
            "/chunked" => (b"hello", None),
            _ => (b"", Some("0")),
        };
        assert_eq!((&request.body[..], request.fields.get("content-length")), (expected, length));
    }
}

/// RFC 9113, 8.1: a trailer section follows the content as HEADERS with END_STREAM.
#[test]
fn trailers() {
    let origin = H2Origin::saying("ok");
    let front = Front::before(&origin);
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n";
    assert_eq!(front.ask(request).status, 200);
    let request = &origin.wait_for_requests(1)[0];
    assert_eq!((&request.body[..], request.trailers.get("x-sum")), (&b"hello"[..], Some("7")));
}

/// RFC 9113, 5: "A single HTTP/2 connection can contain multiple concurrently open streams."
#[test]
fn clients_share_a_connection() {
    const CLIENTS: usize = 20;
    let origin = H2Origin::start(|connection| {
        let mut streams = Vec::new();
        // Nobody is answered before all have asked.
        while let Some(request) = connection.request()? {
            streams.push(request.stream);
            if request.path() == "/first" {
                connection.send(&connection.answer(request.stream, "first"))?;
                streams.clear();
            } else if streams.len() == CLIENTS {
                for stream in streams.drain(..).rev() {
                    connection.send(&connection.answer(stream, "together"))?;
                }
            }
        }
        Ok(())
    });
    let front = Front::before(&origin);
    if !front.is_weir() {
        return; // HAProxy shares connections of several clients only where it is told to.
    }
    assert_eq!(front.get("/first").text(), "first");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| front.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "together");
    }
    assert_eq!(origin.connections(), 1);
}

/// RFC 9113, 5.4.2 and 7: a request that nobody waits for is cancelled, and the connection stays.
#[test]
fn a_client_that_goes_cancels_its_stream() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            if request.path() != "/hold" {
                connection.send(&connection.answer(request.stream, "ok"))?;
            }
        }
        Ok(())
    });
    let front = Front::before(&origin);
    if !front.is_weir() {
        return; // HAProxy goes on unless it is told otherwise.
    }
    let mut client = front.connect();
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the request comes", || !origin.requests().is_empty());
    client.reset();
    origin.wait_for(
        "RST_STREAM",
        |event| matches!(event, Event::Reset { code, .. } if [code::CANCEL, code::NO_ERROR].contains(code)),
    );
    assert_eq!(front.get("/").text(), "ok");
}

/// The same when its client goes in the middle of its request, while the answer is under way: a plain close says so too,
/// since the request is not whole, and the server may have nothing to send that would show it.
#[test]
fn a_client_that_goes_before_its_end_cancels_its_stream() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            connection.send(&[headers(request.stream, Block::of(&[(":status", "200")]))])?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    if !front.is_weir() {
        return;
    }
    let mut client = front.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(client.head().line.contains("200"));
    drop(client);
    origin.wait_for("RST_STREAM", |event| matches!(event, Event::Reset { .. }));
}

/// RFC 9113, 6.7 and 6.5.3: PING and SETTINGS are answered at any time.
#[test]
fn ping_and_settings_are_answered() {
    let origin = H2Origin::start(|connection| {
        let request = connection.head()?.expect("a request");
        connection.send(&[ping(*b"are you?"), settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)])])?;
        connection.wait_for(|event| *event == Event::PingAck(*b"are you?"))?;
        connection.send(&[ping(*b"unwanted").flags(flag::ACK), ping(*b"and now?")])?;
        connection.wait_for(|event| *event == Event::PingAck(*b"and now?"))?;
        connection.send(&connection.answer(request.stream, "ok"))?;
        connection.wait_for_end()
    });
    let front = Front::before(&origin);
    assert_eq!(front.get("/").text(), "ok");
    let acknowledged = origin.events().iter().filter(|(_, event)| *event == Event::SettingsAck).count();
    assert_eq!(acknowledged, 2);
}
