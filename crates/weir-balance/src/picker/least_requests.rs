//! The server with the fewest requests in flight for its weight, counted over all workers.
//!
//! The rotation of round robin proposes a server; if that one is idle there can be no better, and it takes the
//! request. So an idle pool is served in turn and at a constant price. Only when it is busy all are compared
//! (their counts are written by other workers, so no order of them could be kept), ties broken at random by
//! weight: workers that decide at the same moment then do not all agree.

use std::cmp::Ordering;

use super::{Choice, round_robin::RoundRobin};
use crate::{Pool, Rng, ServerIndex};

#[derive(Debug, Default)]
pub(super) struct LeastRequests {
    rotation: RoundRobin,
}

impl LeastRequests {
    pub(super) fn new(rotation: RoundRobin) -> Self {
        Self { rotation }
    }

    pub(super) fn into_rotation(self) -> RoundRobin {
        self.rotation
    }

    pub(super) fn gather(&mut self, pool: &Pool, eligible: &[ServerIndex], rng: &mut Rng) {
        self.rotation.gather(pool, eligible, rng);
    }

    pub(super) fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        let proposed = self.rotation.next();
        if choice.is_open(proposed) && choice.in_flight(proposed) == 0 {
            return Some(proposed);
        }
        least_loaded(choice, rng)
    }
}

fn least_loaded(choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
    let mut open = choice.eligible.iter().copied().filter(|&index| choice.is_open(index));
    let mut best = open.next()?;
    let mut best_in_flight = choice.in_flight(best);
    let mut tied_weights = choice.weight(best);
    for index in open {
        let (in_flight, weight) = (choice.in_flight(index), choice.weight(index));
        // in_flight / weight, compared without a division
        let better = match (in_flight * choice.weight(best)).cmp(&(best_in_flight * weight)) {
            Ordering::Less => {
                tied_weights = weight;
                true
            }
            Ordering::Equal => {
                tied_weights += weight;
                rng.below(tied_weights) < weight
            }
            Ordering::Greater => false,
        };
        if better {
            (best, best_in_flight) = (index, in_flight);
        }
    }
    Some(best)
}
