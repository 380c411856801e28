//! Frames (RFC 9113 sections 4 and 6): the nine bytes in front of each, and those that are written whole.

use super::ErrorCode;

/// Length of a frame's header, in bytes.
pub(super) const HEADER_BYTES: usize = 9;

/// The largest payload, in bytes: our SETTINGS_MAX_FRAME_SIZE, which stays as every connection begins, and the most that we
/// put into one frame whatever the peer allows. Small frames keep turns short and the driver's buffer at 32 KiB.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16_384;

/// What a client sends first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The greatest stream identifier and the greatest window.
pub(super) const U31_MAX: u32 = 0x7fff_ffff;

/// Frame types.
#[allow(missing_docs)]
pub(super) mod kind {
    pub(in crate::h2) const DATA: u8 = 0x0;
    pub(in crate::h2) const HEADERS: u8 = 0x1;
    pub(in crate::h2) const PRIORITY: u8 = 0x2;
    pub(in crate::h2) const RST_STREAM: u8 = 0x3;
    pub(in crate::h2) const SETTINGS: u8 = 0x4;
    pub(in crate::h2) const PUSH_PROMISE: u8 = 0x5;
    pub(in crate::h2) const PING: u8 = 0x6;
    pub(in crate::h2) const GOAWAY: u8 = 0x7;
    pub(in crate::h2) const WINDOW_UPDATE: u8 = 0x8;
    pub(in crate::h2) const CONTINUATION: u8 = 0x9;
}

/// Flags.
pub(super) mod flag {
    pub(in crate::h2) const ACK: u8 = 0x1;
    pub(in crate::h2) const END_STREAM: u8 = 0x1;
    pub(in crate::h2) const END_HEADERS: u8 = 0x4;
    pub(in crate::h2) const PADDED: u8 = 0x8;
    pub(in crate::h2) const PRIORITY: u8 = 0x20;
}

/// The header of a frame.
///
/// ```text
/// +-----------------------------------------------+
/// |                 Length (24)                   |
/// +---------------+---------------+---------------+
/// |   Type (8)    |   Flags (8)   |
/// +-+-------------+---------------+-------------------------------+
/// |R|                 Stream Identifier (31)                      |
/// +=+=============================================================+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHeader {
    /// The header at the front of `input`, if all of it is there.
    pub(super) fn parse(input: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = input.first_chunk()?;
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        // RFC 9113 section 4.1: the reserved bit is ignored.
        let stream = u32::from_be_bytes(stream) & U31_MAX;
        Some(Self { len: u32::from_be_bytes([0, a, b, c]) as usize, kind, flags, stream })
    }

    /// As on the wire. `len` is below 2^24.
    pub(super) fn bytes(self) -> [u8; HEADER_BYTES] {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The 31-bit number at the front of `payload`, which is long enough.
pub(super) fn u31(payload: &[u8]) -> u32 {
    u32_at(payload) & U31_MAX
}

/// The error code, or whatever else has 32 bits, at the front of `payload`; 0 if it is too short.
pub(super) fn u32_at(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// RST_STREAM (section 6.4).
pub(super) fn rst_stream(stream: u32, code: ErrorCode) -> [u8; 13] {
    with_u32(kind::RST_STREAM, stream, code.0)
}

/// WINDOW_UPDATE (section 6.9).
pub(super) fn window_update(stream: u32, increment: u32) -> [u8; 13] {
    with_u32(kind::WINDOW_UPDATE, stream, increment)
}

/// PING (section 6.7).
pub(super) fn ping(flags: u8, payload: [u8; 8]) -> [u8; 17] {
    let mut frame = [0; 17];
    frame[..9].copy_from_slice(&FrameHeader { len: 8, kind: kind::PING, flags, stream: 0 }.bytes());
    frame[9..].copy_from_slice(&payload);
    frame
}

/// GOAWAY (section 6.8), without debug data if `reason` is empty.
pub(super) fn goaway(last: u32, code: ErrorCode, reason: &str) -> Vec<u8> {
    let len = 8 + reason.len();
    let mut frame = Vec::with_capacity(HEADER_BYTES + len);
    frame.extend_from_slice(&FrameHeader { len, kind: kind::GOAWAY, flags: 0, stream: 0 }.bytes());
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&code.0.to_be_bytes());
    frame.extend_from_slice(reason.as_bytes());
    frame
}

fn with_u32(kind: u8, stream: u32, value: u32) -> [u8; 13] {
    let mut frame = [0; 13];
    frame[..9].copy_from_slice(&FrameHeader { len: 4, kind, flags: 0, stream }.bytes());
    frame[9..].copy_from_slice(&value.to_be_bytes());
    frame
}
