//! Response times by size, in buckets whose width is a thousandth of what they hold: no run is too long for it.

/// Bits of the mantissa that tell buckets apart: 2^10 buckets for each power of two.
const BITS: u32 = 10;

/// Positive numbers by size.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// By the leading bits of the number, less `first`.
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

/// The leading bits of the least number that is told from smaller ones: 2^-20.
const FIRST: u64 = (1023 - 20) << BITS;

impl Histogram {
    /// Takes in one number, which is not negative.
    pub fn add(&mut self, number: f64) {
        let bucket = (number.to_bits() >> (52 - BITS)).saturating_sub(FIRST) as usize;
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += number;
    }

    /// Takes in all of another.
    pub fn add_all(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, others)| *own += others);
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Of all; 0 without any.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// The number that this share of all are not above, within a thousandth; 0 without any.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                // The middle of the bucket.
                let bits = ((bucket as u64 + FIRST) << (52 - BITS)) | 1 << (51 - BITS);
                return if bucket == 0 { 0.0 } else { f64::from_bits(bits) };
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_thousandth() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|number| histogram.add(f64::from(number) / 100.0));
        for share in [0.001, 0.5, 0.99, 0.999, 1.0] {
            let (expected, found) = (share * 1000.0, histogram.quantile(share));
            assert!((found / expected - 1.0).abs() < 0.001, "{share}: {found}");
        }
        assert!((histogram.mean() - 500.005).abs() < 1e-6);
        assert_eq!(Histogram::default().quantile(0.5), 0.0);
    }
}
