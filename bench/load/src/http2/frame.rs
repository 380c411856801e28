//! Frames (RFC 9113, section 4.1) out of bytes that come in any pieces, and back.

/// What we said that we take, by saying nothing about it (RFC 9113, section 4.2).
const PAYLOAD_BYTES_MAX: usize = 16_384;
const HEAD_BYTES: usize = 9;

/// The type of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const DATA: Kind = Kind(0);
    pub(super) const HEADERS: Kind = Kind(1);
    pub(super) const RST_STREAM: Kind = Kind(3);
    pub(super) const SETTINGS: Kind = Kind(4);
    pub(super) const PUSH_PROMISE: Kind = Kind(5);
    pub(super) const PING: Kind = Kind(6);
    pub(super) const GOAWAY: Kind = Kind(7);
    pub(super) const WINDOW_UPDATE: Kind = Kind(8);
}

pub(super) mod flags {
    pub(in super::super) const ACK: u8 = 0x1;
    pub(in super::super) const END_STREAM: u8 = 0x1;
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// What the bytes hold next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Bytes of a body: only counted, and perhaps not all of their frame. `window` is what they take of it.
    Data { stream: u32, count: usize, window: u32, end: bool },
    /// A whole frame of another kind.
    Frame { kind: Kind, flags: u8, stream: u32, payload: &'a [u8] },
}

/// The frame that is being read.
#[derive(Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    have: usize,
    kind: Kind,
    flags: u8,
    stream: u32,
    /// Of a payload that is only counted.
    left: usize,
    length: usize,
    /// Of one that has not come whole.
    payload: Vec<u8>,
}

impl Frames {
    /// Takes from the front of `bytes`; `None` when they are used up.
    pub(super) fn next<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8]) -> Result<Option<Event<'a>>, String> {
        if self.have < HEAD_BYTES {
            let count = bytes.len().min(HEAD_BYTES - self.have);
            self.head[self.have..self.have + count].copy_from_slice(&bytes[..count]);
            self.have += count;
            *bytes = &bytes[count..];
            if self.have < HEAD_BYTES {
                return Ok(None);
            }
            self.begin()?;
        }
        if self.kind == Kind::DATA && self.flags & flags::PADDED == 0 {
            return Ok(self.count(bytes));
        }
        let missing = self.length - self.payload.len();
        if bytes.len() < missing {
            self.payload.extend_from_slice(bytes);
            *bytes = &[];
            return Ok(None);
        }
        let (now, rest) = bytes.split_at(missing);
        *bytes = rest;
        self.have = 0;
        // Nearly always a frame comes whole, and is read where it lies.
        let payload = if self.payload.is_empty() {
            now
        } else {
            self.payload.extend_from_slice(now);
            &self.payload
        };
        let Frames { kind, flags, stream, .. } = *self;
        if kind == Kind::DATA {
            let count = unpadded(flags, payload)?.len();
            let end = flags & flags::END_STREAM != 0;
            return Ok(Some(Event::Data { stream, count, window: payload.len() as u32, end }));
        }
        Ok(Some(Event::Frame { kind, flags, stream, payload }))
    }

    fn begin(&mut self) -> Result<(), String> {
        let head = self.head;
        self.length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        self.kind = Kind(head[3]);
        self.flags = head[4];
        self.stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & !(1 << 31);
        self.left = self.length;
        self.payload.clear();
        match self.length {
            0..=PAYLOAD_BYTES_MAX => Ok(()),
            length => Err(format!("a frame of {length} bytes")),
        }
    }

    fn count(&mut self, bytes: &mut &[u8]) -> Option<Event<'static>> {
        let count = self.left.min(bytes.len());
        if count == 0 && self.left > 0 {
            return None;
        }
        *bytes = &bytes[count..];
        self.left -= count;
        let whole = self.left == 0;
        if whole {
            self.have = 0;
        }
        let end = whole && self.flags & flags::END_STREAM != 0;
        Some(Event::Data { stream: self.stream, count, window: count as u32, end })
    }
}

/// Writes one frame.
pub(super) fn put_frame(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("our own frames are small");
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind.0, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Whether the head in this HEADERS frame says 200.
pub(super) fn status_is_200(flags: u8, payload: &[u8]) -> Result<(), String> {
    /// Field 8 of the static table (RFC 7541, appendix A), as an indexed field.
    const STATUS_200: u8 = 0x80 | 8;
    let mut block = unpadded(flags, payload)?;
    if flags & flags::PRIORITY != 0 {
        block = block.get(5..).ok_or("a head shorter than its priority")?;
    }
    // New sizes of the dynamic table may stand in front (RFC 7541, section 6.3), with what continues their number.
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        let more = if first & 0x1f == 0x1f {
            rest.iter().position(|byte| byte & 0x80 == 0).map(|at| at + 1)
        } else {
            Some(0)
        };
        block = rest.get(more.unwrap_or(rest.len())..).unwrap_or_default();
    }
    match block.first() {
        Some(&STATUS_200) => Ok(()),
        _ => Err(format!("not 200: a head that begins with {:02x?}", &block[..block.len().min(6)])),
    }
}

/// A payload without its padding (RFC 9113, section 6.1).
fn unpadded(flags: u8, payload: &[u8]) -> Result<&[u8], String> {
    if flags & flags::PADDED == 0 {
        return Ok(payload);
    }
    let inside = payload.split_first().and_then(|(padding, rest)| {
        let length = rest.len().checked_sub(usize::from(*padding))?;
        Some(&rest[..length])
    });
    inside.ok_or_else(|| "a frame shorter than its padding".into())
}
