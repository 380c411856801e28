//! Frames, well-formed or not: whatever is asked for is what goes out.

use super::{flag, kind};

/// One frame. Its length field is that of the payload unless it is told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// All flags.
    pub flags: u8,
    /// The stream, with the reserved bit above it.
    pub stream: u32,
    /// What follows the nine octets of the header.
    pub payload: Vec<u8>,
    /// A length field that lies.
    pub claimed: Option<u32>,
}

impl Frame {
    /// A frame of any type.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into(), claimed: None }
    }

    /// With these flags too.
    #[must_use]
    pub fn flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    /// Without these flags.
    #[must_use]
    pub fn without(mut self, flags: u8) -> Self {
        self.flags &= !flags;
        self
    }

    /// The last one of its stream.
    #[must_use]
    pub fn end(self) -> Self {
        self.flags(flag::END_STREAM)
    }

    /// On another stream.
    #[must_use]
    pub fn on(mut self, stream: u32) -> Self {
        self.stream = stream;
        self
    }

    /// With another payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// With so much padding (RFC 9113 sections 6.1 and 6.2). DATA and HEADERS without priority only.
    #[must_use]
    pub fn padded(mut self, padding: u8) -> Self {
        self.payload.insert(0, padding);
        self.payload.resize(self.payload.len() + usize::from(padding), 0);
        self.flags(flag::PADDED)
    }

    /// With the PADDED flag and this pad length, but no padding.
    #[must_use]
    pub fn pretending_padding(mut self, length: u8) -> Self {
        self.payload.insert(0, length);
        self.flags(flag::PADDED)
    }

    /// HEADERS with priority fields (RFC 9113 section 6.2).
    #[must_use]
    pub fn prioritized(mut self, exclusive: bool, dependency: u32, weight: u8) -> Self {
        self.payload.splice(0..0, priority_fields(exclusive, dependency, weight));
        self.flags(flag::PRIORITY)
    }

    /// With the reserved bit set (RFC 9113 section 4.1).
    #[must_use]
    pub fn reserved(mut self) -> Self {
        self.stream |= 1 << 31;
        self
    }

    /// With this length field, whatever the payload is.
    #[must_use]
    pub fn claiming(mut self, length: u32) -> Self {
        self.claimed = Some(length);
        self
    }

    /// This flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Its octets.
    pub fn encode(&self) -> Vec<u8> {
        let length = self.claimed.unwrap_or(self.payload.len() as u32);
        let mut octets = length.to_be_bytes()[1..].to_vec();
        octets.extend([self.kind, self.flags]);
        octets.extend(self.stream.to_be_bytes());
        octets.extend(&self.payload);
        octets
    }

    /// The frame at the beginning of `input`, and how many octets it takes; `None` as long as it is not whole.
    pub fn decode(input: &[u8]) -> Option<(Self, usize)> {
        let header = input.get(..9)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let payload = input.get(9..9 + length)?.to_vec();
        let stream = u32::from_be_bytes(header[5..9].try_into().expect("four octets"));
        Some((Self { kind: header[3], flags: header[4], stream, payload, claimed: None }, 9 + length))
    }

    /// The payload of DATA, HEADERS or PUSH_PROMISE without padding; `None` when the padding is wrong.
    pub fn unpadded(&self) -> Option<&[u8]> {
        if !self.has(flag::PADDED) {
            return Some(&self.payload);
        }
        let (padding, rest) = self.payload.split_first()?;
        rest.get(..rest.len().checked_sub(usize::from(*padding))?)
    }
}

/// All of them one behind the other.
pub fn encode(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::encode).collect()
}

/// DATA.
pub fn data(stream: u32, octets: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::DATA, 0, stream, octets)
}

/// HEADERS with END_HEADERS.
pub fn headers(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS, stream, block)
}

/// CONTINUATION with END_HEADERS.
pub fn continuation(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::CONTINUATION, flag::END_HEADERS, stream, block)
}

/// PRIORITY.
pub fn priority(stream: u32, exclusive: bool, dependency: u32, weight: u8) -> Frame {
    Frame::new(kind::PRIORITY, 0, stream, priority_fields(exclusive, dependency, weight))
}

/// RST_STREAM.
pub fn rst_stream(stream: u32, code: u32) -> Frame {
    Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

/// SETTINGS.
pub fn settings(settings: &[(u16, u32)]) -> Frame {
    let octets = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    Frame::new(kind::SETTINGS, 0, 0, settings.iter().flat_map(octets).collect::<Vec<u8>>())
}

/// The acknowledgement of SETTINGS.
pub fn settings_ack() -> Frame {
    Frame::new(kind::SETTINGS, flag::ACK, 0, [])
}

/// PUSH_PROMISE with END_HEADERS.
pub fn push_promise(stream: u32, promised: u32, block: &[u8]) -> Frame {
    Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, stream, [&promised.to_be_bytes()[..], block].concat())
}

/// PING.
pub fn ping(octets: [u8; 8]) -> Frame {
    Frame::new(kind::PING, 0, 0, octets)
}

/// GOAWAY.
pub fn goaway(last: u32, code: u32) -> Frame {
    Frame::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// WINDOW_UPDATE.
pub fn window_update(stream: u32, increment: u32) -> Frame {
    Frame::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

fn priority_fields(exclusive: bool, dependency: u32, weight: u8) -> Vec<u8> {
    let mut octets = (dependency | u32::from(exclusive) << 31).to_be_bytes().to_vec();
    octets.push(weight);
    octets
}
