//! A pool as the data plane sees it: immutable, one per snapshot, shared by all workers.
//!
//! What changes while a snapshot lives (health, requests in flight) is in the members' [`Server`]s. What is
//! dear to compute and the same for all workers (hash tables) is computed here, once, by whoever builds the
//! snapshot.

use std::sync::Arc;

use crate::{
    Epoch, Rank, Server, Subset,
    maglev::{Candidate, Maglev, Tables},
};

/// A group of servers that do the same work, and how one of them is picked.
#[derive(Debug)]
pub struct Pool {
    name: String,
    members: Vec<Member>,
    algorithm: Algorithm,
    when_all_down: WhenAllDown,
    /// In the order in which they are preferred.
    ranks: Vec<Rank>,
    spill_percent: Option<u8>,
    /// How traffic comes in, by zones; empty where zones do not matter.
    traffic: Vec<u32>,
    subset: Option<Subset>,
    /// Some member may be full.
    has_limits: bool,
    epoch: Arc<Epoch>,
    /// By rank. Empty when the pool does not hash.
    tables: Vec<Arc<Maglev>>,
}

/// One server's part in a pool.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its live state.
    pub server: Arc<Server>,
    /// Its label in metrics and logs.
    pub name: String,
    /// Its share relative to the others, as written. 0 takes no new requests.
    pub weight: u16,
    /// Whom it is preferred to.
    pub rank: Rank,
    /// The most requests it may have in flight, over all workers.
    pub in_flight_max: Option<u32>,
}

/// How a server is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn, evenly spread by weight.
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastRequests,
    /// At random by weight.
    Random,
    /// Power of two choices: the less loaded of two drawn at random by weight.
    P2c,
    /// The one that is expected to answer first, of a few drawn at random by weight.
    PeakEwma,
    /// By what servers say of their own load.
    Prequal,
    /// By a key of the request: the same key finds the same server.
    Hash {
        /// How much more than its share a server may have of the requests in flight, in percent; from 101 on.
        bound_percent: Option<u16>,
    },
}

/// What an algorithm wants to be told, so that others cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// The beginning and the end of each request: `Picker::begin` and `Picker::end`.
    pub counts: bool,
    /// What came of each request: `Picker::observe`.
    pub answers: bool,
}

impl Algorithm {
    /// What it wants to be told.
    pub fn wants(self) -> Wants {
        Wants {
            counts: matches!(self, Self::LeastRequests | Self::Hash { bound_percent: Some(_) }),
            answers: matches!(self, Self::PeakEwma | Self::Prequal),
        }
    }
}

/// What happens when no server of a pool is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAllDown {
    /// None is picked.
    Fail,
    /// All are picked from as if they were up, backups too.
    Spread,
}

/// The place of a server in its pool's members. Means nothing in another pool or another snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerIndex(pub u32);

/// What is asked of a [`Pool`] beside its members.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How a server is picked.
    pub algorithm: Algorithm,
    /// What happens when no server is up.
    pub when_all_down: WhenAllDown,
    /// With less than this of its weight, a priority hands traffic on to the next, and the own zone to others; `None`: only
    /// with nothing.
    pub spill_percent: Option<u8>,
    /// Only some of the servers are picked from.
    pub subset: Option<Subset>,
}

impl Policy {
    /// With nothing beside the algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, when_all_down: WhenAllDown::Fail, spill_percent: None, subset: None }
    }
}

impl Pool {
    /// A pool of `members`, whose addresses must be unique. `epoch` is the one that their servers advance.
    pub fn new(name: impl Into<String>, members: Vec<Member>, policy: Policy, epoch: Arc<Epoch>) -> Self {
        Self::new_sharing(&Tables::default(), name, members, policy, epoch)
    }

    /// The same, sharing hash tables with all pools that were made with these.
    pub fn new_sharing(
        tables: &Tables,
        name: impl Into<String>,
        members: Vec<Member>,
        policy: Policy,
        epoch: Arc<Epoch>,
    ) -> Self {
        assert!(u32::try_from(members.len()).is_ok(), "more servers than an index can name");
        // With another epoch, workers would never learn of a server that goes down.
        assert!(members.iter().all(|member| member.server.advances(&epoch)), "a server of another epoch");
        let mut ranks: Vec<Rank> = members.iter().map(|member| member.rank).collect();
        if policy.when_all_down == WhenAllDown::Spread {
            ranks.push(Rank::ALL);
        }
        ranks.sort_unstable();
        ranks.dedup();
        let mut pool = Self {
            name: name.into(),
            has_limits: members.iter().any(|member| member.in_flight_max.is_some()),
            members,
            algorithm: policy.algorithm,
            when_all_down: policy.when_all_down,
            ranks,
            spill_percent: policy.spill_percent,
            traffic: Vec::new(),
            subset: policy.subset,
            epoch,
            tables: Vec::new(),
        };
        if matches!(pool.algorithm, Algorithm::Hash { .. }) {
            pool.tables = pool.ranks.iter().map(|&rank| tables.of(&pool.candidates(rank))).collect();
        }
        pool
    }

    /// Says how traffic comes in, by the places of zones: in which proportion, the own zone first. Its part is not 0.
    pub fn with_traffic(self, traffic: Vec<u32>) -> Self {
        assert!(traffic.first().is_none_or(|own| *own > 0), "no traffic comes in here");
        Self { traffic, ..self }
    }

    fn candidates(&self, rank: Rank) -> Vec<Candidate> {
        let of_rank = self.indices().filter(|&index| self.member(index).is_of(rank));
        of_rank.map(|index| self.member(index).candidate(index)).collect()
    }

    /// Its key in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its servers, in the written order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One of its servers.
    pub fn member(&self, index: ServerIndex) -> &Member {
        &self.members[index.get()]
    }

    /// All places in [`Pool::members`].
    pub fn indices(&self) -> impl Iterator<Item = ServerIndex> + use<> {
        (0..self.members.len() as u32).map(ServerIndex)
    }

    /// How a server is picked.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What happens when no server is up.
    pub fn when_all_down(&self) -> WhenAllDown {
        self.when_all_down
    }

    /// Counts the changes of its servers' health and live weights.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The ranks that its members have, and the one of all if that can come to be picked from.
    pub(crate) fn ranks(&self) -> &[Rank] {
        &self.ranks
    }

    /// Whether some member has a limit of requests in flight.
    pub(crate) fn has_limits(&self) -> bool {
        self.has_limits
    }

    pub(crate) fn spill_percent(&self) -> Option<u8> {
        self.spill_percent
    }

    pub(crate) fn traffic(&self) -> &[u32] {
        &self.traffic
    }

    pub(crate) fn subset(&self) -> Option<&Subset> {
        self.subset.as_ref()
    }

    /// The hash table of a rank; `None` when the pool does not hash.
    pub(crate) fn table(&self, rank: Rank) -> Option<&Maglev> {
        let place = self.ranks.iter().position(|&known| known == rank)?;
        self.tables.get(place).map(|table| &**table)
    }
}

impl Member {
    /// Whether it may be picked while some servers are up.
    pub fn is_available(&self) -> bool {
        self.effective_weight() > 0 && self.server.is_usable()
    }

    /// Its share at the moment relative to the others: the written weight as its live weight has it, in hundredths, so
    /// that 75% of 1 is not lost, and as far as it has warmed up.
    pub fn effective_weight(&self) -> u32 {
        let weight = u32::from(self.weight) * u32::from(self.server.weight_percent());
        match self.server.ramp_percent() {
            100 => weight,
            percent => (weight * u32::from(percent)).div_ceil(100),
        }
    }

    /// Its part in a hash table.
    pub(crate) fn candidate(&self, index: ServerIndex) -> Candidate {
        Candidate { index, address: self.server.address(), weight: self.weight }
    }

    /// Whether it has this rank and takes requests at all.
    pub(crate) fn is_of(&self, rank: Rank) -> bool {
        (rank == Rank::ALL || rank == self.rank) && self.weight > 0
    }
}

impl ServerIndex {
    /// As an index into [`Pool::members`].
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Health;

    #[test]
    fn the_live_weight_scales_the_written_one() {
        let check = |weight, percent, effective, is_available| {
            let server = Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::new(Epoch::default()), 1);
            server.set_health(Health::Up);
            server.set_weight_percent(percent);
            let member = Member {
                server: Arc::new(server),
                name: "web1".to_owned(),
                weight,
                rank: Rank::default(),
                in_flight_max: None,
            };
            assert_eq!((member.effective_weight(), member.is_available()), (effective, is_available));
        };
        check(1, 100, 100, true);
        check(3, 50, 150, true);
        check(1, 1, 1, true);
        check(u16::MAX, 1000, 65_535_000, true);
        check(7, 0, 0, false);
        check(0, 100, 0, false);
    }
}
