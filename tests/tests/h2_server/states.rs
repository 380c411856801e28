//! RFC 9113 section 5.1: every type of frame in every state that a client can bring a stream of the server into.

use weir_tests::h2::{
    Expect, Frame, code,
    expect::Grade,
    flag,
    frame::*,
    suite::{Ask, Section, Talk},
};

const IDLE: &str = "5.1: idle: Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be \
                    treated as a connection error of type PROTOCOL_ERROR.";
const OPEN: &str =
    "5.1: open: A stream in the \"open\" state may be used by both peers to send frames of any type.";
const HALF_CLOSED_REMOTE: &str = "5.1: half-closed (remote): If an endpoint receives additional frames, other than \
                                  WINDOW_UPDATE, PRIORITY, or RST_STREAM, for a stream that is in this state, it MUST \
                                  respond with a stream error of type STREAM_CLOSED.";
const HALF_CLOSED_LOCAL: &str =
    "5.1: half-closed (local): An endpoint can receive any type of frame in this state.";
const CLOSED: &str = "5.1: closed: An endpoint MUST NOT send frames other than PRIORITY on a closed stream. An endpoint \
                      MAY treat receipt of any other type of frame on a closed stream as a connection error of type \
                      STREAM_CLOSED.";
const SKIPPED: &str = "5.1.1: When a stream transitions out of the \"idle\" state, all streams in the \"idle\" state \
                       with a lower-valued stream identifier immediately transition to \"closed\".";
const FOREIGN: &str = "5.1: If this stream is initiated by the server, then receiving a HEADERS frame MUST also be \
                       treated as a connection error of type PROTOCOL_ERROR.";
const ALWAYS: &str = "5.1: Note that PRIORITY can be sent and received in any stream state. Receipt of frames for \
                      which the semantics are unknown cannot be treated as an error.";

/// A type of frame on stream 1.
type Kind = (&'static str, fn(&Ask) -> Frame);

const KINDS: [Kind; 11] = [
    ("DATA", |_| data(1, *b"late").end()),
    ("HEADERS", |ask| ask.get(1)),
    ("PRIORITY", |_| priority(1, false, 0, 16)),
    ("RST_STREAM", |_| rst_stream(1, code::CANCEL)),
    ("SETTINGS", |_| settings(&[]).on(1)),
    ("PUSH_PROMISE", |ask| push_promise(1, 2, &ask.fields("GET").0)),
    ("PING", |_| ping([7; 8]).on(1)),
    ("GOAWAY", |_| goaway(0, 0).on(1)),
    ("WINDOW_UPDATE", |_| window_update(1, 10)),
    ("CONTINUATION", |_| continuation(1, *b"\x82")),
    ("an unknown frame", |_| Frame::new(0xee, 0xff, 1, *b"x")),
];

fn connection(code: u32) -> Expect {
    Expect::connection(code)
}

fn protocol_error() -> Expect {
    connection(code::PROTOCOL_ERROR)
}

/// What the frames that no state allows, or every state allows, lead to.
fn anywhere(kind: &str) -> Option<(Expect, &'static str)> {
    match kind {
        "SETTINGS" => {
            Some((protocol_error(), "6.5: The stream identifier for a SETTINGS frame MUST be zero."))
        }
        "PUSH_PROMISE" => Some((
            protocol_error(),
            "8.4: A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE \
                frame as a connection error of type PROTOCOL_ERROR.",
        )),
        "PING" | "GOAWAY" => Some((
            protocol_error(),
            "6.7, 6.8: with a stream identifier other than 0x00, the \
            recipient MUST respond with a connection error of type PROTOCOL_ERROR.",
        )),
        "PRIORITY" | "an unknown frame" => Some((Expect::nothing(), ALWAYS)),
        _ => None,
    }
}

/// All kinds in one state. `enter` brings stream 1 there; `expected` says what the rest of the kinds lead to.
fn check_state(
    name: &'static str,
    cites: &'static str,
    enter: fn(&mut Talk<'_>),
    expected: fn(&str) -> Expect,
) {
    let mut s = Section::new(name);
    for (kind, frame) in KINDS {
        let (expected, cites) = anywhere(kind).unwrap_or_else(|| (expected(kind), cites));
        s.talk_graded(kind, cites, move |t| {
            enter(t);
            if !t.target.is_weir() && t.client.goaway.is_some() {
                return Grade::Lenient;
            }
            t.client.try_send([frame(&t.ask)]);
            expected.check(&mut t.client)
        });
    }
    s.run();
}

#[test]
fn idle() {
    check_state(
        "5.1 idle",
        IDLE,
        |_| {},
        |kind| match kind {
            "HEADERS" => Expect::status(&[200]),
            _ => protocol_error(),
        },
    );
}

#[test]
fn open() {
    check_state(
        "5.1 open",
        OPEN,
        |t| {
            t.client.send([t.ask.post(1)]);
        },
        |kind| match kind {
            // These have pseudo-header fields, which are wrong in trailers.
            "HEADERS" => Expect::malformed(),
            "CONTINUATION" => protocol_error(),
            _ => Expect::nothing(),
        },
    );
}

#[test]
fn half_closed_remote() {
    let enter = |t: &mut Talk<'_>| {
        t.client.send([t.ask.to("hold").get(1)]);
    };
    check_state("5.1 half-closed (remote)", HALF_CLOSED_REMOTE, enter, |kind| match kind {
        "DATA" | "HEADERS" => Expect::stream(1, code::STREAM_CLOSED),
        "CONTINUATION" => protocol_error().or(Expect::stream(1, code::STREAM_CLOSED)),
        _ => Expect::nothing(),
    });
}

#[test]
fn half_closed_local() {
    let enter = |t: &mut Talk<'_>| {
        t.client.send([t.ask.to("early").post(1)]);
        t.client.response(1);
    };
    check_state("5.1 half-closed (local)", HALF_CLOSED_LOCAL, enter, |kind| match kind {
        // A second head is malformed, but the answer has come already.
        "HEADERS" => Expect::nothing().or(Expect::malformed()),
        "CONTINUATION" => protocol_error(),
        _ => Expect::nothing(),
    });
}

/// RFC 7540 was stricter: what follows a client's own RST_STREAM is a stream error of type STREAM_CLOSED.
#[test]
fn closed_by_reset() {
    let enter = |t: &mut Talk<'_>| {
        t.client.send([t.ask.to("hold").post(1), rst_stream(1, code::CANCEL)]);
    };
    check_state("5.1 closed by the client's RST_STREAM", CLOSED, enter, |kind| match kind {
        "DATA" | "HEADERS" => Expect::stream(1, code::STREAM_CLOSED),
        "CONTINUATION" => protocol_error().or(connection(code::STREAM_CLOSED)),
        "RST_STREAM" => Expect::nothing().or(connection(code::STREAM_CLOSED)),
        _ => Expect::nothing(),
    });
}

/// RFC 7540 was stricter: what follows END_STREAM on a closed stream is an error of type STREAM_CLOSED.
#[test]
fn closed_by_both() {
    let enter = |t: &mut Talk<'_>| {
        t.client.send([t.ask.get(1)]);
        t.client.response(1);
    };
    check_state("5.1 closed by END_STREAM", CLOSED, enter, |kind| match kind {
        "DATA" => Expect::stream(1, code::STREAM_CLOSED),
        "HEADERS" => connection(code::STREAM_CLOSED),
        "CONTINUATION" => protocol_error().or(connection(code::STREAM_CLOSED)),
        _ => Expect::nothing(),
    });
}

/// The server has reset the stream: whatever comes may have been on its way.
#[test]
fn closed_by_the_server() {
    let cites = "5.1: An endpoint that sends a RST_STREAM frame on a stream that is in the \"open\" state could receive \
                 any type of frame. An endpoint MUST minimally process and then discard any frames it receives in this \
                 state.";
    let enter = |t: &mut Talk<'_>| {
        t.make_server_reset();
    };
    check_state("5.1 closed by the server's RST_STREAM", cites, enter, |kind| match kind {
        "CONTINUATION" => protocol_error().or(connection(code::STREAM_CLOSED)),
        // A second reset may answer them.
        "DATA" | "HEADERS" => Expect::nothing().or(Expect::stream(1, code::STREAM_CLOSED)),
        _ => Expect::nothing(),
    });
}

#[test]
fn skipped() {
    let enter = |t: &mut Talk<'_>| {
        t.client.send([t.ask.to("hold").get(3)]);
    };
    check_state("5.1 closed by a higher stream", SKIPPED, enter, |kind| match kind {
        "HEADERS" | "CONTINUATION" => protocol_error().or(connection(code::STREAM_CLOSED)),
        "DATA" => Expect::stream(1, code::STREAM_CLOSED).or(protocol_error()),
        _ => Expect::nothing().or(connection(code::STREAM_CLOSED)).or(protocol_error()),
    });
}

#[test]
fn streams_of_the_server() {
    let mut s = Section::new("5.1 streams of the server");
    for (kind, frame) in KINDS {
        let (expected, cites) = anywhere(kind).unwrap_or_else(|| (protocol_error(), FOREIGN));
        s.check(kind, cites, move |ask| vec![frame(ask).on(2)], expected);
    }
    s.run();
}

#[test]
fn transitions() {
    let mut s = Section::new("5.1 transitions");
    s.check("END_STREAM on DATA", OPEN, |ask| vec![ask.post(1), ask.body(1)], Expect::status(&[200]));
    s.check(
        "END_STREAM on an empty DATA",
        OPEN,
        |ask| vec![ask.post(1), data(1, *b"hello"), data(1, []).end()],
        Expect::status(&[200]),
    );
    s.check("END_STREAM on HEADERS before CONTINUATION", "6.2: A HEADERS frame with the END_STREAM flag set can be \
        followed by CONTINUATION frames on the same stream. Logically, the CONTINUATION frames are part of the \
        HEADERS frame.", |ask| {
        let head = ask.get(1);
        let (start, rest) = head.payload.split_at(5);
        vec![head.clone().payload(start).without(flag::END_HEADERS), continuation(1, rest)]
    }, Expect::status(&[200]));
    s.check(
        "END_STREAM on trailers",
        OPEN,
        |ask| vec![ask.post(1), data(1, *b"hello"), headers(1, *b"\x00\x03x-a\x01b").end()],
        Expect::status(&[200]),
    );
    s.talk(
        "RST_STREAM ends a request",
        "5.1: Either endpoint can send a RST_STREAM frame from this state, causing it \
        to transition immediately to \"closed\".",
        |t| {
            t.client.send([
                t.ask.post(1),
                data(1, *b"he"),
                rst_stream(1, code::CANCEL),
                t.ask.to("echo").post(3),
            ]);
            t.client.send([data(3, *b"other").end()]);
            assert_eq!(t.client.response(3).text(), "other");
            assert_eq!(t.seen_once().body, b"other");
            assert_eq!(t.client.so_far(1).status, 0, "an answer to what was reset");
        },
    );
    s.talk(
        "no RST_STREAM answers RST_STREAM",
        "5.4.2: To avoid looping, an endpoint MUST NOT send a RST_STREAM in \
        response to a RST_STREAM frame.",
        |t| {
            t.client.send([t.ask.to("hold").get(1), rst_stream(1, code::CANCEL)]).ping().ping();
            assert_eq!(t.client.so_far(1).reset, None);
        },
    );
    s.talk(
        "the server's RST_STREAM costs no other stream",
        "5.4.2: A stream error is an error related to a specific \
        stream that does not affect processing of other streams.",
        |t| {
            t.client.send([t.ask.get(1), t.ask.of(3, &[(":method", "GET")]), t.ask.get(5)]);
            assert_eq!((t.client.response(1).status, t.client.response(5).status), (200, 200));
        },
    );
    s.run();
}
