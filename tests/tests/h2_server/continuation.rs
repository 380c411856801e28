//! RFC 9113 section 6.10: CONTINUATION.

use weir_tests::h2::{
    Expect, Frame, code, flag,
    frame::*,
    suite::{Ask, Section},
};

const PRECEDED: &str = "6.10: A CONTINUATION frame MUST be preceded by a HEADERS, PUSH_PROMISE or CONTINUATION frame \
                        without the END_HEADERS flag set. A recipient that observes violation of this rule MUST respond \
                        with a connection error of type PROTOCOL_ERROR.";
const STREAM: &str = "6.10: If a CONTINUATION frame is received with a Stream Identifier field of 0x00, the recipient \
                      MUST respond with a connection error of type PROTOCOL_ERROR.";
const FOLLOWED: &str = "6.10: If the END_HEADERS flag is not set, this frame MUST be followed by another CONTINUATION \
                        frame. A receiver MUST treat the receipt of any other type of frame or a frame on a different \
                        stream as a connection error of type PROTOCOL_ERROR.";

/// A GET in this many CONTINUATION frames behind HEADERS.
fn split(ask: &Ask, count: usize) -> Vec<Frame> {
    let head = ask.get(1);
    let size = head.payload.len() / (count + 1);
    let mut frames = vec![head.clone().payload(&head.payload[..size]).without(flag::END_HEADERS)];
    for n in 1..=count {
        let end = if n == count { head.payload.len() } else { (n + 1) * size };
        frames.push(continuation(1, &head.payload[n * size..end]).without(flag::END_HEADERS));
    }
    let last = frames.pop().expect("there are some");
    frames.push(last.flags(flag::END_HEADERS));
    frames
}

#[test]
fn continuation_frames() {
    let mut s = Section::new("6.10 CONTINUATION");
    let protocol_error = || Expect::connection(code::PROTOCOL_ERROR);
    for count in [1, 2, 7] {
        s.check(
            format!("{count} of them"),
            "6.10: Any number of CONTINUATION frames can be sent.",
            move |ask| split(ask, count),
            Expect::status(&[200]),
        );
    }
    s.check(
        "an empty one that ends the block",
        "6.10: The CONTINUATION frame payload contains a field block fragment.",
        |ask| vec![ask.get(1).without(flag::END_HEADERS), continuation(1, [])],
        Expect::status(&[200]),
    );
    s.check(
        "in trailers",
        "6.10: CONTINUATION continues a sequence of field block fragments.",
        |ask| {
            let trailers = headers(1, *b"\x00\x03x-a").end().without(flag::END_HEADERS);
            vec![ask.post(1), data(1, *b"x"), trailers, continuation(1, *b"\x01b")]
        },
        Expect::status(&[200]),
    );
    s.check(
        "on stream 0",
        STREAM,
        |ask| vec![ask.get(1).without(flag::END_HEADERS), continuation(0, [])],
        protocol_error().unseen(),
    );
    s.check("alone, on stream 0", STREAM, |_| vec![continuation(0, *b"\x82")], protocol_error());
    s.check("alone", PRECEDED, |_| vec![continuation(1, *b"\x82")], protocol_error());
    s.check(
        "behind HEADERS with END_HEADERS",
        PRECEDED,
        |ask| vec![ask.post(1), continuation(1, *b"\x00\x03x-a\x01b")],
        protocol_error(),
    );
    s.check(
        "behind CONTINUATION with END_HEADERS",
        PRECEDED,
        |ask| {
            let mut frames = split(ask, 1);
            frames[0].flags &= !flag::END_STREAM;
            frames.push(continuation(1, *b"\x00\x03x-a\x01b"));
            frames
        },
        protocol_error(),
    );
    s.check(
        "behind DATA",
        PRECEDED,
        |ask| vec![ask.post(1), data(1, *b"x"), continuation(1, *b"\x00\x03x-a\x01b")],
        protocol_error(),
    );
    s.check(
        "behind SETTINGS",
        PRECEDED,
        |ask| vec![ask.post(1), settings(&[]), continuation(1, *b"\x00\x03x-a\x01b")],
        protocol_error(),
    );
    type Next = (&'static str, fn(&Ask) -> Frame);
    let next: [Next; 5] = [
        ("HEADERS", |ask| ask.get(1)),
        ("DATA", |_| data(1, *b"x")),
        ("another stream's CONTINUATION", |_| continuation(3, [])),
        ("WINDOW_UPDATE", |_| window_update(1, 1)),
        ("an unknown frame", |_| Frame::new(0xee, 0, 1, [])),
    ];
    for (name, frame) in next {
        s.check(
            format!("followed by {name}"),
            FOLLOWED,
            move |ask| {
                let mut frames = split(ask, 2);
                frames.insert(2, frame(ask));
                frames
            },
            protocol_error().unseen(),
        );
    }
    s.run();
}
