//! RFC 9113 section 6.8: GOAWAY from a client. That of a server that stops is in `drain`.

use weir_tests::h2::{Event, Expect, code, frame::*, suite::Section};

const STREAM: &str = "6.8: An endpoint MUST treat a GOAWAY frame with a stream identifier other than 0x00 as a connection \
                      error of type PROTOCOL_ERROR.";
const FINISH: &str = "6.8: GOAWAY allows an endpoint to gracefully stop accepting new streams while still finishing \
                      processing of previously established streams.";

#[test]
fn goaway_frames() {
    let mut s = Section::new("6.8 GOAWAY");
    s.talk("taken", "6.8: The GOAWAY frame is used to initiate shutdown of a connection.", |t| {
        t.client.send([goaway(0, code::NO_ERROR)]);
        t.client.try_send([ping(*b"goneaway")]);
        // With no stream open, the server may close.
        t.client.wait_for("answer or end", |event| {
            matches!(event, Event::PingAck(_) | Event::Closed).then_some(())
        });
        assert!(t.client.goaway.is_none_or(|(_, code)| code == code::NO_ERROR));
    });
    s.talk("open streams are finished", FINISH, |t| {
        let echo = t.ask.to("echo");
        t.client.send([echo.post(1), data(1, *b"he"), goaway(0, code::NO_ERROR), data(1, *b"llo").end()]);
        assert_eq!(t.client.response(1).text(), "hello");
    });
    s.talk(
        "with debug data",
        "6.8: Endpoints MAY append opaque data to the payload of any GOAWAY frame.",
        |t| {
            let mut frame = goaway(0, code::NO_ERROR);
            frame.payload.extend(b"bye, \xff\x00");
            t.client.send([t.ask.get(1), frame]);
            assert_eq!(t.client.response(1).status, 200);
        },
    );
    s.talk(
        "twice, with a lower last stream",
        "6.8: An endpoint MAY send multiple GOAWAY frames if circumstances \
        change.",
        |t| {
            t.client.send([t.ask.get(1), goaway((1 << 31) - 1, code::NO_ERROR), goaway(0, code::NO_ERROR)]);
            assert_eq!(t.client.response(1).status, 200);
        },
    );
    s.check(
        "on a stream",
        STREAM,
        |_| vec![goaway(0, code::NO_ERROR).on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "on an open stream",
        STREAM,
        |ask| vec![ask.post(1), goaway(0, code::NO_ERROR).on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    for length in [0, 4, 7] {
        s.check(
            format!("of {length} octets"),
            "4.2: An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame \
            is too small to contain mandatory frame data.",
            move |_| vec![goaway(0, 0).payload(vec![0; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    s.run();
}
