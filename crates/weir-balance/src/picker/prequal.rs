//! What servers say of their own load, asked ahead of the requests that need it (after Wydrowski et al., "Load is not
//! what you should balance: introducing Prequal", NSDI 2024, section 4).
//!
//! Each request has a few servers probed, at random; their answers are kept for a later one. Of these, those with more
//! requests in flight than most are hot. A request takes the cold one with the least latency, and if all are hot the one
//! with the fewest requests. A probe's answer is good for a while and for a few picks: the pick itself adds to the load
//! that it told of. With each request the oldest and the worst are dropped in turn, so that a pool of answers that
//! nobody took does not end as one of bad servers only.

use super::{Choice, Weights, lottery::Lottery};
use crate::{Rng, ServerIndex};

/// Answers that are kept.
const PROBES_MAX: usize = 16;

/// With fewer, a server is drawn at random.
const PROBES_MIN: usize = 2;

/// How long an answer is good for.
const AGE_MAX_MS: u64 = 1_000;

/// So many picks may go by one answer.
const USES_MAX: u8 = 2;

/// The share of answers whose requests in flight are not hot.
const COLD_QUANTILE: f64 = 0.84;

/// What a server says of its load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Its requests in flight, or any other measure of how busy it is.
    pub requests: f32,
    /// How long it takes for an answer now, in any unit.
    pub latency: f32,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    server: ServerIndex,
    load: Load,
    at_ms: u64,
    uses: u8,
}

#[derive(Debug, Default)]
pub(super) struct Prequal {
    lottery: Lottery,
    /// The oldest first.
    probes: Vec<Probe>,
    drops_worst: bool,
}

impl Prequal {
    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
        self.probes.reserve(PROBES_MAX);
        self.probes.retain(|probe| eligible.contains(&probe.server));
    }

    pub(super) fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        self.probes.retain(|probe| choice.ask.now_ms <= probe.at_ms + AGE_MAX_MS && probe.uses < USES_MAX);
        let open = |probe: &Probe| choice.is_open(probe.server);
        let picked = if self.probes.len() < PROBES_MIN { None } else { self.best(open) };
        self.drop_one();
        match picked {
            Some(server) => Some(server),
            None => {
                (0..choice.draws_max()).map(|_| self.lottery.draw(rng)).find(|&index| choice.is_open(index))
            }
        }
    }

    fn best(&mut self, open: impl Fn(&Probe) -> bool) -> Option<ServerIndex> {
        let limit = self.hot_limit();
        let rank = |probe: &Probe| match probe.load.requests <= limit {
            true => (0, probe.load.latency),
            false => (1, probe.load.requests),
        };
        let best = self.probes.iter_mut().filter(|probe| open(probe)).min_by(|a, b| {
            let ((a_hot, a), (b_hot, b)) = (rank(a), rank(b));
            a_hot.cmp(&b_hot).then(a.total_cmp(&b))
        })?;
        best.uses += 1;
        // The request that goes there now is not in what it said.
        best.load.requests += 1.0;
        Some(best.server)
    }

    /// More requests in flight than this are hot.
    fn hot_limit(&self) -> f32 {
        let mut requests = [0.0; PROBES_MAX];
        for (place, probe) in requests.iter_mut().zip(&self.probes) {
            *place = probe.load.requests;
        }
        let requests = &mut requests[..self.probes.len()];
        requests.sort_unstable_by(f32::total_cmp);
        requests[((requests.len() - 1) as f64 * COLD_QUANTILE) as usize]
    }

    fn drop_one(&mut self) {
        if self.probes.len() <= PROBES_MIN {
            return;
        }
        self.drops_worst = !self.drops_worst;
        let dropped = if self.drops_worst {
            let worst = |a: &(usize, &Probe), b: &(usize, &Probe)| {
                a.1.load
                    .requests
                    .total_cmp(&b.1.load.requests)
                    .then(a.1.load.latency.total_cmp(&b.1.load.latency))
            };
            self.probes.iter().enumerate().max_by(worst).map_or(0, |(place, _)| place)
        } else {
            0
        };
        self.probes.remove(dropped);
    }

    pub(super) fn wants_probe(&self, rng: &mut Rng) -> ServerIndex {
        self.lottery.draw(rng)
    }

    pub(super) fn probed(&mut self, index: ServerIndex, load: Load, now_ms: u64) {
        self.probes.retain(|probe| probe.server != index);
        if self.probes.len() == PROBES_MAX {
            self.probes.remove(0);
        }
        self.probes.push(Probe { server: index, load, at_ms: now_ms, uses: 0 });
    }
}
