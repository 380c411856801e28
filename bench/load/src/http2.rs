//! One HTTP/2 connection with many requests at a time (RFC 9113), and no more of it than that takes.
//!
//! Not the h2 crate: its tasks, maps and locks would cost the load more per request than the proxies' own work is.
//! Of a response's head only the status is read: by the rules of HPACK it comes first, and 200 is one byte of the
//! static table. Its length is that of its DATA frames. That the rest of the head is sound is for tests to say.

mod frame;
mod request;

use std::time::Instant;

use crate::run::State;
use crate::tally::Tally;
use crate::wire::{Piece, Received, Wire};
use frame::{Event, Frames, Kind, flags, put_frame};
pub(crate) use request::Requests;

/// As much as an unlimited window can be: the load is not to hold the proxy up.
const WINDOW: u32 = (1 << 30) - 1;
/// What every connection begins with (RFC 9113, section 6.9.2).
const WINDOW_FIRST: u32 = 65_535;
const STREAM_ID_MAX: u32 = (1 << 31) - 1;

mod setting {
    pub(super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(super) const ENABLE_PUSH: u16 = 2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// How far a connection has come.
pub(crate) struct Talk {
    frames: Frames,
    /// Frames for which there was no room yet.
    out: Vec<u8>,
    streams: Vec<Stream>,
    next_id: u32,
    /// The server's settings have come.
    ready: bool,
    /// Requests may name what earlier ones said.
    indexed: bool,
    /// DATA since the window of the connection was last opened.
    taken: u32,
}

/// A request that is not answered.
struct Stream {
    id: u32,
    began: Instant,
    status_seen: bool,
    body_bytes: u64,
}

impl Talk {
    pub(crate) fn new(requests: &Requests) -> Talk {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut settings = Vec::new();
        for (name, value) in [(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, WINDOW)] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        put_frame(&mut out, Kind::SETTINGS, 0, 0, &settings);
        put_frame(&mut out, Kind::WINDOW_UPDATE, 0, 0, &(WINDOW - WINDOW_FIRST).to_be_bytes());
        Talk {
            frames: Frames::default(),
            out,
            streams: Vec::with_capacity(requests.at_a_time),
            next_id: 1,
            ready: false,
            indexed: true,
            taken: 0,
        }
    }

    /// Whether there is something to send for which there was no room.
    pub(crate) fn waits(&self) -> bool {
        !self.out.is_empty()
    }

    /// Sends what can be sent.
    pub(crate) fn send(&mut self, wire: &mut Wire) -> Result<(), String> {
        if self.waits() {
            let count = wire.write(&self.out)?;
            self.out.drain(..count);
        }
        Ok(())
    }

    /// Reads once, and goes on as far as that allows.
    pub(crate) fn advance(
        &mut self,
        wire: &mut Wire,
        buffer: &mut [u8],
        requests: &Requests,
        tally: &mut Tally,
    ) -> Result<State, String> {
        let received = wire.receive(buffer, 0, tally, |piece, tally| match piece {
            Piece::Bytes(bytes) => self.take(bytes, requests, tally),
            Piece::Skipped(_) => Err("nothing is skipped in HTTP/2".into()),
        })?;
        if received == Received::End {
            return Err(format!("closed with {} requests open", self.streams.len()));
        }
        if self.ready {
            let answered_once = self.next_id > 1;
            if self.streams.is_empty() && answered_once && requests.idle {
                return Ok(State::Idle);
            }
            while self.streams.len() < requests.at_a_time && tally.may_start() {
                self.start(requests, tally)?;
            }
            if self.streams.is_empty() {
                return Ok(State::Over);
            }
        }
        self.send(wire)?;
        Ok(State::Busy)
    }

    fn start(&mut self, requests: &Requests, tally: &mut Tally) -> Result<(), String> {
        if self.next_id > STREAM_ID_MAX {
            return Err("no stream ids are left".into());
        }
        let block = requests.block(self.next_id == 1, self.indexed);
        put_frame(&mut self.out, Kind::HEADERS, flags::END_HEADERS | flags::END_STREAM, self.next_id, block);
        let stream = Stream { id: self.next_id, began: Instant::now(), status_seen: false, body_bytes: 0 };
        self.streams.push(stream);
        self.next_id += 2;
        tally.start();
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], requests: &Requests, tally: &mut Tally) -> Result<(), String> {
        // Taken out, because what it yields borrows from it.
        let mut frames = std::mem::take(&mut self.frames);
        while let Some(event) = frames.next(&mut bytes)? {
            match event {
                Event::Data { stream, count, window, end } => {
                    self.data(stream, count, window, end, requests, tally)?;
                }
                Event::Frame { kind: Kind::HEADERS, flags, stream, payload } => {
                    self.headers(flags, stream, payload, requests, tally)?;
                }
                Event::Frame { kind, flags, stream, payload } => {
                    self.control(kind, flags, stream, payload, requests)?;
                }
            }
        }
        self.frames = frames;
        Ok(())
    }

    fn headers(
        &mut self,
        flags: u8,
        id: u32,
        payload: &[u8],
        requests: &Requests,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let stream = self.stream(id)?;
        let end = flags & flags::END_STREAM != 0;
        if !stream.status_seen {
            frame::status_is_200(flags, payload)?;
            stream.status_seen = true;
        } else if !end {
            return Err("a second head that does not end the stream".into());
        }
        if end { self.finish(id, requests, tally) } else { Ok(()) }
    }

    fn data(
        &mut self,
        id: u32,
        count: usize,
        window: u32,
        end: bool,
        requests: &Requests,
        tally: &mut Tally,
    ) -> Result<(), String> {
        self.taken += window;
        if self.taken > WINDOW / 2 {
            let more = std::mem::take(&mut self.taken);
            put_frame(&mut self.out, Kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
        let stream = self.stream(id)?;
        stream.body_bytes += count as u64;
        if !stream.status_seen {
            return Err("a body before its head".into());
        }
        if stream.body_bytes > requests.expect_bytes {
            return Err(format!("a body of more than {} bytes", requests.expect_bytes));
        }
        if end { self.finish(id, requests, tally) } else { Ok(()) }
    }

    fn finish(&mut self, id: u32, requests: &Requests, tally: &mut Tally) -> Result<(), String> {
        let stream = self.stream(id)?;
        let (began, body_bytes) = (stream.began, stream.body_bytes);
        if body_bytes != requests.expect_bytes {
            return Err(format!("a body of {body_bytes} bytes, not {}", requests.expect_bytes));
        }
        tally.answered(began);
        self.streams.retain(|stream| stream.id != id);
        Ok(())
    }

    /// Servers answer mostly in order, so it is nearly always one of the first.
    fn stream(&mut self, id: u32) -> Result<&mut Stream, String> {
        let stream = self.streams.iter_mut().find(|stream| stream.id == id);
        stream.ok_or_else(|| format!("a frame for stream {id}, which is not open"))
    }

    fn control(
        &mut self,
        kind: Kind,
        flags: u8,
        stream: u32,
        payload: &[u8],
        requests: &Requests,
    ) -> Result<(), String> {
        match kind {
            Kind::SETTINGS if flags & flags::ACK == 0 => {
                self.settings(payload, requests)?;
                put_frame(&mut self.out, Kind::SETTINGS, flags::ACK, 0, &[]);
                Ok(())
            }
            Kind::PING if flags & flags::ACK == 0 => {
                put_frame(&mut self.out, Kind::PING, flags::ACK, 0, payload);
                Ok(())
            }
            Kind::RST_STREAM => Err(format!("stream {stream} was reset: {}", code(payload, 0))),
            Kind::GOAWAY => Err(format!("the server goes away: {}", code(payload, 4))),
            Kind::PUSH_PROMISE => Err("a push that was forbidden".into()),
            // Nothing is sent that a window would hold up; what else there is may be ignored (RFC 9113, section 5.5).
            _ => Ok(()),
        }
    }

    fn settings(&mut self, payload: &[u8], requests: &Requests) -> Result<(), String> {
        for pair in payload.chunks_exact(6) {
            let name = u16::from_be_bytes([pair[0], pair[1]]);
            let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
            match name {
                setting::MAX_CONCURRENT_STREAMS if (value as usize) < requests.at_a_time => {
                    return Err(format!("the server allows {value} streams, not {}", requests.at_a_time));
                }
                setting::HEADER_TABLE_SIZE if value < request::TABLE_BYTES => {
                    if self.ready {
                        return Err("the server makes its header table smaller while we use it".into());
                    }
                    self.indexed = false;
                }
                _ => {}
            }
        }
        self.ready = true;
        Ok(())
    }
}

/// The error code at a place of a frame.
fn code(payload: &[u8], at: usize) -> String {
    let word = payload.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_be_bytes);
    word.map_or("without a code".into(), |code| format!("error {code:#x}"))
}

#[cfg(test)]
mod tests;
