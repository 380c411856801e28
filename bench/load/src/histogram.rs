//! Latencies in buckets whose width grows with their value: below 1 % of error, a fixed size, no allocation.

use std::time::Duration;

/// Buckets per power of two.
const SPLIT: usize = 128;
const SPLIT_BITS: u32 = SPLIT.ilog2();

/// Counts of latencies in nanoseconds.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; bucket(u64::MAX) + 1], total: 0 }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.counts[bucket(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))] += 1;
        self.total += 1;
    }

    /// The latency that the given share of all does not exceed, in microseconds; 0 when nothing was recorded.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let rank = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return middle(index) / 1000.0;
            }
        }
        0.0
    }
}

/// The first `2 * SPLIT` values have a bucket each, then each power of two has `SPLIT` of them.
fn bucket(value: u64) -> usize {
    let shift = value.checked_ilog2().unwrap_or(0).saturating_sub(SPLIT_BITS);
    shift as usize * SPLIT + (value >> shift) as usize
}

/// The middle of a bucket.
fn middle(index: usize) -> f64 {
    if index < 2 * SPLIT {
        return index as f64;
    }
    let shift = index / SPLIT - 1;
    let low = (SPLIT + index % SPLIT) as f64;
    (low + 0.5) * 2f64.powi(shift as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_within_one_percent_of_its_values() {
        for value in (0..60).flat_map(|bits| [1u64 << bits, (1u64 << bits) + (1u64 << bits) / 3]) {
            let shown = middle(bucket(value));
            assert!((shown - value as f64).abs() <= value as f64 * 0.01, "{value} is shown as {shown}");
        }
        let mut buckets: Vec<usize> = (0..100_000).map(bucket).collect();
        assert!(buckets.is_sorted());
        buckets.dedup();
        assert_eq!(buckets, (0..buckets.len()).collect::<Vec<_>>(), "no bucket is left out");
        assert!(bucket(u64::MAX) < 10_000, "a fixed, small table");
    }

    #[test]
    fn quantiles_of_a_known_set() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(0.5), 0.0);
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile_us(share);
            assert!((got - expected).abs() < expected * 0.01, "{share}: {got}, not {expected}");
        }
    }
}
