//! How late checks begin: from the time that was set for a check to the moment when it is sent.
//!
//! First checks do not count: those of a whole new file are all wanted at the same moment.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets, in milliseconds.
pub const LATENESS_BOUNDS_MS: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/// Counted by all checks, read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct LatenessCounters {
    buckets: [AtomicU64; LATENESS_BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// How late checks began, since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Lateness {
    /// One count for each bucket of [`LATENESS_BOUNDS_MS`], and one for what lies above them all.
    pub counts: [u64; LATENESS_BOUNDS_MS.len() + 1],
    /// All of them together.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
}

impl LatenessCounters {
    pub(crate) fn count(&self, late: Duration) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENESS_BOUNDS_MS.partition_point(|bound| *bound * 1000 < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    pub(crate) fn read(&self) -> Lateness {
        Lateness {
            counts: std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed)),
            sum: Duration::from_micros(self.sum_us.load(Relaxed)),
            max: Duration::from_micros(self.max_us.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lateness_falls_into_its_bucket() {
        let counters = LatenessCounters::default();
        for us in [0, 1000, 1001, 5_000, 20_000_000] {
            counters.count(Duration::from_micros(us));
        }
        let read = counters.read();
        assert_eq!(read.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((read.sum, read.max), (Duration::from_micros(20_007_001), Duration::from_secs(20)));
    }
}
