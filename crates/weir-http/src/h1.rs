//! The HTTP/1 codec (RFC 9112), and the gate.
//!
//! Framing is the security boundary: where two readers could disagree about where a message ends or whom it is for,
//! a request could hide in another. So the gate takes only what leaves no room for that. Everything else is refused
//! whole, before a byte of it goes to the other side: 400 and close towards a client, 502 for a server.
//!
//! The tokenizer is our own because the gate needs strict lines (httparse takes a bare LF), places instead of borrowed
//! slices (the head lies in the connection's buffer across awaits), and to go on where it stopped when a head
//! arrives in pieces.

pub mod body;
pub mod chunked;
pub(crate) mod fields;
pub mod request;
pub mod response;
pub(crate) mod tokens;

pub use body::Body;
pub use request::RequestParser;
pub use response::ResponseParser;

/// The limits of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// First line and all fields together, in bytes.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
    /// The request target, in bytes.
    pub uri_bytes_max: usize,
}

/// Why the gate refused a message. The words go into logs, metrics and the answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refusal {
    BareLineFeed,
    ControlCharacter,
    FirstLine,
    Method,
    Target,
    Version,
    Status,
    FieldName,
    FieldFolded,
    FieldValue,
    ConnectionOption,
    HostMissing,
    HostRepeated,
    HostInvalid,
    HostContradicted,
    ContentLengthInvalid,
    ContentLengthRepeated,
    ContentLengthForbidden,
    LengthAmbiguous,
    TransferEncoding,
    TransferEncodingIn10,
    Chunk,
    Trailer,
    UriTooLong,
    HeadTooLarge,
    TooManyFields,
    BodyTooLarge,
    Truncated,
}

impl Refusal {
    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line ends in LF without CR",
            Self::ControlCharacter => "a control character in the head",
            Self::FirstLine => "the first line has not the form that RFC 9112 gives it",
            Self::Method => "the method is not a token",
            Self::Target => "the request target is not valid",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            Self::Status => "the status is not a number from 100 to 599",
            Self::FieldName => "a field name is not a token directly before its colon",
            Self::FieldFolded => "a field is folded over lines",
            Self::FieldValue => "a control character in a field value",
            Self::ConnectionOption => "a connection option is not a token",
            Self::HostMissing => "Host is missing",
            Self::HostRepeated => "Host is there more than once",
            Self::HostInvalid => "Host is not a host with an optional port",
            Self::HostContradicted => "the request target names another host than Host",
            Self::ContentLengthInvalid => "Content-Length is not a plain decimal number below 2^63",
            Self::ContentLengthRepeated => "Content-Length is there more than once",
            Self::ContentLengthForbidden => "Content-Length with a status that has no body",
            Self::LengthAmbiguous => "both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding is not exactly `chunked`, once",
            Self::TransferEncodingIn10 => "Transfer-Encoding in HTTP/1.0",
            Self::Chunk => "a chunk is malformed",
            Self::Trailer => "a trailer field is malformed or not allowed there",
            Self::UriTooLong => "the request target is longer than max_uri_bytes",
            Self::HeadTooLarge => "the head is larger than max_header_bytes",
            Self::TooManyFields => "the head has more fields than max_headers",
            Self::BodyTooLarge => "the body is larger than max_body_bytes",
            Self::Truncated => "the message ends early",
        }
    }

    /// The status that tells a client.
    pub fn status(self) -> u16 {
        match self {
            Self::UriTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::BodyTooLarge => 413,
            _ => 400,
        }
    }
}

/// How far a parser got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The head is whole.
    Whole,
}
