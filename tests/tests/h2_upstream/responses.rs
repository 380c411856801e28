//! Responses of servers, right and wrong.

use std::time::Duration;

use weir_tests::h2::{Block, Event, Frame, H2Origin, code, flag, frame::*};

use super::front::Front;

type Case = (&'static str, &'static str, fn(u32) -> Vec<Frame>);

fn head(stream: u32, fields: &[(&str, &str)]) -> Frame {
    headers(stream, Block::of(fields))
}

/// Malformed from the head on: RFC 9113, 8.1.1.
const MALFORMED: &[Case] = &[
    ("no :status", "8.3.2: MUST be included in all responses", |s| vec![head(s, &[("x-a", "b")]).end()]),
    ("an empty block", "8.3.2", |s| vec![headers(s, []).end()]),
    (":status twice", "8.3: a repeated name", |s| {
        vec![head(s, &[(":status", "200"), (":status", "200")]).end()]
    }),
    (":status of two digits", "8.3.2", |s| vec![head(s, &[(":status", "20")]).end()]),
    (":status of four digits", "8.3.2", |s| vec![head(s, &[(":status", "2000")]).end()]),
    (":status in words", "8.3.2", |s| vec![head(s, &[(":status", "two")]).end()]),
    (":status with a sign", "8.3.2", |s| vec![head(s, &[(":status", "+20")]).end()]),
    (":status 000", "8.3.2", |s| vec![head(s, &[(":status", "000")]).end()]),
    ("an empty :status", "8.3.2", |s| vec![head(s, &[(":status", "")]).end()]),
    (":status with a reason", "8.3.2", |s| vec![head(s, &[(":status", "200 OK")]).end()]),
    (":path", "8.3: defined for requests", |s| vec![head(s, &[(":status", "200"), (":path", "/")]).end()]),
    (":method", "8.3: defined for requests", |s| {
        vec![head(s, &[(":method", "GET"), (":status", "200")]).end()]
    }),
    ("an unknown pseudo-header field", "8.3", |s| vec![head(s, &[(":status", "200"), (":x", "y")]).end()]),
    (":status behind a field", "8.3", |s| vec![head(s, &[("x-a", "b"), (":status", "200")]).end()]),
    ("an uppercase name", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("X-A", "b")]).end()]),
    ("a space in a name", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x a", "b")]).end()]),
    ("a colon in a name", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x:a", "b")]).end()]),
    ("CR LF in a name", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x\r\ny", "b")]).end()]),
    ("an empty name", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("", "b")]).end()]),
    ("LF in a value", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x-a", "b\nc: d")]).end()]),
    ("CR in a value", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x-a", "b\rc")]).end()]),
    ("NUL in a value", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x-a", "b\0c")]).end()]),
    ("a space before a value", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x-a", " b")]).end()]),
    ("a tab behind a value", "8.2.1", |s| vec![head(s, &[(":status", "200"), ("x-a", "b\t")]).end()]),
    ("connection", "8.2.2", |s| vec![head(s, &[(":status", "200"), ("connection", "close")]).end()]),
    ("transfer-encoding", "8.2.2", |s| {
        vec![head(s, &[(":status", "200"), ("transfer-encoding", "chunked")]).end()]
    }),
    ("keep-alive", "8.2.2", |s| vec![head(s, &[(":status", "200"), ("keep-alive", "timeout=5")]).end()]),
    ("proxy-connection", "8.2.2", |s| {
        vec![head(s, &[(":status", "200"), ("proxy-connection", "close")]).end()]
    }),
    ("upgrade", "8.2.2", |s| vec![head(s, &[(":status", "200"), ("upgrade", "h2c")]).end()]),
    ("101", "8.6: HTTP/2 does not support the 101 status code", |s| vec![head(s, &[(":status", "101")])]),
    ("an interim response that ends", "8.1", |s| vec![head(s, &[(":status", "103")]).end()]),
    ("DATA before HEADERS", "8.1", |s| vec![data(s, *b"hello").end()]),
    ("DATA behind an interim response", "8.1", |s| {
        vec![head(s, &[(":status", "103")]), data(s, *b"x").end()]
    }),
    ("a length and no content", "8.1.1", |s| {
        vec![head(s, &[(":status", "200"), ("content-length", "5")]).end()]
    }),
    ("two lengths", "RFC 9110, 8.6", |s| {
        vec![
            head(s, &[(":status", "200"), ("content-length", "5"), ("content-length", "6")]),
            data(s, *b"hello").end(),
        ]
    }),
    ("a length that is no number", "RFC 9110, 8.6", |s| {
        vec![head(s, &[(":status", "200"), ("content-length", "five")]), data(s, *b"hello").end()]
    }),
    ("a signed length", "RFC 9110, 8.6", |s| {
        vec![head(s, &[(":status", "200"), ("content-length", "+5")]), data(s, *b"hello").end()]
    }),
];

/// Malformed behind a good head, which may have gone on.
const LATE: &[Case] = &[
    ("more than the length", "8.1.1", |s| {
        vec![head(s, &[(":status", "200"), ("content-length", "4")]), data(s, *b"hello").end()]
    }),
    ("less than the length", "8.1.1", |s| {
        vec![head(s, &[(":status", "200"), ("content-length", "6")]), data(s, *b"hello").end()]
    }),
    ("less than the length, and trailers", "8.1.1", |s| {
        let start = [head(s, &[(":status", "200"), ("content-length", "6")]), data(s, *b"hello")];
        [&start[..], &[head(s, &[("x-a", "b")]).end()]].concat()
    }),
    ("a second head", "8.1", |s| {
        vec![
            head(s, &[(":status", "200")]),
            data(s, *b"hello"),
            head(s, &[(":status", "200")]),
            data(s, *b"x").end(),
        ]
    }),
    ("trailers without END_STREAM", "8.1", |s| {
        vec![
            head(s, &[(":status", "200")]),
            data(s, *b"hello"),
            head(s, &[("x-a", "b")]),
            data(s, *b"x").end(),
        ]
    }),
    ("a pseudo-header field in trailers", "8.3", |s| {
        vec![head(s, &[(":status", "200")]), data(s, *b"hello"), head(s, &[(":status", "200")]).end()]
    }),
    ("LF in trailers", "8.2.1", |s| {
        vec![head(s, &[(":status", "200")]), data(s, *b"hello"), head(s, &[("x-a", "b\nc: d")]).end()]
    }),
    ("RST_STREAM within the content", "6.4", |s| {
        vec![head(s, &[(":status", "200")]), data(s, *b"hello"), rst_stream(s, code::INTERNAL_ERROR)]
    }),
    ("RST_STREAM with NO_ERROR within the content", "8.1: only after a complete response", |s| {
        vec![head(s, &[(":status", "200")]), data(s, *b"hello"), rst_stream(s, code::NO_ERROR)]
    }),
];

/// Answers `/N` with case N, everything else well.
fn origin(cases: &'static [Case]) -> H2Origin {
    H2Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            match request.path()[1..].parse::<usize>() {
                Ok(case) => connection.send(&cases[case].2(request.stream))?,
                Err(_) => connection.send(&connection.answer(request.stream, "ok"))?,
            }
        }
        Ok(())
    })
}

/// RFC 9113, 8.1.1: "Clients MUST NOT accept a malformed response."
#[test]
fn malformed() {
    let origin = origin(MALFORMED);
    let front = Front::before(&origin);
    let mut failed = Vec::new();
    for (n, (name, cites, _)) in MALFORMED.iter().enumerate() {
        // HAProxy 2.6 does not survive all of these.
        let own = (!front.is_weir()).then(|| Front::before(&origin));
        let front = own.as_ref().unwrap_or(&front);
        let mut client = front.connect();
        client.patience(Duration::from_secs(5));
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut answer = client.try_response("GET");
        while matches!(&answer, Ok(Some(interim)) if interim.status < 200) {
            answer = client.try_response("GET");
        }
        match answer {
            Ok(Some(answer)) if answer.status == 502 => {}
            answer => failed.push(format!("{name} ({cites}): {answer:?}")),
        }
        // The stream is in error, not the connection.
        if front.is_weir() {
            assert_eq!(front.get("/good").text(), "ok", "behind {name}");
        }
    }
    if front.is_weir() {
        assert_eq!(origin.connections(), 1, "a stream error cost the connection");
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), MALFORMED.len(), failed.join("\n"));
}

#[test]
fn malformed_late() {
    let origin = origin(LATE);
    let front = Front::before(&origin);
    let mut failed = Vec::new();
    for (n, (name, cites, _)) in LATE.iter().enumerate() {
        let mut client = front.connect();
        client.patience(Duration::from_secs(5));
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        // 502, or an answer that is visibly cut.
        match client.try_response("GET") {
            Ok(Some(answer)) if answer.status != 502 => failed.push(format!("{name} ({cites}): {answer:?}")),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                failed.push(format!("{name} ({cites}): {error}"));
            }
            _ => {}
        }
        assert_eq!(front.get("/good").text(), "ok", "behind {name}");
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), LATE.len(), failed.join("\n"));
}

/// Right ones: what the client gets as status, body, and a field named `x-a`.
type Good = (&'static str, &'static str, fn(u32) -> Vec<Frame>, (u16, &'static str));

const GOOD: &[Good] = &[
    (
        "with a length",
        "GET",
        |s| vec![head(s, &[(":status", "200"), ("content-length", "5")]), data(s, *b"hello").end()],
        (200, "hello"),
    ),
    (
        "without a length",
        "GET",
        |s| vec![head(s, &[(":status", "200")]), data(s, *b"hello").end()],
        (200, "hello"),
    ),
    (
        "in several frames",
        "GET",
        |s| {
            vec![
                head(s, &[(":status", "200")]),
                data(s, *b"he"),
                data(s, []),
                data(s, *b"llo"),
                data(s, []).end(),
            ]
        },
        (200, "hello"),
    ),
    (
        "with padding",
        "GET",
        |s| {
            vec![
                head(s, &[(":status", "200"), ("content-length", "5")]).padded(10),
                data(s, *b"hello").padded(3).end(),
            ]
        },
        (200, "hello"),
    ),
    (
        "with priority",
        "GET",
        |s| vec![head(s, &[(":status", "200")]).prioritized(false, 0, 1), data(s, *b"hello").end()],
        (200, "hello"),
    ),
    (
        "in CONTINUATION frames",
        "GET",
        |s| {
            let all = Block::of(&[(":status", "200"), ("x-long", "value")]).0;
            let start = headers(s, &all[..4]).without(flag::END_HEADERS);
            let middle = continuation(s, &all[4..9]).without(flag::END_HEADERS);
            vec![start, middle, continuation(s, &all[9..]), data(s, *b"hello").end()]
        },
        (200, "hello"),
    ),
    ("without content", "GET", |s| vec![head(s, &[(":status", "200")]).end()], (200, "")),
    ("204", "GET", |s| vec![head(s, &[(":status", "204")]).end()], (204, "")),
    (
        "304 with a length",
        "GET",
        |s| vec![head(s, &[(":status", "304"), ("content-length", "5")]).end()],
        (304, ""),
    ),
    ("404", "GET", |s| vec![head(s, &[(":status", "404")]), data(s, *b"none").end()], (404, "none")),
    ("599", "GET", |s| vec![head(s, &[(":status", "599")]).end()], (599, "")),
    (
        "to HEAD, with a length",
        "HEAD",
        |s| vec![head(s, &[(":status", "200"), ("content-length", "5")]).end()],
        (200, ""),
    ),
    (
        "behind interim responses",
        "GET",
        |s| {
            let interim = [head(s, &[(":status", "102")]), head(s, &[(":status", "103"), ("link", "</a>")])];
            [&interim[..], &[head(s, &[(":status", "200")]), data(s, *b"hello").end()]].concat()
        },
        (200, "hello"),
    ),
    (
        "with trailers",
        "GET",
        |s| vec![head(s, &[(":status", "200")]), data(s, *b"hello"), head(s, &[("x-sum", "7")]).end()],
        (200, "hello"),
    ),
    (
        "with trailers and no content",
        "GET",
        |s| vec![head(s, &[(":status", "200")]), head(s, &[("x-sum", "7")]).end()],
        (200, ""),
    ),
    (
        "followed by RST_STREAM with NO_ERROR",
        "GET",
        |s| vec![head(s, &[(":status", "200")]), data(s, *b"hello").end(), rst_stream(s, code::NO_ERROR)],
        (200, "hello"),
    ),
];

#[test]
fn good() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let case: usize = request.path()[1..].parse().expect("a case");
            connection.send(&GOOD[case].2(request.stream))?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    for (n, (name, method, _, expected)) in GOOD.iter().enumerate() {
        let mut client = front.connect();
        client.send(format!("{method} /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.response_to(method);
        assert_eq!((answer.status, &answer.text()[..]), *expected, "{name}");
        if *name == "with trailers" {
            assert_eq!(answer.trailers.get("x-sum"), Some("7"));
        }
    }
}

/// RFC 9113, 8.1: interim responses go on.
#[test]
fn interim_responses() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            let stream = request.stream;
            if request.fields.has("expect") {
                connection.send(&[head(stream, &[(":status", "100")])])?;
                connection.wait_for(|event| matches!(event, Event::Data { ends: true, .. }))?;
            } else {
                connection.send(&[head(stream, &[(":status", "103"), ("link", "</a>")])])?;
            }
            connection.send(&connection.answer(stream, "ok"))?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let hints = client.next_response("GET");
    assert_eq!((hints.status, hints.fields.get("link")), (103, Some("</a>")));
    assert_eq!(client.response().text(), "ok");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.next_response("POST").status, 100);
    assert_eq!(client.send("hello").response().text(), "ok");
}

/// RFC 9113, 8.1: "A server can send a complete response prior to the client sending an entire request. … Clients MUST NOT
/// discard responses as a result of receiving such a RST_STREAM."
#[test]
fn an_answer_before_the_request_ends() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            let answer = connection.answer(request.stream, "early");
            connection.send(&[answer, vec![rst_stream(request.stream, code::NO_ERROR)]].concat())?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello");
    let answer = client.response();
    assert_eq!((answer.status, &answer.text()[..]), (200, "early"));
}

/// RFC 9113, 6.9: what a server sends beyond Weir's window is an error, but all within it must get through.
#[test]
fn large_answers() {
    const LENGTH: usize = 3_000_000;
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let length = LENGTH.to_string();
            connection.send(&[head(request.stream, &[(":status", "200"), ("content-length", &length)])])?;
            connection.send_data(request.stream, &vec![b'x'; LENGTH])?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").body.len(), LENGTH);
    }
}

/// RFC 9113, 8.1: a response ends with END_STREAM, whatever its content-length says: it is not reset before.
#[test]
fn an_empty_answer_that_ends_later() {
    let origin = H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let head = Block::of(&[(":status", "200"), ("content-length", "0")]);
            connection.send(&[headers(request.stream, head), ping(*b"has come")])?;
            // A second one, since what the first one wakes may answer behind it.
            connection.wait_for(|event| matches!(event, Event::PingAck(_)))?;
            connection.send(&[ping(*b"and more")])?;
            connection.wait_for(|event| matches!(event, Event::PingAck(_)))?;
            connection.send(&[data(request.stream, *b"").end()])?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    let mut client = front.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    let is_reset = |(_, event): &(usize, Event)| matches!(event, Event::Reset { .. });
    assert!(!origin.events().iter().any(is_reset), "{:?}", origin.events());
}
