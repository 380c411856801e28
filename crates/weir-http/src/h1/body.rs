//! A body on the wire, in either direction: which of the bytes that have arrived belong to it.

use super::{
    HeadLimits, Refusal,
    chunked::{Chunked, Piece},
};
use crate::head::BodyLength;

/// Where a body ends, and how much of it is still to come.
#[derive(Debug)]
pub enum Body {
    /// This many bytes are left.
    Sized(u64),
    /// Chunks are left.
    Chunked(Chunked),
    /// Everything until its source ends, but no more than so many bytes are left.
    UntilEnd(u64),
}

impl Body {
    /// At the beginning of a body. `bytes_max` bounds it where its size was not announced; announced ones have been
    /// checked with their head.
    pub fn new(length: BodyLength, bytes_max: u64, limits: HeadLimits) -> Self {
        match length {
            BodyLength::None => Self::Sized(0),
            BodyLength::Sized(bytes) => Self::Sized(bytes),
            BodyLength::Chunked => Self::Chunked(Chunked::new(bytes_max, limits)),
            BodyLength::UntilEnd => Self::UntilEnd(bytes_max),
        }
    }

    /// As [`Body::new`]; one that comes on a stream of HTTP/2 ends with that, and the codec has compared it with an
    /// announced length.
    pub(crate) fn of(length: BodyLength, on_stream: bool, bytes_max: u64, limits: HeadLimits) -> Self {
        match length {
            BodyLength::Sized(_) | BodyLength::Chunked if on_stream => Self::UntilEnd(bytes_max),
            length => Self::new(length, bytes_max, limits),
        }
    }

    /// The last byte has been seen. Never so for a body that ends with its connection.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Sized(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilEnd(_) => false,
        }
    }

    /// The next piece of the body at the front of `input`. A piece of nothing: done, or more bytes are needed.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        match self {
            Self::Sized(left) => {
                let data = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= data as u64;
                Ok(Piece { data, ..Piece::default() })
            }
            Self::Chunked(chunked) => chunked.next(input),
            Self::UntilEnd(left) => {
                let data = input.len();
                *left = left.checked_sub(data as u64).ok_or(Refusal::BodyTooLarge)?;
                Ok(Piece { data, ..Piece::default() })
            }
        }
    }

    /// How many bytes at the front of `input` belong to the body, framing and data alike.
    pub fn pass(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let mut passed = 0;
        loop {
            let piece = self.next(&input[passed..])?;
            if piece == Piece::default() {
                return Ok(passed);
            }
            passed += piece.framing + piece.data;
        }
    }
}

/// Neither framing nor data: done, or more bytes are needed.
pub fn piece_is_empty(piece: Piece) -> bool {
    piece == Piece::default()
}
