//! Requests that a server did not process are tried again where that is safe (RFC 9113, 8.7).

use weir_tests::h2::{Event, H2Origin, code, frame::*};

use super::front::Front;

const GET: &str = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

/// Answers `/first` once as `refuse` says, and everything else well.
fn once(refuse: impl Fn(u32) -> Vec<weir_tests::h2::Frame> + Send + Sync + 'static, close: bool) -> H2Origin {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    H2Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.path() == "/first" && is_first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                connection.send(&refuse(request.stream))?;
                if close {
                    return Ok(());
                }
                continue;
            }
            connection.send(&connection.answer(request.stream, "again"))?;
        }
        Ok(())
    })
}

/// "The REFUSED_STREAM error code … Any request that was sent on the reset stream can be safely retried."
#[test]
fn refused_stream() {
    for request in [GET, POST] {
        let origin = once(|stream| vec![rst_stream(stream, code::REFUSED_STREAM)], false);
        let front = Front::before(&origin);
        let answer = front.ask(request);
        if front.is_weir() && request == GET {
            assert_eq!(answer.text(), "again");
        }
        // A body that is gone cannot be sent again; then the client is told.
        assert!([200, 502, 503].contains(&answer.status), "{}", answer.line);
        assert_eq!(front.get("/other").text(), "again");
    }
}

/// A server that refuses everything is not asked for ever.
#[test]
fn refused_for_ever() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            connection.send(&[rst_stream(request.stream, code::REFUSED_STREAM)])?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    assert!([502, 503].contains(&front.ask(GET).status));
    assert!(origin.requests().len() < 10, "{} tries", origin.requests().len());
}

/// "The GOAWAY frame indicates the highest stream number that might have been processed. Requests on streams with higher
/// numbers are therefore guaranteed to be safe to retry."
#[test]
fn goaway_before_the_request_was_processed() {
    let origin = once(|_| vec![goaway(0, code::NO_ERROR)], false);
    let front = Front::before(&origin);
    if front.is_weir() {
        assert_eq!(front.ask(GET).text(), "again");
        assert_eq!(origin.connections(), 2, "the connection that goes away was used again");
    }
}

/// "An endpoint might gracefully shut down a connection by sending a GOAWAY frame, maintaining the connection in an
/// \"open\" state until all in-progress streams complete" (6.8). "Receivers of a GOAWAY frame MUST NOT open additional
/// streams on the connection."
#[test]
fn goaway_while_an_answer_is_under_way() {
    let origin = H2Origin::start(|connection| {
        let index = connection.index().to_string();
        while let Some(request) = connection.request()? {
            if request.path() == "/first" {
                let last = if index == "0" { request.stream } else { 0 };
                connection.send(&[goaway((1 << 31) - 1, code::NO_ERROR), ping(*b"graceful")])?;
                connection.wait_for(|event| matches!(event, Event::PingAck(_)))?;
                connection.send(&[goaway(last, code::NO_ERROR)])?;
            }
            connection.send(&connection.answer(request.stream, &index))?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    assert_eq!(client.get("/first").text(), "0");
    assert_eq!(client.get("/second").text(), "1");
}

/// A connection that ends without a word: an idempotent request without content is replayed, once; others are answered 502.
#[test]
fn the_connection_ends() {
    for (request, is_safe) in [(GET, true), (POST, false)] {
        let origin = once(|_| Vec::new(), true);
        let front = Front::before(&origin);
        if !front.is_weir() {
            return; // HAProxy closes the client's connection, so that the client tries again.
        }
        let mut client = front.connect();
        // The connection is not new, so that its end may have crossed the request.
        assert_eq!(client.get("/before").text(), "again");
        let answer = client.send(request).response();
        assert_eq!(answer.status, if is_safe { 200 } else { 502 }, "{request}");
        let tries = origin.requests().iter().filter(|request| request.path() == "/first").count();
        assert_eq!(tries, if is_safe { 2 } else { 1 });
        assert_eq!(front.get("/other").text(), "again");
    }
}

/// Other errors say nothing about what the server did: nothing is sent twice.
#[test]
fn other_resets_are_not_retried() {
    for code in [code::INTERNAL_ERROR, code::CANCEL, code::PROTOCOL_ERROR, code::NO_ERROR, 0xffff] {
        let origin = once(move |stream| vec![rst_stream(stream, code)], false);
        let front = Front::before(&origin);
        let answer = front.ask(POST);
        assert!([502, 503].contains(&answer.status), "{code}: {}", answer.line);
        let tries = origin.requests().iter().filter(|request| request.path() == "/first").count();
        assert_eq!(tries, 1, "{code}");
        assert_eq!(front.get("/other").text(), "again");
    }
}

/// A stream that fails leaves the others on its connection alone (RFC 9113, 5.4.2).
#[test]
fn a_reset_costs_no_other_stream() {
    let origin = H2Origin::start(|connection| {
        let mut held = None;
        while let Some(request) = connection.request()? {
            match request.path() {
                "/held" => held = Some(request.stream),
                "/first" => connection.send(&[rst_stream(request.stream, code::INTERNAL_ERROR)])?,
                _ => {
                    connection.send(&connection.answer(request.stream, "ok"))?;
                    if let Some(stream) = held.take() {
                        connection.send(&connection.answer(stream, "held"))?;
                    }
                }
            }
        }
        Ok(())
    });
    let front = Front::before(&origin);
    if !front.is_weir() {
        return; // HAProxy gives each client a connection of its own.
    }
    let mut held = front.connect();
    held.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);
    assert_eq!(front.ask(POST).status, 502);
    assert_eq!(front.get("/other").text(), "ok");
    assert_eq!(held.response().text(), "held");
    assert_eq!(origin.connections(), 1);
}
