//! The chunked transfer coding (RFC 9112 section 7.1), read strictly.

use super::{
    HeadLimits, Refusal,
    fields::{Line, line},
    tokens,
};

/// The longest line that begins a chunk: size and extensions, in bytes. Extensions mean nothing to anybody and have been
/// used to make servers read much for little.
pub const CHUNK_LINE_BYTES_MAX: u16 = 256;

/// Hexadecimal digits in a chunk's size; fifteen stay below 2^60.
const SIZE_DIGITS_MAX: u16 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size.
    Size,
    /// Behind the `;` of an extension.
    Extension,
    /// Between the CR and the LF of a chunk's first line.
    SizeLf,
    /// In a chunk's data.
    Data,
    /// Behind it.
    DataCr,
    /// Between the CR and the LF behind it.
    DataLf,
    /// Behind the line of the last chunk.
    Trailers,
    Done,
}

/// Finds the end of a chunked body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Of the chunk whose size is being read, or what is left of its data.
    size: u64,
    /// Bytes of the current chunk's line so far.
    line: u16,
    /// Data bytes of all chunks so far.
    total: u64,
    total_max: u64,
    limits: HeadLimits,
}

/// The next piece of a chunked body: first framing, then data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// Bytes of framing at the front.
    pub framing: usize,
    /// Bytes of data behind them.
    pub data: usize,
    /// How many bytes at the end of the framing are the trailer section, with the empty line that ends it.
    pub trailers: usize,
}

impl Chunked {
    /// At the beginning of a body whose data is at most `total_max` bytes and whose trailers keep to `limits`.
    pub fn new(total_max: u64, limits: HeadLimits) -> Self {
        Self { state: State::Size, size: 0, line: 0, total: 0, total_max, limits }
    }

    /// The last byte has been seen.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next piece at the front of `input`, which is what was not consumed yet. A piece of nothing means that more
    /// bytes are needed: trailers are taken only whole.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            match self.state {
                State::Size => self.size_byte(byte)?,
                State::Extension => self.extension_byte(byte)?,
                State::SizeLf => self.size_end(byte)?,
                State::Data => {
                    let data = usize::try_from(self.size).unwrap_or(usize::MAX).min(input.len() - at);
                    self.size -= data as u64;
                    if self.size == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Piece { framing: at, data, trailers: 0 });
                }
                State::DataCr if byte == b'\r' => self.state = State::DataLf,
                State::DataLf if byte == b'\n' => self.begin(),
                State::DataCr | State::DataLf => return Err(Refusal::Chunk),
                State::Trailers => {
                    let trailers = self.trailers(&input[at..])?;
                    return Ok(Piece { framing: at + trailers, data: 0, trailers });
                }
                State::Done => break,
            }
            at += 1;
        }
        Ok(Piece { framing: at, ..Piece::default() })
    }

    fn begin(&mut self) {
        self.state = State::Size;
        self.size = 0;
        self.line = 0;
    }

    fn size_byte(&mut self, byte: u8) -> Result<(), Refusal> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' if self.line > 0 => {
                self.state = State::Extension;
                return Ok(());
            }
            b'\r' if self.line > 0 => {
                self.state = State::SizeLf;
                return Ok(());
            }
            _ => return Err(Refusal::Chunk),
        };
        self.line += 1;
        if self.line > SIZE_DIGITS_MAX {
            return Err(Refusal::Chunk);
        }
        self.size = self.size * 16 + u64::from(digit);
        Ok(())
    }

    fn extension_byte(&mut self, byte: u8) -> Result<(), Refusal> {
        self.line += 1;
        if byte == b'\r' {
            self.state = State::SizeLf;
        } else if self.line > CHUNK_LINE_BYTES_MAX || !tokens::is_field_value(&[byte]) {
            return Err(Refusal::Chunk);
        }
        Ok(())
    }

    fn size_end(&mut self, byte: u8) -> Result<(), Refusal> {
        if byte != b'\n' {
            return Err(Refusal::Chunk);
        }
        self.total += self.size;
        if self.total > self.total_max {
            return Err(Refusal::BodyTooLarge);
        }
        self.state = if self.size == 0 { State::Trailers } else { State::Data };
        Ok(())
    }

    /// The length of the whole trailer section at the front of `input`, or 0 while it is not whole.
    fn trailers(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let (mut next, mut count) = (0, 0);
        loop {
            match line(input, next).map_err(|_| Refusal::Trailer)? {
                Line::Partial if input.len() >= self.limits.bytes_max => return Err(Refusal::Trailer),
                Line::Partial => return Ok(0),
                Line::Empty { end } if end > self.limits.bytes_max => return Err(Refusal::Trailer),
                Line::Empty { end } => {
                    self.state = State::Done;
                    return Ok(end);
                }
                Line::Field(field) => {
                    next = field.line_end.into();
                    count += 1;
                    if !field.kind.may_trail()
                        || count > self.limits.fields_max
                        || next > self.limits.bytes_max
                    {
                        return Err(Refusal::Trailer);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
