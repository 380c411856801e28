//! From a key to its server: the task of Maglev's tables (Eisenbud et al., "Maglev: a fast and reliable software network
//! load balancer", NSDI 2016, section 3.4), by other means.
//!
//! Addresses and weights decide, nothing else: every node finds the same server, and the order of the file does not
//! matter. Of shares by weight, none is more than 1% above its due, and when a server goes, hardly a key moves that was
//! not its own.
//!
//! A table that gives each of its places to one server cannot have both. Its places are so few for each server that chance
//! makes shares uneven, and evening them out (the paper's turns, or a bound) couples all servers: with one of a thousand
//! gone, the paper's table moves three times as many places as are lost. Here each key finds its way alone. There are
//! levels of cells, many cells first, each level with half as many. A server lies in [`TICKETS`] cells of each level, where
//! its address says. A key looks into two cells of each level, where it says itself, until it comes to one with a server.
//! So it goes evenly over all that lie anywhere, and a server that goes leaves everybody else's keys alone. In a cell with
//! several, the key and their addresses decide.
//!
//! What chance leaves (servers that share fewer of their cells get more) is known exactly without trying keys, and the few
//! that are above their due by more than [`EXCESS_PERMILLE`] turn away a part of what comes, always the same keys. That is
//! all that moves other keys when a server goes. Measured, the worst of several servers that went, one at a time, as a
//! multiple of the keys that had to move; the most above its due that a server has; what a table takes:
//!
//! | servers | moved | most above | to build | memory |
//! |---|---|---|---|---|
//! | 2 | 1.00 | 0.8% | 3 ms | 2 MB |
//! | 10 | 1.004 | 0.8% | 3 ms | 2 MB |
//! | 100 | 1.008 | 0.8% | 10 ms | 4 MB |
//! | 1,000 | 1.034 | 0.8% | 80 ms | 17 MB |
//! | 10,000 | 1.041 | 0.8% | 0.8 s | 81 MB |
//! | 100,000 | | 0.8% | 1.6 s | 98 MB |
//!
//! Beyond some 16,000 servers (or weights of as much together) a server has fewer cells: at such a step many keys move.

use std::{
    cmp::Ordering,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::level::Level;
use crate::{ServerIndex, rng::mix};

mod level;

/// The hash of a request's key. It is the same on every node and in every version.
pub fn hash_key(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Cells of a server in each level, for each unit of its weight.
const TICKETS: u64 = 256;

/// Cells of all servers together in each level; with more, all have fewer.
const TICKETS_MAX: u64 = 1 << 22;

/// The cells of the first level and of the last, as powers of two.
const BITS_FIRST: u32 = 23;
const BITS_LAST: u32 = 8;

/// What a server may have above its due, in thousandths. Less than is promised, since shares are evened out by steps.
const EXCESS_PERMILLE: u32 = 8;

/// Steps of that.
const STEPS_MAX: usize = 12;

/// When fewer keys than this part are left, no level follows.
const LEFT_MIN: f64 = 1e-7;

/// The way of every key.
#[derive(Debug, PartialEq)]
pub(crate) struct Maglev {
    servers: Box<[Place]>,
    levels: Box<[Level]>,
}

/// A server that takes part. Its weight is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) index: ServerIndex,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u16,
}

/// A candidate as keys find it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    candidate: Candidate,
    identity: u64,
    /// Of 2^32 keys that come to it, so many are taken.
    accepts: u64,
}

/// All keys.
const ALL: u64 = 1 << 32;

/// The tables in use, so that a pool that is made anew with the same servers does not compute them again.
#[derive(Debug, Default)]
pub struct Tables(Mutex<Vec<Weak<Maglev>>>);

impl Tables {
    /// The table of these.
    pub(crate) fn of(&self, candidates: &[Candidate]) -> Arc<Maglev> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|table| table.strong_count() > 0);
        if let Some(table) = known.iter().filter_map(Weak::upgrade).find(|table| table.is_of(candidates)) {
            return table;
        }
        let table = Arc::new(Maglev::new(candidates));
        known.push(Arc::downgrade(&table));
        table
    }
}

impl Maglev {
    pub(crate) fn new(candidates: &[Candidate]) -> Self {
        let place = |&candidate: &Candidate| Place {
            candidate,
            identity: identity(candidate.address, 0),
            accepts: ALL,
        };
        let mut servers: Box<[Place]> = candidates.iter().map(place).collect();
        // On every node the same: sums of shares depend on the order.
        servers.sort_by_key(|place| (place.identity, place.candidate.address));
        let levels = if servers.len() > 1 { levels(&servers) } else { Vec::new() };
        let mut table = Self { servers, levels: levels.into() };
        table.even_out();
        table
    }

    /// Whether a table of these would be the same.
    pub(crate) fn is_of(&self, candidates: &[Candidate]) -> bool {
        let mut own: Vec<&Candidate> = self.servers.iter().map(|place| &place.candidate).collect();
        own.sort_unstable_by_key(|candidate| candidate.index);
        own.into_iter().eq(candidates)
    }

    /// The server at home at `key`. There must be one.
    pub(crate) fn find(&self, key: u64) -> ServerIndex {
        let found = self.levels.iter().find_map(|level| {
            let spread = mix(key ^ level.seed());
            level
                .probes(spread)
                .into_iter()
                .find_map(|cell| self.contest(level.residents(cell), spread ^ u64::from(cell)))
        });
        let nearest = || {
            let all = self.servers.iter();
            all.max_by(|a, b| a.candidate.compare(&b.candidate, key)).expect("a server")
        };
        found.unwrap_or_else(nearest).candidate.index
    }

    /// Who takes a key of those in a cell, if anybody does.
    fn contest(&self, residents: &[u32], spread: u64) -> Option<&Place> {
        let mut best = None;
        for &server in residents {
            let place = &self.servers[server as usize];
            let ticket = mix(spread ^ place.identity);
            // The lower half says whether it takes part, the whole who wins.
            if ticket & (ALL - 1) < place.accepts && best.is_none_or(|(most, _)| ticket > most) {
                best = Some((ticket, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// Makes servers with too much turn keys away until none has too much.
    fn even_out(&mut self) {
        let weights: u64 = self.servers.iter().map(|place| u64::from(place.candidate.weight)).sum();
        let most = 1.0 + f64::from(EXCESS_PERMILLE) / 1000.0;
        for _ in 0..STEPS_MAX {
            let mut has_changed = false;
            let shares = self.shares();
            for (place, share) in self.servers.iter_mut().zip(shares) {
                let due = f64::from(place.candidate.weight) / weights as f64 * most;
                let accepts = ((place.accepts as f64 * due / share) as u64).min(ALL);
                has_changed |= accepts.abs_diff(place.accepts) > ALL / 2000;
                place.accepts = accepts;
            }
            if !has_changed {
                break;
            }
        }
    }

    /// The part of all keys that each server takes, but for the few that no level decides.
    fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.servers.len()];
        let part = |server: &u32| self.servers[*server as usize].accepts as f64 / ALL as f64;
        let mut left = 1.0;
        for level in &self.levels {
            let mut taken = vec![0.0; self.servers.len()];
            for residents in level.cells() {
                let (mut sum, mut variance) = (0.0, 0.0);
                for part in residents.iter().map(part) {
                    sum += part;
                    variance += part * (1.0 - part);
                }
                for server in residents {
                    // The mean of one part of as many as take part, to the second order.
                    let own = part(server);
                    let all = 1.0 + sum - own;
                    let variance = variance - own * (1.0 - own);
                    taken[*server as usize] += own * (1.0 / all + variance / (all * all * all));
                }
            }
            let cells = f64::from(level.size());
            let hit = taken.iter().sum::<f64>() / cells;
            // Two looks.
            let keys = left * (1.0 + (1.0 - hit)) / cells;
            shares.iter_mut().zip(taken).for_each(|(share, taken)| *share += taken * keys);
            left *= (1.0 - hit) * (1.0 - hit);
        }
        shares
    }
}

/// All levels that keys come to.
fn levels(servers: &[Place]) -> Vec<Level> {
    let weights: u64 = servers.iter().map(|place| u64::from(place.candidate.weight)).sum();
    let mut unit = 1;
    while weights * TICKETS / unit > TICKETS_MAX {
        unit *= 2;
    }
    let tickets = |place: &Place| (u64::from(place.candidate.weight) * TICKETS / unit).max(1);
    let mut left = 1.0;
    let mut levels = Vec::new();
    for bits in (BITS_LAST..=BITS_FIRST).rev() {
        let level = Level::new(bits, servers.iter().map(|place| (place.identity, tickets(place))));
        let free = 1.0 - level.filled();
        levels.push(level);
        left *= free * free;
        if left < LEFT_MIN {
            break;
        }
    }
    levels
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
