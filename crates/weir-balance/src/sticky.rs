//! Keeping clients on their servers: whether one may stay where it was, and a table that remembers where that is.
//!
//! Stickiness comes before the algorithm: who may stay, stays, and only who may not is picked a server for. A client
//! names its server by identity, its pool and address, never by its place in a list: places change with every server
//! that is added or removed.

mod drain;
mod table;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, net::SocketAddr};

pub(crate) use self::drain::Drain;
pub use self::table::{Key, Put, Room, Table};
use crate::{Pool, Rank, ServerIndex, WhenAllDown};

/// Names a server of one pool over all snapshots: a hash of its address, in 44 bits. Two of 10,000 servers have the same
/// one once in some 350,000 pools; of those two, the first in the list is found for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(u64);

impl ServerId {
    /// How many bits it has.
    const BITS: u32 = 44;

    /// Of the server that listens there.
    pub fn of(address: SocketAddr) -> Self {
        let mut bytes = [0; 18];
        match address {
            SocketAddr::V4(address) => bytes[..4].copy_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => bytes[..16].copy_from_slice(&address.ip().octets()),
        }
        bytes[16..].copy_from_slice(&address.port().to_be_bytes());
        // Of an IPv6 address that ends in zeros, an IPv4 address is not to be taken for the beginning.
        let seed = u64::from(address.is_ipv4());
        // 0 is for what is empty.
        Self((xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, seed) >> (64 - Self::BITS)).max(1))
    }
}

/// Where the servers of a pool stand in it, by their identities.
#[derive(Debug, Default)]
pub struct Places {
    by_address: HashMap<SocketAddr, ServerIndex>,
    by_id: HashMap<ServerId, ServerIndex>,
}

impl Places {
    /// Of this very pool.
    pub fn of(pool: &Pool) -> Self {
        let mut places = Self::default();
        for index in pool.indices() {
            let address = pool.member(index).server.address();
            places.by_address.insert(address, index);
            places.by_id.entry(ServerId::of(address)).or_insert(index);
        }
        places
    }

    /// The place of the server that listens there.
    pub fn at(&self, address: SocketAddr) -> Option<ServerIndex> {
        self.by_address.get(&address).copied()
    }

    /// The place of the server that is called so.
    pub fn named(&self, id: ServerId) -> Option<ServerIndex> {
        self.by_id.get(&id).copied()
    }
}

/// Why a client does not stay at its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The pool has no such server.
    Removed,
    /// It is not up, or taken out because it fails.
    Down,
    /// It drains, and has done so for long enough.
    Drained,
}

/// Whether a client may stay at the server at this place. `drain_s` is how many seconds clients stay at a server that
/// drains; `now_s` is the time in seconds, on any clock that does not begin at 0.
///
/// A server drains when it takes no new clients although it is up: its weight is 0, it is taken out for being slow, or it
/// is a backup and some other server is up again. When that began is noticed by the first client that asks.
///
/// # Errors
/// Why not.
pub fn stays(pool: &Pool, index: ServerIndex, drain_s: u64, now_s: u64) -> Result<(), Leave> {
    let member = pool.member(index);
    if !member.server.keeps_clients() {
        // No server is better than this one.
        let spreads = pool.when_all_down() == WhenAllDown::Spread;
        return if spreads && !any_available(pool, |_| true) { Ok(()) } else { Err(Leave::Down) };
    }
    let drains = !member.is_available()
        || (member.rank == Rank::BACKUP && any_available(pool, |other| other.rank < Rank::BACKUP));
    match member.server.drain().since(drains, now_s) {
        Some(begun_s) if now_s.saturating_sub(begun_s) >= drain_s => Err(Leave::Drained),
        _ => Ok(()),
    }
}

/// Walks over the servers: asked only for a client of a server that is down or a backup.
fn any_available(pool: &Pool, which: impl Fn(&crate::Member) -> bool) -> bool {
    pool.members().iter().any(|member| which(member) && member.is_available())
}
