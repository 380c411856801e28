//! RFC 9113 section 5.5: extensions.

use weir_tests::h2::{Expect, Frame, code, flag, frame::*, setting, suite::Section};

const IGNORE: &str = "5.5: Implementations MUST ignore unknown or unsupported values in all extensible protocol elements. \
                      Implementations MUST discard frames that have unknown or unsupported types.";
const WITHIN: &str = "5.5: extension frames that appear in the middle of a field block are not permitted; these MUST be \
                      treated as a connection error of type PROTOCOL_ERROR.";

#[test]
fn extensions() {
    let mut s = Section::new("5.5 extensions");
    s.check("an unknown frame", IGNORE, |_| vec![Frame::new(0xfe, 0, 0, *b"extension")], Expect::nothing());
    s.check(
        "an unknown frame before a request",
        IGNORE,
        |ask| vec![Frame::new(0xfe, 0xff, 1, *b"extension"), ask.get(1)],
        Expect::status(&[200]),
    );
    s.check(
        "an unknown frame within a field block",
        WITHIN,
        |ask| vec![ask.get(1).without(flag::END_HEADERS), Frame::new(0xfe, 0, 1, []), continuation(1, [])],
        Expect::connection(code::PROTOCOL_ERROR).unseen(),
    );
    s.check(
        "an unknown frame within trailers",
        WITHIN,
        |ask| {
            let trailers = headers(1, *b"\x00\x03x-a\x01b").end().without(flag::END_HEADERS);
            vec![ask.post(1), trailers, Frame::new(0xfe, 0, 1, []), continuation(1, [])]
        },
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "an unknown setting",
        IGNORE,
        |_| vec![settings(&[(0xff, 1), (0xf0f0, u32::MAX)])],
        Expect::nothing(),
    );
    s.check(
        "an unknown error code",
        IGNORE,
        |ask| vec![ask.to("hold").get(1), rst_stream(1, 0xdead_beef)],
        Expect::nothing(),
    );
    s.check(
        "frames of registered extensions",
        IGNORE,
        |_| {
            // ALTSVC, ORIGIN and PRIORITY_UPDATE.
            vec![
                Frame::new(0x0a, 0, 0, *b"\0\0"),
                Frame::new(0x0c, 0, 0, []),
                Frame::new(0x10, 0, 0, *b"\0\0\0\x01u=1"),
            ]
        },
        Expect::nothing(),
    );
    s.check(
        "settings of registered extensions",
        IGNORE,
        |_| vec![settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1), (9, 1)])],
        Expect::nothing(),
    );
    s.run();
}
