//! RFC 9113 section 8.5 and RFC 8441: CONNECT.

use weir_tests::h2::{Expect, code, frame::*, setting, suite::Section};

const CONNECT: &str = "8.5: A CONNECT request that does not conform to these restrictions is malformed: the \":scheme\" and \
                       \":path\" pseudo-header fields MUST be omitted; \":authority\" contains the host and port.";
const EXTENDED: &str = "RFC 8441, 4: On requests that contain the :protocol pseudo-header field, the :scheme and :path \
                        pseudo-header fields of the target URI MUST also be included.";
const WEBSOCKET: &str = "RFC 8441, 5: the HTTP/2 stream becomes the equivalent of the TCP connection that carries the \
                         WebSocket.";

const AUTHORITY: (&str, &str) = (":authority", "weir.test:443");

#[test]
fn connect() {
    let mut s = Section::new("8.5 CONNECT");
    let method = (":method", "CONNECT");
    s.check(
        "with :path",
        CONNECT,
        move |ask| vec![ask.of(1, &[method, AUTHORITY, (":path", "PATH")])],
        Expect::malformed(),
    );
    s.check(
        "with :scheme",
        CONNECT,
        move |ask| vec![ask.of(1, &[method, AUTHORITY, (":scheme", "http")])],
        Expect::malformed(),
    );
    s.check(
        "with :scheme and :path",
        CONNECT,
        move |ask| vec![ask.of(1, &[method, AUTHORITY, (":scheme", "http"), (":path", "PATH")])],
        Expect::malformed(),
    );
    s.check("without :authority", CONNECT, move |ask| vec![ask.of(1, &[method])], Expect::malformed());
    s.talk(
        "refused where nothing is tunnelled",
        "RFC 9110, 9.3.6: A server that does not implement tunnels refuses.",
        move |t| {
            if t.target.is_weir() {
                t.client.send([t.ask.of(1, &[method, AUTHORITY])]);
                let refused = Expect::status(&[400, 405, 501]).or(Expect::stream(1, code::PROTOCOL_ERROR));
                refused.or(Expect::stream(1, code::REFUSED_STREAM)).check(&mut t.client);
            }
        },
    );
    s.run();
}

#[test]
fn extended() {
    let mut s = Section::new("RFC 8441 extended CONNECT");
    s.talk(
        "the server says that it can",
        "RFC 8441, 3: A server sends SETTINGS_ENABLE_CONNECT_PROTOCOL with a value of 1.",
        |t| {
            if t.target.tunnels() {
                assert_eq!(t.client.link.audit.setting(setting::ENABLE_CONNECT_PROTOCOL), Some(1));
            }
        },
    );
    let method = (":method", "CONNECT");
    let protocol = (":protocol", "websocket");
    let without: [(&str, Vec<(&str, &str)>); 3] = [
        ("without :scheme", vec![method, protocol, (":path", "PATH"), AUTHORITY]),
        ("without :path", vec![method, protocol, (":scheme", "http"), AUTHORITY]),
        ("without :authority", vec![method, protocol, (":scheme", "http"), (":path", "PATH")]),
    ];
    for (name, fields) in without {
        s.check(name, EXTENDED, move |ask| vec![ask.of(1, &fields).without(1)], Expect::malformed());
    }
    s.check(
        "with :protocol twice",
        "8.3: a repeated pseudo-header field name MUST be treated as malformed.",
        move |ask| {
            let fields = [method, protocol, protocol, (":scheme", "http"), (":path", "PATH"), AUTHORITY];
            vec![ask.of(1, &fields).without(1)]
        },
        Expect::malformed(),
    );
    let whole = [
        method,
        protocol,
        (":scheme", "http"),
        (":path", "PATH"),
        AUTHORITY,
        ("sec-websocket-version", "13"),
    ];
    s.talk("a WebSocket to an HTTP/1.1 server", WEBSOCKET, move |t| {
        if !t.target.tunnels() {
            return;
        }
        let ask = t.ask.to("ws");
        t.client.send([ask.of(1, &whole).without(1)]);
        let head = t.client.head(1);
        assert_eq!((head.status, head.is_whole), (200, false));
        for text in ["hello", "\x00\x01\r\n\r\n", "GET /evil HTTP/1.1\r\n\r\n"] {
            let before = t.client.so_far(1).body.len();
            t.client.send([data(1, text)]);
            t.client.wait_until("the echo", |client| client.so_far(1).body.len() == before + text.len());
            assert_eq!(&t.client.so_far(1).body[before..], text.as_bytes());
        }
        t.client.send([data(1, []).end()]);
        t.client.response(1);
        let request = t.seen_once();
        assert_eq!((&request.method[..], request.fields.get("upgrade")), ("GET", Some("websocket")));
        assert_eq!(request.fields.get("sec-websocket-version"), Some("13"));
        assert!(
            request.fields.get("sec-websocket-key").is_some_and(|key| key.len() == 24),
            "{:?}",
            request.fields
        );
    });
    s.talk(
        "a WebSocket that the server refuses",
        "RFC 8441, 5: the server's answer is that to the request.",
        move |t| {
            if t.target.tunnels() {
                t.client.send([t.ask.to("204").of(1, &whole).without(1)]);
                let status = t.client.head(1).status;
                assert!([204, 502].contains(&status), "{status}");
            }
        },
    );
    s.talk(
        "HEADERS on a tunnel",
        "8.5: Frame types other than DATA or stream management frames MUST NOT be sent on a \
        connected stream and MUST be treated as a stream error if received.",
        move |t| {
            if t.target.tunnels() {
                t.client.send([t.ask.to("ws").of(1, &whole).without(1)]);
                t.client.head(1);
                t.client.send([headers(1, *b"\x00\x03x-a\x01b").end()]);
                Expect::stream(1, code::PROTOCOL_ERROR).check(&mut t.client);
            }
        },
    );
    s.run();
}
