//! The dynamic table (RFC 7541 section 2.3.2 and 4).
//!
//! A ring of strings in which each entry lies in one piece, so that it is read in place: an entry begins in the first
//! `TABLE_BYTES_MAX` bytes and may reach beyond them; the next one then begins at the front. It never meets one that is
//! still there: were the room in front of the oldest too small for it, both together would be larger than the table.

use std::collections::VecDeque;

use super::TABLE_BYTES_MAX;

/// What an entry counts beside its strings (RFC 7541 section 4.1).
const ENTRY_BYTES: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u16,
    name_len: u16,
    value_len: u16,
    tag: u8,
}

#[derive(Debug)]
pub(super) struct Table {
    bytes: Vec<u8>,
    /// The oldest first.
    entries: VecDeque<Entry>,
    /// Where the next entry begins.
    next: usize,
    size: usize,
    size_max: usize,
    /// How many entries there have been.
    inserted: u16,
}

impl Table {
    /// An empty table of at most `size_max` bytes.
    pub(super) fn new(size_max: usize) -> Self {
        assert!(size_max <= TABLE_BYTES_MAX, "nothing larger has been announced or is used");
        Self { bytes: Vec::new(), entries: VecDeque::new(), next: 0, size: 0, size_max, inserted: 0 }
    }

    pub(super) fn size_max(&self) -> usize {
        self.size_max
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Name and value of the entry with this index, of which the newest has 0.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(self.entries.len().checked_sub(index + 1)?)?;
        let start = usize::from(entry.start);
        let strings = &self.bytes[start..start + usize::from(entry.name_len) + usize::from(entry.value_len)];
        Some(strings.split_at(entry.name_len.into()))
    }

    /// The value of the entry with this index, if it was entered with this tag.
    #[inline]
    pub(super) fn tagged(&self, index: usize, tag: u8) -> Option<&[u8]> {
        let entry = self.entries.get(self.entries.len().checked_sub(index + 1)?)?;
        let start = usize::from(entry.start) + usize::from(entry.name_len);
        (entry.tag == tag).then(|| &self.bytes[start..start + usize::from(entry.value_len)])
    }

    /// How many entries there have been. An entry's index is what has been added to this since it was entered.
    pub(super) fn inserted(&self) -> u16 {
        self.inserted
    }

    /// Takes in an entry, marked with a tag of the caller's, and gives up the oldest for it; all of them if it does not fit at all (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], tag: u8) {
        let len = name.len() + value.len();
        self.evict(self.size_max.saturating_sub(len + ENTRY_BYTES));
        if len + ENTRY_BYTES > self.size_max {
            self.evict(0);
            return;
        }
        let end = self.next + len;
        if self.bytes.len() < end {
            // In powers of two up to twice the table: `Vec` alone might reserve more.
            self.bytes.reserve_exact(end.next_power_of_two() - self.bytes.len());
            self.bytes.resize(end, 0);
        }
        self.bytes[self.next..][..name.len()].copy_from_slice(name);
        self.bytes[self.next + name.len()..end].copy_from_slice(value);
        self.entries.push_back(Entry {
            start: self.next as u16,
            name_len: name.len() as u16,
            value_len: value.len() as u16,
            tag,
        });
        self.next = if end < TABLE_BYTES_MAX { end } else { 0 };
        self.size += len + ENTRY_BYTES;
        self.inserted = self.inserted.wrapping_add(1);
    }

    /// RFC 7541 section 4.3.
    pub(super) fn resize(&mut self, size_max: usize) {
        assert!(size_max <= TABLE_BYTES_MAX, "checked by who reads it");
        self.size_max = size_max;
        self.evict(size_max);
    }

    /// Gives up the oldest until no more than `size_max` bytes are left.
    fn evict(&mut self, size_max: usize) {
        while self.size > size_max {
            let entry = self.entries.pop_front().expect("an empty table has no size");
            self.size -= usize::from(entry.name_len) + usize::from(entry.value_len) + ENTRY_BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(list: &[(Vec<u8>, Vec<u8>)]) -> usize {
        list.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
    }

    fn evict(list: &mut Vec<(Vec<u8>, Vec<u8>)>, size_max: usize) {
        while size(list) > size_max {
            list.pop();
        }
    }

    proptest! {
        /// The table is what the standard's plain list is.
        #[test]
        fn a_ring_is_a_list(
            steps in prop::collection::vec((0_usize..2000, 0_usize..2500, any::<u8>(), 0_usize..8192), 1..200),
        ) {
            let mut table = Table::new(TABLE_BYTES_MAX);
            let mut list: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            for (name, value, fill, size_max) in steps {
                // Mostly entries that are small beside the table.
                let scale = if fill % 4 == 0 { 1 } else { 20 };
                let entry = (vec![fill; name / scale], vec![!fill; value / scale]);
                table.insert(&entry.0, &entry.1, 0);
                list.insert(0, entry);
                evict(&mut list, table.size_max());
                if size_max <= TABLE_BYTES_MAX && fill % 16 == 1 {
                    table.resize(size_max);
                    evict(&mut list, size_max);
                }
                prop_assert_eq!(table.size(), size(&list));
                for (index, (name, value)) in list.iter().enumerate() {
                    prop_assert_eq!(table.get(index), Some((&name[..], &value[..])));
                }
                prop_assert_eq!(table.get(list.len()), None);
                prop_assert!(table.bytes.capacity() <= 2 * TABLE_BYTES_MAX);
            }
        }
    }
}
