//! What servers say of their own load, asked ahead of the requests that need it (after Wydrowski et al., "Load is not
//! what you should balance: introducing Prequal", NSDI 2024, section 4).
//!
//! Each request has a few servers probed, at random; their answers are kept for a later one. Of these, those with more
//! requests in flight than most are hot. A request takes the cold one with the least latency, and if all are hot the one
//! with the fewest requests. A probe's answer is good for a while and for a few picks: the pick itself adds to the load
//! that it told of. With each request the oldest and the worst are dropped in turn, so that a pool of answers that
//! nobody took does not end as one of bad servers only.
//!
//! A server that fails at once has few requests in flight and answers fast: by its own words it is the best. So who has
//! failed lately is neither hot nor cold but the last choice, until it is forgiven. (The paper's servers are asked by
//! clients that leave failing ones to others; in the simulator, one failing server of a hundred made 5.8% of all requests
//! fail.)

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

/// The share of the latest answers that one answer is.
const ANSWER_SHARE: f32 = 0.2;

/// A server of which more than this share has failed is the last choice: one failure is enough for a second.
const FAILING_SHARE: f32 = 0.15;

/// After so long without an answer, less than half of the share is left.
const FORGIVE_MS: f32 = 3_000.0;

/// How often one is drawn at random that does not fail.
const REDRAWS_MAX: usize = 3;

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
    /// By server.
    failures: Vec<Failures>,
    drops_worst: bool,
}

/// The share of failures among a server's latest answers.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    share: f32,
    at_ms: u64,
}

impl Failures {
    fn now(self, now_ms: u64) -> f32 {
        if self.share == 0.0 {
            return 0.0;
        }
        let age = now_ms.saturating_sub(self.at_ms) as f32 / FORGIVE_MS;
        self.share / (1.0 + age + age * age / 2.0)
    }

    fn is_failing(self, now_ms: u64) -> bool {
        self.now(now_ms) > FAILING_SHARE
    }
}

impl Prequal {
    /// For a pool of so many servers.
    pub(super) fn new(servers: usize) -> Self {
        Self { failures: vec![Failures::default(); servers], ..Self::default() }
    }

    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        self.lottery.gather(eligible, weights);
        self.probes.reserve(PROBES_MAX);
        self.probes.retain(|probe| eligible.contains(&probe.server));
    }

    pub(super) fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        self.probes.retain(|probe| choice.ask.now_ms <= probe.at_ms + AGE_MAX_MS && probe.uses < USES_MAX);
        let picked = if self.probes.len() < PROBES_MIN { None } else { self.best(choice) };
        self.drop_one();
        picked.or_else(|| self.any(choice, rng))
    }

    /// One at random by weight, if possible one that does not fail.
    fn any(&self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        let mut failing = None;
        for _ in 0..REDRAWS_MAX + choice.draws_max() {
            let index = self.lottery.draw(rng);
            if !choice.is_open(index) {
                continue;
            }
            if !self.failures[index.get()].is_failing(choice.ask.now_ms) {
                return Some(index);
            }
            failing = Some(index);
        }
        failing
    }

    fn best(&mut self, choice: &Choice<'_>) -> Option<ServerIndex> {
        let limit = self.hot_limit();
        let failures = &self.failures;
        let rank = |probe: &Probe| {
            let failures = failures[probe.server.get()];
            if failures.is_failing(choice.ask.now_ms) {
                (2, failures.now(choice.ask.now_ms))
            } else if probe.load.requests <= limit {
                (0, probe.load.latency)
            } else {
                (1, probe.load.requests)
            }
        };
        let open = self.probes.iter_mut().filter(|probe| choice.is_open(probe.server));
        let best = open.min_by(|a, b| {
            let ((a_class, a), (b_class, b)) = (rank(a), rank(b));
            a_class.cmp(&b_class).then(a.total_cmp(&b))
        })?;
        // All that are known fail: there may be others.
        if rank(best).0 == 2 {
            return None;
        }
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

    /// An answer, or none.
    pub(super) fn judge(&mut self, index: ServerIndex, failed: bool, now_ms: u64) {
        let Some(failures) = self.failures.get_mut(index.get()) else { return };
        let share = failures.now(now_ms);
        let target = if failed { 1.0 } else { 0.0 };
        *failures = Failures { share: share + (target - share) * ANSWER_SHARE, at_ms: now_ms };
    }

    pub(super) fn probed(&mut self, index: ServerIndex, load: Load, now_ms: u64) {
        self.probes.retain(|probe| probe.server != index);
        if self.probes.len() == PROBES_MAX {
            self.probes.remove(0);
        }
        self.probes.push(Probe { server: index, load, at_ms: now_ms, uses: 0 });
    }
}
