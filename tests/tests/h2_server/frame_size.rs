//! RFC 9113 section 4.2: sizes of frames.

use weir_tests::h2::{Block, Expect, Frame, code, frame::*, kind, setting, suite::Section};

const TOO_LARGE: &str = "4.2: An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size \
                         defined in SETTINGS_MAX_FRAME_SIZE.";
const OF_CONNECTION: &str = "4.2: A frame size error in a frame that could alter the state of the entire connection \
                             MUST be treated as a connection error; this includes any frame carrying a field block, \
                             SETTINGS, and any frame with a stream identifier of 0.";
const MINIMUM: &str = "4.2: All implementations MUST be capable of receiving and minimally processing frames up to \
                       2^14 octets in length, plus the 9-octet frame header.";

#[test]
fn frame_size() {
    let mut s = Section::new("4.2 frame size");
    s.talk("DATA of 2^14 octets", MINIMUM, |t| {
        t.client.send([t.ask.post(1), data(1, vec![b'x'; 16_384]).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body.len(), 16_384);
    });
    s.talk("padded DATA of 2^14 octets", MINIMUM, |t| {
        t.client.send([t.ask.post(1), data(1, vec![b'x'; 16_383 - 255]).padded(255).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body.len(), 16_383 - 255);
    });
    s.talk("HEADERS of 2^14 octets are taken, or answered", MINIMUM, |t| {
        let start = t.ask.fields("GET");
        let long = "x".repeat(16_384 - start.0.len() - 8);
        let block = start.plain("x-a", &long);
        assert!((16_380..=16_384).contains(&block.0.len()), "{}", block.0.len());
        t.client.send([headers(1, block).end()]);
        let status = t.client.response(1).status;
        assert!([200, 400, 431].contains(&status), "{status}");
        t.client.ping();
    });
    s.check(
        "DATA of 2^14 + 1 octets",
        TOO_LARGE,
        |ask| vec![ask.post(1), data(1, vec![0; 16_385]).end()],
        Expect::stream(1, code::FRAME_SIZE_ERROR),
    );
    s.check(
        "DATA that only claims 2^24 - 1 octets",
        TOO_LARGE,
        |ask| vec![ask.post(1), data(1, *b"x").claiming((1 << 24) - 1)],
        Expect::stream(1, code::FRAME_SIZE_ERROR),
    );
    let connection = || Expect::connection(code::FRAME_SIZE_ERROR);
    s.check(
        "HEADERS of 2^14 + 1 octets",
        OF_CONNECTION,
        |ask| {
            let block = ask.fields("GET").and(&Block::new().plain("x-a", &"x".repeat(16_384)));
            vec![headers(1, block).end()]
        },
        connection(),
    );
    s.check(
        "CONTINUATION of 2^14 + 1 octets",
        OF_CONNECTION,
        |ask| {
            let block = Block::new().plain("x-a", &"x".repeat(16_384));
            vec![headers(1, ask.fields("GET")).end().without(0x4), continuation(1, block)]
        },
        connection(),
    );
    s.check(
        "SETTINGS of 2^14 + 2 octets",
        OF_CONNECTION,
        |_| vec![Frame::new(kind::SETTINGS, 0, 0, vec![0xff; 16_386])],
        connection(),
    );
    s.check(
        "PING of 2^14 + 1 octets",
        OF_CONNECTION,
        |_| vec![ping([0; 8]).payload(vec![0; 16_385])],
        connection(),
    );
    s.check(
        "GOAWAY of 2^14 + 1 octets",
        OF_CONNECTION,
        |_| vec![goaway(0, 0).payload(vec![0; 16_385])],
        connection(),
    );
    s.check(
        "WINDOW_UPDATE of 2^14 + 1 octets on stream 0",
        OF_CONNECTION,
        |_| vec![window_update(0, 1).payload(vec![0; 16_385])],
        connection(),
    );
    s.check(
        "an unknown frame of 2^14 + 1 octets",
        TOO_LARGE,
        |_| vec![Frame::new(0xee, 0, 0, vec![0; 16_385])],
        connection(),
    );
    for length in [0, 4, 6, 11] {
        s.check(
            format!("PRIORITY of {length} octets"),
            "6.3: A PRIORITY frame with a length other than 5 octets MUST \
            be treated as a stream error of type FRAME_SIZE_ERROR.",
            move |ask| vec![ask.post(1), Frame::new(kind::PRIORITY, 0, 1, vec![0; length])],
            Expect::stream(1, code::FRAME_SIZE_ERROR),
        );
    }
    s.talk(
        "answers keep to 2^14",
        "4.1: Values greater than 2^14 MUST NOT be sent unless the receiver has set a \
        larger value for SETTINGS_MAX_FRAME_SIZE.",
        |t| {
            // The audit looks at each frame.
            let ask = t.ask.to("large-100000");
            t.client.send([ask.get(1)]);
            assert_eq!(t.client.response(1).body.len(), 100_000);
        },
    );
    s.talk(
        "answers keep to a larger size",
        "6.5.2: SETTINGS_MAX_FRAME_SIZE indicates the size of the largest frame \
        payload that the sender is willing to receive.",
        |t| {
            let mut client = t.connect_with(&[(setting::MAX_FRAME_SIZE, (1 << 24) - 1)]);
            client.send([
                window_update(0, 1 << 20),
                t.ask.to("large-300000").get(1),
                window_update(1, 1 << 20),
            ]);
            assert_eq!(client.response(1).body.len(), 300_000);
        },
    );
    s.run();
}
