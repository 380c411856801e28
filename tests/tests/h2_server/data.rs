//! RFC 9113 section 6.1: DATA.

use weir_tests::h2::{Expect, Frame, code, flag, frame::*, kind, suite::Section};

const STREAM: &str = "6.1: DATA frames MUST be associated with a stream. If a DATA frame is received whose Stream \
                      Identifier field is 0x00, the recipient MUST respond with a connection error of type \
                      PROTOCOL_ERROR.";
const STATE: &str = "6.1: If a DATA frame is received whose stream is not in the \"open\" or \"half-closed (local)\" \
                     state, the recipient MUST respond with a stream error of type STREAM_CLOSED.";
const PADDING: &str = "6.1: If the length of the padding is the length of the frame payload or greater, the recipient \
                       MUST treat this as a connection error of type PROTOCOL_ERROR.";

#[test]
fn data_frames() {
    let mut s = Section::new("6.1 DATA");
    let protocol_error = || Expect::connection(code::PROTOCOL_ERROR);
    s.talk("one frame", "6.1: DATA frames convey arbitrary, variable-length sequences of octets.", |t| {
        t.client.send([t.ask.to("echo").post(1), t.ask.body(1)]);
        assert_eq!(t.client.response(1).text(), "hello");
        assert_eq!(t.seen_once().body, b"hello");
    });
    s.talk("several frames", "6.1: One or more DATA frames are used to carry HTTP message contents.", |t| {
        t.client.send([t.ask.post(1), data(1, *b"he"), data(1, []), data(1, *b"l"), data(1, *b"lo").end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"hello");
    });
    s.talk("padding", "6.1: Padding octets contain no application semantic value.", |t| {
        let frames = [data(1, *b"he").padded(1), data(1, *b"l").padded(0), data(1, []).padded(255)];
        t.client.send([t.ask.post(1)]).send(frames);
        t.client.send([data(1, *b"lo").padded(100).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"hello");
    });
    s.check(
        "nothing but padding ends a stream",
        "6.1: The amount of data is the remainder of the frame payload after \
        subtracting the length of the other fields.",
        |ask| vec![ask.post(1), data(1, []).padded(10).end()],
        Expect::status(&[200]),
    );
    s.talk("octets of any value", "6.1: arbitrary sequences of octets", |t| {
        let all: Vec<u8> = (0..=255).collect();
        t.client.send([t.ask.post(1), data(1, &all[..]).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, all);
    });
    s.check("on stream 0", STREAM, |_| vec![data(0, *b"x")], protocol_error());
    s.check(
        "on stream 0, while another is open",
        STREAM,
        |ask| vec![ask.post(1), data(0, *b"x").end()],
        protocol_error(),
    );
    s.check(
        "on a stream that is half-closed",
        STATE,
        |ask| vec![ask.to("hold").get(1), data(1, *b"x").end()],
        Expect::stream(1, code::STREAM_CLOSED),
    );
    s.check(
        "as much padding as payload",
        PADDING,
        |ask| vec![ask.post(1), data(1, *b"hell").pretending_padding(5).end()],
        protocol_error(),
    );
    s.check(
        "more padding than payload",
        PADDING,
        |ask| vec![ask.post(1), data(1, *b"hello").pretending_padding(255).end()],
        protocol_error(),
    );
    s.check(
        "a padded frame without a pad length",
        PADDING,
        |ask| vec![ask.post(1), Frame::new(kind::DATA, flag::PADDED | flag::END_STREAM, 1, [])],
        protocol_error().or(Expect::connection(code::FRAME_SIZE_ERROR)),
    );
    s.check(
        "as much padding as leaves nothing",
        PADDING,
        |ask| vec![ask.post(1), data(1, *b"12345").pretending_padding(5).end()],
        Expect::status(&[200]),
    );
    s.run();
}
