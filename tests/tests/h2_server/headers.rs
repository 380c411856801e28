//! RFC 9113 section 6.2: HEADERS.

use weir_tests::h2::{Expect, Frame, code, flag, frame::*, kind, suite::Section};

const STREAM: &str = "6.2: HEADERS frames MUST be associated with a stream. If a HEADERS frame is received whose Stream \
                      Identifier field is 0x00, the recipient MUST respond with a connection error of type \
                      PROTOCOL_ERROR.";
const CONTINUED: &str = "6.2: A HEADERS frame without the END_HEADERS flag set MUST be followed by a CONTINUATION frame \
                         for the same stream. A receiver MUST treat the receipt of any other type of frame or a frame on \
                         a different stream as a connection error of type PROTOCOL_ERROR.";
const PADDING: &str = "6.2: If the length of the padding is the size of the remaining payload or greater, the recipient \
                       MUST treat this as a connection error of type PROTOCOL_ERROR.";

#[test]
fn headers_frames() {
    let mut s = Section::new("6.2 HEADERS");
    let protocol_error = || Expect::connection(code::PROTOCOL_ERROR).unseen();
    s.check(
        "plain",
        "6.2: The HEADERS frame is used to open a stream.",
        |ask| vec![ask.get(1)],
        Expect::status(&[200]),
    );
    for padding in [0, 1, 8, 255] {
        s.check(
            format!("with {padding} octets of padding"),
            "6.2: The HEADERS frame can be padded.",
            move |ask| vec![ask.get(1).padded(padding)],
            Expect::status(&[200]),
        );
    }
    s.check(
        "with priority",
        "6.2: PRIORITY (0x20): the Exclusive, Stream Dependency, and Weight fields are present.",
        |ask| vec![ask.get(1).prioritized(false, 0, 255)],
        Expect::status(&[200]),
    );
    s.check(
        "with priority that is exclusive",
        "6.2: the Exclusive flag",
        |ask| vec![ask.get(1).prioritized(true, 0, 0)],
        Expect::status(&[200]),
    );
    s.check(
        "with priority and padding",
        "6.2: the Pad Length comes before the priority fields.",
        |ask| vec![ask.get(1).prioritized(true, 3, 10).padded(20)],
        Expect::status(&[200]),
    );
    s.check(
        "with priority, in two frames",
        "6.2: the field block fragment follows the priority fields.",
        |ask| {
            let head = ask.get(1);
            let (start, rest) = head.payload.split_at(7);
            let start = head.clone().payload(start).prioritized(false, 0, 1).without(flag::END_HEADERS);
            vec![start, continuation(1, rest)]
        },
        Expect::status(&[200]),
    );
    s.check(
        "without a fragment, which follows",
        "6.2: Field Block Fragment: a field block fragment, perhaps empty.",
        |ask| {
            let head = ask.get(1);
            vec![head.clone().payload([]).without(flag::END_HEADERS), continuation(1, head.payload)]
        },
        Expect::status(&[200]),
    );
    s.check("on stream 0", STREAM, |ask| vec![ask.get(0)], protocol_error());
    s.check(
        "followed by PRIORITY",
        CONTINUED,
        |ask| vec![ask.get(1).without(flag::END_HEADERS), priority(1, false, 0, 1), continuation(1, [])],
        protocol_error(),
    );
    s.check(
        "followed by another stream's HEADERS",
        CONTINUED,
        |ask| vec![ask.get(1).without(flag::END_HEADERS), ask.get(3)],
        protocol_error(),
    );
    s.check(
        "followed by DATA",
        CONTINUED,
        |ask| vec![ask.post(1).without(flag::END_HEADERS), data(1, *b"x").end()],
        protocol_error(),
    );
    s.check(
        "as much padding as payload",
        PADDING,
        |ask| {
            let head = ask.get(1);
            let length = head.payload.len() as u8 + 1;
            vec![head.pretending_padding(length)]
        },
        protocol_error(),
    );
    s.check(
        "more padding than payload",
        PADDING,
        |ask| vec![ask.get(1).pretending_padding(255)],
        protocol_error(),
    );
    s.check(
        "padding that reaches into the priority fields",
        PADDING,
        |ask| {
            let head = ask.get(1).prioritized(false, 0, 1);
            let length = head.payload.len() as u8 - 3;
            vec![head.pretending_padding(length)]
        },
        protocol_error()
            .or(Expect::connection(code::FRAME_SIZE_ERROR))
            .or(Expect::connection(code::COMPRESSION_ERROR)),
    );
    let short = || protocol_error().or(Expect::connection(code::FRAME_SIZE_ERROR));
    let too_small = "4.2: An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame is too small to contain \
                     mandatory frame data.";
    let ended = flag::END_HEADERS | flag::END_STREAM;
    s.check(
        "padded, without a pad length",
        too_small,
        move |_| vec![Frame::new(kind::HEADERS, ended | flag::PADDED, 1, [])],
        short(),
    );
    s.check(
        "with priority, of four octets",
        too_small,
        move |_| vec![Frame::new(kind::HEADERS, ended | flag::PRIORITY, 1, [0; 4])],
        short(),
    );
    s.check(
        "an empty block",
        "8.3.1: An HTTP request that omits mandatory pseudo-header fields is malformed.",
        move |_| vec![Frame::new(kind::HEADERS, ended, 1, [])],
        Expect::malformed(),
    );
    s.run();
}
