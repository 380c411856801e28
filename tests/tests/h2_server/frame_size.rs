//! RFC 9113 section 4.2: sizes of frames.

use weir_tests::h2::{
    Block, Expect, FRAME_INITIAL, Frame, code,
    expect::Grade,
    frame::*,
    kind, setting,
    suite::{Ask, Section},
};

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
        if t.target.is_weir() {
            assert_eq!(t.client.response(1).status, 200);
        }
        // Others may have smaller limits, and say so in one way or another.
    });
    let stream = || Expect::stream(1, code::FRAME_SIZE_ERROR);
    let connection = || Expect::connection(code::FRAME_SIZE_ERROR);
    type Large = (&'static str, fn(&Ask, usize) -> Vec<Frame>, Expect);
    let cases: [Large; 9] = [
        ("DATA", |ask, size| vec![ask.post(1), data(1, vec![0; size]).end()], stream()),
        (
            "DATA that only claims it",
            |ask, size| vec![ask.post(1), data(1, *b"x").claiming(size as u32)],
            stream(),
        ),
        ("HEADERS", |ask, size| vec![headers(1, block(ask, size)).end()], connection()),
        (
            "CONTINUATION",
            |ask, size| {
                vec![headers(1, ask.fields("GET")).end().without(0x4), continuation(1, block(ask, size))]
            },
            connection(),
        ),
        (
            "SETTINGS",
            |_, size| vec![Frame::new(kind::SETTINGS, 0, 0, vec![0xff; size.next_multiple_of(6)])],
            connection(),
        ),
        ("PING", |_, size| vec![ping([0; 8]).payload(vec![0; size])], connection()),
        ("GOAWAY", |_, size| vec![goaway(0, 0).payload(vec![0; size])], connection()),
        (
            "WINDOW_UPDATE on stream 0",
            |_, size| vec![window_update(0, 1).payload(vec![0; size])],
            connection(),
        ),
        ("an unknown frame", |_, size| vec![Frame::new(0xee, 0, 0, vec![0; size])], connection()),
    ];
    for (name, frames, expected) in cases {
        let cites = if expected == connection() { OF_CONNECTION } else { TOO_LARGE };
        s.talk_graded(format!("{name} beyond the server's limit"), cites, move |t| {
            let limit = t.client.link.audit.setting(setting::MAX_FRAME_SIZE).unwrap_or(FRAME_INITIAL);
            if limit + 1 == 1 << 24 {
                // Nothing can be larger than what it takes.
                assert!(!t.target.is_weir(), "no limit");
                return Grade::Exact;
            }
            t.client.try_send(frames(&t.ask, limit as usize + 1));
            expected.check(&mut t.client)
        });
    }
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

/// A block of so many octets.
fn block(ask: &Ask, size: usize) -> Vec<u8> {
    let mut octets = ask.fields("GET").and(&Block::new().plain("x-a", &"x".repeat(size))).0;
    octets.truncate(size);
    octets
}
