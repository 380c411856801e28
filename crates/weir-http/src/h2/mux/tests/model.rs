//! A client against a server, over a wire that passes on as much as it likes when it likes: whatever the windows, all
//! bytes arrive, nobody is forgotten, and nothing grows.
//!
//! Tasks run only when they have been woken, as they would in earnest: where nobody is awake and nothing is on the wire,
//! a waker has been lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use proptest::prelude::*;

use crate::{
    h2::{ErrorCode, Mux, Opening, Settings, StreamEnd, StreamKey, frame::PAYLOAD_BYTES_MAX},
    head::{RequestHead, ResponseHead},
};

/// Whether a task is to be run.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One side of one exchange.
struct Task {
    flag: Arc<Flag>,
    key: StreamKey,
    side: Side,
    /// Bytes sent and received.
    sent: usize,
    received: usize,
    is_finished: bool,
    has_head: bool,
    is_done: bool,
}

enum Side {
    /// Sends so many bytes, wants them back, and gives up after so many.
    Client { bytes: usize, patience: usize },
    /// Sends back what it gets: this much it has in hand.
    Server(Vec<u8>),
}

/// The `n`th byte of each body.
fn byte(n: usize) -> u8 {
    (n * 7 + n / 251) as u8
}

struct World {
    client: Mux,
    server: Mux,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    tasks: Vec<Task>,
    seed: u64,
    now_ms: u64,
}

impl World {
    fn random(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as usize % below.max(1)
    }

    fn spawn(&mut self, key: StreamKey, side: Side) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let (sent, received, is_finished, has_head, is_done) = (0, 0, false, false, false);
        self.tasks.push(Task { flag, key, side, sent, received, is_finished, has_head, is_done });
    }

    /// Passes some bytes on, in both directions. Says whether there were any.
    fn transfer(&mut self) -> bool {
        self.now_ms += 1;
        let (up, down) = (self.random(40_000) + 1, self.random(40_000) + 1);
        let moved = carry(&mut self.client, &mut self.server, &mut self.to_server, up, self.now_ms)
            + carry(&mut self.server, &mut self.client, &mut self.to_client, down, self.now_ms);
        while let Some(key) = self.server.accept() {
            let refusal = self.server.take_request(key, &mut RequestHead::default(), &mut Vec::new());
            assert_eq!(refusal, None);
            self.spawn(key, Side::Server(Vec::new()));
        }
        moved > 0
    }

    /// Runs one task that is awake. Says whether there was one.
    fn run_one(&mut self) -> bool {
        let awake = |task: &&mut Task| !task.is_done && task.flag.0.load(Ordering::Relaxed);
        let count = self.tasks.iter_mut().filter(awake).count();
        let n = self.random(count);
        let piece = self.random(30_000) + 1;
        let Some(task) = self.tasks.iter_mut().filter(awake).nth(n) else { return false };
        task.flag.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.flag.clone());
        let cx = &mut Context::from_waker(&waker);
        match task.side {
            Side::Client { .. } => task.run_client(&mut self.client, cx, piece),
            Side::Server(_) => task.run_server(&mut self.server, cx, piece),
        }
        true
    }

    fn check(&self) {
        for mux in [&self.client, &self.server] {
            let bound = mux.settings.output_bytes_max + PAYLOAD_BYTES_MAX + 64 * mux.streams_open() + 40_000;
            assert!(mux.output().len() <= bound, "{} bytes of output", mux.output().len());
            let unread: usize =
                (0..mux.streams.len()).filter_map(|n| Some(mux.unread(mux.streams.nth(n)?))).sum();
            assert!(unread <= mux.settings.connection_window as usize, "{unread} bytes unread");
        }
    }
}

/// What the wire does: at most `bytes` of `from`'s output go to `to`, behind what that has not taken yet.
fn carry(from: &mut Mux, to: &mut Mux, wire: &mut Vec<u8>, bytes: usize, now_ms: u64) -> usize {
    let n = bytes.min(from.output().len());
    wire.extend_from_slice(&from.output()[..n]);
    from.wrote(n);
    let taken = to.handle_input(wire, now_ms).unwrap_or_else(|fatal| panic!("{fatal:?}"));
    wire.drain(..taken);
    n
}

impl Task {
    fn run_client(&mut self, mux: &mut Mux, cx: &mut Context<'_>, piece: usize) {
        let Side::Client { bytes, patience } = self.side else { return };
        while self.sent < bytes {
            let end = bytes.min(self.sent + piece);
            let data: Vec<u8> = (self.sent..end).map(byte).collect();
            match mux.poll_send(cx, self.key, &data) {
                Poll::Ready(n) => self.sent += n.expect("the server does not reset"),
                Poll::Pending => break,
            }
        }
        if self.sent == bytes && !self.is_finished {
            self.is_finished = true;
            mux.finish(self.key, (bytes % 2 == 1).then_some(b"x-odd: yes\r\n")).expect("all was sent");
        }
        if !self.has_head {
            let (mut head, mut text) = (ResponseHead::default(), Vec::new());
            match mux.poll_response(cx, self.key, &mut head, &mut text) {
                Poll::Ready(result) => result.expect("a response"),
                Poll::Pending => return,
            }
            assert_eq!(head.status, 200);
            self.has_head = true;
        }
        let mut room = vec![0; piece];
        while let Poll::Ready(n) = mux.poll_recv(cx, self.key, &mut room) {
            let n = n.expect("a body");
            assert!(
                room[..n].iter().enumerate().all(|(i, b)| *b == byte(self.received + i)),
                "the very bytes"
            );
            self.received += n;
            if n == 0 {
                assert_eq!((self.received, self.is_finished), (bytes, true), "all of them");
                assert_eq!(mux.take_trailers(self.key).is_some(), bytes % 2 == 1);
            }
            if n == 0 || self.received > patience {
                self.is_done = true;
                mux.release(self.key, ErrorCode::CANCEL);
                return;
            }
        }
    }

    fn run_server(&mut self, mux: &mut Mux, cx: &mut Context<'_>, piece: usize) {
        if self.echo(mux, cx, piece).is_ready() {
            self.is_done = true;
            mux.release(self.key, ErrorCode::INTERNAL_ERROR);
        }
    }

    fn echo(&mut self, mux: &mut Mux, cx: &mut Context<'_>, piece: usize) -> Poll<Result<(), StreamEnd>> {
        let Side::Server(held) = &mut self.side else { return Poll::Pending };
        if !self.has_head {
            mux.send_head(self.key, b"HTTP/1.1 200 OK\r\n\r\n", false)?;
            self.has_head = true;
        }
        let mut room = vec![0; piece];
        loop {
            while !held.is_empty() {
                let n = std::task::ready!(mux.poll_send(cx, self.key, held))?;
                held.drain(..n);
            }
            let n = std::task::ready!(mux.poll_recv(cx, self.key, &mut room))?;
            held.extend_from_slice(&room[..n]);
            if n == 0 {
                let trailers = mux.take_trailers(self.key);
                return Poll::Ready(mux.finish(self.key, trailers.as_deref()));
            }
        }
    }
}

/// Runs exchanges with these bodies and patiences, as many at a time as the settings allow.
fn run(settings: [Settings; 2], exchanges: &[(usize, usize)], seed: u64) {
    let [client, server] = settings.map(|settings| Settings { extended_connect: true, ..settings });
    let (client, server) = (Mux::client(client), Mux::server(server));
    let (to_server, to_client) = Default::default();
    let mut world =
        World { client, server, to_server, to_client, tasks: Vec::new(), seed: seed | 1, now_ms: 0 };
    let opening = Opening { scheme: b"http", protocol: None, end_stream: false };
    let mut waiting = exchanges.iter();
    for step in 0.. {
        assert!(step < 3_000_000, "it does not end");
        if world.client.is_settled() && world.client.can_open() && waiting.len() > 0 && world.random(3) == 0 {
            let (bytes, patience) = *waiting.next().expect("some are left");
            let mut text = b"POST /echo HTTP/1.1\r\nhost: a.test\r\n".to_vec();
            if bytes % 2 == 0 {
                text.extend_from_slice(format!("content-length: {bytes}\r\n").as_bytes());
            }
            text.extend_from_slice(b"\r\n");
            let key = world.client.open(&text, &opening).expect("it can open");
            world.spawn(key, Side::Client { bytes, patience });
        }
        let ran = world.random(4) != 0 && world.run_one();
        let moved = (!ran || world.random(8) == 0) && world.transfer();
        world.check();
        if ran || moved || world.run_one() || world.transfer() {
            continue;
        }
        let left = world.tasks.iter().filter(|task| !task.is_done).count();
        if waiting.len() == 0 {
            assert_eq!(left, 0, "nobody is awake, and so many are not done");
            break;
        }
        assert!(world.client.can_open() || left == 0, "nobody is awake, and streams are open");
    }
    assert!(world.client.is_idle() && world.server.is_idle());
    // Each side's window is what the other one believes it to be, and nothing has leaked out of it.
    for (from, to) in [(&world.client, &world.server), (&world.server, &world.client)] {
        assert_eq!(from.send_window.open(), to.recv_window.left());
        assert!(to.recv_window.is_accounted_for());
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let windows = (prop_oneof![1u32..200, 1000u32..100_000], 65_535u32..300_000);
    (windows, 1u32..20, prop_oneof![1usize..100, 1000usize..100_000]).prop_map(
        |((stream_window, connection_window), streams_max, output_bytes_max)| Settings {
            streams_max,
            stream_window,
            connection_window,
            output_bytes_max,
            budgets: generous(),
            ..Settings::default()
        },
    )
}

/// Tiny windows make honest peers look like a flood: here it is not the budgets that are tried.
fn generous() -> crate::h2::Budgets {
    let much = crate::h2::Budget::per_second(u32::MAX, 0);
    crate::h2::Budgets {
        small_data: much,
        window_updates: much,
        late_frames: much,
        resets: much,
        control_bytes_max: 1 << 20,
        ..crate::h2::Budgets::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn all_bytes_arrive(
        client in settings(),
        server in settings(),
        exchanges in prop::collection::vec((0usize..30_000, prop_oneof![Just(usize::MAX), 0usize..20_000]), 1..30),
        seed in any::<u64>(),
    ) {
        run([client, server], &exchanges, seed);
    }
}

#[test]
fn large_bodies_arrive_by_default() {
    run([Settings::default(); 2], &[(3_000_000, usize::MAX), (2_000_001, usize::MAX), (500, usize::MAX)], 7);
}
