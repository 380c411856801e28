//! SETTINGS (RFC 9113 section 6.5): ours, and what we know of the peer's.

use super::{
    Fatal,
    abuse::Budgets,
    flow::WINDOW_INITIAL,
    frame::{FrameHeader, PAYLOAD_BYTES_MAX, U31_MAX, kind, u32_at},
};
use crate::h1::HeadLimits;

/// [`Settings::heads_bytes_max`], by default: a hundred requests with 5 KiB of fields, or sixteen of the largest.
pub const HEADS_BYTES_MAX: usize = 512 * 1024;

/// How a connection is run. The same for both roles, except where said.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Server: streams that the client may have open, our SETTINGS_MAX_CONCURRENT_STREAMS. Client: the most that we
    /// open, whatever the server allows.
    pub streams_max: u32,
    /// Bytes that a peer may send on one stream before somebody reads them, our SETTINGS_INITIAL_WINDOW_SIZE.
    ///
    /// 128 KiB by default: an upload runs at 20 Mbit/s over 50 ms, and only eight streams that nobody reads hold up the
    /// others through the connection's window; with 256 KiB four would.
    pub stream_window: u32,
    /// What the window of a stream may grow to while its reader keeps up: twice as large each time that it has been read.
    /// All windows together grow only as far as `connection_window` has room for those of all streams that there can be;
    /// then no stream that is not read holds up another.
    pub stream_window_max: u32,
    /// Bytes that a peer may send on all streams before somebody reads them: the bound of what is kept for a
    /// connection. At least 65,535, with which every connection begins (RFC 9113 section 6.9.2).
    pub connection_window: u32,
    /// Limits of heads; `bytes_max` is also our SETTINGS_MAX_HEADER_LIST_SIZE.
    pub head: HeadLimits,
    /// Server: bytes of the heads of all requests that have not ended; further requests are refused with REFUSED_STREAM,
    /// which is safe to send again. A single one is always taken.
    pub heads_bytes_max: usize,
    /// The most that comes in one body.
    pub body_bytes_max: u64,
    /// Server: extended CONNECT (RFC 8441) is offered.
    pub extended_connect: bool,
    /// While more than this waits in the output, no DATA is added and no request is accepted.
    pub output_bytes_max: usize,
    /// What a peer may do only so often.
    pub budgets: Budgets,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams_max: 100,
            stream_window: 128 * 1024,
            stream_window_max: 128 * 1024,
            connection_window: 1024 * 1024,
            head: HeadLimits { bytes_max: 32 * 1024, fields_max: 100, uri_bytes_max: 8 * 1024 },
            heads_bytes_max: HEADS_BYTES_MAX,
            body_bytes_max: u64::MAX,
            extended_connect: false,
            output_bytes_max: 64 * 1024,
            budgets: Budgets::default(),
        }
    }
}

/// Identifiers of settings.
mod id {
    pub(super) const HEADER_TABLE_SIZE: u16 = 0x1;
    pub(super) const ENABLE_PUSH: u16 = 0x2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub(super) const MAX_FRAME_SIZE: u16 = 0x5;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub(super) const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
    pub(super) const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// Which side we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

impl Settings {
    /// Our SETTINGS frame. What is as every connection begins is left out.
    pub(super) fn frame(&self, role: Role) -> Vec<u8> {
        let mut payload = Vec::with_capacity(36);
        let mut put = |id: u16, value: u32| {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        };
        match role {
            Role::Server => {
                put(id::MAX_CONCURRENT_STREAMS, self.streams_max);
                put(id::NO_RFC7540_PRIORITIES, 1);
                if self.extended_connect {
                    put(id::ENABLE_CONNECT_PROTOCOL, 1);
                }
            }
            Role::Client => put(id::ENABLE_PUSH, 0),
        }
        put(id::INITIAL_WINDOW_SIZE, self.stream_window);
        put(id::MAX_HEADER_LIST_SIZE, self.head.bytes_max as u32);
        let header = FrameHeader { len: payload.len(), kind: kind::SETTINGS, flags: 0, stream: 0 };
        [&header.bytes()[..], &payload].concat()
    }
}

/// What the peer has announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerSettings {
    pub(super) header_table_bytes: u32,
    pub(super) streams_max: u32,
    pub(super) stream_window: u32,
    pub(super) payload_bytes_max: u32,
    pub(super) extended_connect: bool,
    has_no_priorities: Option<bool>,
}

impl Default for PeerSettings {
    /// As every connection begins (section 6.5.2).
    fn default() -> Self {
        Self {
            header_table_bytes: 4096,
            streams_max: u32::MAX,
            stream_window: WINDOW_INITIAL,
            payload_bytes_max: PAYLOAD_BYTES_MAX as u32,
            extended_connect: false,
            has_no_priorities: None,
        }
    }
}

impl PeerSettings {
    /// With the frame of this payload, sent to a `role`. Of a setting that comes more than once the last value counts
    /// (section 6.5.3), so they may be put into force together.
    pub(super) fn updated(mut self, payload: &[u8], role: Role) -> Result<Self, Fatal> {
        for setting in payload.chunks_exact(6) {
            let id = u16::from_be_bytes([setting[0], setting[1]]);
            self.update(id, u32_at(&setting[2..]), role)?;
        }
        Ok(self)
    }

    fn update(&mut self, id: u16, value: u32, role: Role) -> Result<(), Fatal> {
        match id {
            id::HEADER_TABLE_SIZE => self.header_table_bytes = value,
            // Section 6.5.2: 0 or 1, and a server sends no 1.
            id::ENABLE_PUSH if value > 1 || (role == Role::Client && value == 1) => {
                return Err(Fatal::protocol("SETTINGS_ENABLE_PUSH has a value that it cannot have"));
            }
            id::MAX_CONCURRENT_STREAMS => self.streams_max = value,
            id::INITIAL_WINDOW_SIZE => {
                if value > U31_MAX {
                    return Err(Fatal::flow("SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1"));
                }
                self.stream_window = value;
            }
            id::MAX_FRAME_SIZE => {
                if !(PAYLOAD_BYTES_MAX as u32..1 << 24).contains(&value) {
                    return Err(Fatal::protocol("SETTINGS_MAX_FRAME_SIZE is not from 2^14 to 2^24-1"));
                }
                self.payload_bytes_max = value;
            }
            id::ENABLE_CONNECT_PROTOCOL => {
                // RFC 8441 section 3: once offered, it stays.
                if value > 1 || (self.extended_connect && value == 0) {
                    return Err(Fatal::protocol(
                        "SETTINGS_ENABLE_CONNECT_PROTOCOL is not 0 or 1, or taken back",
                    ));
                }
                self.extended_connect = value == 1;
            }
            id::NO_RFC7540_PRIORITIES => {
                // RFC 9218 section 2.1: 0 or 1, and never changed.
                if value > 1 || self.has_no_priorities.is_some_and(|known| known != (value == 1)) {
                    return Err(Fatal::protocol("SETTINGS_NO_RFC7540_PRIORITIES is not 0 or 1, or changed"));
                }
                self.has_no_priorities = Some(value == 1);
            }
            // MAX_HEADER_LIST_SIZE is advice (section 6.5.2): the peer refuses what it does not want. Unknown ones are
            // ignored.
            _ => {}
        }
        Ok(())
    }
}
