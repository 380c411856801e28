//! One worker's picks from one pool.
//!
//! A pick costs what its algorithm costs over a dense list of the servers that may be picked. That list is
//! gathered again only when the pool's epoch says that some server's health or weight changed, so neither is asked
//! per request. Nothing is allocated by a pick: the lists keep their memory.
//!
//! A pick never returns a server that was `tried` before for the same request, or that is full. The algorithm draws as if
//! there were none such, a bounded number of times; when it only finds those, what is left is searched. Both are rare, so
//! the first draw must be cheap and the search need not be.

mod hash;
mod least_requests;
mod lottery;
mod p2c;
mod peak_ewma;
mod prequal;
mod random;
mod round_robin;
mod tier;
mod zones;

#[cfg(test)]
mod tests;

pub use self::prequal::Load;

use std::{collections::HashMap, net::SocketAddr};

use self::{
    hash::Hash, least_requests::LeastRequests, p2c::P2c, peak_ewma::PeakEwma, prequal::Prequal,
    random::Random, round_robin::RoundRobin, tier::Tier,
};
use crate::{Algorithm, Observation, Pool, Rank, Rng, Server, ServerIndex, estimate::Average};

/// What one worker remembers of one pool. Belongs to that very pool: a reload makes a new one of it with
/// [`Picker::succeed`].
#[derive(Debug)]
pub struct Picker {
    /// How many members the pool has, to notice a pick from another pool.
    members: usize,
    worker: usize,
    /// The epoch that everything below was gathered at.
    epoch: Option<u64>,
    weights: Weights,
    /// In the order in which they are preferred. The last may be one of all servers, for when none is up.
    tiers: Vec<Tier>,
    /// Of this worker, in the whole pool.
    in_flight: u64,
    average: Average,
    /// When a search found no server open. In the same millisecond none is searched for again, so that a pool that is
    /// full costs no search per request.
    exhausted_ms: Option<u64>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// What a pool that hashes goes by ([`hash_key`](crate::hash_key)); without one it picks at random.
    pub key: Option<u64>,
    /// Servers that this request is not to go to.
    pub tried: &'a [ServerIndex],
    /// On the caller's clock, which never goes back.
    pub now_ms: u64,
    /// It has reason to believe that there is room where a moment ago there was none.
    pub insists: bool,
}

/// The memory of an algorithm.
#[derive(Debug)]
enum State {
    RoundRobin(RoundRobin),
    LeastRequests(LeastRequests),
    Random(Random),
    P2c(P2c),
    PeakEwma(PeakEwma),
    Prequal(Prequal),
    Hash(Hash),
}

/// The weights of all members at the moment, by their places.
#[derive(Debug, Default)]
struct Weights {
    of: Vec<u32>,
    mean: f32,
}

impl Picker {
    /// A picker of this worker that has not picked yet. Its first pick finds a random start of its own, so that workers
    /// and nodes do not go in lockstep.
    pub fn new(pool: &Pool, worker: usize) -> Self {
        let members = pool.members().len();
        let tier = |&rank| Tier::new(rank, State::new(pool), pool);
        Self {
            members,
            worker,
            epoch: None,
            weights: Weights { of: Vec::with_capacity(members), mean: 1.0 },
            tiers: pool.ranks().iter().map(tier).collect(),
            in_flight: pool
                .members()
                .iter()
                .map(|member| u64::from(member.server.in_flight_of(worker)))
                .sum(),
            average: Average::default(),
            exhausted_ms: None,
        }
    }

    /// The picker for `new_pool`, which takes the place of `old_pool` in a new snapshot. Servers with the same
    /// address keep their turn, so that one that is added, removed or re-weighted disturbs only its own share.
    pub fn succeed(self, old_pool: &Pool, new_pool: &Pool) -> Self {
        assert_eq!(self.members, old_pool.members().len(), "a picker of another pool");
        let mut fresh = Self::new(new_pool, self.worker);
        fresh.average = self.average;
        let address = |index: ServerIndex| old_pool.member(index).server.address();
        let places: HashMap<SocketAddr, ServerIndex> =
            new_pool.indices().map(|index| (new_pool.member(index).server.address(), index)).collect();
        for tier in self.tiers {
            let Some(heir) = fresh.tiers.iter_mut().find(|heir| heir.rank == tier.rank) else { continue };
            if let Some(rotation) = tier.state.into_rotation() {
                heir.state.take_rotation(rotation.renamed(|old| places.get(&address(old)).copied()));
            }
        }
        fresh
    }

    /// Picks a server for a request. `None` when no server is left.
    pub fn pick(&mut self, pool: &Pool, ask: &Ask<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        assert_eq!(self.members, pool.members().len(), "a picker of another pool");
        let epoch = pool.epoch().get();
        if self.epoch != Some(epoch) {
            self.gather(pool, rng);
            self.epoch = Some(epoch);
            self.exhausted_ms = None;
        }
        let first = tier::draw(&self.tiers, ask.key, rng)?;
        let average = &self.average;
        let of_tier = |tier: &mut Tier, rng: &mut Rng| {
            let choice = Choice {
                pool,
                ask,
                rank: tier.rank,
                eligible: &tier.eligible,
                weights: &self.weights,
                worker: self.worker,
                average,
                in_flight: self.in_flight,
            };
            tier.state.draw(&choice, rng).or_else(|| choice.any_open(rng))
        };
        if ask.tried.is_empty() && !ask.insists && self.exhausted_ms == Some(ask.now_ms) {
            return None;
        }
        let picked = of_tier(&mut self.tiers[first], rng).or_else(|| {
            let others =
                self.tiers.iter_mut().enumerate().filter(|(place, tier)| *place != first && tier.is_usable());
            others.into_iter().find_map(|(_, tier)| of_tier(tier, rng))
        });
        if picked.is_none() && ask.tried.is_empty() {
            self.exhausted_ms = Some(ask.now_ms);
        }
        picked
    }

    /// Whether any server could be picked if it had room.
    pub fn knows_servers(&self) -> bool {
        self.tiers.iter().any(Tier::is_usable)
    }

    /// Counts a request in, beside [`Server::begin`].
    pub fn begin(&mut self, index: ServerIndex) {
        self.in_flight += 1;
        for tier in &mut self.tiers {
            if let State::LeastRequests(state) = &mut tier.state {
                state.begin(index);
            }
        }
    }

    /// Counts a request out, beside [`Server::end`].
    pub fn end(&mut self, index: ServerIndex) {
        // A picker that took the place of another may have missed the beginning.
        self.in_flight = self.in_flight.saturating_sub(1);
        self.exhausted_ms = None;
        for tier in &mut self.tiers {
            if let State::LeastRequests(state) = &mut tier.state {
                state.end(index);
            }
        }
    }

    /// Takes in what came of a request.
    pub fn observe(&mut self, server: &Server, observation: Observation, now_ms: u64) {
        server.estimate(self.worker).observe(observation, &self.average, now_ms);
        self.average.add(observation);
    }

    /// Takes in whether a request has failed, beside [`Picker::observe`].
    pub fn judge(&mut self, index: ServerIndex, failed: bool, now_ms: u64) {
        for tier in &mut self.tiers {
            if let State::Prequal(state) = &mut tier.state {
                state.judge(index, failed, now_ms);
            }
        }
    }

    /// A server that wants to be probed now, if any does. Called once for each request.
    pub fn wants_probe(&mut self, rng: &mut Rng) -> Option<ServerIndex> {
        let first = tier::draw(&self.tiers, None, rng)?;
        match &mut self.tiers[first].state {
            State::Prequal(state) => Some(state.wants_probe(rng)),
            _ => None,
        }
    }

    /// Takes in what a server has said of its load.
    pub fn probed(&mut self, index: ServerIndex, load: Load, now_ms: u64) {
        for tier in &mut self.tiers {
            if let State::Prequal(state) = &mut tier.state {
                state.probed(index, load, now_ms);
            }
        }
    }

    /// Finds the servers of each tier. The caller read the epoch before: a change that happens meanwhile is seen at
    /// the next pick.
    fn gather(&mut self, pool: &Pool, rng: &mut Rng) {
        self.weights.gather(pool);
        tier::fill(&mut self.tiers, pool);
        for Tier { state, eligible, .. } in &mut self.tiers {
            state.gather(pool, eligible, &self.weights, self.worker, rng);
        }
    }
}

impl State {
    fn new(pool: &Pool) -> Self {
        match pool.algorithm() {
            Algorithm::RoundRobin => Self::RoundRobin(RoundRobin::default()),
            Algorithm::LeastRequests => Self::LeastRequests(LeastRequests::default()),
            Algorithm::Random => Self::Random(Random::default()),
            Algorithm::P2c => Self::P2c(P2c::default()),
            Algorithm::PeakEwma => Self::PeakEwma(PeakEwma::default()),
            Algorithm::Prequal => Self::Prequal(Prequal::new(pool.members().len())),
            Algorithm::Hash { .. } => Self::Hash(Hash::default()),
        }
    }

    fn gather(
        &mut self,
        pool: &Pool,
        eligible: &[ServerIndex],
        weights: &Weights,
        worker: usize,
        rng: &mut Rng,
    ) {
        match self {
            Self::RoundRobin(state) => state.gather(pool, eligible, weights, rng),
            Self::LeastRequests(state) => state.gather(pool, eligible, weights, worker, rng),
            Self::Random(state) => state.gather(eligible, weights),
            Self::P2c(state) => state.gather(eligible, weights),
            Self::PeakEwma(state) => state.gather(eligible, weights),
            Self::Prequal(state) => state.gather(eligible, weights),
            Self::Hash(state) => state.gather(pool, eligible, weights),
        }
    }

    fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        match self {
            Self::RoundRobin(state) => state.draw(choice, rng),
            Self::LeastRequests(state) => state.draw(choice, rng),
            Self::Random(state) => state.draw(choice, rng),
            Self::P2c(state) => state.draw(choice, rng),
            Self::PeakEwma(state) => state.draw(choice, rng),
            Self::Prequal(state) => state.draw(choice, rng),
            Self::Hash(state) => state.draw(choice, choice.ask.key, rng),
        }
    }

    fn into_rotation(self) -> Option<RoundRobin> {
        match self {
            Self::RoundRobin(state) => Some(state),
            Self::LeastRequests(state) => Some(state.into_rotation()),
            _ => None,
        }
    }

    fn take_rotation(&mut self, rotation: RoundRobin) {
        match self {
            Self::RoundRobin(state) => *state = rotation,
            Self::LeastRequests(state) => *state = LeastRequests::new(rotation),
            _ => {}
        }
    }
}

impl Weights {
    fn gather(&mut self, pool: &Pool) {
        self.of.clear();
        self.of.extend(pool.members().iter().map(|member| member.effective_weight()));
        let (sum, count) = self
            .of
            .iter()
            .filter(|weight| **weight > 0)
            .fold((0.0, 0.0), |(sum, count), weight| (sum + f64::from(*weight), count + 1.0));
        self.mean = (sum / f64::max(count, 1.0)) as f32;
    }

    fn of(&self, index: ServerIndex) -> u32 {
        self.of[index.get()]
    }

    /// Of those that take requests.
    fn mean(&self) -> f32 {
        self.mean
    }
}

/// What one pick chooses from.
struct Choice<'a> {
    pool: &'a Pool,
    ask: &'a Ask<'a>,
    rank: Rank,
    /// Not empty.
    eligible: &'a [ServerIndex],
    weights: &'a Weights,
    worker: usize,
    average: &'a Average,
    in_flight: u64,
}

impl Choice<'_> {
    /// Whether this request may go there.
    fn is_open(&self, index: ServerIndex) -> bool {
        // Mostly nothing is to be asked, and the member is far from the CPU in a large pool.
        if self.ask.tried.is_empty() && !self.pool.has_limits() {
            return true;
        }
        let member = self.pool.member(index);
        !self.ask.tried.contains(&index) && member.in_flight_max.is_none_or(|max| !member.server.is_full(max))
    }

    /// How often an algorithm draws before it leaves the rest to [`Choice::any_open`].
    fn draws_max(&self) -> usize {
        if self.ask.tried.is_empty() { 1 } else { 4 + 2 * self.ask.tried.len() }
    }

    fn weight(&self, index: ServerIndex) -> u64 {
        u64::from(self.weights.of(index))
    }

    fn in_flight(&self, index: ServerIndex) -> u64 {
        u64::from(self.pool.member(index).server.in_flight())
    }

    /// Any server that is still open, at random by weight.
    fn any_open(&self, rng: &mut Rng) -> Option<ServerIndex> {
        let mut chosen = None;
        let mut weights = 0;
        for index in self.eligible.iter().copied().filter(|&index| self.is_open(index)) {
            weights += self.weight(index);
            if rng.below(weights) < self.weight(index) {
                chosen = Some(index);
            }
        }
        chosen
    }
}
