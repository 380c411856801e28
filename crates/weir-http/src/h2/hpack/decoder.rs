//! From blocks to fields.

/// Why a block is no block. All of them are connection errors of type COMPRESSION_ERROR: the table is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The block ends within a field.
    Truncated,
}

/// Room for the strings of one field, reused for all blocks of a worker.
#[derive(Debug, Default)]
pub struct Scratch {}

/// Decodes the blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {}

impl Decoder {
    /// With the SETTINGS_HEADER_TABLE_SIZE that we announce, which is at most `TABLE_BYTES_MAX`.
    pub fn new(_table_bytes_max: usize) -> Self {
        Self {}
    }

    /// Calls `field` with name and value of each field of `block`.
    pub fn decode(
        &mut self,
        _block: &[u8],
        _scratch: &mut Scratch,
        _field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        Err(Error::Truncated)
    }
}
