//! Responses whose framing leaves room for two readings: 502 while that can still be said, a visible cut when it
//! cannot, and the server's connection is never used again.

use std::{
    io,
    sync::{
        Mutex,
        mpsc::{self, Receiver, Sender},
    },
};

use weir_tests::{Client, Origin, Response, Weir, origin};

/// What is wrong, and the bytes that a server sends.
type Case = (&'static str, &'static [u8]);

/// Wrong from the first bytes on.
const RESPONSES: &[Case] = &[
    // The status line.
    ("no status line", b"hello\r\n"),
    ("a body alone, as in HTTP/0.9", b"<html>hello</html>\r\n"),
    ("an empty line before the status line", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a space before the status line", b" HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("HTTP/1.10", b"HTTP/1.10 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("http/1.1", b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("ICY", b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("no status", b"HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
    ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a status in words", b"HTTP/1.1 two OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a signed status", b"HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("status 099", b"HTTP/1.1 099 Low\r\nContent-Length: 5\r\n\r\nhello"),
    ("status 600", b"HTTP/1.1 600 High\r\nContent-Length: 5\r\n\r\nhello"),
    ("two spaces before the status", b"HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a tab before the status", b"HTTP/1.1\t200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("a control character in the reason", b"HTTP/1.1 200 O\x01K\r\nContent-Length: 5\r\n\r\nhello"),
    ("bare CR in the reason", b"HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello"),
    ("NUL in the reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello"),
    // Lines and fields.
    ("bare LF everywhere", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("bare LF behind the status line", b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
    ("bare LF behind a field", b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello"),
    ("bare LF as the empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
    ("bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello"),
    ("doubled CR", b"HTTP/1.1 200 OK\r\r\nContent-Length: 5\r\r\n\r\r\nhello"),
    ("a folded field", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"),
    ("a folded Content-Length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello"),
    ("a space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
    ("a space in a name", b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("an empty name", b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("no colon", b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 5\r\n\r\nhello"),
    ("NUL in a name", b"HTTP/1.1 200 OK\r\nX\0: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 5\r\n\r\nhello"),
    ("a control character in a value", b"HTTP/1.1 200 OK\r\nX: \x08\r\nContent-Length: 5\r\n\r\nhello"),
    ("DEL in a value", b"HTTP/1.1 200 OK\r\nX: \x7f\r\nContent-Length: 5\r\n\r\nhello"),
    ("a connection option that is no token", b"HTTP/1.1 200 OK\r\nConnection: (x)\r\nContent-Length: 5\r\n\r\nhello"),
    // Lengths.
    ("two lengths, equal", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("two lengths, different", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello"),
    ("Content-Length: 5, 5", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("Content-Length: +5", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    ("Content-Length: -5", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("Content-Length: 0x5", b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("Content-Length of nothing", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"),
    ("Content-Length of 2^63", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello"),
    (
        "both lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "both lengths, the other way round",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("gzip, chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("chunked, gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    (
        "chunked twice",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"),
    ("chunked;x", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("a space behind Transfer-Encoding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (
        "Transfer-Encoding in HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    ("204 with chunks", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("100 with a length", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"),
    ("103 with chunks", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a switch that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    // Chunks that come with the head.
    ("a chunk without a size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
    ("a chunk's size in words", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n"),
    ("a signed chunk's size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
    ("0x before a chunk's size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk of 2^64 + 5", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello"),
    ("bare LF behind a chunk's size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    ("bare LF in an extension", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\nhello\r\n0\r\n\r\n"),
    ("no CRLF behind a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"),
    ("a chunk longer than its size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"),
    ("bare LF at the end", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\n"),
    ("a wrong trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX\r\n\r\n"),
    (
        "a length as a trailer",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    ),
];

/// Answers `/marker` with the number of its connection, and `/N` with case N.
fn origin() -> Origin {
    Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            match request.target[1..].parse::<usize>() {
                Ok(case) => connection.send(RESPONSES[case].1)?,
                Err(_) => connection.send(origin::ok(&connection.index().to_string()))?,
            }
        }
        Ok(())
    })
}

/// The number of the server's connection that a good request was answered on.
#[track_caller]
fn mark(name: &str, client: &mut Client) -> usize {
    let answer = client.get("/marker");
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    answer.text().parse().unwrap_or_else(|_| panic!("{name}: {}", answer.text()))
}

#[test]
fn answered_with_502_and_the_connection_is_not_used_again() {
    let origin = origin();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for (case, (name, _)) in RESPONSES.iter().enumerate() {
        let used = mark(name, &mut client);
        let answer = client.get(&format!("/{case}"));
        assert_eq!(answer.status, 502, "{name}: {}", answer.text());
        assert!(answer.text().contains("the server's response is not acceptable"), "{}", answer.text());
        origin.wait_until_closed(used);
        assert_eq!(mark(name, &mut client), used + 1, "{name}: the next request needs a new connection");
    }
    let asked = origin.targets().iter().filter(|target| *target != "/marker").count();
    assert_eq!(asked, RESPONSES.len(), "nothing was asked twice");
    let failures = weir.metrics().sum("weir_server_failures_total", &[]);
    assert_eq!(failures, RESPONSES.len() as f64);
}

#[test]
fn the_limits_of_a_head_hold_for_responses_too() {
    let field = |len: usize| format!("X: {}\r\n", "x".repeat(len));
    let end = "Content-Length: 0\r\n\r\n";
    for (name, answer) in [
        ("a head beyond max_header_bytes", format!("HTTP/1.1 200 OK\r\n{}{end}", field(40_000))),
        ("a head without an end", format!("HTTP/1.1 200 OK\r\n{}", field(10_000).repeat(4))),
        ("a line without an end", "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(40_000)),
        ("a status line without an end", "HTTP/1.1 200 ".to_owned() + &"x".repeat(40_000)),
        ("fields beyond max_headers", format!("HTTP/1.1 200 OK\r\n{}{end}", field(1).repeat(100))),
        (
            "interim responses without an end",
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17) + "HTTP/1.1 200 OK",
        ),
    ] {
        let origin = Origin::answering(answer);
        let weir = Weir::before(&[&origin]);
        let answer = weir.connect().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response();
        assert_eq!(answer.status, 502, "{name}");
        origin.wait_until_closed(0);
    }
}

#[test]
fn a_head_that_ends_early_is_502() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for cut in [1, 8, 12, 15, 17, 20, whole.len() - 1] {
        let origin = Origin::start(move |connection| {
            connection.request()?;
            connection.send(&whole[..cut])
        });
        let weir = Weir::before(&[&origin]);
        assert_eq!(weir.get("/").status, 502, "cut at {cut}");
        assert_eq!(origin.count(), 1, "bytes of an answer came: it must not be asked again");
    }
}

/// An origin that sends `first`, and `then` when the test says so; after that it closes if it shall.
fn in_two_parts(first: &'static [u8], then: &'static [u8], closes: bool) -> (Origin, Sender<()>) {
    let (go, gone): (Sender<()>, Receiver<()>) = mpsc::channel();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            if connection.index() > 0 {
                connection.send(origin::ok("fine"))?;
                continue;
            }
            connection.send(first)?;
            let _ = gone.lock().expect("one connection waits").recv();
            connection.send(then)?;
            if closes {
                return Ok(());
            }
        }
        Ok(())
    });
    (origin, go)
}

/// Asks, takes the first five bytes of the body, lets the rest come, and gives how reading on ended.
#[track_caller]
fn read_on(weir: &Weir, go: &Sender<()>, version: &str) -> io::Result<Vec<u8>> {
    let mut client = weir.connect();
    client.send(format!("GET / {version}\r\nHost: a\r\n\r\n"));
    let head = client.head();
    assert!(head.line.starts_with("HTTP/1.1 200"), "{head:?}");
    let first = if head.fields.has("transfer-encoding") { "5\r\nhello\r\n" } else { "hello" };
    assert_eq!(client.exactly(first.len()), first.as_bytes());
    go.send(()).expect("the server waits");
    client.try_rest()
}

#[test]
fn a_body_that_turns_out_wrong_is_never_ended() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    for (name, first, then, closes) in [
        ("a wrong size", CHUNKED, &b"x\r\nhello\r\n0\r\n\r\n"[..], false),
        ("bare LF behind a size", CHUNKED, b"5\nhello\r\n0\r\n\r\n", false),
        ("bare LF in an extension", CHUNKED, b"5;x\nhello\r\n0\r\n\r\n", false),
        ("no CRLF behind the data", CHUNKED, b"5\r\nhello0\r\n\r\n", false),
        ("a wrong trailer", CHUNKED, b"0\r\nX : a\r\n\r\n", false),
        ("bare LF at the end", CHUNKED, b"0\r\n\n", false),
        ("an end between chunks", CHUNKED, b"", true),
        ("an end in a chunk", CHUNKED, b"5\r\nhel", true),
        ("an end in the last line", CHUNKED, b"0\r\n", true),
        ("an end in a sized body", SIZED, b"hell", true),
    ] {
        let (origin, go) = in_two_parts(first, then, closes);
        let weir = Weir::before(&[&origin]);
        match read_on(&weir, &go, "HTTP/1.1") {
            Ok(rest) => {
                assert!(!rest.ends_with(b"0\r\n\r\n"), "{name}: {:?}", String::from_utf8_lossy(&rest));
                assert!(rest.len() < 5 || first == CHUNKED, "{name}");
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}"),
        }
        origin.wait_until_closed(0);
        assert_eq!(weir.get("/").text(), "fine", "{name}: the next request needs a new connection");
    }
}

/// A client of HTTP/1.0 knows the end of such a body by the end of the connection alone.
#[test]
fn a_body_that_ends_with_its_connection_is_cut_by_a_reset() {
    for (name, then) in [("a wrong size", &b"x\r\nhello\r\n0\r\n\r\n"[..]), ("an early end", b"5\r\nhel")] {
        let first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let (origin, go) = in_two_parts(first, then, true);
        let weir = Weir::before(&[&origin]);
        let error = read_on(&weir, &go, "HTTP/1.0").expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}");
    }
}

#[test]
fn bytes_behind_a_response_are_not_the_next_response() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let cases: &[(&str, &str, &str, u16)] = &[
        ("a sized body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        ("an empty body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (
            "chunks",
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            200,
        ),
        ("204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("204 with Content-Length: 0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        ("304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
        ("a HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n", 200),
        ("a HEAD with chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
    ];
    for (name, method, good, status) in cases {
        let answer = format!("{good}{EVIL}");
        let origin = Origin::start(move |connection| {
            while connection.request()?.is_some() {
                if connection.index() == 0 {
                    connection.send(&answer)?;
                } else {
                    connection.send(origin::ok("fine"))?;
                }
            }
            Ok(())
        });
        let weir = Weir::before(&[&origin]);
        let mut client = weir.connect();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let first: Response = client.response_to(method);
        assert_eq!(first.status, *status, "{name}");
        assert!(!first.text().contains("evil"), "{name}");
        assert_eq!(client.get("/next").text(), "fine", "{name}");
        assert_eq!(weir.get("/other").text(), "fine", "{name}");
        origin.wait_until_closed(0);
    }
}

#[test]
fn bytes_that_come_while_a_connection_is_idle_end_it() {
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let (origin, go) = in_two_parts(first, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", false);
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    assert_eq!(client.get("/").text(), "hello");
    go.send(()).expect("the server waits");
    origin.wait_until_closed(0);
    assert_eq!(client.get("/next").text(), "fine");
}
