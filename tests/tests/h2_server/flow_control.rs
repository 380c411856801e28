//! RFC 9113 sections 5.2, 6.9.1 and 6.9.2: windows.
//!
//! That no answer ever exceeds a window is watched in all tests; here windows are made so small that it matters.

use weir_tests::h2::{
    Event, Expect, H2Client, WINDOW_INITIAL, WINDOW_MAX, code, frame::*, setting, suite::Section,
};

const NEVER_MORE: &str = "6.9.1: The sender MUST NOT send a flow-controlled frame with a length that exceeds the space \
                          available in either of the flow-control windows advertised by the receiver.";
const OVERFLOW: &str = "6.9.1: A sender MUST NOT allow a flow-control window to exceed 2^31-1 octets. If a sender \
                        receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum, it MUST \
                        terminate either the stream or the connection.";
const ADJUST: &str = "6.9.2: When the value of SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of \
                      all stream flow-control windows that it maintains by the difference.";
const NEGATIVE: &str = "6.9.2: A sender MUST track the negative flow-control window and MUST NOT send new \
                        flow-controlled frames until it receives WINDOW_UPDATE frames that cause the window to become \
                        positive.";
const TOO_MUCH: &str = "6.9.1, 7: FLOW_CONTROL_ERROR: The endpoint detected that its peer violated the flow-control \
                        protocol.";

/// Waits until the answer on stream 1 has this many octets, and makes sure that no more follow.
#[track_caller]
fn expect_octets(client: &mut H2Client, octets: usize) {
    client.wait_until(&format!("{octets} octets"), |client| client.so_far(1).body.len() >= octets);
    client.ping().ping();
    assert_eq!(client.so_far(1).body.len(), octets);
}

#[test]
fn windows_of_the_client() {
    let mut s = Section::new("6.9.1 windows of the client");
    s.talk("a window of one octet", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        expect_octets(&mut client, 1);
        client.send([window_update(1, 2)]);
        expect_octets(&mut client, 3);
        client.send([window_update(1, 2)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window of nothing", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.send([t.ask.get(1)]);
        client.head(1);
        client.ping().ping();
        assert!(client.so_far(1).body.is_empty() && !client.so_far(1).is_whole);
        client.send([window_update(1, 5)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk(
        "an answer without content needs no window",
        "6.9.1: Frames with zero length with the END_STREAM flag set \
        MAY be sent if there is no available space in either flow-control window.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
            client.send([t.ask.to("204").get(1), t.ask.to("large-0").get(3)]);
            assert_eq!((client.response(1).status, client.response(3).status), (204, 200));
        },
    );
    s.talk("the initial window of a stream", NEVER_MORE, |t| {
        t.client.link.manners.refill = false;
        t.client.send([window_update(0, 1 << 20), t.ask.to("large-100000").get(1)]);
        expect_octets(&mut t.client, WINDOW_INITIAL as usize);
        t.client.send([window_update(1, 100_000)]);
        assert_eq!(t.client.response(1).body.len(), 100_000);
    });
    s.talk("the initial window of the connection", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
        client.link.manners.refill = false;
        client.send([t.ask.to("large-100000").get(1)]);
        expect_octets(&mut client, WINDOW_INITIAL as usize);
        client.send([window_update(0, 10)]);
        expect_octets(&mut client, WINDOW_INITIAL as usize + 10);
        client.send([window_update(0, 100_000)]);
        assert_eq!(client.response(1).body.len(), 100_000);
    });
    s.talk("two streams share the connection's window", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
        client.link.manners.refill = false;
        let large = t.ask.to("large-50000");
        client.send([large.get(1), large.get(3)]);
        let sum = |client: &H2Client| client.so_far(1).body.len() + client.so_far(3).body.len();
        client.wait_until("the whole window", |client| sum(client) == WINDOW_INITIAL as usize);
        client.ping();
        client.send([window_update(0, 40_000)]);
        assert_eq!(client.response(1).body.len() + client.response(3).body.len(), 100_000);
    });
    s.talk(
        "a stream without window holds up no other one",
        "5.2.1: flow control ensures that streams on the same \
        connection do not destructively interfere with each other.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
            client.link.manners.refill = false;
            client.send([t.ask.to("large-1000").get(1)]);
            client.wait_until("ten octets", |client| client.so_far(1).body.len() == 10);
            client.send([t.ask.get(3)]);
            assert_eq!(client.response(3).text(), "hello");
        },
    );
    s.talk(
        "frames of all other types need no window",
        "5.2.1: only DATA frames are subject to flow control.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
            client.send([t.ask.get(1)]);
            assert_eq!(client.head(1).status, 200);
            client.ping();
        },
    );
    s.run();
}

#[test]
fn changes() {
    let mut s = Section::new("6.9.2 changes of the initial window");
    s.talk("a larger initial window is that of open streams too", ADJUST, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        client.head(1);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 1)])]);
        expect_octets(&mut client, 1);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)])]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window becomes negative", NEGATIVE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 3)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        expect_octets(&mut client, 3);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 2)]), window_update(1, 1)]);
        expect_octets(&mut client, 3);
        client.send([window_update(1, 1)]);
        expect_octets(&mut client, 4);
        client.send([window_update(1, 1)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window becomes very negative", NEGATIVE, |t| {
        t.client.link.manners.refill = false;
        t.client.send([t.ask.to("large-100000").get(1)]);
        expect_octets(&mut t.client, 65_535);
        t.client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]), window_update(0, 1 << 20)]);
        t.client.send([window_update(1, 65_535)]);
        expect_octets(&mut t.client, 65_535);
        t.client.send([window_update(1, 34_465)]);
        assert_eq!(t.client.response(1).body.len(), 100_000);
    });
    s.talk(
        "the last of two values counts",
        "6.5: Settings are processed in the order in which they appear. The value \
        of a SETTINGS parameter is the last value that is seen by a receiver.",
        |t| {
            let values = [(setting::INITIAL_WINDOW_SIZE, 100), (setting::INITIAL_WINDOW_SIZE, 1)];
            t.client.link.manners.refill = false;
            t.client.send([settings(&values)]);
            t.client.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
            t.client.send([t.ask.get(1)]);
            expect_octets(&mut t.client, 1);
        },
    );
    s.talk(
        "the connection's window is nobody's setting",
        "6.9.2: A SETTINGS frame cannot alter the connection \
        flow-control window.",
        |t| {
            t.client.link.manners.refill = false;
            t.client.send([
                settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]),
                t.ask.to("large-100000").get(1),
            ]);
            expect_octets(&mut t.client, 65_535);
        },
    );
    s.check("a setting that lets an open stream's window overflow", "6.9.2: An endpoint MUST treat a change to \
        SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control window to exceed the maximum size as a connection \
        error of type FLOW_CONTROL_ERROR.", |ask| {
        vec![ask.to("hold").get(1), window_update(1, 1), settings(&[(setting::INITIAL_WINDOW_SIZE, WINDOW_MAX)])]
    }, Expect::connection(code::FLOW_CONTROL_ERROR));
    s.run();
}

#[test]
fn overflow() {
    let mut s = Section::new("6.9.1 overflow");
    let connection = || Expect::connection(code::FLOW_CONTROL_ERROR);
    s.check("of the connection's window", OVERFLOW, |_| vec![window_update(0, WINDOW_MAX)], connection());
    s.check(
        "of the connection's window, in two steps",
        OVERFLOW,
        |_| vec![window_update(0, WINDOW_MAX - WINDOW_INITIAL), window_update(0, 1)],
        connection(),
    );
    s.check(
        "the largest window of the connection",
        OVERFLOW,
        |_| vec![window_update(0, WINDOW_MAX - WINDOW_INITIAL)],
        Expect::nothing(),
    );
    let stream = || Expect::stream(1, code::FLOW_CONTROL_ERROR);
    s.check(
        "of a stream's window",
        OVERFLOW,
        |ask| vec![ask.to("hold").get(1), window_update(1, WINDOW_MAX)],
        stream(),
    );
    s.check(
        "of an open stream's window",
        OVERFLOW,
        |ask| vec![ask.post(1), window_update(1, WINDOW_MAX), window_update(1, WINDOW_MAX)],
        stream(),
    );
    s.check(
        "the largest window of a stream",
        OVERFLOW,
        |ask| vec![ask.to("hold").get(1), window_update(1, WINDOW_MAX - WINDOW_INITIAL)],
        Expect::nothing(),
    );
    s.run();
}

#[test]
fn windows_of_the_server() {
    let mut s = Section::new("6.9 windows of the server");
    s.talk(
        "an upload of a megabyte",
        "6.9.1: The receiver of a frame sends a WINDOW_UPDATE frame as it consumes data \
        and frees up space in flow-control windows.",
        |t| {
            const LENGTH: usize = 1 << 20;
            t.client.send([t.ask.post(1)]);
            let mut windows = Windows::of(&t.client);
            let mut sent = 0;
            while sent < LENGTH {
                let piece = windows.room().min(16_384).min(LENGTH - sent);
                if piece == 0 {
                    windows.wait(&mut t.client);
                    continue;
                }
                windows.take(piece);
                sent += piece;
                let frame = data(1, vec![b'x'; piece]);
                t.client.send([if sent == LENGTH { frame.end() } else { frame }]);
            }
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().body.len(), LENGTH);
        },
    );
    s.talk(
        "padding is given back",
        "6.1: The entire DATA frame payload is included in flow control, including the Pad \
        Length and Padding fields if present.",
        |t| {
            // Without it, the windows would be gone after some 256 frames.
            t.client.send([t.ask.post(1)]);
            let mut windows = Windows::of(&t.client);
            let frames = 3 * windows.room().min(1 << 20) / 257 + 3;
            for _ in 0..frames {
                while windows.room() < 257 {
                    windows.wait(&mut t.client);
                }
                windows.take(257);
                t.client.send([data(1, *b"x").padded(255)]);
            }
            t.client.send([data(1, []).end()]);
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().body.len(), frames);
        },
    );
    s.talk(
        "what comes behind the answer is given back",
        "5.1: the content of DATA frames counts toward the \
        connection flow-control window.",
        |t| {
            let mut windows = Windows::of(&t.client);
            // More than the connection's window in all.
            let mut left = windows.connection.min(1 << 21) + 1;
            for n in 0.. {
                let stream = 2 * n + 1;
                windows.begin(stream);
                t.client.send([t.ask.to("early").post(stream)]);
                t.client.response(stream);
                while left > 0 && windows.stream > 0 {
                    let piece = windows.room().min(16_384).min(left as usize);
                    if piece == 0 {
                        windows.wait(&mut t.client);
                        continue;
                    }
                    windows.take(piece);
                    left -= piece as i64;
                    t.client.send([data(stream, vec![0; piece])]);
                }
                if left == 0 {
                    break;
                }
            }
            t.client.ping();
        },
    );
    s.talk_graded("more than the stream's window", TOO_MUCH, |t| {
        let windows = Windows::of(&t.client);
        let hold = t.ask.to("hold");
        t.client.send([hold.post_with(1, &[("content-length", "100000000")])]);
        t.client.link.manners.refill = false;
        let room = windows.stream.min(4 << 20) as usize;
        for _ in 0..=2 * room / 16_384 {
            t.client.try_send([data(1, vec![0; 16_384])]);
        }
        let expected = Expect::stream(1, code::FLOW_CONTROL_ERROR);
        // "A receiver MAY respond with a stream error or connection error of type FLOW_CONTROL_ERROR" (section 6.9).
        let expected = if t.target.is_weir() { expected } else { expected.or(Expect::nothing()) };
        expected.check(&mut t.client)
    });
    s.talk_graded("more than the window by one octet, at once", TOO_MUCH, |t| {
        let windows = Windows::of(&t.client);
        let room = windows.room();
        let mut frames = vec![t.ask.post(1)];
        frames.extend((0..room / 16_384).map(|_| data(1, vec![0; 16_384])));
        frames.push(data(1, vec![0; room % 16_384 + 1]));
        t.client.send(frames);
        // A server that reads fast may have made room already.
        Expect::stream(1, code::FLOW_CONTROL_ERROR).or(Expect::nothing()).check(&mut t.client)
    });
    s.talk(
        "a server that does not read stops the client",
        "5.2.2: a proxy needs to share memory between many \
        connections and also might have a slow upstream connection.",
        |t| {
            // The server behind reads nothing, so the windows must run out before long.
            t.client.send([t.ask.to("deaf").post_with(1, &[("content-length", "1000000000")])]);
            let mut windows = Windows::of(&t.client);
            let mut sent = 0;
            loop {
                let piece = windows.room().min(16_384);
                if piece == 0 {
                    t.client.ping();
                    windows.update(&t.client);
                    if windows.room() == 0 {
                        break;
                    }
                    continue;
                }
                windows.take(piece);
                sent += piece;
                t.client.send([data(1, vec![0; piece])]);
                assert!(sent < 64 << 20, "no backpressure after {sent} octets");
            }
        },
    );
    s.run();
}

/// What the server lets this client send on one stream and on the connection.
struct Windows {
    stream: i64,
    initial: i64,
    connection: i64,
    id: u32,
    seen: (i64, i64),
}

impl Windows {
    fn of(client: &H2Client) -> Self {
        let initial = client.link.audit.setting(setting::INITIAL_WINDOW_SIZE).unwrap_or(WINDOW_INITIAL);
        let initial = i64::from(initial);
        let connection = i64::from(WINDOW_INITIAL);
        let mut windows = Self { stream: initial, initial, connection, id: 1, seen: (0, 0) };
        windows.update(client);
        windows
    }

    /// Another stream.
    fn begin(&mut self, id: u32) {
        if self.id != id {
            (self.id, self.stream, self.seen.0) = (id, self.initial, 0);
        }
    }

    fn room(&self) -> usize {
        self.stream.min(self.connection).max(0) as usize
    }

    fn take(&mut self, octets: usize) {
        self.stream -= octets as i64;
        self.connection -= octets as i64;
    }

    /// Adds what WINDOW_UPDATE frames have given so far.
    fn update(&mut self, client: &H2Client) {
        let given = (client.given(self.id), client.given(0));
        self.stream += given.0 - self.seen.0;
        self.connection += given.1 - self.seen.1;
        self.seen = given;
    }

    #[track_caller]
    fn wait(&mut self, client: &mut H2Client) {
        client.wait_for("WINDOW_UPDATE", |event| matches!(event, Event::WindowUpdate { .. }).then_some(()));
        self.update(client);
    }
}
