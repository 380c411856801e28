//! RFC 9113 section 6.9: WINDOW_UPDATE.

use weir_tests::h2::{Expect, Frame, code, frame::*, kind, suite::Section};

const ZERO: &str = "6.9: A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment \
                    of 0 as a stream error of type PROTOCOL_ERROR; errors on the connection flow-control window MUST \
                    be treated as a connection error.";
const LENGTH: &str = "6.9: A WINDOW_UPDATE frame with a length other than 4 octets MUST be treated as a connection \
                      error of type FRAME_SIZE_ERROR.";
const NO_ERROR: &str = "6.9: a receiver could receive a WINDOW_UPDATE frame on a stream in a \"half-closed (remote)\" or \
                        \"closed\" state. A receiver MUST NOT treat this as an error.";

#[test]
fn window_update_frames() {
    let mut s = Section::new("6.9 WINDOW_UPDATE");
    s.check(
        "for the connection",
        "6.9: the value \"0\" indicates that the entire connection is the subject of the \
        frame.",
        |_| vec![window_update(0, 1)],
        Expect::nothing(),
    );
    s.check(
        "for a stream",
        "6.9: the frame's stream identifier indicates the affected stream.",
        |ask| vec![ask.get(1), window_update(1, 100)],
        Expect::status(&[200]),
    );
    s.check(
        "of 0 for the connection",
        ZERO,
        |_| vec![window_update(0, 0)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "of 0 for an open stream",
        ZERO,
        |ask| vec![ask.post(1), window_update(1, 0)],
        Expect::stream(1, code::PROTOCOL_ERROR),
    );
    s.check(
        "of 0 for a half-closed stream",
        ZERO,
        |ask| vec![ask.to("hold").get(1), window_update(1, 0)],
        Expect::stream(1, code::PROTOCOL_ERROR),
    );
    for length in [0, 3, 5, 8] {
        s.check(
            format!("of {length} octets for the connection"),
            LENGTH,
            move |_| vec![Frame::new(kind::WINDOW_UPDATE, 0, 0, vec![1; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
        s.check(
            format!("of {length} octets for a stream"),
            LENGTH,
            move |ask| vec![ask.to("hold").get(1), Frame::new(kind::WINDOW_UPDATE, 0, 1, vec![1; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    s.check(
        "behind END_STREAM",
        NO_ERROR,
        |ask| vec![ask.to("hold").get(1), window_update(1, 1)],
        Expect::nothing(),
    );
    s.talk("behind the whole answer", NO_ERROR, |t| {
        t.client.send([t.ask.get(1)]);
        t.client.response(1);
        t.client.send([window_update(1, 1)]).ping();
        t.client.send([t.ask.get(3)]);
        assert_eq!(t.client.response(3).status, 200);
    });
    s.run();
}
