//! Bodies as Weir reads them.

use weir_http::{
    h1::{Body, HeadLimits, Refusal},
    head::BodyLength,
};

use crate::pieces::Pieces;

/// For heads that have grown on their way.
pub(crate) const WIDE: HeadLimits =
    HeadLimits { bytes_max: 32 * 1024, fields_max: 256, uri_bytes_max: 8 * 1024 };

/// Small, so that the edges of the limits are within reach.
pub(crate) const NARROW: HeadLimits = HeadLimits { bytes_max: 1024, fields_max: 16, uri_bytes_max: 64 };

/// The most data in one chunked body, in bytes.
const DATA_BYTES_MAX: u64 = 1 << 20;

/// What came of reading a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Data, without framing.
    pub(crate) data: Vec<u8>,
    /// Bytes that were taken, framing included: these go on.
    pub(crate) consumed: usize,
    /// The last byte was among them. Never so for a body that ends with its connection.
    pub(crate) is_done: bool,
    /// Why no more was taken.
    pub(crate) refusal: Option<Refusal>,
}

/// Reads a body that arrives in these pieces, as the relay does: what is not taken yet comes again with more behind it.
pub(crate) fn read(length: BodyLength, bytes: &[u8], pieces: &mut Pieces) -> Read {
    let mut body = Body::new(length, DATA_BYTES_MAX, NARROW);
    let mut read = Read::default();
    for end in pieces.ends(bytes.len()) {
        loop {
            let piece = match body.next(&bytes[read.consumed..end]) {
                Ok(piece) => piece,
                Err(refusal) => {
                    read.refusal = Some(refusal);
                    return read;
                }
            };
            let (start, len) = (read.consumed + piece.framing, piece.data);
            read.data.extend_from_slice(&bytes[start..start + len]);
            read.consumed = start + len;
            if piece.framing + piece.data == 0 {
                break;
            }
        }
    }
    read.is_done = body.is_done();
    read
}

/// The length as far as a head can say it.
pub(crate) fn announced(length: BodyLength) -> Option<u64> {
    match length {
        BodyLength::None => Some(0),
        BodyLength::Sized(bytes) => Some(bytes),
        BodyLength::Chunked | BodyLength::UntilEnd => None,
    }
}
