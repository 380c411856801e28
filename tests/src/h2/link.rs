//! One end of a connection: octets in, events out, each looked at by the [`Audit`] on its way.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{
    audit::{Audit, Side},
    frame::{self, Frame},
};
use crate::{message::Fields, wait::DEADLINE};

/// What comes from the other end. A field block is one event, however many frames carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    Head {
        stream: u32,
        fields: Fields,
        ends: bool,
    },
    Data {
        stream: u32,
        octets: Vec<u8>,
        flow: u32,
        ends: bool,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    Settings(Vec<(u16, u32)>),
    SettingsAck,
    Ping([u8; 8]),
    PingAck([u8; 8]),
    GoAway {
        last: u32,
        code: u32,
    },
    WindowUpdate {
        stream: u32,
        increment: u32,
    },
    Priority {
        stream: u32,
    },
    Push {
        stream: u32,
        promised: u32,
    },
    Unknown(Frame),
    /// The end of the connection, by a FIN or a reset.
    Closed,
    /// Nothing came for as long as this end is patient.
    Late,
}

/// What this end does by itself.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Acknowledge SETTINGS.
    pub acknowledge: bool,
    /// Answer PING.
    pub pong: bool,
    /// Give back what DATA took from the windows.
    pub refill: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    /// What the other end may do, and what it did.
    pub audit: Audit,
    /// What this end does by itself.
    pub manners: Manners,
    /// How long to wait for an event.
    pub patience: Duration,
}

impl Link {
    /// This side of `stream`.
    pub fn new(stream: TcpStream, side: Side) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(DEADLINE));
        let manners = Manners { acknowledge: true, pong: true, refill: true };
        Self { stream, input: Vec::new(), audit: Audit::new(side), manners, patience: DEADLINE }
    }

    /// Sends these frames in one piece.
    pub fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        for frame in frames {
            self.audit.sent(frame);
        }
        self.stream.write_all(&frame::encode(frames))
    }

    /// Sends octets that nobody counts.
    pub fn send_octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Reads exactly these octets.
    pub fn expect_octets(&mut self, expected: &[u8]) -> io::Result<()> {
        let mut octets = vec![0; expected.len()];
        self.stream.set_read_timeout(Some(self.patience))?;
        self.stream.read_exact(&mut octets)?;
        if octets != expected {
            let text = format!("section 3.4: {:?}", String::from_utf8_lossy(&octets));
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    /// Sends no more.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// The next event, or the rule that the other end broke.
    pub fn event(&mut self) -> Result<Event, String> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some((frame, length)) = Frame::decode(&self.input) {
                self.input.drain(..length);
                let Some(event) = self.audit.received(&frame)? else { continue };
                // What cannot be sent was not asked for by anybody who is still there.
                let _ = self.react(&event);
                return Ok(event);
            }
            self.audit.announced(&self.input)?;
            let mut piece = [0; 32 * 1024];
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Event::Late);
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Event::Closed),
                Ok(n) => self.input.extend_from_slice(&piece[..n]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(Event::Late),
                    io::ErrorKind::Interrupted => {}
                    _ => return Ok(Event::Closed),
                },
            }
        }
    }

    fn react(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Settings(_) if self.manners.acknowledge => self.send(&[frame::settings_ack()]),
            Event::Ping(octets) if self.manners.pong => {
                self.send(&[frame::ping(*octets).flags(super::flag::ACK)])
            }
            Event::Data { stream, flow, ends, .. } if self.manners.refill && *flow > 0 => {
                let mut frames = vec![frame::window_update(0, *flow)];
                if !ends {
                    frames.push(frame::window_update(*stream, *flow));
                }
                self.send(&frames)
            }
            _ => Ok(()),
        }
    }
}
