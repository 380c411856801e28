//! Exchanges that end in the middle, by the thousand on one connection: whoever breaks them off and wherever, both
//! windows are afterwards what they were, and a large body still goes both ways.

use std::task::Poll;

use super::wire::*;
use crate::{
    h2::{Budget, Budgets, ErrorCode as E, Mux, Opening, Settings, StreamEnd, StreamKey},
    head::ResponseHead,
};

const EXCHANGES: usize = 10_000;

/// What the server sends on one stream before somebody stops it, in bytes.
const PART: usize = 30_000;

const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a.test\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const WITH_BODY: Opening<'_> = Opening { scheme: b"http", protocol: None, end_stream: false };

/// How an exchange ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// The client gives up while its body is on its way.
    Cancelled,
    /// The client goes away with the answer's body half read.
    AnswerDropped,
    /// The same, with nothing of it read, while more of it is on its way.
    AnswerCrossed,
    /// The server has answered and wants no more of the body.
    AnsweredEarly,
    /// The server cannot answer.
    Failed,
    /// The body is larger than the server takes.
    TooLarge,
    /// The trailers are wrong.
    Malformed,
    /// The server does nothing with it.
    Refused,
}

const ENDINGS: [Ending; 8] = [
    Ending::Cancelled,
    Ending::AnswerDropped,
    Ending::AnswerCrossed,
    Ending::AnsweredEarly,
    Ending::Failed,
    Ending::TooLarge,
    Ending::Malformed,
    Ending::Refused,
];

struct Pair {
    client: Mux,
    server: Mux,
}

impl Pair {
    fn new() -> Self {
        let much = Budget::per_second(u32::MAX, 0);
        // These are for strangers; here it is what honest but unlucky exchanges leave behind.
        let budgets = Budgets { resets: much, late_frames: much, window_updates: much, ..Budgets::default() };
        let settings = Settings { budgets, ..Settings::default() };
        let upstream = Settings {
            stream_window: 65_535,
            stream_window_max: 1 << 20,
            connection_window: 24 << 20,
            ..settings
        };
        let server = Settings { heads_bytes_max: 1000, ..settings };
        let mut pair = Self { client: Mux::client(upstream), server: Mux::server(server) };
        pair.carry();
        pair
    }

    /// All that there is goes to the other side.
    fn carry(&mut self) {
        while self.carry_up() | self.carry_down() {}
    }

    fn carry_up(&mut self) -> bool {
        carry(&mut self.client, &mut self.server)
    }

    fn carry_down(&mut self) -> bool {
        carry(&mut self.server, &mut self.client)
    }

    fn open(&mut self) -> (StreamKey, StreamKey) {
        let ours = self.client.open(POST, &WITH_BODY).expect("no stream is open");
        send(&mut self.client, ours, PART);
        self.carry();
        (ours, accept(&mut self.server))
    }

    fn exchange(&mut self, ending: Ending) {
        let (ours, theirs) = self.open();
        match ending {
            Ending::Cancelled => {
                send(&mut self.client, ours, PART);
            }
            Ending::AnswerDropped | Ending::AnswerCrossed => {
                self.server.send_head(theirs, OK, false).expect("open");
                send(&mut self.server, theirs, PART);
                self.carry_down();
                if matches!(ending, Ending::AnswerDropped) {
                    assert_eq!(response(&mut self.client, ours), 200);
                    read(&mut self.client, ours, PART / 2);
                }
                send(&mut self.server, theirs, PART / 2);
            }
            Ending::AnsweredEarly => {
                send(&mut self.client, ours, PART);
                self.server.send_head(theirs, b"HTTP/1.1 413 \r\n\r\n", true).expect("open");
            }
            Ending::Failed => {
                read(&mut self.server, theirs, PART / 2);
                self.server.release(theirs, E::INTERNAL_ERROR);
                send(&mut self.client, ours, PART);
            }
            Ending::TooLarge => {
                self.server.settings.body_bytes_max = 1000;
                send(&mut self.client, ours, PART);
                self.carry_up();
                let polled = poll(|cx| self.server.poll_recv(cx, theirs, &mut [0; 10]));
                assert_eq!(polled, Poll::Ready(Err(StreamEnd::BodyTooLarge)));
                self.server.settings.body_bytes_max = u64::MAX;
            }
            Ending::Malformed => {
                self.client.finish(ours, Some(b"content-length: 5\r\n")).expect("open");
                self.carry();
                let polled = poll(|cx| self.server.poll_recv(cx, theirs, &mut [0; 10]));
                assert_eq!(polled, Poll::Ready(Err(StreamEnd::Malformed)));
            }
            Ending::Refused => {
                let long = [&POST[..POST.len() - 2], b"x: ", &[b'x'; 2000], b"\r\n\r\n"].concat();
                let refused = self.client.open(&long, &WITH_BODY).expect("a second one");
                send(&mut self.client, refused, PART);
                self.carry();
                let polled = poll(|cx| self.client.poll_reset(cx, refused));
                assert_eq!(polled, Poll::Ready(StreamEnd::Refused));
                self.client.release(refused, E::CANCEL);
            }
        }
        self.client.release(ours, E::CANCEL);
        self.server.release(theirs, E::INTERNAL_ERROR);
        self.carry();
        assert!(self.client.is_idle() && self.server.is_idle(), "{ending:?}");
    }

    /// Both windows of both sides are what the other side believes them to be, and whole.
    fn check(&self, what: &str) {
        for (from, to) in [(&self.client, &self.server), (&self.server, &self.client)] {
            assert_eq!(from.send_window.open(), to.recv_window.left(), "{what}");
            assert!(to.recv_window.is_accounted_for(), "{what}");
        }
        let fresh = Self::new();
        assert_eq!(self.client.window_reserve, fresh.client.window_reserve, "{what}");
    }

    /// So many bytes go up and come back, on one stream.
    fn echo(&mut self, bytes: usize) {
        let ours = self.client.open(POST, &WITH_BODY).expect("no stream is open");
        self.carry();
        let theirs = accept(&mut self.server);
        self.server.send_head(theirs, OK, false).expect("open");
        let (mut sent, mut held, mut came) = (0, 0, 0);
        while came < bytes {
            let before = (sent, held, came);
            if sent < bytes {
                sent += send(&mut self.client, ours, (bytes - sent).min(100_000));
            }
            self.carry();
            held += read(&mut self.server, theirs, usize::MAX);
            held -= send(&mut self.server, theirs, held);
            self.carry();
            came += read(&mut self.client, ours, usize::MAX);
            self.carry();
            assert_ne!((sent, held, came), before, "nothing moves any more");
        }
        self.client.finish(ours, None).expect("all was sent");
        self.server.finish(theirs, None).expect("all was sent");
        self.carry();
        assert_eq!(response(&mut self.client, ours), 200);
        self.client.release(ours, E::CANCEL);
        self.server.release(theirs, E::INTERNAL_ERROR);
        self.carry();
    }
}

fn carry(from: &mut Mux, to: &mut Mux) -> bool {
    let bytes = from.output().to_vec();
    from.wrote(bytes.len());
    feed(to, &bytes);
    !bytes.is_empty()
}

/// Sends as much as goes, of so many bytes.
fn send(mux: &mut Mux, key: StreamKey, bytes: usize) -> usize {
    let mut sent = 0;
    while sent < bytes
        && let Poll::Ready(Ok(n)) = poll(|cx| mux.poll_send(cx, key, &vec![b'x'; bytes - sent]))
    {
        sent += n;
    }
    sent
}

/// Reads what is there, of so many bytes.
fn read(mux: &mut Mux, key: StreamKey, bytes: usize) -> usize {
    let (mut came, mut room) = (0, [0; 5000]);
    while came < bytes
        && let Poll::Ready(Ok(n @ 1..)) = poll(|cx| mux.poll_recv(cx, key, &mut room))
    {
        came += n;
    }
    came
}

#[test]
fn windows_never_leak() {
    let mut pair = Pair::new();
    for n in 0..EXCHANGES {
        let ending = ENDINGS[n % ENDINGS.len()];
        pair.exchange(ending);
        if n < 3 * ENDINGS.len() {
            pair.check(&format!("{ending:?}"));
        }
    }
    pair.check("all of them");
    pair.echo(20_000_000);
    pair.check("a large body");
}

#[test]
fn streams_that_nobody_reads_stop_no_other() {
    let upstream = Settings {
        streams_max: 10,
        stream_window: 65_535,
        stream_window_max: 1 << 20,
        connection_window: 20 * 65_535 + 100_000,
        ..Settings::default()
    };
    let mut pair = Pair { client: Mux::client(upstream), server: Mux::server(Settings::default()) };
    pair.carry();
    let mut held = Vec::new();
    for n in 0..10 {
        let ours = pair.client.open(POST, &WITH_BODY).expect("ten are allowed");
        pair.carry();
        let theirs = accept(&mut pair.server);
        pair.server.send_head(theirs, OK, false).expect("open");
        // The first one's reader keeps up at first, which makes its window as large as can be.
        let patience = if n == 0 { 2_000_000 } else { 0 };
        let mut came = 0;
        loop {
            let sent = send(&mut pair.server, theirs, 1 << 20);
            pair.carry();
            came += read(&mut pair.client, ours, patience - came.min(patience));
            pair.carry();
            if sent == 0 {
                break;
            }
        }
        held.push((ours, theirs));
    }
    let unread: usize = held.iter().map(|(ours, _)| pair.client.unread(*ours)).sum();
    assert!(unread > 10 * 65_535, "all windows are full, and one has grown: {unread}");
    assert_eq!(pair.client.window_reserve, 0);
    // The last one's reader wakes up: it gets all that it asks for.
    let (ours, theirs) = held[9];
    let mut came = 0;
    while came < 5_000_000 {
        let n = read(&mut pair.client, ours, usize::MAX);
        pair.carry();
        let sent = send(&mut pair.server, theirs, 1 << 20);
        pair.carry();
        assert!(n + sent > 0, "it has stopped after {came} bytes");
        came += n;
    }
    let (mut head, mut text) = (ResponseHead::default(), Vec::new());
    assert!(poll(|cx| pair.client.poll_response(cx, ours, &mut head, &mut text)).is_ready());
}
