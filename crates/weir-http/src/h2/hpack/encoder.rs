//! From fields to blocks (RFC 7541 section 6).
//!
//! What comes again is entered once and is a byte or two from then on ([`fields`] says what that is). Entries are found
//! through a small table of hashes that forgets: where two values meet in one slot the older is entered anew one day,
//! which costs bytes and is never wrong. A search through all entries would cost as much as the rest of a head.
//!
//! Values that are entered are written in the Huffman code, since that is done once. Others are written as they are:
//! the code would save a quarter of their bytes and cost more than all the rest of the block.

use super::{
    TABLE_BYTES_MAX,
    fields::{self, Indexing, Known},
    huffman, integer, static_table,
    table::Table,
};

/// The longest value that is entered, in bytes: a quarter of the table.
const ENTERED_BYTES_MAX: usize = 1024;

/// First bits of a literal that is entered, of one that is not, and of one that never is; with the bits of their index.
const ENTERED: (u8, u32) = (0x40, 6);
const LITERAL: (u8, u32) = (0x00, 4);
const NEVER: (u8, u32) = (0x10, 4);

/// Encodes the blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    finder: Finder,
    /// The smallest size and the last that the table was given since the last block began, if it was.
    resized: Option<(usize, usize)>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: Table::new(TABLE_BYTES_MAX), finder: Finder::default(), resized: None }
    }
}

impl Encoder {
    /// The peer has announced this SETTINGS_HEADER_TABLE_SIZE; it counts from the next block on.
    pub fn set_table_bytes_max(&mut self, bytes: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(TABLE_BYTES_MAX);
        let (smallest, last) = self.resized.unwrap_or((self.table.size_max(), self.table.size_max()));
        if bytes != last {
            self.resized = Some((smallest.min(bytes), bytes));
        }
    }

    /// Begins a block: tells the peer of sizes that have changed (RFC 7541 section 4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((smallest, last)) = self.resized.take() else { return };
        for size in [Some(smallest), Some(last).filter(|last| *last != smallest)].into_iter().flatten() {
            integer::encode(out, 0x20, 5, size);
            self.table.resize(size);
        }
    }

    /// Appends a field to the block in `out`. `name` is a token in any case, and goes in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match fields::find(name) {
            Some(known) => self.known(known, value, out),
            None => {
                out.push(NEVER.0);
                integer::encode(out, 0, 7, name.len());
                let start = out.len();
                out.extend_from_slice(name);
                out[start..].make_ascii_lowercase();
                plain(value, out);
            }
        }
    }

    /// Appends `:status`.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        match status {
            200 => out.push(0x88),
            204 => out.push(0x89),
            206 => out.push(0x8a),
            304 => out.push(0x8b),
            400 => out.push(0x8c),
            404 => out.push(0x8d),
            500 => out.push(0x8e),
            _ => {
                let digit = |value: u16| b'0' + (value % 10) as u8;
                let digits = [digit(status / 100), digit(status / 10), digit(status)];
                self.known(&fields::STATUS, &digits, out);
            }
        }
    }

    /// Appends `:method`.
    pub fn method(&mut self, method: &[u8], out: &mut Vec<u8>) {
        match method {
            b"GET" => out.push(0x82),
            b"POST" => out.push(0x83),
            _ => self.known(&fields::METHOD, method, out),
        }
    }

    /// Appends `:scheme`.
    pub fn scheme(&mut self, scheme: &[u8], out: &mut Vec<u8>) {
        match scheme {
            b"http" => out.push(0x86),
            b"https" => out.push(0x87),
            _ => self.known(&fields::SCHEME, scheme, out),
        }
    }

    /// Appends `:path`.
    pub fn path(&mut self, path: &[u8], out: &mut Vec<u8>) {
        match path {
            b"/" => out.push(0x84),
            b"/index.html" => out.push(0x85),
            _ => self.known(&fields::PATH, path, out),
        }
    }

    /// Appends `:authority`.
    pub fn authority(&mut self, authority: &[u8], out: &mut Vec<u8>) {
        self.known(&fields::AUTHORITY, authority, out);
    }

    /// Appends `:protocol` (RFC 8441).
    pub fn protocol(&mut self, protocol: &[u8], out: &mut Vec<u8>) {
        self.known(&fields::PROTOCOL, protocol, out);
    }

    fn known(&mut self, known: &Known, value: &[u8], out: &mut Vec<u8>) {
        match known.indexing {
            Indexing::Enter if value.len() <= ENTERED_BYTES_MAX => self.entered(known, value, out),
            Indexing::Never => literal(NEVER, known, known.index, value, out),
            Indexing::Enter | Indexing::Literal => literal(LITERAL, known, known.index, value, out),
        }
    }

    /// Appends a field that is in the table already, or enters it.
    fn entered(&mut self, known: &Known, value: &[u8], out: &mut Vec<u8>) {
        let slot = Finder::slot(known, value);
        let index = self.finder.index(slot, &self.table);
        if let Some(index) = index.filter(|index| self.table.tagged(*index, known.id) == Some(value)) {
            integer::encode(out, 0x80, 7, static_table::LEN + 1 + index);
            return;
        }
        if known.index == 16 && value == static_table::get(16).1 {
            out.push(0x90);
            return;
        }
        let name_slot = Finder::name_slot(known);
        let index = match known.index {
            0 => {
                let index = self.finder.index(name_slot, &self.table);
                let index =
                    index.filter(|index| self.table.get(*index).is_some_and(|(name, _)| name == known.name));
                index.map_or(0, |index| static_table::LEN + 1 + index)
            }
            index => index,
        };
        entered_literal(known, index, value, out);
        let seq = self.table.inserted();
        self.table.insert(known.name, value, known.id);
        self.finder.note(slot, seq);
        if known.index == 0 {
            self.finder.note(name_slot, seq);
        }
    }
}

/// A field in words, which is not entered.
fn literal((flags, prefix): (u8, u32), known: &Known, index: usize, value: &[u8], out: &mut Vec<u8>) {
    integer::encode(out, flags, prefix, index);
    if index == 0 {
        plain(known.name, out);
    }
    plain(value, out);
}

fn entered_literal(known: &Known, index: usize, value: &[u8], out: &mut Vec<u8>) {
    let (flags, prefix) = ENTERED;
    integer::encode(out, flags, prefix, index);
    if index == 0 {
        coded(known.name, out);
    }
    coded(value, out);
}

/// A string as it is.
#[inline]
fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    integer::encode(out, 0, 7, bytes.len());
    out.extend_from_slice(bytes);
}

/// A string in the Huffman code, where that is shorter.
fn coded(bytes: &[u8], out: &mut Vec<u8>) {
    let len = huffman::encoded_len(bytes);
    if len >= bytes.len() {
        return plain(bytes, out);
    }
    integer::encode(out, 0x80, 7, len);
    huffman::encode(bytes, out);
}

/// Where entries are, by a hash of name and value, or of the name alone.
#[derive(Debug, Default)]
struct Finder {
    /// How many entries there had been before the one that was noted last in this slot.
    slots: Option<Box<[u16; Finder::SLOTS]>>,
}

impl Finder {
    const SLOTS: usize = 256;

    fn slot(known: &Known, value: &[u8]) -> usize {
        let (words, rest) = value.as_chunks::<8>();
        let hash =
            words.iter().fold(u64::from(known.id), |hash, word| mixed(hash, u64::from_le_bytes(*word)));
        // Of a long value the last eight bytes, some of them for the second time.
        let last = value.last_chunk().map_or_else(
            || rest.iter().fold(0, |last, byte| (last << 8) | u64::from(*byte)),
            |last| u64::from_le_bytes(*last),
        );
        // The length tells an empty value from one of zeros, and from `name_slot`.
        (mixed(mixed(hash, last), value.len() as u64 + 1) >> 56) as usize
    }

    fn name_slot(known: &Known) -> usize {
        (mixed(u64::from(known.id), 0) >> 56) as usize
    }

    /// The index in `table` of what was noted in `slot`, if it is still there. It may be another field.
    fn index(&self, slot: usize, table: &Table) -> Option<usize> {
        let seq = self.slots.as_ref()?[slot];
        Some(usize::from(table.inserted().wrapping_sub(seq).wrapping_sub(1)))
    }

    fn note(&mut self, slot: usize, seq: u16) {
        self.slots.get_or_insert_with(|| Box::new([0; Self::SLOTS]))[slot] = seq;
    }
}

fn mixed(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
