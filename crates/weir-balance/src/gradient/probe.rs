//! The experiment: whether fewer in flight are answered faster.
//!
//! If all servers are full, `n` in flight at `x` answers a second take `n / x` each (Little's law): two thirds of them take
//! two thirds of the time. If none is full, they take as long as before. What is found in between goes to the nearer side.
//! Where as few as are always allowed are in flight already, the same is found with twice as many.

use super::{TARGET, WINDOW_US_MAX, window::Seen};

/// So many answers make an experiment.
pub(super) const ANSWERS: u32 = 60;

/// Of those that are thought to be worked on, so many are let in.
const PART: f64 = 0.7;

/// The first answers are the fast ones: none counts before so many usual latencies have gone by.
const PATIENCE: f64 = 8.0;

/// With less of a difference in what was in flight, nothing is found out.
const DIFFERENCE_MIN: f64 = 0.1;

/// An experiment under way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) since_us: u64,
    /// When the first request went out whose answer is about this. Those that were in flight before have to come first.
    first_us: Option<u64>,
    /// So long after that answers begin to count.
    patience_us: u64,
    pub(super) limit: f64,
    pub(super) before: Seen,
}

impl Probe {
    pub(super) fn new(now_us: u64, before: &Seen, usual: f64, min: u32) -> Self {
        let working = before.in_flight * (usual - before.latency).min(0.0).exp();
        let limit = (PART * working).max(min.into());
        let is_lower = limit * TARGET.sqrt() < before.in_flight;
        Self {
            since_us: now_us,
            first_us: None,
            patience_us: patience_us(usual),
            limit: if is_lower { limit } else { 2.0 * before.in_flight },
            before: *before,
        }
    }

    /// Whether an answer counts: its request went out among no more than are let in now, and long answers have had the
    /// time to come too.
    pub(super) fn counts(&mut self, now_us: u64, latency_us: u32) -> bool {
        let began_us = now_us.saturating_sub(latency_us.into());
        if began_us < self.since_us {
            return false;
        }
        let first_us = self.first_us.get_or_insert(began_us);
        *first_us = began_us.min(*first_us);
        now_us >= *first_us + self.patience_us
    }

    /// Whether so long latencies could be seen by now. If not, answers count from when they can.
    pub(super) fn settles(&mut self, now_us: u64, latency: f64) -> bool {
        self.patience_us = self.patience_us.max(patience_us(latency));
        self.first_us.is_some_and(|first_us| first_us + self.patience_us <= now_us)
    }

    /// What is usual, now that this was seen.
    pub(super) fn usual_after(&self, usual: f64, seen: &Seen) -> f64 {
        let fewer = (self.before.in_flight / seen.in_flight).ln();
        let faster = self.before.latency - seen.latency;
        let known = if fewer.abs() < DIFFERENCE_MIN {
            return usual;
        } else if faster / fewer >= 0.5 {
            // They waited, and may do so still: it is no more than this.
            usual.min(seen.latency)
        } else {
            seen.latency
        };
        // A few answers say little of what chance may explain.
        let surprise = (known - usual).abs() / seen.error.max(1e-9);
        if surprise < 3.0 { usual + 0.3 * (known - usual) } else { known }
    }
}

fn patience_us(latency: f64) -> u64 {
    ((PATIENCE * latency.exp()) as u64).min(WINDOW_US_MAX)
}
