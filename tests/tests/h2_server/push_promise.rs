//! RFC 9113 sections 6.6 and 8.4: PUSH_PROMISE, which no client may send.

use weir_tests::h2::{Expect, Frame, code, flag, frame::*, kind, suite::Section};

const NEVER: &str = "8.4: A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a \
                     connection error of type PROTOCOL_ERROR.";

#[test]
fn push_promise_frames() {
    let mut s = Section::new("6.6 PUSH_PROMISE");
    let protocol_error = || Expect::connection(code::PROTOCOL_ERROR);
    s.check(
        "on an open stream",
        NEVER,
        |ask| vec![ask.post(1), push_promise(1, 2, &ask.fields("GET").0)],
        protocol_error(),
    );
    s.check(
        "on a half-closed stream",
        NEVER,
        |ask| vec![ask.to("hold").get(1), push_promise(1, 2, &ask.fields("GET").0)],
        protocol_error(),
    );
    s.check(
        "on an idle stream",
        NEVER,
        |ask| vec![push_promise(1, 2, &ask.fields("GET").0)],
        protocol_error(),
    );
    s.check(
        "of an odd stream",
        NEVER,
        |ask| vec![ask.post(1), push_promise(1, 3, &ask.fields("GET").0)],
        protocol_error(),
    );
    s.check(
        "on stream 0",
        "6.6: If the Stream Identifier field specifies the value 0x00, a recipient MUST respond with \
        a connection error of type PROTOCOL_ERROR.",
        |ask| vec![push_promise(0, 2, &ask.fields("GET").0)],
        protocol_error(),
    );
    s.check(
        "of three octets",
        NEVER,
        |ask| vec![ask.post(1), Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 1, [0; 3])],
        protocol_error().or(Expect::connection(code::FRAME_SIZE_ERROR)),
    );
    s.check(
        "without END_HEADERS",
        NEVER,
        |ask| {
            let promise = push_promise(1, 2, &ask.fields("GET").0).without(flag::END_HEADERS);
            vec![ask.post(1), promise, continuation(1, [])]
        },
        protocol_error(),
    );
    s.talk(
        "the server pushes nothing",
        "6.5.2: SETTINGS_ENABLE_PUSH: A server MUST NOT send a PUSH_PROMISE frame if it \
        receives this parameter set to a value of 0.",
        |t| {
            let mut client = t.connect_with(&[(weir_tests::h2::setting::ENABLE_PUSH, 0)]);
            client.send([t.ask.get(1)]);
            assert_eq!(client.response(1).status, 200);
        },
    );
    s.run();
}
