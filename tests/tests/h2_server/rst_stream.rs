//! RFC 9113 section 6.4: RST_STREAM.

use weir_tests::{
    h2::{Expect, code, frame::*, suite::Section},
    until,
};

const STREAM: &str = "6.4: If a RST_STREAM frame is received with a stream identifier of 0x00, the recipient MUST treat \
                      this as a connection error of type PROTOCOL_ERROR.";
const IDLE: &str = "6.4: If a RST_STREAM frame identifying an idle stream is received, the recipient MUST treat this as a \
                    connection error of type PROTOCOL_ERROR.";
const LENGTH: &str = "6.4: A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection error of \
                      type FRAME_SIZE_ERROR.";
const CLOSES: &str = "6.4: The RST_STREAM frame fully terminates the referenced stream. After receiving a RST_STREAM on a \
                      stream, the receiver MUST NOT send additional frames for that stream, except for PRIORITY.";

#[test]
fn rst_stream_frames() {
    let mut s = Section::new("6.4 RST_STREAM");
    s.check(
        "of an open stream",
        CLOSES,
        |ask| vec![ask.post(1), rst_stream(1, code::CANCEL)],
        Expect::nothing(),
    );
    s.check(
        "of a half-closed stream",
        CLOSES,
        |ask| vec![ask.to("hold").get(1), rst_stream(1, code::CANCEL)],
        Expect::nothing(),
    );
    s.talk("of an answer under way", CLOSES, |t| {
        t.client.link.manners.refill = false;
        t.client.send([t.ask.to("large-1000000").get(1)]);
        t.client.wait_until("the window", |client| client.so_far(1).body.len() == 65_535);
        t.client.send([rst_stream(1, code::CANCEL)]).ping();
        t.client.send([window_update(0, 1 << 20)]).ping();
        t.client.send([t.ask.get(3)]);
        assert_eq!(t.client.response(3).status, 200);
        assert_eq!(t.client.so_far(1).body.len(), 65_535, "DATA behind RST_STREAM");
    });
    s.talk(
        "ends the request to the server",
        "8.1: A request that is reset before its end is not whole.",
        |t| {
            t.client.send([t.ask.post_with(1, &[("content-length", "10")]), data(1, *b"hello")]).ping();
            t.client.send([rst_stream(1, code::CANCEL)]).ping();
            t.client.send([t.ask.get(3)]);
            t.client.response(3);
            assert_eq!(t.seen_once().method, "GET");
        },
    );
    s.talk(
        "sets the place of a stream free",
        "5.1.2: Streams in the \"open\" or \"half-closed\" states count toward \
        the maximum number of streams.",
        |t| {
            // Slowly enough for what counts fast resets.
            for n in 0..20 {
                t.client.send([t.ask.to("hold").get(2 * n + 1), rst_stream(2 * n + 1, code::CANCEL)]).ping();
            }
            t.client.send([t.ask.get(101)]);
            assert_eq!(t.client.response(101).status, 200);
            until("the server sees what was not held back", || t.target.origin.count() > 0);
        },
    );
    s.check(
        "on stream 0",
        STREAM,
        |_| vec![rst_stream(0, code::CANCEL)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "of an idle stream",
        IDLE,
        |_| vec![rst_stream(1, code::CANCEL)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "of an idle stream above others",
        IDLE,
        |ask| vec![ask.to("hold").get(1), rst_stream(3, code::CANCEL)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.check(
        "of an idle stream of the server",
        IDLE,
        |_| vec![rst_stream(2, code::CANCEL)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    for length in [0, 3, 5, 8] {
        s.check(
            format!("of {length} octets"),
            LENGTH,
            move |ask| vec![ask.to("hold").get(1), rst_stream(1, 0).payload(vec![0; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    s.run();
}
