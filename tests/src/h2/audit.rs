//! Watches what the other end sends, in every test, whatever the test is about.
//!
//! A test looks at one thing; most rules of RFC 9113 hold all the time: what frames look like, whose turn it is on a
//! stream, how much flow control allows, what messages consist of. Who breaks one fails the test that saw it.

use std::collections::{HashMap, VecDeque};

use super::{
    FRAME_INITIAL, Frame, WINDOW_INITIAL, WINDOW_MAX, flag, hpack::Decoder, kind, link::Event, setting,
};
use crate::message::Fields;

mod control;
mod message;

/// Which end of the connection is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Side {
    Client,
    Server,
}

/// What the other end may do, and what it did.
#[derive(Debug)]
pub struct Audit {
    side: Side,
    decoder: Decoder,
    streams: HashMap<u32, Stream>,
    window: i64,
    window_initial: i64,
    /// What this end may send.
    room: i64,
    frame_max: u32,
    settings_sent: VecDeque<Vec<(u16, u32)>>,
    pings_sent: VecDeque<[u8; 8]>,
    block: Option<Started>,
    frames: u64,
    opened_last: u32,
    goaway_last: u32,
    settings_seen: u64,
    acknowledged: u64,
    /// The settings of the other end.
    pub settings: HashMap<u16, u32>,
    /// The largest table that the other end's blocks may use, as far as it was told.
    pub streams_open_max: usize,
}

#[derive(Debug)]
struct Stream {
    window: i64,
    room: i64,
    /// The other end has sent END_STREAM.
    ended: bool,
    /// This end has sent END_STREAM.
    done: bool,
    /// One of both has reset it: the other end, or this one.
    reset: bool,
    abandoned: bool,
    message: message::Message,
}

#[derive(Debug)]
struct Started {
    stream: u32,
    kind: u8,
    ends: bool,
    block: Vec<u8>,
    promised: u32,
}

/// The flags that each type defines. "Unused flags … MUST be left unset (0x00) when sending" (section 4.1).
const FLAGS: [u8; 10] = [0x09, 0x2d, 0, 0, 0x01, 0x0c, 0x01, 0, 0, 0x04];

impl Audit {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            decoder: Decoder::default(),
            streams: HashMap::new(),
            window: i64::from(WINDOW_INITIAL),
            room: i64::from(WINDOW_INITIAL),
            window_initial: i64::from(WINDOW_INITIAL),
            frame_max: FRAME_INITIAL,
            settings_sent: VecDeque::new(),
            pings_sent: VecDeque::new(),
            block: None,
            frames: 0,
            opened_last: 0,
            goaway_last: u32::MAX,
            settings_seen: 0,
            acknowledged: 0,
            settings: HashMap::new(),
            streams_open_max: 0,
        }
    }

    /// A setting of the other end.
    pub fn setting(&self, id: u16) -> Option<u32> {
        self.settings.get(&id).copied()
    }

    /// How many fields of the other end came out of the dynamic table.
    pub fn entries_used(&self) -> usize {
        self.decoder.entries_used
    }

    /// How much the other end may still send on a stream and on the connection.
    pub fn windows(&self, stream: u32) -> (i64, i64) {
        (self.streams.get(&stream).map_or(self.window_initial, |stream| stream.window), self.window)
    }

    /// How much this end may still send on a stream.
    pub fn room(&self, stream: u32) -> i64 {
        self.streams.get(&stream).map_or_else(|| self.room_initial(), |stream| stream.room).min(self.room)
    }

    fn room_initial(&self) -> i64 {
        i64::from(self.setting(setting::INITIAL_WINDOW_SIZE).unwrap_or(WINDOW_INITIAL))
    }

    /// Streams on which neither end has finished or given up.
    pub fn streams_open(&self) -> usize {
        self.streams.values().filter(|s| !(s.reset || s.abandoned || (s.ended && s.done))).count()
    }

    fn stream(&mut self, id: u32) -> &mut Stream {
        let (window, room) = (self.window_initial, self.room_initial());
        let message = message::Message::new(self.side);
        self.streams.entry(id).or_insert(Stream {
            window,
            room,
            ended: false,
            done: false,
            reset: false,
            abandoned: false,
            message,
        })
    }

    /// What this end sends changes what the other end may do.
    pub(super) fn sent(&mut self, frame: &Frame) {
        let number = |at: usize| {
            let octets = frame.payload.get(at..at + 4)?;
            Some(u32::from_be_bytes(octets.try_into().expect("four octets")))
        };
        let id = frame.stream & WINDOW_MAX;
        match frame.kind {
            kind::WINDOW_UPDATE if frame.payload.len() == 4 => {
                let increment = i64::from(number(0).unwrap_or_default() & WINDOW_MAX);
                match id {
                    0 => self.window += increment,
                    _ => self.stream(id).window += increment,
                }
            }
            kind::SETTINGS if frame.flags & flag::ACK == 0 => self.sent_settings(frame),
            kind::PING if frame.flags & flag::ACK == 0 => {
                self.pings_sent.extend(<[u8; 8]>::try_from(&frame.payload[..]));
            }
            kind::RST_STREAM if id != 0 => self.stream(id).abandoned = true,
            kind::DATA | kind::HEADERS if id != 0 => {
                let taken = if frame.kind == kind::DATA { frame.payload.len() as i64 } else { 0 };
                self.room -= taken;
                let stream = self.stream(id);
                stream.room -= taken;
                stream.done |= frame.has(flag::END_STREAM);
            }
            _ => {}
        }
    }

    fn sent_settings(&mut self, frame: &Frame) {
        let settings = control::settings_of(&frame.payload);
        for &(id, value) in &settings {
            match id {
                // Growth counts at once, since the other end may use it before its acknowledgement has been read.
                setting::INITIAL_WINDOW_SIZE if i64::from(value) > self.window_initial => self.resize(value),
                setting::MAX_FRAME_SIZE => self.frame_max = self.frame_max.max(value),
                _ => {}
            }
        }
        self.settings_sent.push_back(settings);
    }

    fn resize(&mut self, window: u32) {
        let difference = i64::from(window) - self.window_initial;
        self.window_initial += difference;
        for stream in self.streams.values_mut() {
            stream.window += difference;
        }
    }

    /// A frame's header has come; its length must not have to wait for its payload.
    pub(super) fn announced(&self, input: &[u8]) -> Result<(), String> {
        let &[a, b, c, ..] = input else { return Ok(()) };
        let length = u32::from_be_bytes([0, a, b, c]);
        if length > self.frame_max {
            return Err(format!("section 4.2: a frame of {length}, and {} is allowed", self.frame_max));
        }
        Ok(())
    }

    /// What a frame means; `None` while its field block goes on.
    pub(super) fn received(&mut self, frame: &Frame) -> Result<Option<Event>, String> {
        self.look(frame)?;
        self.frames += 1;
        let number = |at: usize| {
            let octets =
                frame.payload.get(at..at + 4).ok_or_else(|| format!("section 6: too short: {frame:?}"))?;
            Ok::<u32, String>(u32::from_be_bytes(octets.try_into().expect("four octets")))
        };
        let stream = frame.stream;
        let event = match frame.kind {
            kind::DATA => self.data(frame)?,
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => return self.block(frame),
            kind::PRIORITY => Event::Priority { stream },
            kind::RST_STREAM => {
                self.stream(stream).reset = true;
                Event::Reset { stream, code: number(0)? }
            }
            kind::SETTINGS if frame.has(flag::ACK) => self.acknowledgement()?,
            kind::SETTINGS => self.their_settings(&frame.payload)?,
            kind::PING => self.ping(frame)?,
            kind::GOAWAY => self.goaway(number(0)?, number(4)?)?,
            kind::WINDOW_UPDATE => {
                let increment = number(0)?;
                if increment == 0 || increment > WINDOW_MAX {
                    return Err(format!("section 6.9: an increment of {increment}"));
                }
                match stream {
                    0 => self.room += i64::from(increment),
                    _ => self.stream(stream).room += i64::from(increment),
                }
                Event::WindowUpdate { stream, increment }
            }
            _ => Event::Unknown(frame.clone()),
        };
        Ok(Some(event))
    }

    /// What holds for all frames.
    fn look(&self, frame: &Frame) -> Result<(), String> {
        let broken = |rule: &str| Err(format!("{rule}: {frame:?}"));
        if self.frames == 0 && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            return broken("section 3.4: SETTINGS must be first");
        }
        if frame.payload.len() > self.frame_max as usize {
            return broken("section 4.2: too long");
        }
        if frame.stream > WINDOW_MAX {
            return broken("section 4.1: the reserved bit is set");
        }
        if FLAGS.get(usize::from(frame.kind)).is_some_and(|flags| frame.flags & !flags != 0) {
            return broken("section 4.1: an undefined flag is set");
        }
        let is_of_stream = match frame.kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY => frame.stream == 0,
            kind::WINDOW_UPDATE => true,
            0..=9 => frame.stream != 0,
            _ => true,
        };
        if !is_of_stream {
            return broken("section 6: the wrong kind of stream");
        }
        let length = frame.payload.len();
        let is_sized = match frame.kind {
            kind::PRIORITY => length == 5,
            kind::RST_STREAM | kind::WINDOW_UPDATE => length == 4,
            kind::SETTINGS => length.is_multiple_of(6) && (length == 0 || !frame.has(flag::ACK)),
            kind::PING => length == 8,
            kind::GOAWAY => length >= 8,
            _ => true,
        };
        if !is_sized {
            return broken("section 6: the wrong length");
        }
        match &self.block {
            Some(started) if frame.kind != kind::CONTINUATION || frame.stream != started.stream => {
                return broken("section 4.3: a field block is interrupted");
            }
            None if frame.kind == kind::CONTINUATION => return broken("section 6.10: nothing to continue"),
            _ => {}
        }
        self.state(frame)
    }

    /// Section 5.1: the state of the stream allows it.
    fn state(&self, frame: &Frame) -> Result<(), String> {
        if frame.stream == 0 || frame.kind == kind::PRIORITY || frame.kind > kind::CONTINUATION {
            return Ok(());
        }
        let Some(stream) = self.streams.get(&frame.stream) else {
            let opens = self.side == Side::Server && frame.kind == kind::HEADERS;
            let is_next = frame.stream % 2 == 1 && frame.stream > self.opened_last;
            return match opens && is_next {
                true => Ok(()),
                false => Err(format!("section 5.1: on an idle stream: {frame:?}")),
            };
        };
        let is_control = matches!(frame.kind, kind::RST_STREAM | kind::WINDOW_UPDATE);
        if stream.reset && frame.kind != kind::RST_STREAM {
            return Err(format!("section 5.1: behind RST_STREAM: {frame:?}"));
        }
        if stream.ended && !is_control && frame.kind != kind::CONTINUATION {
            return Err(format!("section 5.1: behind END_STREAM: {frame:?}"));
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame) -> Result<Event, String> {
        let octets = frame.unpadded().ok_or("section 6.1: padding")?.to_vec();
        let flow = frame.payload.len() as u32;
        let ends = frame.has(flag::END_STREAM);
        self.window -= i64::from(flow);
        if flow > 0 && self.window < 0 {
            return Err(format!("section 6.9.1: {} beyond the connection's window", -self.window));
        }
        let stream = self.stream(frame.stream);
        stream.window -= i64::from(flow);
        // A window that became negative by a setting may not be used, though an empty frame may pass.
        if flow > 0 && stream.window < 0 && !stream.abandoned {
            return Err(format!(
                "section 6.9.1: {} beyond the window of stream {}",
                -stream.window, frame.stream
            ));
        }
        stream.message.data(octets.len() as u64)?;
        if ends {
            stream.ended = true;
            stream.message.end()?;
        }
        Ok(Event::Data { stream: frame.stream, octets, flow, ends })
    }

    fn block(&mut self, frame: &Frame) -> Result<Option<Event>, String> {
        if frame.kind == kind::CONTINUATION {
            let started = self.block.as_mut().expect("looked at before");
            started.block.extend_from_slice(&frame.payload);
        } else {
            let mut payload = frame.unpadded().ok_or("section 6.2: padding")?;
            let mut promised = 0;
            if frame.kind == kind::PUSH_PROMISE {
                let (id, rest) = payload.split_at_checked(4).ok_or("section 6.6: too short")?;
                (promised, payload) = (u32::from_be_bytes(id.try_into().expect("four octets")), rest);
            } else if frame.has(flag::PRIORITY) {
                payload = payload.get(5..).ok_or("section 6.2: too short")?;
            }
            let ends = frame.kind == kind::HEADERS && frame.has(flag::END_STREAM);
            let (stream, kind) = (frame.stream, frame.kind);
            self.block = Some(Started { stream, kind, ends, block: payload.to_vec(), promised });
        }
        if !frame.has(flag::END_HEADERS) {
            return Ok(None);
        }
        let Started { stream, kind, ends, block, promised } = self.block.take().expect("just there");
        let fields = self.decoder.decode(&block).map_err(|error| format!("RFC 7541: {error}"))?;
        if kind == kind::PUSH_PROMISE {
            return Err(format!("section 8.4: a push that nobody wants, {promised}"));
        }
        self.head(stream, fields, ends).map(Some)
    }

    fn head(&mut self, id: u32, fields: Fields, ends: bool) -> Result<Event, String> {
        if self.side == Side::Server {
            self.opened_last = self.opened_last.max(id);
        }
        let stream = self.stream(id);
        stream.message.head(&fields, ends)?;
        if ends {
            stream.ended = true;
            stream.message.end()?;
        }
        self.streams_open_max = self.streams_open_max.max(self.streams_open());
        Ok(Event::Head { stream: id, fields, ends })
    }
}
