//! Attacks on an HTTP/2 server, each as frames that one connection sends for ever.
//!
//! The tests send them once and look at what comes; `cargo xtask attack` sends them from many connections at once and
//! measures who suffers. Only ever to a server on loopback that was started for it.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, recv},
};

use super::{Frame, PREFACE, code, frame::*, kind};
use crate::wait::DEADLINE;

mod list;

pub use list::ALL;

/// What one connection sends.
#[derive(Clone, Copy)]
pub struct Attack {
    /// For people and command lines.
    pub name: &'static str,
    /// The settings in the preface.
    pub settings: &'static [(u16, u32)],
    /// Behind the preface.
    pub opening: fn() -> Vec<Frame>,
    /// Then this for n = 0, 1, …; nothing at all: the connection is held and stays silent.
    pub round: fn(u32) -> Vec<Frame>,
    /// Rounds that go out in one piece.
    pub rounds_at_once: u32,
    /// The attacker ends the connection by itself after so many.
    pub rounds_max: Option<u32>,
    /// What the server sends is read.
    pub reads: bool,
    /// How the server ends it.
    pub end: Ending,
}

/// What a server does about an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// GOAWAY with ENHANCE_YOUR_CALM, counted under one of these names.
    Calm(&'static [&'static str]),
    /// A time runs out, counted as one of these limits.
    Time(&'static [&'static str]),
    /// It need not end: it costs the server no more than honest requests.
    Bounded,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// GOAWAY with this code.
    GoAway(u32),
    /// Closed or reset without a GOAWAY that was read.
    Closed,
    /// The attacker has ended it, to begin anew.
    Left,
    /// Whoever attacked has stopped.
    Stopped,
}

/// An attack, and the bytes with which each connection begins.
pub struct Prepared {
    attack: Attack,
    bytes: Vec<u8>,
    rounds: u32,
}

/// So much is encoded beforehand, so that an attacker spends its time on sending.
const PREPARED_BYTES: usize = 128 * 1024;

/// Sent in one call.
const PIECE_BYTES: usize = 8 * 1024;

/// How long a call may wait until it is looked whether the attack is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

impl Attack {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|attack| attack.name == name)
    }

    /// Ready for many connections.
    pub fn prepare(&self) -> Prepared {
        let mut bytes = [PREFACE, &settings(self.settings).encode(), &settings_ack().encode()].concat();
        bytes.extend(encode(&(self.opening)()));
        let mut rounds = 0;
        let rounds_max = self.rounds_max.unwrap_or(u32::MAX);
        while self.rounds_at_once > 1 && bytes.len() < PREPARED_BYTES && rounds < rounds_max {
            let round = (self.round)(rounds);
            if round.is_empty() {
                break;
            }
            bytes.extend(encode(&round));
            rounds += 1;
        }
        Prepared { attack: *self, bytes, rounds }
    }
}

impl Prepared {
    /// Attacks on one connection until it ends, or `stop` says so.
    pub fn run(&self, address: SocketAddr, stop: impl Fn() -> bool) -> io::Result<End> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut seen = Seen::default();
        let mut piece = Vec::new();
        let (mut sent, mut prepared, mut round) = (0, 0, self.rounds);
        while !stop() {
            if sent == piece.len() {
                piece.clear();
                sent = 0;
                if prepared < self.bytes.len() {
                    let end = self.bytes.len().min(prepared + PIECE_BYTES);
                    piece.extend_from_slice(&self.bytes[prepared..end]);
                    prepared = end;
                } else if self.attack.rounds_max.is_some() {
                    return Ok(End::Left);
                } else {
                    for _ in 0..self.attack.rounds_at_once {
                        piece.extend(encode(&(self.attack.round)(round)));
                        round += 1;
                    }
                }
            }
            if piece.is_empty() && !self.attack.reads {
                if is_gone(&stream) {
                    return Ok(End::Closed);
                }
                continue;
            }
            if !piece.is_empty() {
                match stream.write(&piece[sent..]) {
                    Ok(n) => sent += n,
                    Err(error) if is_late(&error) => {}
                    // What came before the reset may say why.
                    Err(_) => return Ok(seen.read(&stream).unwrap_or(End::Closed)),
                }
            }
            if self.attack.reads {
                if piece.is_empty() {
                    comes(&stream, PollFlags::IN);
                }
                if let Some(end) = seen.read(&stream) {
                    return Ok(end);
                }
            }
        }
        Ok(End::Stopped)
    }

    /// The same, for a while at most.
    pub fn run_for(&self, address: SocketAddr, time: Duration) -> io::Result<End> {
        let began = Instant::now();
        self.run(address, || began.elapsed() > time)
    }
}

/// What has come and is not a whole frame.
#[derive(Default)]
struct Seen(Vec<u8>);

impl Seen {
    /// Takes what is there. An end, if that has come.
    fn read(&mut self, stream: &TcpStream) -> Option<End> {
        let mut room = [0; 64 * 1024];
        loop {
            match recv(stream, &mut room, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Some(End::Closed),
                Ok((_, n)) => self.0.extend_from_slice(&room[..n]),
                Err(error) if is_late(&error.into()) => return None,
                Err(_) => return Some(End::Closed),
            }
            let mut at = 0;
            while let Some((frame, length)) = Frame::decode(&self.0[at..]) {
                at += length;
                if frame.kind == kind::GOAWAY && frame.payload.len() >= 8 {
                    let word = frame.payload[4..8].try_into().expect("four octets");
                    return Some(End::GoAway(u32::from_be_bytes(word)));
                }
            }
            self.0.drain(..at);
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Waits, as long as [`PATIENCE`], until the server closes or resets it, whatever else has come and was not read.
fn is_gone(stream: &TcpStream) -> bool {
    let ends = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    comes(stream, PollFlags::RDHUP).intersects(ends)
}

/// Waits, as long as [`PATIENCE`], for what is wanted or the end, and says what came.
fn comes(stream: &TcpStream, wanted: PollFlags) -> PollFlags {
    let mut sockets = [PollFd::new(stream, wanted)];
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
    match poll(&mut sockets, Some(&patience)) {
        Ok(1..) => sockets[0].revents(),
        _ => PollFlags::empty(),
    }
}

/// The end that an attack that is no request is to have.
pub const CALM: End = End::GoAway(code::ENHANCE_YOUR_CALM);
