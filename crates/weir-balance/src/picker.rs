//! One worker's picks from one pool.
//!
//! A pick costs what its algorithm costs over a dense list of the servers that may be picked. That list is
//! gathered again only when the pool's epoch says that some server's health changed, so health is not asked
//! per request. Nothing is allocated by a pick: the lists keep their memory.
//!
//! A pick never returns a server that was `tried` before for the same request. The algorithm draws as if none
//! had been tried, a bounded number of times; when it only finds tried ones, what is left is searched. Retries
//! are rare, so the first draw must be cheap and the search need not be.

mod hash;
mod least_requests;
mod lottery;
mod p2c;
mod random;
mod round_robin;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, net::SocketAddr};

use self::{hash::Hash, least_requests::LeastRequests, p2c::P2c, random::Random, round_robin::RoundRobin};
use crate::{Algorithm, Pool, Rng, ServerIndex, WhenAllDown, pool::Tier};

/// What one worker remembers of one pool. Belongs to that very pool: a reload makes a new one of it with
/// [`Picker::succeed`].
#[derive(Debug)]
pub struct Picker {
    /// How many members the pool has, to notice a pick from another pool.
    members: usize,
    /// The epoch that `tier`, `eligible` and `state` were gathered at.
    epoch: Option<u64>,
    tier: Tier,
    /// The servers that may be picked, all of one tier; empty when there is none.
    eligible: Vec<ServerIndex>,
    state: State,
}

/// The memory of the algorithm.
#[derive(Debug)]
enum State {
    RoundRobin(RoundRobin),
    LeastRequests(LeastRequests),
    Random(Random),
    P2c(P2c),
    Hash(Hash),
}

impl Picker {
    /// A picker that has not picked yet. Its first pick finds a random start of its own, so that workers and
    /// nodes do not go in lockstep.
    pub fn new(pool: &Pool) -> Self {
        let members = pool.members().len();
        let state = match pool.algorithm() {
            Algorithm::RoundRobin => State::RoundRobin(RoundRobin::default()),
            Algorithm::LeastRequests => State::LeastRequests(LeastRequests::default()),
            Algorithm::Random => State::Random(Random::default()),
            Algorithm::P2c => State::P2c(P2c::default()),
            Algorithm::Hash => State::Hash(Hash::default()),
        };
        Self { members, epoch: None, tier: Tier::Primaries, eligible: Vec::with_capacity(members), state }
    }

    /// The picker for `new_pool`, which takes the place of `old_pool` in a new snapshot. Servers with the same
    /// address keep their turn, so that one that is added, removed or re-weighted disturbs only its own share.
    pub fn succeed(self, old_pool: &Pool, new_pool: &Pool) -> Self {
        assert_eq!(self.members, old_pool.members().len(), "a picker of another pool");
        let fresh = Self::new(new_pool);
        let Some(rotation) = self.state.into_rotation() else { return fresh };

        let address = |index: ServerIndex| old_pool.member(index).server.address();
        let places: HashMap<SocketAddr, ServerIndex> =
            new_pool.indices().map(|index| (new_pool.member(index).server.address(), index)).collect();
        fresh.with_rotation(rotation.renamed(|old| places.get(&address(old)).copied()))
    }

    /// Picks a server for a request, but none of `tried`. `key` is what a pool that hashes goes by
    /// ([`hash_key`](crate::hash_key)); without one it picks at random. `None` when no server is left.
    pub fn pick(
        &mut self,
        pool: &Pool,
        key: Option<u64>,
        tried: &[ServerIndex],
        rng: &mut Rng,
    ) -> Option<ServerIndex> {
        assert_eq!(self.members, pool.members().len(), "a picker of another pool");
        let epoch = pool.epoch().get();
        if self.epoch != Some(epoch) {
            self.gather(pool, rng);
            self.epoch = Some(epoch);
        }
        if self.eligible.is_empty() {
            return None;
        }
        let choice = Choice { pool, tier: self.tier, eligible: &self.eligible, tried };
        let drawn = match &mut self.state {
            State::RoundRobin(state) => state.draw(&choice),
            State::LeastRequests(state) => state.draw(&choice, rng),
            State::Random(state) => state.draw(&choice, rng),
            State::P2c(state) => state.draw(&choice, rng),
            State::Hash(state) => state.draw(&choice, key, rng),
        };
        drawn.or_else(|| choice.any_left(rng))
    }

    /// Finds the tier that is picked from and its servers. The caller read the epoch before: a change that
    /// happens meanwhile is seen at the next pick.
    fn gather(&mut self, pool: &Pool, rng: &mut Rng) {
        self.eligible.clear();
        for tier in [Tier::Primaries, Tier::Backups] {
            self.tier = tier;
            self.eligible.extend(pool.indices().filter(|&index| {
                let member = pool.member(index);
                member.is_of(tier) && member.is_available()
            }));
            if !self.eligible.is_empty() {
                break;
            }
        }
        if self.eligible.is_empty() && pool.when_all_down() == WhenAllDown::Spread {
            self.tier = Tier::All;
            self.eligible.extend(pool.indices().filter(|&index| pool.member(index).is_of(Tier::All)));
        }
        match &mut self.state {
            State::RoundRobin(state) => state.gather(pool, &self.eligible, rng),
            State::LeastRequests(state) => state.gather(pool, &self.eligible, rng),
            State::Random(state) => state.gather(pool, &self.eligible),
            State::P2c(state) => state.gather(pool, &self.eligible),
            State::Hash(state) => state.gather(pool, &self.eligible),
        }
    }

    fn with_rotation(mut self, rotation: RoundRobin) -> Self {
        match &mut self.state {
            State::RoundRobin(state) => *state = rotation,
            State::LeastRequests(state) => *state = LeastRequests::new(rotation),
            State::Random(_) | State::P2c(_) | State::Hash(_) => {}
        }
        self
    }
}

impl State {
    fn into_rotation(self) -> Option<RoundRobin> {
        match self {
            State::RoundRobin(state) => Some(state),
            State::LeastRequests(state) => Some(state.into_rotation()),
            State::Random(_) | State::P2c(_) | State::Hash(_) => None,
        }
    }
}

/// What one pick chooses from.
struct Choice<'a> {
    pool: &'a Pool,
    tier: Tier,
    /// Not empty.
    eligible: &'a [ServerIndex],
    tried: &'a [ServerIndex],
}

impl Choice<'_> {
    /// Whether this request may go there (limits per server will be asked here too).
    fn is_open(&self, index: ServerIndex) -> bool {
        !self.tried.contains(&index)
    }

    /// How often an algorithm draws before it leaves the rest to [`Choice::any_left`].
    fn draws_max(&self) -> usize {
        if self.tried.is_empty() { 1 } else { 4 + 2 * self.tried.len() }
    }

    fn weight(&self, index: ServerIndex) -> u64 {
        u64::from(self.pool.member(index).weight)
    }

    fn in_flight(&self, index: ServerIndex) -> u64 {
        u64::from(self.pool.member(index).server.in_flight())
    }

    /// Any server that is still open, at random by weight; when all primaries were tried, a backup.
    fn any_left(&self, rng: &mut Rng) -> Option<ServerIndex> {
        if let Some(index) = self.any_of(self.eligible.iter().copied(), rng) {
            return Some(index);
        }
        if self.tier != Tier::Primaries {
            return None;
        }
        let backups = self.pool.indices().filter(|&index| {
            let member = self.pool.member(index);
            member.is_of(Tier::Backups) && member.is_available()
        });
        self.any_of(backups, rng)
    }

    fn any_of(&self, candidates: impl Iterator<Item = ServerIndex>, rng: &mut Rng) -> Option<ServerIndex> {
        let mut chosen = None;
        let mut weights = 0;
        for index in candidates.filter(|&index| self.is_open(index)) {
            weights += self.weight(index);
            if rng.below(weights) < self.weight(index) {
                chosen = Some(index);
            }
        }
        chosen
    }
}
