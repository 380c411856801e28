//! RFC 9113 sections 5.4 and 7: errors and their codes.

use weir_tests::h2::{Event, Expect, code, frame::*, suite::Section};

const CLOSE: &str = "5.4.1: After sending the GOAWAY frame for an error condition, the endpoint MUST close the TCP \
                     connection.";
const UNKNOWN: &str = "7: Unknown or unsupported error codes MUST NOT trigger any special behavior. These MAY be treated \
                       by an implementation as being equivalent to INTERNAL_ERROR.";

#[test]
fn errors() {
    let mut s = Section::new("5.4 errors");
    s.check(
        "GOAWAY comes before the close",
        "5.4.1: An endpoint that encounters a connection error SHOULD first send a \
        GOAWAY frame.",
        |_| vec![ping([0; 8]).on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.talk(
        "GOAWAY names the last stream",
        "5.4.1: with the stream identifier of the last stream that it successfully \
        received from its peer.",
        |t| {
            t.client.send([t.ask.get(1)]);
            t.client.response(1);
            t.client.send([t.ask.get(3)]);
            t.client.response(3);
            t.client.send([ping([0; 8]).on(1)]);
            let last = t.client.wait_for("GOAWAY", |event| match event {
                Event::GoAway { last, code } => Some((*last, *code)),
                _ => None,
            });
            assert_eq!(last, (3, code::PROTOCOL_ERROR));
            t.client.wait_for("end", |event| matches!(event, Event::Closed).then_some(()));
        },
    );
    s.check(
        "open streams end with the connection",
        CLOSE,
        |ask| vec![ask.to("hold").get(1), ask.post(3), ping([0; 8]).on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "frames behind the error are not taken",
        "5.4.1: A connection error is any error that prevents further \
        processing of the frame layer.",
        |ask| vec![ping([0; 8]).on(1), ask.get(1)],
        Expect::connection(code::PROTOCOL_ERROR).unseen(),
    );
    s.talk(
        "a stream error leaves the connection",
        "5.4.2: A stream error is an error related to a specific stream that \
        does not affect processing of other streams.",
        |t| {
            if t.make_server_reset() {
                assert_eq!(t.client.reset(1), code::PROTOCOL_ERROR);
                t.client.send([t.ask.get(3)]);
                assert_eq!(t.client.response(3).status, 200);
            }
        },
    );
    s.talk(
        "one error is reported once",
        "5.4.2: Normally, an endpoint SHOULD NOT send more than one RST_STREAM frame \
        for any stream.",
        |t| {
            if !t.make_server_reset() {
                return;
            }
            t.client.send([window_update(1, 0), data(1, *b"x"), data(1, *b"x"), ping(*b"counting")]);
            let mut more = 0;
            t.client.wait_for("answer to PING", |event| {
                more += usize::from(matches!(event, Event::Reset { .. }));
                matches!(event, Event::PingAck(_)).then_some(())
            });
            assert_eq!(more, 0);
        },
    );
    s.run();
}

#[test]
fn codes() {
    let mut s = Section::new("7 error codes");
    for code in [0xff, 0xffff_ffff, 0x0e] {
        s.talk(format!("RST_STREAM with code {code:#x}"), UNKNOWN, move |t| {
            t.client.send([t.ask.to("hold").get(1), rst_stream(1, code)]).ping();
            t.client.send([t.ask.get(3)]);
            assert_eq!(t.client.response(3).status, 200);
        });
        s.talk(format!("GOAWAY with code {code:#x}"), UNKNOWN, move |t| {
            // The server may close, since nothing is open; but not with an error.
            t.client.send([goaway(0, code)]);
            t.client.try_send([ping(*b"goneaway")]);
            t.client.wait_for("answer or end", |event| {
                matches!(event, Event::PingAck(_) | Event::Closed).then_some(())
            });
            assert!(t.client.goaway.is_none_or(|(_, code)| code == code::NO_ERROR));
        });
    }
    for code in 0..=code::HTTP_1_1_REQUIRED {
        s.check(
            format!("RST_STREAM with code {code}"),
            "7: Error codes share a common code space; 6.4: the error code \
            indicates why the stream is being terminated.",
            move |ask| vec![ask.to("hold").get(1), rst_stream(1, code)],
            Expect::nothing(),
        );
    }
    s.run();
}
