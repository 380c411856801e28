//! Servers that break the rules of the connection: Weir says so, closes it, and answers 502.

use std::{sync::Arc, time::Duration};

use weir_tests::{
    h2::{Block, Event, Frame, H2Origin, code, flag, frame::*, kind, name_of, setting},
    wait::in_time,
};

use super::front::Front;

/// What a server sends instead of an answer on `stream`, and the codes that may follow.
type Case = (&'static str, &'static str, fn(u32) -> Vec<Frame>, &'static [u32]);

/// Only cases that fail wait as long.
const PATIENCE: Duration = Duration::from_secs(4);

const PROTOCOL: &[u32] = &[code::PROTOCOL_ERROR];
const SIZE: &[u32] = &[code::FRAME_SIZE_ERROR];
const COMPRESSION: &[u32] = &[code::COMPRESSION_ERROR];
const FLOW: &[u32] = &[code::FLOW_CONTROL_ERROR];

fn ok(stream: u32) -> Frame {
    headers(stream, Block::of(&[(":status", "200")]))
}

const CASES: &[Case] = &[
    (
        "DATA on stream 0",
        "6.1: a connection error of type PROTOCOL_ERROR",
        |_| vec![data(0, *b"x")],
        PROTOCOL,
    ),
    ("DATA on an idle stream", "5.1: idle", |s| vec![data(s + 2, *b"x")], PROTOCOL),
    (
        "HEADERS on stream 0",
        "6.2: a connection error of type PROTOCOL_ERROR",
        |_| vec![ok(0).end()],
        PROTOCOL,
    ),
    ("HEADERS on an idle stream", "5.1: idle", |s| vec![ok(s + 2).end()], PROTOCOL),
    (
        "HEADERS on a stream of the server",
        "5.1.1: no such stream was promised",
        |_| vec![ok(2).end()],
        PROTOCOL,
    ),
    ("RST_STREAM on stream 0", "6.4", |_| vec![rst_stream(0, 0)], PROTOCOL),
    ("RST_STREAM on an idle stream", "6.4", |s| vec![rst_stream(s + 2, 0)], PROTOCOL),
    ("RST_STREAM of three octets", "6.4", |s| vec![rst_stream(s, 0).payload([0; 3])], SIZE),
    ("SETTINGS on a stream", "6.5", |s| vec![settings(&[]).on(s)], PROTOCOL),
    ("SETTINGS of five octets", "6.5", |_| vec![settings(&[]).payload([0; 5])], SIZE),
    ("an acknowledgement with octets", "6.5", |_| vec![settings_ack().payload([0; 6])], SIZE),
    (
        "ENABLE_PUSH 1",
        "6.5.2: A client MUST treat receipt of a SETTINGS frame with SETTINGS_ENABLE_PUSH set to 1 as a connection error of \
         type PROTOCOL_ERROR.",
        |_| vec![settings(&[(setting::ENABLE_PUSH, 1)])],
        PROTOCOL,
    ),
    ("ENABLE_PUSH 2", "6.5.2", |_| vec![settings(&[(setting::ENABLE_PUSH, 2)])], PROTOCOL),
    (
        "INITIAL_WINDOW_SIZE 2^31",
        "6.5.2",
        |_| vec![settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)])],
        FLOW,
    ),
    ("MAX_FRAME_SIZE 1", "6.5.2", |_| vec![settings(&[(setting::MAX_FRAME_SIZE, 1)])], PROTOCOL),
    (
        "PUSH_PROMISE",
        "6.5.2: A client that has both set this parameter to 0 and had it acknowledged MUST treat the receipt of a \
         PUSH_PROMISE frame as a connection error of type PROTOCOL_ERROR.",
        |s| vec![push_promise(s, 2, b"\x82\x84\x86\x41\x01a")],
        PROTOCOL,
    ),
    ("PUSH_PROMISE on stream 0", "6.6", |_| vec![push_promise(0, 2, b"\x82\x84\x86\x41\x01a")], PROTOCOL),
    ("PING on a stream", "6.7", |s| vec![ping([0; 8]).on(s)], PROTOCOL),
    ("PING of seven octets", "6.7", |_| vec![ping([0; 8]).payload([0; 7])], SIZE),
    ("GOAWAY on a stream", "6.8", |s| vec![goaway(0, 0).on(s)], PROTOCOL),
    ("GOAWAY of seven octets", "4.2", |_| vec![goaway(0, 0).payload([0; 7])], SIZE),
    ("WINDOW_UPDATE of 0 on stream 0", "6.9", |_| vec![window_update(0, 0)], PROTOCOL),
    ("WINDOW_UPDATE of three octets", "6.9", |_| vec![window_update(0, 1).payload([0; 3])], SIZE),
    ("WINDOW_UPDATE on an idle stream", "5.1: idle", |s| vec![window_update(s + 2, 1)], PROTOCOL),
    ("a window of the connection above 2^31-1", "6.9.1", |_| vec![window_update(0, (1 << 31) - 1)], FLOW),
    ("CONTINUATION alone", "6.10", |s| vec![continuation(s, *b"\x88")], PROTOCOL),
    (
        "CONTINUATION on stream 0",
        "6.10",
        |s| vec![ok(s).without(flag::END_HEADERS), continuation(0, [])],
        PROTOCOL,
    ),
    ("CONTINUATION behind END_HEADERS", "6.10", |s| vec![ok(s), continuation(s, *b"\x88")], PROTOCOL),
    ("PING within a field block", "4.3", |s| vec![ok(s).without(flag::END_HEADERS), ping([0; 8])], PROTOCOL),
    (
        "DATA within a field block",
        "6.2",
        |s| vec![ok(s).without(flag::END_HEADERS), data(s, *b"x")],
        PROTOCOL,
    ),
    (
        "an unknown frame within a field block",
        "5.5",
        |s| vec![ok(s).without(flag::END_HEADERS), Frame::new(0xee, 0, s, [])],
        PROTOCOL,
    ),
    ("an unknown index", "4.3: COMPRESSION_ERROR", |s| vec![headers(s, *b"\x88\xfe").end()], COMPRESSION),
    (
        "a block cut short",
        "4.3: COMPRESSION_ERROR",
        |s| vec![headers(s, *b"\x88\x00\x05x").end()],
        COMPRESSION,
    ),
    ("a size update behind a field", "RFC 7541, 4.2", |s| vec![headers(s, *b"\x88\x20").end()], COMPRESSION),
    (
        "a size update beyond the limit",
        "RFC 7541, 6.3",
        |s| vec![headers(s, *b"\x3f\xff\xff\x7f\x88").end()],
        COMPRESSION,
    ),
    (
        "EOS in a Huffman string",
        "RFC 7541, 5.2",
        |s| vec![headers(s, *b"\x88\x00\x01x\x84\xff\xff\xff\xff").end()],
        COMPRESSION,
    ),
    ("more padding than payload", "6.1", |s| vec![ok(s), data(s, *b"x").pretending_padding(9)], PROTOCOL),
    ("more padding than payload in HEADERS", "6.2", |s| vec![ok(s).pretending_padding(255)], PROTOCOL),
    ("a frame beyond the limit", "4.2", |_| vec![ping([0; 8]).claiming((1 << 24) - 1)], SIZE),
    ("HEADERS beyond the limit", "4.2", |s| vec![ok(s).claiming((1 << 24) - 1)], SIZE),
];

#[test]
fn connection_errors() {
    let origin = Arc::new(H2Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            let case = request.path()[1..].parse::<usize>();
            match case {
                Ok(case) => {
                    let frames = CASES[case].2(request.stream);
                    connection.link.send_octets(&encode(&frames))?;
                }
                Err(_) => connection.send(&connection.answer(request.stream, "ok"))?,
            }
        }
        Ok(())
    }));
    let front = Front::before(&origin);
    let mut failed = Vec::new();
    for (n, (name, cites, _, codes)) in CASES.iter().enumerate() {
        let (seen, connections) = (origin.events().len(), origin.connections());
        let mut client = front.connect();
        client.patience(PATIENCE);
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        match client.try_response("GET") {
            // A head that was right may have gone on before the error came.
            Ok(Some(response)) if response.status == 502 => {}
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {}
            other => failed.push(format!("{name} ({cites}): answered by {other:?}")),
        }
        let came = |origin: &H2Origin| {
            // The request may have been sent once more, on another connection, which ends in its own time.
            let path = format!("/{n}");
            let asked: Vec<usize> = origin
                .requests()
                .iter()
                .filter(|request| request.path() == path)
                .map(|request| request.connection)
                .collect();
            let of_case = origin.events().into_iter().skip(seen).filter(|(index, _)| asked.contains(index));
            of_case.map(|(_, event)| event).find_map(|event| match event {
                Event::GoAway { code, .. } if code != code::NO_ERROR => Some(code),
                Event::Closed => Some(u32::MAX),
                _ => None,
            })
        };
        let code = in_time(|| came(&origin)).unwrap_or(u32::MAX - 1);
        let is_right = codes.contains(&code) || (!front.is_weir() && code != u32::MAX - 1);
        if !is_right {
            let what = match code {
                u32::MAX => "closed without GOAWAY".to_owned(),
                code if code == u32::MAX - 1 => "no error".to_owned(),
                code => name_of(code),
            };
            failed.push(format!("{name} ({cites}): {what}"));
        }
        assert!(origin.connections() >= connections);
    }
    assert_eq!(front.get("/good").status, 200);
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), CASES.len(), failed.join("\n"));
}

/// RFC 9113, 3.4: "Clients and servers MUST treat an invalid connection preface as a connection error of type
/// PROTOCOL_ERROR."
#[test]
fn no_http2_server() {
    let octets: [&[u8]; 3] = [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
        b"220 mail.test ready\r\n",
    ];
    for octets in octets {
        let origin = weir_tests::Origin::start(move |connection| {
            connection.send(octets)?;
            connection.wait_for_end()
        });
        let weir = match std::env::var_os("WEIR_TESTS_H2") {
            None => Some(weir_tests::Weir::start(&format!(
                "
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools: {{ web: {{ servers: [\"{origin}\"], protocol: h2, health: none }} }}
"
            ))),
            Some(_) => None,
        };
        let peer = weir.is_none().then(|| weir_tests::peer::Peer::haproxy_before_h2(&origin));
        let address = weir
            .as_ref()
            .map_or_else(|| peer.as_ref().expect("one of both").address(), |weir| weir.address());
        let answer = weir_tests::Client::connect(address).get("/");
        assert!([502, 503].contains(&answer.status), "{}", answer.line);
    }
}

/// RFC 9113, 5.5 and 4.1: what is unknown is ignored.
#[test]
fn unknown_things_are_ignored() {
    let origin = H2Origin::start_with(&[(0xf0, 1), (setting::ENABLE_CONNECT_PROTOCOL, 1)], |connection| {
        while let Some(request) = connection.request()? {
            let stream = request.stream;
            connection.send(&[
                Frame::new(0xee, 0xff, 0, *b"extension"),
                Frame::new(0xee, 0xff, stream, *b"extension"),
                Frame::new(0x0a, 0, 0, *b"\0\0"),
                ok(stream).flags(!(flag::PADDED | flag::PRIORITY | flag::END_STREAM)),
                Frame::new(0xee, 0, stream, []),
                data(stream, *b"o").flags(!(flag::PADDED | flag::END_STREAM)),
                priority(stream, false, 0, 1),
                data(stream, *b"k").end(),
                Frame::new(kind::PRIORITY, 0xff, stream, [0, 0, 0, 0, 9]),
            ])?;
        }
        Ok(())
    });
    let front = Front::before(&origin);
    for _ in 0..3 {
        assert_eq!(front.get("/").text(), "ok");
    }
    if front.is_weir() {
        assert_eq!(origin.connections(), 1);
    }
}
