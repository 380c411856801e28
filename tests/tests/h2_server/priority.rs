//! RFC 9113 sections 5.3 and 6.3: PRIORITY, which is deprecated and still has to be read.

use weir_tests::h2::{Expect, code, frame::*, suite::Section};

const ANY_STATE: &str =
    "6.3: The PRIORITY frame can be sent on a stream in any state, including \"idle\" or \"closed\".";
const STREAM: &str = "6.3: If a PRIORITY frame is received with a stream identifier of 0x00, the recipient MUST respond \
                      with a connection error of type PROTOCOL_ERROR.";
const LENGTH: &str = "6.3: A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error of type \
                      FRAME_SIZE_ERROR.";
const ITSELF: &str = "RFC 7540, 5.3.1: A stream cannot depend on itself. An endpoint MUST treat this as a stream error of \
                      type PROTOCOL_ERROR. RFC 9113 no longer says it, and does not forbid it.";

#[test]
fn priority_frames() {
    let mut s = Section::new("6.3 PRIORITY");
    s.check("on an idle stream", ANY_STATE, |_| vec![priority(1, false, 0, 0)], Expect::nothing());
    s.check(
        "on an idle stream, then HEADERS there",
        ANY_STATE,
        |ask| vec![priority(1, false, 0, 255), ask.get(1)],
        Expect::status(&[200]),
    );
    s.check(
        "on a high idle stream, then HEADERS below",
        "6.3: PRIORITY does not change a stream's state.",
        |ask| vec![priority(7, false, 0, 15), ask.get(1)],
        Expect::status(&[200]),
    );
    s.check(
        "on an open stream",
        ANY_STATE,
        |ask| vec![ask.post(1), priority(1, false, 0, 1), ask.body(1)],
        Expect::status(&[200]),
    );
    s.check(
        "on a half-closed stream",
        ANY_STATE,
        |ask| vec![ask.get(1), priority(1, true, 0, 1)],
        Expect::status(&[200]),
    );
    s.talk("on a closed stream", ANY_STATE, |t| {
        t.client.send([t.ask.get(1)]);
        t.client.response(1);
        t.client.send([priority(1, false, 0, 1)]).ping();
    });
    s.check(
        "with a dependency on an idle stream",
        ANY_STATE,
        |_| vec![priority(3, true, 1, 200)],
        Expect::nothing(),
    );
    s.check("on a stream of the server", ANY_STATE, |_| vec![priority(2, false, 0, 1)], Expect::nothing());
    for (name, exclusive, weight) in [("the smallest weight", false, 0), ("the largest weight", true, 255)] {
        s.check(
            name,
            "6.3: Weight: An unsigned 8-bit integer representing a weight for the stream.",
            move |ask| vec![ask.get(1).prioritized(exclusive, 0, weight)],
            Expect::status(&[200]),
        );
    }
    s.check(
        "on stream 0",
        STREAM,
        |_| vec![priority(0, false, 1, 1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    for length in [0, 4, 6, 16] {
        s.check(
            format!("of {length} octets on an open stream"),
            LENGTH,
            move |ask| vec![ask.post(1), priority(1, false, 0, 1).payload(vec![0; length])],
            Expect::stream(1, code::FRAME_SIZE_ERROR),
        );
    }
    s.check(
        "a stream that depends on itself",
        ITSELF,
        |ask| vec![ask.to("hold").get(1), priority(1, false, 1, 255)],
        Expect::stream(1, code::PROTOCOL_ERROR),
    );
    s.check(
        "HEADERS of a stream that depends on itself",
        ITSELF,
        |ask| vec![ask.get(1).prioritized(false, 1, 255)],
        Expect::stream(1, code::PROTOCOL_ERROR),
    );
    s.run();
}
