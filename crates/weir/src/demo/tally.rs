//! What the demo's own client saw: requests and latency of each server, over all and in the last second. Pure.

use std::time::Duration;

/// Latencies in buckets whose width is a sixteenth of their power of two: percentiles are right to 6 %.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    counts: Vec<u32>,
    total: u64,
}

const SUB_BUCKETS_LOG2: u32 = 4;
const SUB_BUCKETS: u64 = 1 << SUB_BUCKETS_LOG2;

/// Buckets up to some 70 minutes in microseconds; what is slower counts in the last.
const BUCKETS: usize = 512;

impl Latencies {
    fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(us)] += 1;
        self.total += 1;
    }

    fn add(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.total += other.total;
    }

    /// The latency that `share` of the requests did not exceed; `None` without any.
    pub(super) fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(Duration::from_micros(highest(index)))
    }

    /// How many.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

fn bucket(us: u64) -> usize {
    if us < SUB_BUCKETS {
        return us as usize;
    }
    let shift = us.ilog2() - SUB_BUCKETS_LOG2;
    let index = u64::from(shift) * SUB_BUCKETS + (us >> shift);
    (index as usize).min(BUCKETS - 1)
}

/// The highest value of a bucket.
fn highest(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * SUB_BUCKETS {
        return index;
    }
    let shift = index / SUB_BUCKETS - 1;
    let start = (index % SUB_BUCKETS + SUB_BUCKETS) << shift;
    start + (1 << shift) - 1
}

/// Counts of all servers since the last [`Tally::take`].
#[derive(Debug, Clone)]
pub(super) struct Tally {
    servers: Vec<Latencies>,
    failed: u64,
    first_failure: Option<String>,
}

impl Tally {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers: vec![Latencies::new(); servers], failed: 0, first_failure: None }
    }

    /// A right answer of the server with this index.
    pub(super) fn record(&mut self, server: usize, latency: Duration) {
        self.servers[server].record(latency);
    }

    /// No answer, or a wrong one.
    pub(super) fn record_failure(&mut self, reason: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(reason);
    }

    /// Gives what was counted and begins anew.
    pub(super) fn take(&mut self) -> Self {
        let fresh = Self::new(self.servers.len());
        std::mem::replace(self, fresh)
    }

    /// Adds what was counted later.
    pub(super) fn add(&mut self, later: &Self) {
        for (own, more) in self.servers.iter_mut().zip(&later.servers) {
            own.add(more);
        }
        self.failed += later.failed;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&later.first_failure);
        }
    }

    /// Latencies of the right answers of one server.
    pub(super) fn server(&self, index: usize) -> &Latencies {
        &self.servers[index]
    }

    /// The part of all right answers that one server gave, 0 to 1.
    pub(super) fn share(&self, index: usize) -> f64 {
        let answered: u64 = self.servers.iter().map(Latencies::total).sum();
        self.servers[index].total as f64 / answered.max(1) as f64
    }

    /// All requests, failed ones included.
    pub(super) fn requests(&self) -> u64 {
        self.servers.iter().map(Latencies::total).sum::<u64>() + self.failed
    }

    /// Requests without a right answer.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Why the first of them failed.
    pub(super) fn first_failure(&self) -> Option<&str> {
        self.first_failure.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_without_gaps() {
        for us in 0..100_000 {
            let index = bucket(us);
            let top = highest(index);
            assert!(us <= top && (top - us) * 16 <= us.max(1), "{us} µs are in a bucket up to {top}");
            assert!(index == 0 || highest(index - 1) < us, "{us} µs belong into a lower bucket");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentile(0.5), None);
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.0, 1), (0.5, 500), (0.99, 990), (1.0, 1000)] {
            let found = latencies.percentile(share).unwrap().as_secs_f64() * 1000.0;
            let exact = f64::from(ms);
            assert!((exact..exact * 1.07).contains(&found), "{share}: {found} ms for {exact}");
        }
    }

    #[test]
    fn seconds_add_up() {
        let mut all = Tally::new(2);
        let mut now = Tally::new(2);
        now.record(0, Duration::from_millis(1));
        now.record_failure("first".to_owned());
        all.add(&now.take());
        assert_eq!((now.requests(), now.failed(), now.first_failure()), (0, 0, None));
        now.record(1, Duration::from_millis(1));
        now.record(1, Duration::from_millis(2));
        now.record_failure("second".to_owned());
        all.add(&now.take());
        assert_eq!((all.requests(), all.failed()), (5, 2));
        assert_eq!((all.server(0).total(), all.server(1).total()), (1, 2));
        assert!((all.share(1) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(all.first_failure(), Some("first"));
    }
}
