//! RFC 9113 section 4.1: the frame format.

use weir_tests::h2::{Expect, Frame, flag, frame::*, kind, suite::Section};

const UNKNOWN_TYPE: &str = "4.1: Implementations MUST ignore and discard frames of unknown types.";
const UNUSED_FLAGS: &str = "4.1: Unused flags are those that have no defined semantics for a particular frame type. \
                            Unused flags MUST be ignored on receipt.";
const RESERVED: &str = "4.1: Reserved: the bit MUST be ignored when receiving.";

#[test]
fn frame_format() {
    let mut s = Section::new("4.1 frame format");
    for kind in [0x0a, 0x0b, 0x10, 0x16, 0x42, 0x7f, 0xff] {
        s.check(
            format!("type {kind:#x} on stream 0"),
            UNKNOWN_TYPE,
            move |_| vec![Frame::new(kind, 0, 0, *b"12345678")],
            Expect::nothing(),
        );
    }
    s.check(
        "an unknown type without payload",
        UNKNOWN_TYPE,
        |_| vec![Frame::new(0xee, 0xff, 0, [])],
        Expect::nothing(),
    );
    s.check(
        "an unknown type on an idle stream",
        UNKNOWN_TYPE,
        |_| vec![Frame::new(0xee, 0xff, 1, *b"x")],
        Expect::nothing(),
    );
    s.check(
        "an unknown type of the largest size",
        UNKNOWN_TYPE,
        |_| vec![Frame::new(0xee, 0, 0, vec![0; 16_384])],
        Expect::nothing(),
    );
    s.check(
        "an unknown type between HEADERS and DATA",
        UNKNOWN_TYPE,
        |ask| vec![ask.post(1), Frame::new(0xee, 0xff, 1, *b"x"), ask.body(1)],
        Expect::status(&[200]),
    );
    s.check(
        "undefined flags of PING",
        UNUSED_FLAGS,
        |_| vec![ping(*b"flagging").flags(0x16)],
        Expect::nothing(),
    );
    s.check(
        "undefined flags of SETTINGS",
        UNUSED_FLAGS,
        |_| vec![settings(&[]).flags(0xfe)],
        Expect::nothing(),
    );
    s.check(
        "undefined flags of WINDOW_UPDATE",
        UNUSED_FLAGS,
        |_| vec![window_update(0, 1).flags(0xff)],
        Expect::nothing(),
    );
    s.check(
        "undefined flags of PRIORITY",
        UNUSED_FLAGS,
        |_| vec![priority(1, false, 0, 1).flags(0xff)],
        Expect::nothing(),
    );
    s.check(
        "undefined flags of HEADERS",
        UNUSED_FLAGS,
        |ask| vec![ask.get(1).flags(!(flag::PADDED | flag::PRIORITY))],
        Expect::status(&[200]),
    );
    s.check(
        "undefined flags of DATA",
        UNUSED_FLAGS,
        |ask| vec![ask.post(1), ask.body(1).flags(!flag::PADDED)],
        Expect::status(&[200]),
    );
    s.check(
        "undefined flags of CONTINUATION",
        UNUSED_FLAGS,
        |ask| {
            let head = ask.get(1);
            let (start, rest) = head.payload.split_at(3);
            vec![head.clone().payload(start).without(flag::END_HEADERS), continuation(1, rest).flags(0xff)]
        },
        Expect::status(&[200]),
    );
    s.check(
        "undefined flags of RST_STREAM",
        UNUSED_FLAGS,
        |ask| vec![ask.post(1), rst_stream(1, 8).flags(0xff)],
        Expect::nothing(),
    );
    s.check("the reserved bit of PING", RESERVED, |_| vec![ping(*b"reserved").reserved()], Expect::nothing());
    s.check(
        "the reserved bit of HEADERS",
        RESERVED,
        |ask| vec![ask.get(1).reserved()],
        Expect::status(&[200]),
    );
    s.check(
        "the reserved bit of DATA",
        RESERVED,
        |ask| vec![ask.post(1), ask.body(1).reserved()],
        Expect::status(&[200]),
    );
    s.check("the reserved bit of SETTINGS", RESERVED, |_| vec![settings(&[]).reserved()], Expect::nothing());
    s.check(
        "the reserved bit of a WINDOW_UPDATE's increment",
        "6.9: one reserved bit plus an unsigned 31-bit integer",
        |_| vec![Frame::new(kind::WINDOW_UPDATE, 0, 0, (1u32 << 31 | 1).to_be_bytes())],
        Expect::nothing(),
    );
    s.talk(
        "frames in pieces",
        "4.1: All frames begin with a fixed 9-octet header followed by a payload.",
        |t| {
            let frames = [t.ask.post(1), t.ask.body(1)];
            t.client.count(&frames);
            for octet in encode(&frames) {
                t.client.send_octets(&[octet]);
            }
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().body, b"hello");
        },
    );
    s.run();
}
