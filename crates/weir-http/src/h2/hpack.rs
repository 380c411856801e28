//! HPACK, the compression of header blocks (RFC 7541).

mod decoder;
mod encoder;

pub use decoder::{Decoder, Error, Scratch};
pub use encoder::Encoder;

/// The most that a dynamic table holds, in bytes as RFC 7541 section 4.1 counts them: what SETTINGS_HEADER_TABLE_SIZE is
/// without a word, which we leave so for our decoder, and the most that our encoder uses of what a peer offers.
pub const TABLE_BYTES_MAX: usize = 4096;
