//! By a key of the request: the same key finds the same server, on every worker and every node.
//!
//! The key has a home in the tier's table ([`Maglev`](crate::maglev::Maglev)). When that server is down or tried, the key is mixed into
//! another and finds the home of that one, and so on: the keys of a lost server spread over all others by their
//! weights, and no other key moves. When most servers are down that may take long, so after some steps the
//! servers that are left are compared directly (rendezvous hashing), which moves as few keys.
//!
//! A server that is warming up takes only as large a part of its keys as it is to have of its weight; the others go on
//! as if it were down. Which part that is goes by the key alone, so a key that it has once taken it keeps as its part grows.
//!
//! With a bound, a server that has more than its share of the requests in flight times the bound is passed over in the
//! same way (Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2018): a key that all ask for
//! spreads, and comes back when it is asked for less. Each worker holds the bound for its own requests.

use super::{Choice, Weights, lottery::Lottery};
use crate::{Algorithm, Pool, Rng, ServerIndex, rng::mix};

/// Looks into the table for one pick. With half of the servers down, one key in four billion needs more.
const PROBES_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Hash {
    /// By server: how much of its keys it takes, in percent; 0: it may not be picked.
    takes: Vec<u8>,
    /// Of those.
    weights: u64,
    /// For requests without a key.
    lottery: Lottery,
}

impl Hash {
    pub(super) fn gather(&mut self, pool: &Pool, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
        self.weights = eligible.iter().map(|&index| u64::from(weights.of(index))).sum();
        self.takes.clear();
        self.takes.resize(pool.members().len(), 0);
        for index in eligible {
            self.takes[index.get()] = pool.member(*index).server.ramp_percent();
        }
    }

    pub(super) fn draw(&self, choice: &Choice<'_>, key: Option<u64>, rng: &mut Rng) -> Option<ServerIndex> {
        let Some(key) = key else {
            return (0..choice.draws_max())
                .map(|_| self.lottery.draw(rng))
                .find(|&index| choice.is_open(index));
        };
        let table = choice.pool.table(choice.rank).expect("a pool that hashes has its tables");
        let mut place = key;
        for _ in 0..PROBES_MAX {
            let index = table.find(place);
            if self.takes(index, key) && choice.is_open(index) && self.is_within_bound(choice, index) {
                return Some(index);
            }
            place = mix(place ^ 0x9e37_79b9_7f4a_7c15);
        }
        self.nearest(key, choice)
    }

    /// Whether it may be picked for this key, and has warmed up enough.
    fn takes(&self, index: ServerIndex, key: u64) -> bool {
        match self.takes[index.get()] {
            0 => false,
            100 => true,
            percent => mix(key ^ 0xa076_1d64_78bd_642f) % 100 < percent.into(),
        }
    }

    /// The open server nearest to the key.
    fn nearest(&self, key: u64, choice: &Choice<'_>) -> Option<ServerIndex> {
        let open = choice.eligible.iter().copied();
        let open = open.filter(|&index| choice.is_open(index) && self.is_within_bound(choice, index));
        open.map(|index| choice.pool.member(index).candidate(index))
            .max_by(|a, b| a.compare(b, key))
            .map(|candidate| candidate.index)
    }

    /// Whether one request more is no more than its part of this worker's requests, where a bound says so. In whole
    /// numbers: a rounded product could be just above the bound.
    fn is_within_bound(&self, choice: &Choice<'_>, index: ServerIndex) -> bool {
        let Algorithm::Hash { bound_percent: Some(bound) } = choice.pool.algorithm() else { return true };
        let part = u128::from(choice.in_flight + 1) * u128::from(choice.weight(index)) * u128::from(bound);
        let most = part.div_ceil(u128::from(self.weights.max(1)) * 100);
        u128::from(choice.pool.member(index).server.in_flight_of(choice.worker) + 1) <= most
    }
}
