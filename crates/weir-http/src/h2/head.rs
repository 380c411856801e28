//! Heads and trailers as header blocks.

mod decode;
mod encode;

pub use decode::{Scratch, decode_request, decode_response, decode_trailers};
pub use encode::{encode_request, encode_response, encode_trailers};

use super::hpack;
use crate::h1::{HeadLimits, Refusal};

/// Why a block gives no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// It cannot be decoded: a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
    Compression(hpack::Error),
    /// It is malformed: a stream error of type PROTOCOL_ERROR (RFC 9113 section 8.1.1).
    Malformed(Malformed),
    /// It is beyond a limit: to be answered with the refusal's status. The method in the head is right, if it came before
    /// the limit; it is empty otherwise.
    TooLarge(Refusal),
}

/// Why a message is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Something that HTTP/1 refuses too.
    Refused(Refusal),
}

impl Malformed {
    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.words(),
        }
    }
}

/// What the meaning of a request's block depends on.
#[derive(Debug, Clone, Copy)]
pub struct RequestRules<'a> {
    /// Of the listener.
    pub limits: &'a HeadLimits,
    /// The block came with END_STREAM.
    pub end_stream: bool,
    /// We have announced SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
    pub extended_connect: bool,
}

/// What the meaning of a response's block depends on.
#[derive(Debug, Clone, Copy)]
pub struct ResponseRules<'a> {
    /// For responses.
    pub limits: &'a HeadLimits,
    /// The block came with END_STREAM.
    pub end_stream: bool,
    /// It answers a HEAD request.
    pub to_head: bool,
}
