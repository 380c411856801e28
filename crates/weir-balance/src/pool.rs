//! A pool as the data plane sees it: immutable, one per snapshot, shared by all workers.
//!
//! What changes while a snapshot lives (health, requests in flight) is in the members' [`Server`]s. What is
//! dear to compute and the same for all workers (hash tables) is computed here, once, by whoever builds the
//! snapshot.

use std::sync::Arc;

use crate::{
    Epoch, Health, Server,
    maglev::{Candidate, Maglev},
};

/// A group of servers that do the same work, and how one of them is picked.
#[derive(Debug)]
pub struct Pool {
    name: String,
    members: Vec<Member>,
    algorithm: Algorithm,
    when_all_down: WhenAllDown,
    epoch: Arc<Epoch>,
    placement: Option<Placement>,
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
    /// Takes requests only while no other server is up.
    pub backup: bool,
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
    /// By a key of the request, through Maglev tables: the same key finds the same server.
    Hash,
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

/// Which members are picked from at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Primaries,
    Backups,
    /// No server is up, and `when_all_down` is `spread`.
    All,
}

/// One hash table for each tier that can come to be picked from.
#[derive(Debug)]
struct Placement {
    primaries: Maglev,
    backups: Option<Maglev>,
    all: Option<Maglev>,
}

impl Pool {
    /// A pool of `members`, whose addresses must be unique. `epoch` is the one that their servers advance.
    pub fn new(
        name: impl Into<String>,
        members: Vec<Member>,
        algorithm: Algorithm,
        when_all_down: WhenAllDown,
        epoch: Arc<Epoch>,
    ) -> Self {
        assert!(u32::try_from(members.len()).is_ok(), "more servers than an index can name");
        // With another epoch, workers would never learn of a server that goes down.
        assert!(members.iter().all(|member| member.server.advances(&epoch)), "a server of another epoch");
        let placement = (algorithm == Algorithm::Hash).then(|| Placement::new(&members, when_all_down));
        Self { name: name.into(), members, algorithm, when_all_down, epoch, placement }
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

    /// The hash table of a tier; `None` when the pool does not hash.
    pub(crate) fn table(&self, tier: Tier) -> Option<&Maglev> {
        let placement = self.placement.as_ref()?;
        // A tier without a table of its own has the same members as the primaries.
        let own = match tier {
            Tier::Primaries => None,
            Tier::Backups => placement.backups.as_ref(),
            Tier::All => placement.all.as_ref(),
        };
        Some(own.unwrap_or(&placement.primaries))
    }
}

impl Member {
    /// Whether it may be picked while some servers are up.
    pub fn is_available(&self) -> bool {
        self.effective_weight() > 0 && self.server.health() == Health::Up
    }

    /// Its share at the moment relative to the others: the written weight as its live weight has it, in hundredths, so
    /// that 75% of 1 is not lost.
    pub fn effective_weight(&self) -> u32 {
        u32::from(self.weight) * u32::from(self.server.weight_percent())
    }

    /// Its part in a hash table.
    pub(crate) fn candidate(&self, index: ServerIndex) -> Candidate {
        Candidate { index, address: self.server.address(), weight: self.weight }
    }

    /// Whether it belongs to a tier and takes requests at all.
    pub(crate) fn is_of(&self, tier: Tier) -> bool {
        let belongs = match tier {
            Tier::Primaries => !self.backup,
            Tier::Backups => self.backup,
            Tier::All => true,
        };
        belongs && self.weight > 0
    }
}

impl ServerIndex {
    /// As an index into [`Pool::members`].
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl Placement {
    fn new(members: &[Member], when_all_down: WhenAllDown) -> Self {
        let table = |tier| {
            let of_tier = members.iter().zip(0..).filter(|(member, _)| member.is_of(tier));
            let candidates: Vec<_> =
                of_tier.map(|(member, index)| member.candidate(ServerIndex(index))).collect();
            Maglev::new(&candidates)
        };
        let has_backups = members.iter().any(|member| member.is_of(Tier::Backups));
        let spreads = when_all_down == WhenAllDown::Spread;
        Self {
            primaries: table(Tier::Primaries),
            backups: has_backups.then(|| table(Tier::Backups)),
            all: (has_backups && spreads).then(|| table(Tier::All)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_weight_scales_the_written_one() {
        let check = |weight, percent, effective, is_available| {
            let server = Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::new(Epoch::default()), 1);
            server.set_health(Health::Up);
            server.set_weight_percent(percent);
            let member = Member { server: Arc::new(server), name: "web1".to_owned(), weight, backup: false };
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
