//! How long most of the latest answers took, for who must wait that long before a second request is worth it.
//!
//! A histogram with buckets that grow by a fifth each, whose counts are halved now and then so that it forgets. It is exact to
//! the width of a bucket, and costs one count per answer.

/// The lower bound of the second bucket, in microseconds.
const FIRST_US: f32 = 50.0;

/// Buckets per doubling.
const PER_OCTAVE: f32 = 4.0;

/// The last one begins above an hour.
const BUCKETS: usize = 108;

/// With fewer answers, nothing is known.
const ANSWERS_MIN: u32 = 50;

/// At so many answers all counts are halved.
const ANSWERS_MAX: u32 = 2_000;

/// Answers after which the percentile is found again.
const STALE: u32 = 50;

/// One percentile of the latest answers of one worker on one route.
#[derive(Debug, Clone)]
pub struct Percentile {
    percent: u8,
    counts: [u16; BUCKETS],
    total: u32,
    until_stale: u32,
    value_us: Option<u32>,
}

impl Percentile {
    /// Of `percent` of the answers, 1 to 99.
    pub fn new(percent: u8) -> Self {
        assert!((1..=99).contains(&percent), "the percentile {percent}");
        Self { percent, counts: [0; BUCKETS], total: 0, until_stale: ANSWERS_MIN, value_us: None }
    }

    /// Which one.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// Takes in how long an answer took.
    pub fn add(&mut self, latency_us: u32) {
        self.counts[bucket(latency_us)] += 1;
        self.total += 1;
        if self.total == ANSWERS_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
        self.until_stale -= 1;
        if self.until_stale == 0 {
            self.until_stale = STALE;
            self.value_us = Some(self.find());
        }
    }

    /// So long, in microseconds, did that share of the latest answers take at most; `None` before there were
    /// [`ANSWERS_MIN`].
    pub fn value_us(&self) -> Option<u32> {
        self.value_us
    }

    fn find(&self) -> u32 {
        let mut left = u64::from(self.total) * u64::from(self.percent) / 100;
        for (bucket, count) in self.counts.iter().enumerate() {
            match left.checked_sub(u64::from(*count)) {
                Some(rest) if bucket + 1 < BUCKETS => left = rest,
                _ => return upper_us(bucket),
            }
        }
        upper_us(BUCKETS - 1)
    }
}

fn bucket(latency_us: u32) -> usize {
    let octaves = (latency_us as f32 / FIRST_US).max(0.5).log2();
    ((octaves * PER_OCTAVE + 1.0).max(0.0) as usize).min(BUCKETS - 1)
}

fn upper_us(bucket: usize) -> u32 {
    (FIRST_US * (bucket as f32 / PER_OCTAVE).exp2()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_below_the_upper_bound_of_its_bucket_and_not_far() {
        for us in (51..10_000_000).step_by(997) {
            let upper = upper_us(bucket(us));
            assert!(upper >= us && f64::from(upper) < 1.2 * f64::from(us) + 1.0, "{us} {upper}");
        }
        assert_eq!((bucket(0), bucket(u32::MAX)), (0, 106));
    }

    #[test]
    fn it_is_known_to_a_fifth_and_forgets() {
        let mut p95 = Percentile::new(95);
        (1..ANSWERS_MIN).for_each(|_| p95.add(1000));
        assert_eq!(p95.value_us(), None);
        // One in ten takes ten times as long: the 95th percentile is among those.
        (0..10_000).for_each(|turn| p95.add(if turn % 10 == 0 { 10_000 } else { 1000 }));
        let known = p95.value_us().unwrap();
        assert!((10_000..12_000).contains(&known), "{known}");
        (0..10_000).for_each(|turn| p95.add(if turn % 50 == 0 { 10_000 } else { 1000 }));
        let known = p95.value_us().unwrap();
        assert!((1000..1200).contains(&known), "{known}");
    }
}
