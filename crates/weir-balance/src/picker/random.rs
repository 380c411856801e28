//! At random by weight. Needs no memory and no agreement between workers or nodes.

use super::{Choice, Weights, lottery::Lottery};
use crate::{Rng, ServerIndex};

#[derive(Debug, Default)]
pub(super) struct Random {
    lottery: Lottery,
}

impl Random {
    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
    }

    pub(super) fn draw(&self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        (0..choice.draws_max()).map(|_| self.lottery.draw(rng)).find(|&index| choice.is_open(index))
    }
}
