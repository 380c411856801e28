//! HPACK (RFC 7541): an encoder that writes whatever it is told, right or wrong, and a decoder that forgives nothing.

use std::collections::VecDeque;

use super::huffman;
use crate::message::Fields;

/// The dynamic table's size before anybody changes it (RFC 9113 section 6.5.2).
pub const TABLE_INITIAL: usize = 4096;

/// The static table (RFC 7541 appendix A), from index 1 on.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// A field block under construction. Its methods write one representation each (RFC 7541 section 6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block(pub Vec<u8>);

impl From<Block> for Vec<u8> {
    fn from(block: Block) -> Self {
        block.0
    }
}

impl Block {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// These fields as literals without indexing: what says nothing to any table.
    pub fn of(fields: &[(&str, &str)]) -> Self {
        fields.iter().fold(Self::new(), |block, (name, value)| block.plain(name, value))
    }

    /// An indexed field (section 6.1).
    #[must_use]
    pub fn indexed(mut self, index: usize) -> Self {
        integer(&mut self.0, 0x80, 7, index);
        self
    }

    /// A literal without indexing and without Huffman (section 6.2.2).
    #[must_use]
    pub fn plain(self, name: &str, value: &str) -> Self {
        self.octets(name.as_bytes(), value.as_bytes())
    }

    /// The same of any octets.
    #[must_use]
    pub fn octets(mut self, name: &[u8], value: &[u8]) -> Self {
        self.0.push(0x00);
        self.string(name, false).string(value, false)
    }

    /// A literal with its first octet's form (0x40 incremental, 0x00 without, 0x10 never indexed) and prefix.
    #[must_use]
    pub fn literal(mut self, form: Form, name: Name<'_>, value: &str, huffman: bool) -> Self {
        let (pattern, prefix) = form.pattern();
        match name {
            Name::Index(index) => integer(&mut self.0, pattern, prefix, index),
            Name::New(name) => {
                self.0.push(pattern);
                self = self.string(name.as_bytes(), huffman);
            }
        }
        self.string(value.as_bytes(), huffman)
    }

    /// Into the dynamic table (section 6.2.1).
    #[must_use]
    pub fn remembered(self, name: &str, value: &str) -> Self {
        self.literal(Form::Incremental, Name::New(name), value, false)
    }

    /// A change of the dynamic table's size (section 6.3).
    #[must_use]
    pub fn size_update(mut self, size: usize) -> Self {
        integer(&mut self.0, 0x20, 5, size);
        self
    }

    /// A string alone (section 5.2).
    #[must_use]
    pub fn string(mut self, octets: &[u8], huffman: bool) -> Self {
        let octets = if huffman { huffman::encode(octets) } else { octets.to_vec() };
        integer(&mut self.0, if huffman { 0x80 } else { 0 }, 7, octets.len());
        self.0.extend(octets);
        self
    }

    /// These octets as they are.
    #[must_use]
    pub fn raw(mut self, octets: &[u8]) -> Self {
        self.0.extend(octets);
        self
    }

    /// What `other` has, behind this.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        self.raw(&other.0)
    }
}

/// How a literal is meant (RFC 7541 section 6.2).
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Form {
    Incremental,
    Without,
    Never,
}

impl Form {
    fn pattern(self) -> (u8, u8) {
        match self {
            Self::Incremental => (0x40, 6),
            Self::Without => (0x00, 4),
            Self::Never => (0x10, 4),
        }
    }
}

/// A field's name in a literal.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Name<'a> {
    Index(usize),
    New(&'a str),
}

/// An integer behind a prefix (RFC 7541 section 5.1).
pub fn integer(octets: &mut Vec<u8>, pattern: u8, prefix: u8, value: usize) {
    let limit = (1usize << prefix) - 1;
    if value < limit {
        octets.push(pattern | value as u8);
        return;
    }
    octets.push(pattern | limit as u8);
    let mut rest = value - limit;
    while rest >= 128 {
        octets.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    octets.push(rest as u8);
}

/// What a sender's blocks mean.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<(String, String)>,
    size: usize,
    size_max: usize,
    /// What the settings allow now.
    allowed: usize,
    /// The next block has to begin with an update to at most this size (RFC 7541 section 4.2).
    owed: Option<usize>,
    /// Fields that came as indexed or were remembered, to see whether the sender compresses at all.
    pub entries_used: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            size_max: TABLE_INITIAL,
            allowed: TABLE_INITIAL,
            owed: None,
            entries_used: 0,
        }
    }
}

impl Decoder {
    /// The sender has acknowledged this SETTINGS_HEADER_TABLE_SIZE.
    pub fn allow(&mut self, size: usize) {
        self.allowed = size;
        if size < self.size_max {
            self.owed = Some(self.owed.map_or(size, |owed| owed.min(size)));
        }
    }

    /// The fields of a whole block, or what is wrong with it.
    pub fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let mut input = Input { octets: block };
        let mut fields = Vec::new();
        while let Some(&first) = input.octets.first() {
            if first & 0xe0 == 0x20 {
                if !fields.is_empty() {
                    return Err("a table size update behind a field".into());
                }
                let size = input.integer(5)?;
                self.resize(size)?;
                continue;
            }
            if let Some(size) = self.owed {
                return Err(format!("no table size update, though the limit is {size} now"));
            }
            fields.push(self.field(&mut input, first)?);
        }
        Ok(Fields(fields))
    }

    fn field(&mut self, input: &mut Input<'_>, first: u8) -> Result<(String, String), String> {
        if first & 0x80 != 0 {
            let index = input.integer(7)?;
            self.entries_used += usize::from(index > STATIC.len());
            return self.entry(index);
        }
        let is_incremental = first & 0x40 != 0;
        let index = input.integer(if is_incremental { 6 } else { 4 })?;
        let name = if index == 0 { input.string()? } else { self.entry(index)?.0 };
        let field = (name, input.string()?);
        if is_incremental {
            self.size += size_of(&field);
            self.table.push_front(field.clone());
            self.evict();
        }
        Ok(field)
    }

    fn entry(&self, index: usize) -> Result<(String, String), String> {
        let fixed = index.checked_sub(1).and_then(|at| STATIC.get(at));
        let fixed = fixed.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let known = || self.table.get(index.checked_sub(1 + STATIC.len())?).cloned();
        fixed.or_else(known).ok_or_else(|| format!("index {index}, and {} entries", self.table.len()))
    }

    fn resize(&mut self, size: usize) -> Result<(), String> {
        if size > self.allowed {
            return Err(format!("a table of {size}, and {} is allowed", self.allowed));
        }
        if self.owed.is_some_and(|owed| size <= owed) {
            self.owed = None;
        }
        self.size_max = size;
        self.evict();
        Ok(())
    }

    fn evict(&mut self) {
        while self.size > self.size_max {
            let last = self.table.pop_back().expect("what has a size is there");
            self.size -= size_of(&last);
        }
    }
}

/// RFC 7541 section 4.1.
fn size_of((name, value): &(String, String)) -> usize {
    name.len() + value.len() + 32
}

struct Input<'a> {
    octets: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.octets.split_at_checked(count).ok_or("the block ends too soon")?;
        self.octets = rest;
        Ok(taken)
    }

    fn integer(&mut self, prefix: u8) -> Result<usize, String> {
        let limit = (1usize << prefix) - 1;
        let mut value = usize::from(self.take(1)?[0]) & limit;
        if value < limit {
            return Ok(value);
        }
        for shift in (0..28).step_by(7) {
            let octet = self.take(1)?[0];
            value += usize::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an integer beyond all reason".into())
    }

    fn string(&mut self) -> Result<String, String> {
        let is_huffman = self.octets.first().is_some_and(|octet| octet & 0x80 != 0);
        let length = self.integer(7)?;
        let octets = self.take(length)?;
        let octets = if is_huffman { huffman::decode(octets)? } else { octets.to_vec() };
        // Octets above ASCII become characters of the same number, so that nothing is lost.
        Ok(octets.into_iter().map(char::from).collect())
    }
}

#[cfg(test)]
mod tests;
