//! Which client is at which server, for all workers: a table of fixed size without a lock.
//!
//! All its memory is taken when it is made. A key has two buckets of eight entries each; a new one goes into the emptier
//! of the two, and when both are full, into the place of the entry that was unused for longest. With two buckets and a
//! quarter more room than asked for, that does not happen before the table holds what it was made for.
//!
//! An entry is two words, which no worker can read or write at once. So the first word is the key mixed with the server:
//! words that do not belong together, because another worker is about to write them, are those of no key. A torn entry
//! is thereby a missing one, and the order in which words arrive does not matter: every access is relaxed. When an entry
//! was last used stands in the second word only, and is not mixed in, so that bringing it up to date never tears
//! anything; the exchange fails if the entry has become another one meanwhile. What is rejected: a lock per bucket, which
//! a worker would wait for, and a table per worker, where a client's next connection finds nothing.
//!
//! A cache line that others read is written when an entry is new, moves to another server, or was last used a tick ago:
//! 1/256 of the time to live.

use std::hash::{BuildHasher, RandomState};

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::ServerId;
use crate::rng::{mix, scale};

/// Entries of one bucket: two cache lines, which CPUs fetch together. A model of more than a few would take days.
const WAYS: usize = if cfg!(all(loom, test)) { 1 } else { 8 };

/// Ticks in the time to live.
const TICKS_PER_TTL: u64 = 256;

/// The rest of the word beside the server.
const TICK_BITS: u32 = u64::BITS - ServerId::BITS;
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;

/// Bounded memory of where clients are.
#[derive(Debug)]
pub struct Table {
    buckets: Box<[Bucket]>,
    /// Keyed, so that nobody can choose values that fall into one bucket.
    hasher: RandomState,
    tick_s: u64,
    ttl_ticks: u64,
}

/// What a client is known by, hashed by one table; means nothing in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

/// Where a new entry may go when both buckets are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Into the place of the one that was unused for longest.
    Oldest,
    /// Nowhere: it is not known to be worth more than any other.
    Free,
}

/// What came of writing an entry down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Stored,
    /// It is there, and another one is not, which was still good.
    Replaced,
    /// There was no room.
    Refused,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Bucket([Entry; WAYS]);

#[derive(Debug, Default)]
struct Entry {
    /// The key, mixed with the server in `value`.
    check: AtomicU64,
    /// The server, and when it was last used. 0: nothing.
    value: AtomicU64,
}

impl Table {
    /// For `size` clients, each remembered for `ttl_s` seconds after it was last seen. Takes 20 bytes for each.
    pub fn new(size: usize, ttl_s: u64, hasher: RandomState) -> Self {
        let buckets = (size + size / 4).div_ceil(WAYS).max(1);
        let tick_s = (ttl_s / TICKS_PER_TTL).max(1);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            hasher,
            tick_s,
            ttl_ticks: ttl_s.div_ceil(tick_s).max(1),
        }
    }

    /// What the client is known by that brings this.
    pub fn key(&self, value: &[u8]) -> Key {
        Key(self.hasher.hash_one(value))
    }

    /// Where the client is, if that is known. It has been seen now, then.
    pub fn find(&self, key: Key, now_s: u64) -> Option<ServerId> {
        let now = now_s / self.tick_s;
        let (entry, value) = self.entries(key).find_map(|entry| Some((entry, entry.of(key)?)))?;
        match self.age(value, now) {
            0 => {}
            age if age > self.ttl_ticks => return None,
            _ => {
                let touched = value & !TICK_MASK | now & TICK_MASK;
                // It fails if the entry is no longer this one, which is then not ours to touch.
                let _ = entry.value.compare_exchange(value, touched, Relaxed, Relaxed);
            }
        }
        Some(server(value))
    }

    /// Writes down where the client is now.
    pub fn put(&self, key: Key, server: ServerId, now_s: u64, room: Room) -> Put {
        let now = now_s / self.tick_s;
        let value = server.0 << TICK_BITS | now & TICK_MASK;
        let mut oldest: Option<(&Entry, u64)> = None;
        for entry in self.entries(key) {
            let age = match entry.value.load(Relaxed) {
                0 => u64::MAX,
                _ if entry.of(key).is_some() => {
                    entry.write(key, server, value);
                    return Put::Stored;
                }
                other => self.age(other, now),
            };
            // Of two empty ones the first: that fills one bucket before the other, so the emptier is preferred below.
            if oldest.is_none_or(|(_, oldest)| age > oldest) {
                oldest = Some((entry, age));
            }
        }
        let (mut entry, age) = oldest.expect("a bucket has entries");
        if age == u64::MAX {
            entry = self.emptier(key).unwrap_or(entry);
        }
        let replaces = age <= self.ttl_ticks;
        if replaces && room == Room::Free {
            return Put::Refused;
        }
        entry.write(key, server, value);
        if replaces { Put::Replaced } else { Put::Stored }
    }

    /// Both buckets of a key. The lower half of the hash chooses the second one.
    fn both(&self, key: Key) -> [&Bucket; 2] {
        let count = self.buckets.len() as u64;
        let at = |hash: u64| &self.buckets[scale(hash, count) as usize];
        [at(key.0), at(key.0.rotate_left(32))]
    }

    fn entries(&self, key: Key) -> impl Iterator<Item = &Entry> {
        self.both(key).into_iter().flat_map(|bucket| &bucket.0)
    }

    /// The first empty entry of the bucket that has more of them.
    fn emptier(&self, key: Key) -> Option<&Entry> {
        let empty = |entry: &&Entry| entry.value.load(Relaxed) == 0;
        let [first, second] = self.both(key);
        let count = |bucket: &Bucket| bucket.0.iter().filter(empty).count();
        let bucket = if count(second) > count(first) { second } else { first };
        bucket.0.iter().find(empty)
    }

    /// How many ticks ago it was used. The clock may have been set back a little, and the count begins anew after
    /// 4,096 times to live.
    fn age(&self, value: u64, now: u64) -> u64 {
        let age = now.wrapping_sub(value) & TICK_MASK;
        if age > TICK_MASK / 2 { 0 } else { age }
    }
}

impl Entry {
    /// Its second word, if it is this key's.
    fn of(&self, key: Key) -> Option<u64> {
        let value = self.value.load(Relaxed);
        (value != 0 && self.check.load(Relaxed) == check(key, server(value))).then_some(value)
    }

    fn write(&self, key: Key, server: ServerId, value: u64) {
        self.value.store(value, Relaxed);
        self.check.store(check(key, server), Relaxed);
    }
}

fn server(value: u64) -> ServerId {
    ServerId(value >> TICK_BITS)
}

fn check(key: Key, server: ServerId) -> u64 {
    key.0 ^ mix(server.0)
}

#[cfg(test)]
mod tests;
