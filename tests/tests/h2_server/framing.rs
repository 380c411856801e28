//! RFC 9113 section 4.3: field sections and their compression.

use weir_tests::h2::{Block, Expect, Frame, code, flag, frame::*, kind, suite::Section};

const COMPRESSION: &str = "4.3: A receiver MUST terminate the connection with a connection error of type \
                           COMPRESSION_ERROR if it does not decompress a field block.";
const CONTIGUOUS: &str = "4.3: Each field block MUST be transmitted as a contiguous sequence of frames, with no \
                          interleaved frames of any other type or from any other stream.";

#[test]
fn field_sections() {
    let mut s = Section::new("4.3 field sections");
    let compression = || Expect::connection(code::COMPRESSION_ERROR).unseen();
    s.check(
        "an indexed field that does not exist",
        COMPRESSION,
        |ask| vec![headers(1, ask.fields("GET").indexed(70)).end()],
        compression(),
    );
    s.check(
        "a literal cut short",
        COMPRESSION,
        |ask| vec![headers(1, ask.fields("GET").raw(b"\x00\x05x-a")).end()],
        compression(),
    );
    s.check(
        "a block that ends within an integer",
        COMPRESSION,
        |ask| vec![headers(1, ask.fields("GET").raw(b"\xff")).end()],
        compression(),
    );
    s.check(
        "a wrong block behind CONTINUATION",
        COMPRESSION,
        |ask| vec![headers(1, ask.fields("GET")).end().without(flag::END_HEADERS), continuation(1, *b"\x80")],
        compression(),
    );
    s.check(
        "a wrong block of trailers",
        COMPRESSION,
        |ask| vec![ask.post(1), data(1, *b"x"), headers(1, *b"\x80").end()],
        compression(),
    );
    s.check(
        "a wrong block on a stream that was reset",
        COMPRESSION,
        |ask| vec![ask.post(1), rst_stream(1, code::CANCEL), headers(1, *b"\x80").end()],
        Expect::connection(code::COMPRESSION_ERROR).or(Expect::connection(code::STREAM_CLOSED)),
    );
    let interrupted = || Expect::connection(code::PROTOCOL_ERROR).unseen();
    type Between = (&'static str, fn() -> Frame);
    let between: &[Between] = &[
        ("DATA", || data(1, *b"x")),
        ("DATA of another stream", || data(3, *b"x")),
        ("HEADERS of the same stream", || headers(1, *b"\x82")),
        ("HEADERS of another stream", || headers(3, *b"\x82\x84\x86\x41\x01a").end()),
        ("PRIORITY", || priority(1, false, 0, 1)),
        ("PRIORITY of another stream", || priority(5, false, 0, 1)),
        ("RST_STREAM", || rst_stream(1, code::CANCEL)),
        ("SETTINGS", || settings(&[])),
        ("an acknowledgement of SETTINGS", settings_ack),
        ("PUSH_PROMISE", || push_promise(1, 2, b"\x82")),
        ("PING", || ping([0; 8])),
        ("GOAWAY", || goaway(0, 0)),
        ("WINDOW_UPDATE", || window_update(1, 1)),
        ("WINDOW_UPDATE of the connection", || window_update(0, 1)),
        ("CONTINUATION of another stream", || continuation(3, *b"\x82")),
        ("CONTINUATION of stream 0", || continuation(0, *b"\x82")),
        ("an unknown frame", || Frame::new(0xee, 0, 1, [])),
        ("an unknown frame of stream 0", || Frame::new(0xee, 0, 0, [])),
    ];
    for &(name, frame) in between {
        s.check(
            format!("{name} within a block"),
            CONTIGUOUS,
            move |ask| {
                let head = ask.get(1);
                let (start, rest) = head.payload.split_at(3);
                let start = head.clone().payload(start).without(flag::END_HEADERS);
                vec![start, frame(), continuation(1, rest)]
            },
            interrupted(),
        );
    }
    s.check(
        "PING between two CONTINUATION frames",
        CONTIGUOUS,
        |ask| {
            let head = ask.get(1);
            let (start, rest) = head.payload.split_at(3);
            let start = head.clone().payload(start).without(flag::END_HEADERS);
            let middle = continuation(1, []).without(flag::END_HEADERS);
            vec![start, middle, ping([0; 8]), continuation(1, rest)]
        },
        interrupted(),
    );
    s.talk(
        "one state for all streams",
        "4.3.1: Field compression is stateful. Each endpoint has an HPACK encoder \
        context and an HPACK decoder context that are used for encoding and decoding all field blocks on a \
        connection.",
        |t| {
            let first = t.ask.fields("GET").remembered("x-a", "one").remembered("x-b", "two");
            t.client.send([headers(1, first).end()]);
            assert_eq!(t.client.response(1).status, 200);
            t.client.send([headers(3, t.ask.fields("GET").indexed(62).indexed(63)).end()]);
            assert_eq!(t.client.response(3).status, 200);
            for request in t.seen() {
                assert_eq!(
                    (request.fields.get("x-a"), request.fields.get("x-b")),
                    (Some("one"), Some("two"))
                );
            }
            assert_eq!(t.seen().len(), 2);
        },
    );
    s.talk(
        "the block of a refused request counts",
        "4.3: Receiving endpoints MUST process the field blocks to keep \
        the state of the decoder, also of what they refuse.",
        |t| {
            let block = Block::of(&[(":method", "GET"), (":scheme", "http")]).remembered("x-a", "kept");
            t.client.send([headers(1, block).end(), headers(3, t.ask.fields("GET").indexed(62)).end()]);
            assert_eq!(t.client.response(3).status, 200);
            assert_eq!(t.seen_once().fields.get("x-a"), Some("kept"));
        },
    );
    s.talk(
        "the block of a stream that was reset counts",
        "5.1: This means updating header compression state for \
        HEADERS frames.",
        |t| {
            let trailers = Block::new().remembered("x-a", "kept");
            t.client.send([t.ask.to("hold").post(1), rst_stream(1, code::CANCEL)]);
            t.client.send([headers(1, trailers).end()]);
            // Some take that as an error of the connection, as section 5.1 allows behind RST_STREAM.
            t.client.try_send([headers(3, t.ask.fields("GET").indexed(62)).end()]);
            let kind = t.client.wait_for("response or error", |event| match event {
                weir_tests::h2::Event::GoAway { code, .. } => Some(*code),
                weir_tests::h2::Event::Head { stream: 3, .. } => Some(code::NO_ERROR),
                _ => None,
            });
            assert!([code::NO_ERROR, code::STREAM_CLOSED, code::PROTOCOL_ERROR].contains(&kind), "{kind}");
            if kind == code::NO_ERROR {
                t.client.response(3);
                assert_eq!(t.seen().last().and_then(|request| request.fields.get("x-a")), Some("kept"));
            }
        },
    );
    s.check(
        "a block in frames of one octet",
        "4.3: A field block is a concatenation of fragments, with no \
        boundaries of its own.",
        |ask| {
            let head = ask.get(1);
            let octets = |octet: &u8| Frame::new(kind::CONTINUATION, 0, 1, [*octet]);
            let mut frames: Vec<Frame> = head.payload[1..].iter().map(octets).collect();
            frames.insert(0, head.clone().payload(&head.payload[..1]).without(flag::END_HEADERS));
            let last = frames.last_mut().expect("some");
            last.flags |= flag::END_HEADERS;
            frames
        },
        Expect::status(&[200]).or(Expect::connection(code::ENHANCE_YOUR_CALM)),
    );
    s.run();
}
