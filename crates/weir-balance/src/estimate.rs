//! How long a server takes to answer, as one worker has seen it.
//!
//! A mean that forgets. Each answer counts for [`SHARE_MIN`] at least, so that a busy server is averaged over some
//! forty answers, and for more where answers are rare: what is [`MEMORY_MS`] old counts for little. A failure counts as
//! a slow answer, however fast it came: else a server that fails at once would draw all traffic.
//!
//! A server that looks worse than the average is asked less, so it is also seen less. Its estimate therefore comes back
//! to the average by itself within some [`FORGIVE_MS`]: then it gets traffic again, and either does better or is seen to
//! do as badly as before. One that looks better than the average keeps that for as long as it takes: it is asked often
//! enough to be proved wrong.
//!
//! The numbers were chosen by simulation (`docs/balancing.md`).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The least that one answer counts for.
const SHARE_MIN: f32 = 0.05;

/// After so long without an answer, the next counts for half.
const MEMORY_MS: f32 = 60_000.0;

/// After so long without an answer, less than half is left of what a server was worse than the average.
const FORGIVE_MS: f32 = 3_000.0;

/// A failure counts as an answer after so many times the average.
const FAILURE_FACTOR: f32 = 10.0;

/// An answer, or none, as far as picking goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// From the request to the head of the answer.
    pub latency_us: u32,
    /// It is none that the server should have given: an error of its own, or a connection that broke.
    pub failed: bool,
}

/// One server. Written by one worker; others may look.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// The bits of an `f32`; 0 before the first answer.
    latency_us: AtomicU32,
    seen_ms: AtomicU64,
}

/// The average of all servers of a pool, by requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Average {
    latency_us: f32,
    answers: u32,
}

impl Estimate {
    /// Takes in an answer.
    pub(crate) fn observe(&self, observation: Observation, average: &Average, now_ms: u64) {
        let before = self.last_us();
        let mut sample = observation.latency_us.max(1) as f32;
        if observation.failed {
            sample = sample.max(average.latency_us.max(1.0) * FAILURE_FACTOR);
        }
        let after = match before {
            None => sample,
            Some(before) => {
                let age_ms = now_ms.saturating_sub(self.seen_ms.load(Relaxed)) as f32;
                let share = SHARE_MIN.max(age_ms / (age_ms + MEMORY_MS));
                before + (sample - before) * share
            }
        };
        self.latency_us.store(after.to_bits(), Relaxed);
        self.seen_ms.store(now_ms, Relaxed);
    }

    /// What the last answer left.
    pub(crate) fn last_us(&self) -> Option<f32> {
        match self.latency_us.load(Relaxed) {
            0 => None,
            bits => Some(f32::from_bits(bits)),
        }
    }

    /// What is to be expected now. A server that has not answered yet is taken for an average one.
    pub(crate) fn expected_us(&self, average: &Average, now_ms: u64) -> f32 {
        let average = average.latency_us;
        let Some(last) = self.last_us() else { return average };
        if last <= average {
            return last;
        }
        let age_ms = now_ms.saturating_sub(self.seen_ms.load(Relaxed)) as f32;
        if age_ms < FORGIVE_MS / 256.0 {
            return last;
        }
        // As `exp(-age)` for a while, but division is the same number on every machine.
        let age = age_ms / FORGIVE_MS;
        average + (last - average) / (1.0 + age + age * age / 2.0)
    }
}

impl Average {
    /// So many answers count.
    const ANSWERS: u32 = 128;

    /// Failures tell nothing about how long an answer takes.
    pub(crate) fn add(&mut self, observation: Observation) {
        if !observation.failed {
            self.answers = (self.answers + 1).min(Self::ANSWERS);
            self.latency_us += (observation.latency_us as f32 - self.latency_us) / self.answers as f32;
        }
    }
}
