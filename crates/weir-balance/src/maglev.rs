//! Maglev tables: from a key to its server by one look (after Eisenbud et al., "Maglev: a fast and reliable
//! software network load balancer", NSDI 2016, section 3.4).
//!
//! Every server has its own order of the table's places, made from its address, and the servers claim places in
//! turn. Addresses and weights decide, nothing else: every node builds the same table, and the order of the
//! file does not matter.
//!
//! One thing differs from the paper. There, a server whose place is taken goes on until it finds a free one, so
//! that all end with the same number of places. Among many servers that couples all of them: with one of 100
//! servers lost, half as many places again move between the others. Here, a turn that finds its place taken is
//! over, and a server ends its turns when it has [`PERCENT_MAX`] of its fair share. A place thus goes to whoever
//! has it first in its order, whoever else takes part, and only at that bound does one server's loss move
//! places of others. Measured with equal weights, moved places as a multiple of the fewest possible:
//!
//! | servers | places | here | paper |
//! |---|---|---|---|
//! | 10 | 65,537 | 1.00 | 1.02 |
//! | 30 | 65,537 | 1.00 | 1.11 |
//! | 100 | 65,537 | 1.03 | 1.57 |
//! | 1,000 | 1,048,583 | 1.05 | 3.03 |
//!
//! A table takes 3 ms to build, a large one 70 to 110 ms.

use std::{
    cmp::Ordering,
    net::{IpAddr, SocketAddr},
};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    ServerIndex,
    rng::{mix, scale},
};

/// The hash of a request's key. It is the same on every node and in every version.
pub fn hash_key(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The places that one server may have, in percent of its share by weight.
const PERCENT_MAX: u64 = 103;

/// Places in a table of up to [`SMALL_SERVERS_MAX`] servers, and in a larger one. Both are prime, so that every
/// step visits every place. There are only two sizes since a change of the size moves nearly every key. Servers
/// have at least 655 places each on average, up to 1,600 servers; at least 100 up to 10,000; beyond, shares get
/// coarser.
const SMALL: usize = 65_537;
const LARGE: usize = 1_048_583;
const SMALL_SERVERS_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Maglev {
    places: Box<[ServerIndex]>,
}

/// A server that takes part in a table. Its weight is not 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) index: ServerIndex,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u16,
}

impl Maglev {
    pub(crate) fn new(candidates: &[Candidate]) -> Self {
        let places = match candidates {
            [] => Vec::new(),
            [only] => vec![only.index],
            _ => claim_all(candidates),
        };
        Self { places: places.into() }
    }

    /// The server at home at `key`. There must be one.
    pub(crate) fn find(&self, key: u64) -> ServerIndex {
        self.places[scale(key, self.places.len() as u64) as usize]
    }
}

impl Candidate {
    /// How near a key is to this server: the nearest server of all takes the key with a probability by weight,
    /// and a key changes only to or from a server that comes or goes (weighted rendezvous hashing).
    pub(crate) fn compare(&self, other: &Self, key: u64) -> Ordering {
        let nearness = |candidate: &Self| {
            let uniform = (mix(identity(candidate.address, 0) ^ key) >> 11) as f64 / (1u64 << 53) as f64;
            // An exponentially distributed distance with the weight as its rate.
            uniform.ln() / f64::from(candidate.weight)
        };
        nearness(self).total_cmp(&nearness(other))
    }
}

/// All places of a table, each with its server.
fn claim_all(candidates: &[Candidate]) -> Vec<ServerIndex> {
    const FREE: ServerIndex = ServerIndex(u32::MAX);

    let size = if candidates.len() <= SMALL_SERVERS_MAX { SMALL } else { LARGE };
    let mut places = vec![FREE; size];
    let mut free = size;
    let mut claimants = claimants(candidates, size);
    set_pace(&mut claimants, size);
    while free > 0 {
        let mut any_is_full = false;
        for claimant in &mut claimants {
            claimant.go_on();
            while claimant.is_due() {
                let place = &mut places[claimant.take_turn(size)];
                if *place == FREE {
                    *place = claimant.index;
                    free -= 1;
                    claimant.room -= 1;
                    any_is_full |= claimant.room == 0;
                }
            }
        }
        if any_is_full {
            // There is always one with room as long as there is a free place: all together they have room for
            // more places than there are, and each comes to every place.
            claimants.retain(|claimant| claimant.room > 0);
            set_pace(&mut claimants, size);
        }
    }
    places
}

/// A server on its walk over the places: from a start of its own, in steps of its own.
///
/// It walks the slower the less of its way is left, at `weight` times the rest per unit of time. So the time at
/// which it comes to any one place is distributed exponentially with its weight as the rate, and of several
/// servers each is the first at a place with a probability that is exactly its share of their weights. (At an
/// even pace, a server of weight 1 beside one of weight 10 would be first at half as many as it should.)
struct Claimant {
    index: ServerIndex,
    weight: u64,
    place: usize,
    step: usize,
    /// Turns that it has left, and those that it should have left by now, in [`TURN`]s.
    turns_left: u64,
    way_left: u64,
    /// The part of the way left that it goes in one round, as a fraction of 2^64.
    pace: u64,
    /// How many places it may still claim.
    room: u64,
}

/// One turn in fixed point.
const TURN: u64 = 1 << 40;

/// In the order of their turns, which is the same on every node.
fn claimants(candidates: &[Candidate], size: usize) -> Vec<Claimant> {
    let size = size as u64;
    let mut candidates = candidates.to_vec();
    candidates.sort_by_key(|candidate| (identity(candidate.address, 0), candidate.address));

    let weights: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum();
    let claimant = |candidate: Candidate| {
        let weight = u64::from(candidate.weight);
        Claimant {
            index: candidate.index,
            weight,
            place: scale(identity(candidate.address, 1), size) as usize,
            step: 1 + scale(identity(candidate.address, 2), size - 1) as usize,
            turns_left: size,
            way_left: size * TURN,
            pace: 0,
            room: (size * weight * PERCENT_MAX).div_ceil(weights * 100),
        }
    };
    candidates.into_iter().map(claimant).collect()
}

/// Makes a round as long as all together have as many turns in it as they are, at first: shorter rounds would be
/// empty ones, in longer ones the order of the claimants would matter more than their weights.
fn set_pace(claimants: &mut [Claimant], size: usize) {
    let turns = claimants.len().min(size / 100) as u128;
    let weights: u128 = claimants.iter().map(|claimant| u128::from(claimant.weight)).sum();
    for claimant in claimants {
        claimant.pace = (((u128::from(claimant.weight) * turns) << 64) / (weights * size as u128)) as u64;
    }
}

impl Claimant {
    /// One round.
    fn go_on(&mut self) {
        self.way_left -= scale(self.pace, self.way_left);
    }

    fn is_due(&self) -> bool {
        // A turn is due in the middle of its part of the way.
        self.room > 0 && self.turns_left * TURN > self.way_left + TURN / 2
    }

    /// The place whose turn it is.
    fn take_turn(&mut self, size: usize) -> usize {
        let place = self.place;
        self.place = (self.place + self.step) % size;
        self.turns_left -= 1;
        place
    }
}

/// A number for a server that is the same on every node; another one for every `purpose`.
pub(crate) fn identity(address: SocketAddr, purpose: u64) -> u64 {
    let mut bytes = [0; 18];
    match address.ip() {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes[..16].copy_from_slice(&ip.octets()),
    }
    bytes[16..].copy_from_slice(&address.port().to_be_bytes());
    xxh3_64_with_seed(&bytes, purpose)
}

#[cfg(test)]
mod tests;
