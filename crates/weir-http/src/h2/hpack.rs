//! HPACK, the compression of header blocks (RFC 7541).
//!
//! Each direction of a connection has a state that both ends must keep alike: the dynamic table. So every block that
//! arrives is decoded to its end, even that of a stream which nobody wants any more, and whatever cannot be decoded ends
//! the connection. The h2 crate was not taken for this because Weir's heads are places in a text: fields go from here
//! into that text with one copy, and nothing is allocated per field or per block.
//!
//! # Memory
//!
//! An idle direction that has carried nothing holds no memory of its own. After that:
//!
//! | | at most | why |
//! |---|---|---|
//! | strings of a table | 8 KiB | An entry lies in one piece: it may begin anywhere in the first 4 KiB. |
//! | places of its entries | 1 KiB | 128 entries, since each counts 32 bytes beside its strings. |
//! | the encoder's finder | 512 bytes | |
//!
//! which makes at most 18.5 KiB a connection, whatever the peer sends or offers. Strings being decoded lie in
//! [`Scratch`], of which a worker has one: it grows to 1.6 times the longest block that the caller lets in.

mod decoder;
mod encoder;
mod fields;
mod huffman;
mod integer;
mod static_table;
mod table;

pub use decoder::{Decoder, Error, Scratch};
pub use encoder::Encoder;

/// The most that a dynamic table holds, in bytes as RFC 7541 section 4.1 counts them: what SETTINGS_HEADER_TABLE_SIZE is
/// without a word, which we leave so for our decoder, and the most that our encoder uses of what a peer offers.
pub const TABLE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
