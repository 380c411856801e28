//! From fields to blocks.

/// Encodes the blocks of one direction of a connection, in their order.
#[derive(Debug, Default)]
pub struct Encoder {}

impl Encoder {
    /// The peer has announced this SETTINGS_HEADER_TABLE_SIZE; it counts from the next block on.
    pub fn set_table_bytes_max(&mut self, _bytes: u32) {}

    /// Begins a block.
    pub fn begin(&mut self, _out: &mut Vec<u8>) {}

    /// Appends a field to the block in `out`. `name` is in lower case.
    pub fn field(&mut self, _name: &[u8], _value: &[u8], _out: &mut Vec<u8>) {}
}
