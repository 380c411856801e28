//! What goes wrong on a connection, and how it is told: to the peer as a code, to our own tasks as an end.

use super::abuse::Abuse;

/// An error code (RFC 9113 section 7). Unknown ones are kept as they come: they have no special meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

#[allow(missing_docs)]
impl ErrorCode {
    pub const NO_ERROR: Self = Self(0x0);
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    pub const INTERNAL_ERROR: Self = Self(0x2);
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    pub const STREAM_CLOSED: Self = Self(0x5);
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    pub const REFUSED_STREAM: Self = Self(0x7);
    pub const CANCEL: Self = Self(0x8);
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    pub const CONNECT_ERROR: Self = Self(0xa);
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);
}

/// Why a stream gives or takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The peer, or [`Mux::reset`](super::Mux::reset), has reset it with this code.
    Reset(ErrorCode),
    /// The peer has done nothing with it: REFUSED_STREAM, or a GOAWAY that names an earlier last stream. Safe to send
    /// again on another connection (RFC 9113 section 8.7).
    Refused,
    /// The connection has ended, or the stream's key is not in use any more.
    ConnectionLost,
    /// What the peer sent on it is malformed (RFC 9113 section 8.1.1); it has been reset.
    Malformed,
    /// Its body is larger than `body_bytes_max`. The stream is still there: a request can be answered with 413.
    BodyTooLarge,
}

/// The connection cannot go on. The output ends in a GOAWAY that says so; flush it and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fatal {
    /// What the peer is told.
    pub code: ErrorCode,
    /// One line for a person; also the debug data of the GOAWAY.
    pub reason: &'static str,
    /// The budget that was overdrawn, if that is why.
    pub abuse: Option<Abuse>,
}

impl Fatal {
    /// A connection error (RFC 9113 section 5.4.1).
    pub(super) fn new(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, abuse: None }
    }

    pub(super) fn protocol(reason: &'static str) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, reason)
    }

    pub(super) fn frame_size(reason: &'static str) -> Self {
        Self::new(ErrorCode::FRAME_SIZE_ERROR, reason)
    }

    pub(super) fn flow(reason: &'static str) -> Self {
        Self::new(ErrorCode::FLOW_CONTROL_ERROR, reason)
    }

    pub(super) fn stream_closed(reason: &'static str) -> Self {
        Self::new(ErrorCode::STREAM_CLOSED, reason)
    }
}

impl From<Abuse> for Fatal {
    fn from(abuse: Abuse) -> Self {
        Self { code: ErrorCode::ENHANCE_YOUR_CALM, reason: abuse.words(), abuse: Some(abuse) }
    }
}
