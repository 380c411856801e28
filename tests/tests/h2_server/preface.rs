//! RFC 9113 section 3.4: the preface.

use std::io::{self, Read};

use weir_tests::{
    Origin, Weir,
    h2::{Block, Event, Frame, H2Client, PREFACE, code, frame::*, kind, name_of, suite::Section},
};

const INVALID: &str = "3.4: Clients and servers MUST treat an invalid connection preface as a connection error of type \
                       PROTOCOL_ERROR. A GOAWAY frame MAY be omitted in this case.";

#[test]
fn preface() {
    let mut s = Section::without_preface("3.4 preface");
    s.talk(
        "the server's SETTINGS come first",
        "3.4: [SETTINGS] MUST be the first frame the server sends in the HTTP/2 connection.",
        |t| {
            t.client.send_octets(PREFACE).send([settings(&[])]);
            assert!(matches!(t.client.event(), Event::Settings(_)));
        },
    );
    s.talk(
        "SETTINGS of the preface are acknowledged",
        "3.4: The SETTINGS frames received from a peer as part of the connection preface MUST be acknowledged.",
        |t| t.client.preface(&[]),
    );
    s.talk(
        "everything at once",
        "3.4: clients are permitted to send additional frames to the server immediately after sending the client \
         connection preface, without waiting to receive the server connection preface.",
        |t| {
            let frames = [settings(&[]), t.ask.get(1)];
            t.client.count(&frames).send_octets(&[PREFACE, &encode(&frames)].concat());
            t.client.wait_for("settings", |event| matches!(event, Event::Settings(_)).then_some(()));
            assert_eq!(t.client.response(1).status, 200);
        },
    );
    s.talk(
        "octet by octet",
        "3.4: the client connection preface starts with a sequence of 24 octets.",
        |t| {
            let frames = [settings(&[]), t.ask.get(1)];
            t.client.count(&frames);
            for octet in [PREFACE, &encode(&frames)].concat() {
                t.client.send_octets(&[octet]);
            }
            assert_eq!(t.client.response(1).status, 200);
        },
    );
    type Bad = (&'static str, fn() -> Vec<u8>);
    let bad: &[Bad] = &[
        ("another text", || b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec()),
        ("a wrong octet at the end", || [&PREFACE[..23], b"x", &settings(&[]).encode()].concat()),
        ("a wrong octet in the middle", || {
            [&PREFACE[..16], b"\r\n", b"XX\r\n\r\n", &settings(&[]).encode()].concat()
        }),
        ("PING instead of SETTINGS", || [PREFACE, &ping(*b"12345678").encode()].concat()),
        ("HEADERS instead of SETTINGS", || [PREFACE, &headers(1, *b"\x82\x84\x86").end().encode()].concat()),
        ("WINDOW_UPDATE instead of SETTINGS", || [PREFACE, &window_update(0, 1).encode()].concat()),
        ("an unknown frame instead of SETTINGS", || {
            [PREFACE, &Frame::new(0xfb, 0, 0, [0; 4]).encode()].concat()
        }),
        ("an acknowledgement instead of SETTINGS", || [PREFACE, &settings_ack().encode()].concat()),
        ("SETTINGS on a stream", || [PREFACE, &settings(&[]).on(1).encode()].concat()),
        ("SETTINGS of five octets", || {
            [PREFACE, &Frame::new(kind::SETTINGS, 0, 0, [0; 5]).encode()].concat()
        }),
        ("the preface twice", || [PREFACE, PREFACE].concat()),
    ];
    for &(name, octets) in bad {
        s.talk(name, INVALID, move |t| {
            t.client.send_octets(&octets());
            expect_end(&mut t.client);
        });
    }
    s.run();
}

/// The connection ends; before that, a GOAWAY may come, or an HTTP/1 answer where the preface is none.
#[track_caller]
fn expect_end(client: &mut H2Client) {
    let mut octets = Vec::new();
    let mut socket = client.link.socket();
    socket.set_read_timeout(Some(client.link.patience)).expect("a socket");
    let result = socket.read_to_end(&mut octets);
    let is_late = result.is_err_and(|error| error.kind() != io::ErrorKind::ConnectionReset);
    assert!(!is_late, "the connection goes on behind {octets:?}");
    if let Some(status) = octets.strip_prefix(b"HTTP/1.1 ") {
        assert!(status.starts_with(b"4"), "{:?}", String::from_utf8_lossy(&octets));
        return;
    }
    let mut rest = &octets[..];
    while let Some((frame, length)) = Frame::decode(rest) {
        rest = &rest[length..];
        if frame.kind == kind::GOAWAY {
            let code = u32::from_be_bytes(frame.payload[4..8].try_into().expect("four octets"));
            assert!([code::PROTOCOL_ERROR, code::FRAME_SIZE_ERROR].contains(&code), "{}", name_of(code));
        }
    }
    assert!(rest.is_empty(), "{octets:?}");
}

/// A preface that looks like a first line of another protocol gets no answer in the form of HTTP/1, which its client
/// could not read. What names HTTP does.
#[test]
fn a_first_line_of_another_protocol_is_closed_without_a_word() {
    let origin = Origin::saying("fine");
    for protocols in ["[http1, h2]", "[h2]"] {
        let weir = Weir::before_with(&[&origin], &format!("{{ protocols: {protocols} }}"));
        for other in ["INVALID CONNECTION PREFACE\r\n\r\n", "GET / FTP/1.1\r\n\r\n"] {
            let rest = weir.connect().send(other).rest();
            assert!(
                !rest.starts_with(b"HTTP/"),
                "{protocols}, {other:?}: {}",
                String::from_utf8_lossy(&rest)
            );
        }
    }
    let weir = Weir::before(&[&origin]);
    for http in ["GET / HTTP/2.7\r\n\r\n", "\r\nGET / HTTP/2.7\r\n\r\n", "GET / http/1.1\r\n\r\n"] {
        let answer = weir.connect().send(http).response();
        assert_eq!(answer.status, 400, "{http:?}");
    }
}

/// A reload to HTTP/2 alone leaves connections alone that speak HTTP/1.
#[test]
fn connections_go_on_in_the_version_that_they_began_with() {
    let origin = Origin::saying("fine");
    let yaml = |protocols: &str| {
        format!(
            "
listeners: [{{ name: main, bind: \"127.0.0.1:0\", pool: web, http: {{ protocols: {protocols} }} }}]
pools: {{ web: {{ servers: [\"{origin}\"], health: none }} }}
"
        )
    };
    let mut weir = Weir::start(&yaml("[http1, h2]"));
    let mut client = weir.connect();
    assert_eq!(client.get("/").status, 200);
    weir.reload(&yaml("[h2]"));
    assert_eq!(client.get("/").status, 200);
    let rest = weir.connect().send("GET / HTTP/1.1\r\nHost: weir.test\r\n\r\n").rest();
    assert!(!rest.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&rest));
}

/// Where HTTP/2 alone is spoken, a request of HTTP/1 is a wrong preface.
#[test]
fn http1_is_refused_where_it_is_not_spoken() {
    let origin = Origin::saying("fine");
    let weir = Weir::before_with(&[&origin], "{ protocols: [h2] }");
    let rest = weir.connect().send("GET / HTTP/1.1\r\nHost: weir.test\r\n\r\n").rest();
    assert!(!rest.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(origin.count(), 0);
    let mut client = H2Client::connect(weir.address());
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "weir.test")];
    client.send([headers(1, Block::of(&fields)).end()]);
    assert_eq!(client.response(1).text(), "fine");
}
