//! RFC 9113 sections 5.2 and 6.9: the windows that the server gives.

use weir_tests::h2::{
    Event, Expect, Grade, H2Client, WINDOW_INITIAL, code, frame::*, setting, suite::Section,
};

const TOO_MUCH: &str =
    "6.9.1, 7: FLOW_CONTROL_ERROR: The endpoint detected that its peer violated the flow-control protocol.";

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
        // The server behind reads nothing. What the kernel holds on the way to it makes room, a few megabytes of it, and
        // then nothing does.
        t.client.send([t.ask.to("deaf").post_with(1, &[("content-length", "1000000000")])]);
        t.client.link.manners.refill = false;
        let expected = Expect::stream(1, code::FLOW_CONTROL_ERROR);
        if !t.target.is_weir() {
            (0..64).for_each(|_| t.client.try_send([data(1, vec![0; 16_384])]));
            // "A receiver MAY respond with a stream error or connection error of type FLOW_CONTROL_ERROR" (section 6.9).
            return expected.or(Expect::nothing()).check(&mut t.client);
        }
        for _ in 0..128 {
            t.client.send((0..32).map(|_| data(1, vec![0; 16_384])).collect::<Vec<_>>()).ping();
            if let Some(came) = t.client.so_far(1).reset {
                assert_eq!(came, code::FLOW_CONTROL_ERROR);
                return Grade::Exact;
            }
        }
        panic!("64 MiB went into a window of {}", Windows::of(&t.client).initial)
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
        // It may have come while something else was waited for.
        let before = (self.stream, self.connection);
        self.update(client);
        if (self.stream, self.connection) == before {
            client
                .wait_for("WINDOW_UPDATE", |event| matches!(event, Event::WindowUpdate { .. }).then_some(()));
            self.update(client);
        }
    }
}
