//! From blocks to fields (RFC 7541 sections 3 and 6).

use super::{huffman, integer, static_table, table::Table};

/// Why a block is not decoded. All of them are connection errors: the table is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Error {
    Truncated,
    Integer,
    Index,
    Huffman,
    SizeUpdateLate,
    SizeUpdateTooLarge,
    /// Not malformed, but an attack: [`Expansion`].
    Bomb,
}

impl Error {
    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Truncated => "a header block ends within a field",
            Self::Integer => "a number in a header block is too long",
            Self::Index => "a header block names an entry that is in no table",
            Self::Huffman => "a string in a header block is not in the Huffman code",
            Self::SizeUpdateLate => "the size of the header table changes within a block",
            Self::SizeUpdateTooLarge => "the header table is made larger than was announced",
            Self::Bomb => "a header block names the same large entries over and over",
        }
    }
}

/// What a block may take out of the table, in bytes: the whole table twice, and twice its own length, since what it enters
/// itself may be named as well. More than that is the same large entry over and over, which no client has a use for: a
/// byte that becomes thousands (CVE-2016-6581).
struct Expansion(usize);

impl Expansion {
    fn new(table_bytes_max: usize, block: &[u8]) -> Self {
        Self(2 * (table_bytes_max + block.len()))
    }

    fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(Error::Bomb)?;
        Ok(bytes)
    }
}

/// Room for the strings of one field, reused for all blocks of a worker.
#[derive(Debug, Default)]
pub struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Decodes the blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What we have announced.
    table_bytes_max: usize,
    /// Bytes of fields since somebody has asked.
    decoded: usize,
}

impl Decoder {
    /// With the SETTINGS_HEADER_TABLE_SIZE that we announce, which is at most [`TABLE_BYTES_MAX`].
    ///
    /// [`TABLE_BYTES_MAX`]: super::TABLE_BYTES_MAX
    pub fn new(table_bytes_max: usize) -> Self {
        Self { table: Table::new(table_bytes_max), table_bytes_max, decoded: 0 }
    }

    /// Calls `field` with name and value of each field of `block`, which is a whole one: HEADERS and all that continues
    /// it. What it expands to is bounded ([`Error::Bomb`]).
    pub fn decode(
        &mut self,
        block: &[u8],
        scratch: &mut Scratch,
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        let (mut at, mut has_field, mut decoded) = (0, false, 0);
        let mut expansion = Expansion::new(self.table_bytes_max, block);
        let mut field = |name: &[u8], value: &[u8]| {
            decoded += name.len() + value.len();
            field(name, value);
        };
        while let Some(first) = block.get(at) {
            match first {
                0x80.. => {
                    let index = integer::decode(block, &mut at, 7)?;
                    let (name, value) = self.entry(index)?;
                    field(expansion.take(name)?, expansion.take(value)?);
                }
                0x40.. => self.entered(block, &mut at, scratch, &mut expansion, &mut field)?,
                0x20.. if has_field => return Err(Error::SizeUpdateLate),
                0x20.. => {
                    self.resize(integer::decode(block, &mut at, 5)?)?;
                    continue;
                }
                _ => self.literal(block, &mut at, scratch, &mut expansion, &mut field)?,
            }
            has_field = true;
        }
        self.decoded += decoded;
        Ok(())
    }

    /// How many bytes of names and values have been decoded since the last call.
    pub fn take_decoded(&mut self) -> usize {
        std::mem::take(&mut self.decoded)
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), Error> {
        match index {
            0 => Err(Error::Index),
            1..=static_table::LEN => Ok(static_table::get(index)),
            _ => self.table.get(index - static_table::LEN - 1).ok_or(Error::Index),
        }
    }

    /// A field in words that is not entered (RFC 7541 sections 6.2.2 and 6.2.3). Which of both it was is not told;
    /// our encoder's `fields` says why.
    fn literal(
        &self,
        block: &[u8],
        at: &mut usize,
        scratch: &mut Scratch,
        expansion: &mut Expansion,
        field: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        let name = match integer::decode(block, at, 4)? {
            0 => string(block, at, &mut scratch.name)?,
            index => expansion.take(self.entry(index)?.0)?,
        };
        field(name, string(block, at, &mut scratch.value)?);
        Ok(())
    }

    /// A field in words that is entered (RFC 7541 section 6.2.1).
    fn entered(
        &mut self,
        block: &[u8],
        at: &mut usize,
        scratch: &mut Scratch,
        expansion: &mut Expansion,
        field: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        let name = match integer::decode(block, at, 6)? {
            0 => string(block, at, &mut scratch.name)?,
            index @ 1..=static_table::LEN => static_table::get(index).0,
            // Entering can give up the very entry that the name is of (RFC 7541 section 4.4).
            index => {
                scratch.name.clear();
                scratch.name.extend_from_slice(self.entry(index)?.0);
                expansion.take(&scratch.name)?
            }
        };
        let value = string(block, at, &mut scratch.value)?;
        field(name, value);
        self.table.insert(name, value, 0);
        Ok(())
    }

    fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes > self.table_bytes_max {
            return Err(Error::SizeUpdateTooLarge);
        }
        self.table.resize(bytes);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

/// A string (RFC 7541 section 5.2), where it lies or decoded into `room`.
fn string<'a>(block: &'a [u8], at: &mut usize, room: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    let is_huffman = block.get(*at).is_some_and(|byte| byte & 0x80 != 0);
    let len = integer::decode(block, at, 7)?;
    let bytes = block.get(*at..).and_then(|rest| rest.get(..len)).ok_or(Error::Truncated)?;
    *at += len;
    if !is_huffman {
        return Ok(bytes);
    }
    room.clear();
    huffman::decode(bytes, room)?;
    Ok(room)
}
