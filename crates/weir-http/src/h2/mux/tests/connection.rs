//! RFC 9113 sections 3.4, 4, and the frames of section 6 that concern the connection.

use super::wire::{Expected::*, *};
use crate::h2::{ErrorCode as E, Mux, Settings, frame::PREFACE};

#[test]
fn prefaces() {
    let bare = || Mux::server(Settings::default());
    // RFC 9113 section 3.4: clients and servers MUST treat an invalid connection preface as a connection error.
    check(bare, "HTTP/1", &[b"GET / HTTP/1.1\r\n".to_vec()], Fatal(E::PROTOCOL_ERROR));
    check(
        bare,
        "spoilt in its last byte",
        &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx".to_vec()],
        Fatal(E::PROTOCOL_ERROR),
    );
    // RFC 9113 section 3.4: this sequence MUST be followed by a SETTINGS frame, which MAY be empty.
    check(bare, "SETTINGS", &[PREFACE.to_vec(), settings(&[])], Fine);
    check(bare, "PING first", &[PREFACE.to_vec(), frame(k::PING, 0, 0, &[0; 8])], Fatal(E::PROTOCOL_ERROR));
    let ack = frame(k::SETTINGS, flag::ACK, 0, b"");
    check(bare, "ACK first", &[PREFACE.to_vec(), ack], Fatal(E::PROTOCOL_ERROR));
    let read = || Mux::server_after_preface(Settings::default(), 18);
    check(read, "the rest of a preface", &[b"SM\r\n\r\n".to_vec(), settings(&[])], Fine);
}

#[test]
fn we_begin_with_settings() {
    // RFC 9113 section 3.4: the server preface consists of a SETTINGS frame, the first frame it sends.
    let mut server = Mux::server(Settings { extended_connect: true, ..Settings::default() });
    let sent = output(&mut server);
    assert_eq!((sent[0].kind, sent[0].flags, sent[0].stream), (k::SETTINGS, 0, 0));
    let has = |id: u16, value: u32| {
        let setting = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        sent[0].payload.chunks(6).any(|chunk| chunk == setting)
    };
    assert!(has(3, 100) && has(4, 128 * 1024) && has(8, 1) && has(9, 1));
    // RFC 9113 section 6.9.2: the connection's window is changed by WINDOW_UPDATE alone.
    assert_eq!((sent[1].kind, sent[1].stream, sent[1].u32(0)), (k::WINDOW_UPDATE, 0, 1024 * 1024 - 65_535));

    let mut client = Mux::client(Settings::default());
    assert!(client.output().starts_with(PREFACE));
    let sent = output(&mut client);
    // RFC 9113 section 6.5.2: ENABLE_PUSH of 0.
    assert!(sent[0].payload.chunks(6).any(|chunk| chunk == [0, 2, 0, 0, 0, 0]));
}

#[test]
fn frames_of_the_connection() {
    let long = vec![0; 16_385];
    let cases: Vec<(&str, Vec<u8>, _)> = vec![
        // RFC 9113 section 4.1: unknown flags and the reserved bit are ignored.
        ("reserved bit", frame(k::PING, 0, 1 << 31, &[0; 8]), Fine),
        ("unknown flags", frame(k::PING, 0xfe, 0, &[0; 8]), Fine),
        // RFC 9113 section 4.2: FRAME_SIZE_ERROR for a frame beyond SETTINGS_MAX_FRAME_SIZE.
        ("too long", frame(k::PING, 0, 0, &long), Fatal(E::FRAME_SIZE_ERROR)),
        ("too long, unknown", frame(0xee, 0, 0, &long), Fatal(E::FRAME_SIZE_ERROR)),
        // RFC 9113 section 5.5: frames of unknown types are discarded.
        ("unknown", frame(0xee, 0xff, 0, b"hello"), Fine),
        ("unknown on a stream", frame(0xee, 0xff, 77, b"hello"), Fine),
        // RFC 9113 section 6.1, 6.2, 6.3, 6.4: stream 0.
        ("DATA on 0", frame(k::DATA, 0, 0, b"x"), Fatal(E::PROTOCOL_ERROR)),
        ("HEADERS on 0", frame(k::HEADERS, 4, 0, b""), Fatal(E::PROTOCOL_ERROR)),
        ("PRIORITY on 0", frame(k::PRIORITY, 0, 0, &[0; 5]), Fatal(E::PROTOCOL_ERROR)),
        ("RST_STREAM on 0", frame(k::RST_STREAM, 0, 0, &[0; 4]), Fatal(E::PROTOCOL_ERROR)),
        ("CONTINUATION on 0", frame(k::CONTINUATION, 4, 0, b""), Fatal(E::PROTOCOL_ERROR)),
        // RFC 9113 section 6.5.
        ("SETTINGS on a stream", frame(k::SETTINGS, 0, 1, b""), Fatal(E::PROTOCOL_ERROR)),
        ("SETTINGS ACK with payload", frame(k::SETTINGS, 1, 0, &[0; 6]), Fatal(E::FRAME_SIZE_ERROR)),
        ("SETTINGS of 5 bytes", frame(k::SETTINGS, 0, 0, &[0; 5]), Fatal(E::FRAME_SIZE_ERROR)),
        // RFC 9113 section 6.5.2.
        ("ENABLE_PUSH 2", settings(&[(2, 2)]), Fatal(E::PROTOCOL_ERROR)),
        ("ENABLE_PUSH 1 from a client", settings(&[(2, 1)]), Fine),
        ("window 2^31", settings(&[(4, 1 << 31)]), Fatal(E::FLOW_CONTROL_ERROR)),
        ("window 2^31-1", settings(&[(4, (1 << 31) - 1)]), Fine),
        ("frame size 16383", settings(&[(5, 16_383)]), Fatal(E::PROTOCOL_ERROR)),
        ("frame size 2^24", settings(&[(5, 1 << 24)]), Fatal(E::PROTOCOL_ERROR)),
        ("frame size 2^24-1", settings(&[(5, (1 << 24) - 1)]), Fine),
        ("unknown setting", settings(&[(0x77, 5)]), Fine),
        ("no streams at all", settings(&[(3, 0), (1, u32::MAX), (6, 0)]), Fine),
        // RFC 8441 section 3.
        ("extended CONNECT 2", settings(&[(8, 2)]), Fatal(E::PROTOCOL_ERROR)),
        ("extended CONNECT taken back", settings(&[(8, 1), (8, 0)]), Fatal(E::PROTOCOL_ERROR)),
        // RFC 9218 section 2.1.
        ("priorities 2", settings(&[(9, 2)]), Fatal(E::PROTOCOL_ERROR)),
        ("priorities changed", [settings(&[(9, 1)]), settings(&[(9, 0)])].concat(), Fatal(E::PROTOCOL_ERROR)),
        // RFC 9113 section 6.6, 8.4: a client cannot push.
        ("PUSH_PROMISE", frame(k::PUSH_PROMISE, 4, 1, &[0; 4]), Fatal(E::PROTOCOL_ERROR)),
        // RFC 9113 section 6.7.
        ("PING on a stream", frame(k::PING, 0, 1, &[0; 8]), Fatal(E::PROTOCOL_ERROR)),
        ("PING of 7 bytes", frame(k::PING, 0, 0, &[0; 7]), Fatal(E::FRAME_SIZE_ERROR)),
        ("PING ACK nobody asked for", frame(k::PING, 1, 0, &[9; 8]), Fine),
        // RFC 9113 section 6.8.
        ("GOAWAY on a stream", frame(k::GOAWAY, 0, 1, &[0; 8]), Fatal(E::PROTOCOL_ERROR)),
        ("GOAWAY of 7 bytes", frame(k::GOAWAY, 0, 0, &[0; 7]), Fatal(E::FRAME_SIZE_ERROR)),
        ("GOAWAY with an unknown code", frame(k::GOAWAY, 0, 0, &[0, 0, 0, 0, 9, 9, 9, 9, b'h', b'i']), Fine),
        // RFC 9113 section 6.9.
        ("WINDOW_UPDATE of 3 bytes", frame(k::WINDOW_UPDATE, 0, 0, &[0; 3]), Fatal(E::FRAME_SIZE_ERROR)),
        ("WINDOW_UPDATE of 0", window(0, 0), Fatal(E::PROTOCOL_ERROR)),
        ("WINDOW_UPDATE with the reserved bit", window(0, 1 << 31 | 5), Fine),
        ("WINDOW_UPDATE to 2^31-1", window(0, (1 << 31) - 1 - 65_535), Fine),
        ("WINDOW_UPDATE beyond 2^31-1", window(0, (1 << 31) - 65_535), Fatal(E::FLOW_CONTROL_ERROR)),
    ];
    for (what, input, expected) in cases {
        check(server, what, &[input], expected);
    }
}

#[test]
fn settings_and_pings_are_acknowledged() {
    // RFC 9113 section 6.5.3 and 6.7.
    let mut mux = server();
    feed(&mut mux, &[settings(&[(4, 70_000)]), frame(k::PING, 0, 0, b"12345678")].concat());
    let sent = output(&mut mux);
    let ack = |kind, payload: &[u8]| Seen { kind, flags: flag::ACK, stream: 0, payload: payload.to_vec() };
    assert_eq!(sent, [ack(k::SETTINGS, b""), ack(k::PING, b"12345678")]);
    // An acknowledgement is not acknowledged.
    feed(&mut mux, &[frame(k::SETTINGS, 1, 0, b""), frame(k::PING, 1, 0, b"12345678")].concat());
    assert_eq!(output(&mut mux), []);
}

#[test]
fn the_client_refuses_what_servers_must_not_send() {
    let client = || client_with(&[]);
    // RFC 9113 section 6.5.2: a server MUST NOT set ENABLE_PUSH to 1.
    check(client, "ENABLE_PUSH 1 from a server", &[settings(&[(2, 1)])], Fatal(E::PROTOCOL_ERROR));
    // RFC 9113 section 6.6: PUSH_PROMISE after ENABLE_PUSH of 0.
    check(client, "PUSH_PROMISE", &[frame(k::PUSH_PROMISE, 4, 1, &[0; 4])], Fatal(E::PROTOCOL_ERROR));
    // RFC 9113 section 5.1: idle streams.
    check(client, "HEADERS on an idle stream", &[frame(k::HEADERS, 5, 1, &[0x88])], Fatal(E::PROTOCOL_ERROR));
    check(
        client,
        "HEADERS on a pushed stream",
        &[frame(k::HEADERS, 5, 2, &[0x88])],
        Fatal(E::PROTOCOL_ERROR),
    );
    check(client, "DATA on an idle stream", &[data(1, 0, b"x")], Fatal(E::PROTOCOL_ERROR));
    check(client, "RST_STREAM on an idle stream", &[rst(1, E::CANCEL)], Fatal(E::PROTOCOL_ERROR));
    check(client, "WINDOW_UPDATE on an idle stream", &[window(1, 1)], Fatal(E::PROTOCOL_ERROR));
    let preface = || Mux::client(Settings::default());
    check(preface, "not SETTINGS first", &[window(0, 1)], Fatal(E::PROTOCOL_ERROR));
}
