//! The one that is expected to answer first, of a few drawn at random by weight: what a server has taken for its latest
//! answers ([`Estimate`](crate::estimate::Estimate)) times the requests that it would then have in flight for its weight.
//!
//! The name is that of its ancestor, which draws two and lets a slow answer count at once and in full ("peak"). With
//! many nodes before many servers, each knows of few requests in flight, and what counts is how well it knows who is
//! fast. There, in the simulator (`docs/balancing.md`), a mean of some forty answers beats the peak by far, and a few
//! draws more beat two, while of all servers the best would be everybody's best at once.

use super::{Choice, Weights, lottery::Lottery};
use crate::{Rng, ServerIndex};

/// How many are compared.
const DRAWS: usize = 5;

#[derive(Debug, Default)]
pub(super) struct PeakEwma {
    lottery: Lottery,
}

impl PeakEwma {
    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
    }

    pub(super) fn draw(&self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        // Those that are equally good, which idle ones without answers are, share by weight: the first wins.
        let mut best = None;
        let mut best_cost = f32::INFINITY;
        for _ in 0..DRAWS + choice.draws_max() - 1 {
            let index = self.lottery.draw(rng);
            if Some(index) == best || !choice.is_open(index) {
                continue;
            }
            let cost = cost(index, choice);
            if cost < best_cost {
                (best, best_cost) = (Some(index), cost);
            }
        }
        best
    }
}

fn cost(index: ServerIndex, choice: &Choice<'_>) -> f32 {
    let estimate = choice.pool.member(index).server.estimate(choice.worker);
    let expected = estimate.expected_us(choice.average, choice.ask.now_ms);
    // The weight counts for requests that are there: for the first it has counted in the draw.
    let ahead = choice.in_flight(index) as f32 * choice.weights.mean() / choice.weight(index) as f32;
    // Before the first answer of all, requests in flight alone decide.
    expected.max(1.0) * (1.0 + ahead)
}
