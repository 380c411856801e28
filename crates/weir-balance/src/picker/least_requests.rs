//! The server with the fewest requests in flight for its weight.
//!
//! In a small pool all servers are asked, over all workers. In a larger one this worker keeps its own requests in order
//! ([`Order`]), and asks the first few for those of other workers: with many servers, each worker's own share is nearly
//! as good a measure, and a pick costs the same with a hundred thousand servers as with seventeen.
//!
//! Ties are broken in turn or at random, by weight: an idle pool is spread evenly, and workers that decide at the same
//! moment do not all agree.

use std::cmp::Ordering;

use super::{Choice, Weights, round_robin::RoundRobin};
use crate::{Pool, Rng, ServerIndex, order::Order};

/// Servers that are all asked.
const ALL_MAX: usize = 16;

/// Of each class of the order, so many are asked.
const FIRST: usize = 6;

#[derive(Debug, Default)]
pub(super) struct LeastRequests {
    rotation: RoundRobin,
    order: Order,
    is_small: bool,
}

impl LeastRequests {
    pub(super) fn new(rotation: RoundRobin) -> Self {
        Self { rotation, ..Self::default() }
    }

    pub(super) fn into_rotation(self) -> RoundRobin {
        self.rotation
    }

    pub(super) fn gather(
        &mut self,
        pool: &Pool,
        eligible: &[ServerIndex],
        weights: &Weights,
        worker: usize,
        rng: &mut Rng,
    ) {
        self.is_small = eligible.len() <= ALL_MAX;
        if self.is_small {
            self.rotation.gather(pool, eligible, weights, rng);
            return;
        }
        self.order.begin_anew(pool.members().iter().map(|member| member.server.in_flight_of(worker)));
        // From a random start, so that workers and nodes do not go in lockstep.
        let (end, begin) = eligible.split_at(rng.below(eligible.len() as u64) as usize);
        for index in begin.iter().chain(end) {
            self.order.list(*index, weights.of(*index));
        }
    }

    pub(super) fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        if !self.is_small {
            let best_of = |class: &mut dyn Iterator<Item = ServerIndex>| {
                let first = class.filter(|index| choice.is_open(*index)).take(FIRST);
                first.min_by_key(|index| choice.in_flight(*index))
            };
            let best = self.order.classes().filter_map(|(size, mut class)| {
                best_of(&mut class).map(|index| (index, choice.weight(index) * size as u64))
            });
            return least_loaded(best, choice, rng);
        }
        // If the one whose turn it is has nothing to do, there can be no better. A further attempt takes nobody's turn.
        if choice.ask.tried.is_empty() {
            let proposed = self.rotation.next();
            if choice.is_open(proposed) && choice.in_flight(proposed) == 0 {
                return Some(proposed);
            }
        }
        let open = choice.eligible.iter().copied().filter(|index| choice.is_open(*index));
        least_loaded(open.map(|index| (index, choice.weight(index))), choice, rng)
    }

    pub(super) fn begin(&mut self, index: ServerIndex) {
        if !self.is_small {
            self.order.raise(index);
        }
    }

    pub(super) fn end(&mut self, index: ServerIndex) {
        if !self.is_small {
            self.order.lower(index);
        }
    }
}

/// Of servers, each with its share when there is a tie.
fn least_loaded(
    mut open: impl Iterator<Item = (ServerIndex, u64)>,
    choice: &Choice<'_>,
    rng: &mut Rng,
) -> Option<ServerIndex> {
    let (mut best, mut tied) = open.next()?;
    let (mut best_load, mut best_weight) = (choice.in_flight(best), choice.weight(best));
    for (index, share) in open {
        let (load, weight) = (choice.in_flight(index), choice.weight(index));
        // load / weight, compared without a division
        let better = match (load * best_weight).cmp(&(best_load * weight)) {
            Ordering::Less => {
                tied = share;
                true
            }
            Ordering::Equal => {
                tied += share;
                rng.below(tied) < share
            }
            Ordering::Greater => false,
        };
        if better {
            (best, best_load, best_weight) = (index, load, weight);
        }
    }
    Some(best)
}
