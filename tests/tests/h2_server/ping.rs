//! RFC 9113 section 6.7: PING.

use weir_tests::h2::{Event, Expect, code, flag, frame::*, suite::Section};

const ANSWER: &str = "6.7: Receivers of a PING frame that does not include an ACK flag MUST send a PING frame with the \
                      ACK flag set in response, with an identical frame payload.";
const NO_ANSWER: &str = "6.7: An endpoint MUST NOT respond to PING frames containing this flag.";
const STREAM: &str = "6.7: If a PING frame is received with a Stream Identifier field value other than 0x00, the \
                      recipient MUST respond with a connection error of type PROTOCOL_ERROR.";
const LENGTH: &str = "6.7: Receipt of a PING frame with a length field value other than 8 MUST be treated as a connection \
                      error of type FRAME_SIZE_ERROR.";

#[test]
fn ping_frames() {
    let mut s = Section::new("6.7 PING");
    for octets in [[0; 8], [0xff; 8], *b"payload!"] {
        s.talk(format!("answered: {octets:?}"), ANSWER, move |t| {
            t.client.send([ping(octets)]);
            t.client.wait_for("answer", |event| (*event == Event::PingAck(octets)).then_some(()));
        });
    }
    s.talk("answered in order", ANSWER, |t| {
        t.client.send((0..10).map(|n| ping([n; 8])).collect::<Vec<_>>());
        for n in 0..10 {
            let octets = t.client.wait_for("answer", |event| match event {
                Event::PingAck(octets) => Some(*octets),
                _ => None,
            });
            assert_eq!(octets, [n; 8]);
        }
    });
    s.talk("an answer is not answered", NO_ANSWER, |t| {
        // The audit refuses an answer that was not asked for.
        t.client.send([ping(*b"unwanted").flags(flag::ACK)]).ping();
    });
    s.talk(
        "answered while an answer waits for its window",
        "6.7: PING responses SHOULD be given higher priority than \
        any other frame.",
        |t| {
            t.client.link.manners.refill = false;
            t.client.send([t.ask.to("large-1000000").get(1)]);
            t.client.wait_until("the window", |client| client.so_far(1).body.len() == 65_535);
            t.client.ping();
        },
    );
    s.check("on a stream", STREAM, |_| vec![ping([0; 8]).on(1)], Expect::connection(code::PROTOCOL_ERROR));
    s.check(
        "an answer on a stream",
        STREAM,
        |ask| vec![ask.to("hold").get(1), ping([0; 8]).flags(flag::ACK).on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    for length in [0, 6, 7, 9, 16] {
        s.check(
            format!("of {length} octets"),
            LENGTH,
            move |_| vec![ping([0; 8]).payload(vec![0; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    s.check(
        "an answer of seven octets",
        LENGTH,
        |_| vec![ping([0; 8]).payload([0; 7]).flags(flag::ACK)],
        Expect::connection(code::FRAME_SIZE_ERROR),
    );
    s.run();
}
