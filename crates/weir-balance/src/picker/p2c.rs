//! Power of two choices: two servers drawn at random by weight, the one with fewer requests in flight for its
//! weight takes the request (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
//!
//! Nearly as even as asking all servers, at a constant price, and many workers that decide at the same moment
//! do not all run to the same server.

use super::{Choice, Weights, lottery::Lottery};
use crate::{Rng, ServerIndex};

/// How often the second server is drawn again when it is the first once more.
const REDRAWS_MAX: usize = 3;

#[derive(Debug, Default)]
pub(super) struct P2c {
    lottery: Lottery,
}

impl P2c {
    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
    }

    pub(super) fn draw(&self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        (0..choice.draws_max()).find_map(|_| {
            let first = self.lottery.draw(rng);
            let second = self.draw_other(first, choice, rng);
            match (choice.is_open(first), choice.is_open(second)) {
                (true, true) => Some(less_loaded(first, second, choice)),
                (true, false) => Some(first),
                (false, true) => Some(second),
                (false, false) => None,
            }
        })
    }

    /// A server other than `first`, unless it is the only one.
    fn draw_other(&self, first: ServerIndex, choice: &Choice<'_>, rng: &mut Rng) -> ServerIndex {
        if let Some(other) = (0..REDRAWS_MAX).map(|_| self.lottery.draw(rng)).find(|&other| other != first) {
            return other;
        }
        // `first` outweighs all others by far (or is alone), so who is compared with it matters little.
        let place = rng.below(choice.eligible.len() as u64) as usize;
        let other = choice.eligible[place];
        if other != first { other } else { choice.eligible[(place + 1) % choice.eligible.len()] }
    }
}

/// On a tie the first: it was drawn by weight alone, so idle servers share by weight.
fn less_loaded(first: ServerIndex, second: ServerIndex, choice: &Choice<'_>) -> ServerIndex {
    // in_flight / weight, compared without a division
    let first_load = choice.in_flight(first) * choice.weight(second);
    let second_load = choice.in_flight(second) * choice.weight(first);
    if first_load <= second_load { first } else { second }
}
