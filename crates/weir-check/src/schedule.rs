//! When a server is checked: pauses that never align. Pure.
//!
//! Servers that are checked in step are hit together, by one balancer and by a fleet of them started by the
//! same command. So the first check comes at once, the second somewhere within the interval, and every later
//! one an interval after the one before, give or take a tenth.

use std::time::Duration;

/// A tenth of the interval, both ways.
const JITTER: f64 = 0.1;

/// The pauses of one server, drawn from its own seed.
#[derive(Debug)]
pub(crate) struct Schedule {
    rng: Rng,
    in_phase: bool,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng(seed), in_phase: false }
    }

    /// From the start of one check to the start of the next.
    pub(crate) fn next_pause(&mut self, interval: Duration) -> Duration {
        let share = self.rng.unit();
        if self.in_phase {
            interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * share)
        } else {
            self.in_phase = true;
            interval.mul_f64(share)
        }
    }
}

/// SplitMix64: even, tiny, and good enough for a phase.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Even in `0.0..1.0`.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1000);

    #[test]
    fn the_phase_lies_anywhere_in_the_interval() {
        let mut seeds = Rng::new(1);
        let mut tenths = [0u32; 10];
        for _ in 0..10_000 {
            let phase = Schedule::new(seeds.next()).next_pause(INTERVAL);
            assert!(phase < INTERVAL);
            tenths[(phase.as_millis() / 100) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn later_pauses_stay_within_a_tenth_and_differ() {
        let mut schedule = Schedule::new(7);
        schedule.next_pause(INTERVAL);
        let pauses: Vec<_> = (0..10_000).map(|_| schedule.next_pause(INTERVAL).as_millis()).collect();
        assert!(pauses.iter().all(|pause| (900..=1100).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < 910) && pauses.iter().any(|pause| *pause > 1090));
        let mean = pauses.iter().sum::<u128>() / pauses.len() as u128;
        assert!((995..=1005).contains(&mean), "mean {mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let mut schedule = Schedule::new(seed);
            (0..20).map(|_| schedule.next_pause(INTERVAL)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(3), pauses(3));
        assert_ne!(pauses(3), pauses(4));
    }
}
