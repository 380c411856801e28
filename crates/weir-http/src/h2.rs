//! The HTTP/2 codec (RFC 9113). It does no I/O.

pub mod head;
pub mod hpack;
