//! Heads and trailers as header blocks (RFC 9113 section 8).
//!
//! What is decoded here becomes what `h1` makes of the same message: places in a text in which each field has its line,
//! as HTTP/1 would have it, one behind the other. So everything behind the codec, and above all the copying of whole
//! runs of lines, is written once. The checks of names, values, hosts, targets and lengths are those of the gate in
//! `h1`; here stand the rules that HTTP/2 adds.
//!
//! # Memory
//!
//! A text has at most `HeadLimits::bytes_max` bytes, which is at most 32 KiB, and as many fields as `fields_max` says.
//! A block is always decoded to its end, since the table of the connection must know it all; but after the first fault
//! nothing more of it is looked at or kept.

mod encode;
mod lines;
mod request;
mod response;
mod trailers;

pub use encode::{encode_request, encode_response, encode_trailers};
pub use request::{RequestRules, decode_request};
pub use response::{ResponseRules, decode_response};
pub use trailers::decode_trailers;

use super::hpack;
use crate::{h1::Refusal, head::Field};

/// Room for decoding, reused for all blocks of a worker.
#[derive(Debug, Default)]
pub struct Scratch {
    strings: hpack::Scratch,
    /// Pieces of `cookie` that came apart from its line.
    crumbs: Vec<u8>,
    /// Those of trailers, which nobody asks for.
    fields: Vec<Field>,
}

/// Why a block gives no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// It cannot be decoded: a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
    Compression(hpack::Error),
    /// It is malformed: a stream error of type PROTOCOL_ERROR (RFC 9113 section 8.1.1).
    Malformed(Malformed),
    /// It is beyond a limit: to be answered with the refusal's status. Of a request, what came before the limit is in the
    /// head as far as it is right: the method (else it is empty), the target.
    TooLarge(Refusal),
}

impl HeadError {
    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Compression(error) => error.words(),
            Self::Malformed(malformed) => malformed.words(),
            Self::TooLarge(refusal) => refusal.words(),
        }
    }
}

impl From<Malformed> for HeadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Refusal> for HeadError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeadTooLarge | Refusal::TooManyFields | Refusal::UriTooLong => Self::TooLarge(refusal),
            _ => Self::Malformed(Malformed::Refused(refusal)),
        }
    }
}

/// Why a message is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Malformed {
    /// HTTP/1 refuses it too.
    Refused(Refusal),
    Uppercase,
    SpaceAroundValue,
    ConnectionField,
    Te,
    PseudoUnknown,
    PseudoRepeated,
    PseudoMissing,
    PseudoLate,
    PseudoForbidden,
    Scheme,
    Protocol,
    LengthContradicted,
    InterimEnds,
}

impl Malformed {
    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.words(),
            Self::Uppercase => "a field name has a capital letter",
            Self::SpaceAroundValue => "a field value begins or ends with white space",
            Self::ConnectionField => "a field of HTTP/1 connections is in a message of HTTP/2",
            Self::Te => "TE is not exactly `trailers`",
            Self::PseudoUnknown => "a pseudo-field is not known here",
            Self::PseudoRepeated => "a pseudo-field is there more than once",
            Self::PseudoMissing => "a pseudo-field is missing",
            Self::PseudoLate => "a pseudo-field stands behind a field",
            Self::PseudoForbidden => "a pseudo-field is where it must not be",
            Self::Scheme => "the scheme is neither http nor https",
            Self::Protocol => "the protocol of an extended CONNECT is not a token, or is h2c",
            Self::LengthContradicted => "Content-Length promises a body that does not come",
            Self::InterimEnds => "an interim response ends the stream",
        }
    }
}

#[cfg(test)]
mod tests;
