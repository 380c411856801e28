//! The streams of a connection: a slab, and an index by identifier.
//!
//! Identifiers only grow, so the index is a sorted list to whose end new ones go; a hundred of them are found in seven
//! steps and closed up with one short move, cheaper than a hash table. What is gone is remembered for a while, since late
//! frames mean different things by how it went.

use std::collections::VecDeque;

use super::{
    StreamKey,
    stream::{ClosedBy, Stream},
};

/// Closed streams that are remembered. Frames for older ones are ignored, and count as late.
const CLOSED_MAX: usize = 256;

/// All streams that are open or held.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    /// Identifier and slot, by identifier.
    index: Vec<(u32, u32)>,
    closed: VecDeque<(u32, ClosedBy)>,
    /// The greatest identifier that was closed and is not remembered.
    forgotten: u32,
    /// Those that count against SETTINGS_MAX_CONCURRENT_STREAMS.
    counted: u32,
    /// Those that are lingering.
    lingering: usize,
    /// The sum of their `head_bytes`.
    head_bytes: usize,
}

impl Streams {
    /// How many there are, open or held.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many somebody holds, or will.
    pub(super) fn held(&self) -> usize {
        self.index.len() - self.lingering
    }

    /// One that is lingering and still open.
    pub(super) fn first_lingering(&self) -> Option<StreamKey> {
        let is_lingering = |key: &StreamKey| {
            self.peek(*key).is_some_and(|stream| stream.is_lingering && !stream.is_closed())
        };
        if self.lingering == 0 {
            None
        } else {
            (0..self.len()).filter_map(|n| self.nth(n)).find(is_lingering)
        }
    }

    /// It lingers, from now on.
    pub(super) fn set_lingering(&mut self, key: StreamKey) {
        if let Some(stream) = self.get(key)
            && !std::mem::replace(&mut stream.is_lingering, true)
        {
            self.lingering += 1;
        }
    }

    /// How many are open on the wire.
    pub(super) fn counted(&self) -> u32 {
        self.counted
    }

    /// A new one, held and counted. Its identifier is greater than all before.
    pub(super) fn insert(&mut self, id: u32) -> (StreamKey, &mut Stream) {
        debug_assert!(self.index.last().is_none_or(|(last, _)| *last < id));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Stream::default());
            self.slots.len() as u32 - 1
        });
        self.index.push((id, slot));
        self.counted += 1;
        let stream = &mut self.slots[slot as usize];
        (stream.id, stream.is_held, stream.is_counted) = (id, true, true);
        (StreamKey { slot, id }, stream)
    }

    /// The stream of this identifier.
    pub(super) fn find(&self, id: u32) -> Option<StreamKey> {
        let place = self.index.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(StreamKey { slot: self.index[place].1, id })
    }

    /// The stream of a key that is still in use.
    pub(super) fn get(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.slots.get_mut(key.slot as usize).filter(|stream| stream.id == key.id)
    }

    /// The same, to look at.
    pub(super) fn peek(&self, key: StreamKey) -> Option<&Stream> {
        self.slots.get(key.slot as usize).filter(|stream| stream.id == key.id)
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter(|stream| stream.id != 0)
    }

    /// The key of the `n`th one, in the order of identifiers.
    pub(super) fn nth(&self, n: usize) -> Option<StreamKey> {
        self.index.get(n).map(|(id, slot)| StreamKey { slot: *slot, id: *id })
    }

    /// Bytes of the heads of all of them.
    pub(super) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Its head has so many bytes, from now on.
    pub(super) fn set_head_bytes(&mut self, key: StreamKey, bytes: usize) {
        if let Some(stream) = self.get(key) {
            let before = std::mem::replace(&mut stream.head_bytes, bytes);
            self.head_bytes = self.head_bytes - before + bytes;
        }
    }

    /// Does not count any more.
    pub(super) fn uncount(&mut self, key: StreamKey) {
        if let Some(stream) = self.get(key)
            && std::mem::take(&mut stream.is_counted)
        {
            self.counted -= 1;
        }
    }

    /// Takes it out; it has been cleaned up before.
    pub(super) fn remove(&mut self, key: StreamKey) {
        self.uncount(key);
        self.set_head_bytes(key, 0);
        let Some(stream) = self.get(key) else { return };
        let closed_by = stream.closed_by.unwrap_or(ClosedBy::Us);
        let was_lingering = stream.is_lingering;
        stream.clear();
        self.lingering -= usize::from(was_lingering);
        self.free.push(key.slot);
        if let Ok(place) = self.index.binary_search_by_key(&key.id, |(id, _)| *id) {
            self.index.remove(place);
        }
        self.remember(key.id, closed_by);
    }

    /// A stream that never came to be, or is gone.
    pub(super) fn remember(&mut self, id: u32, closed_by: ClosedBy) {
        if self.closed.len() == CLOSED_MAX
            && let Some((forgotten, _)) = self.closed.pop_front()
        {
            self.forgotten = self.forgotten.max(forgotten);
        }
        self.closed.push_back((id, closed_by));
    }

    /// How a stream that is gone was closed, if that is still known.
    pub(super) fn closed_by(&self, id: u32) -> Option<ClosedBy> {
        self.closed.iter().rev().find(|(closed, _)| *closed == id).map(|(_, by)| *by)
    }

    /// Neither here nor remembered nor forgotten.
    pub(super) fn was_never(&self, id: u32) -> bool {
        id > self.forgotten && self.find(id).is_none() && self.closed_by(id).is_none()
    }

    /// Frees the slots, if all are free.
    pub(super) fn shed(&mut self) {
        if self.index.is_empty() {
            (self.slots, self.free, self.index) = Default::default();
        }
    }
}
