//! How much of its weight a server gets that has just come: it grows in a few steps, not with every moment.
//!
//! Each step makes all workers gather the pool anew, which in a pool of many servers costs more than a request. Ten steps
//! are few, and no step gives more than a tenth of its share at once.

/// How many steps there are.
const STEPS: u64 = 10;

/// The first step: enough to show how it does.
pub const RAMP_PERCENT_MIN: u8 = (100 / STEPS) as u8;

/// The part of its weight, in percent, that a server has `age_ms` after it came, when it is to have all of it after
/// `length_ms`.
pub fn ramp_percent(age_ms: u64, length_ms: u64) -> u8 {
    if age_ms >= length_ms {
        return 100;
    }
    let step = age_ms.saturating_mul(STEPS) / length_ms;
    (step * 100 / STEPS).max(RAMP_PERCENT_MIN.into()) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_grows_in_ten_steps_to_the_whole() {
        let check =
            |age_ms, expected| assert_eq!(ramp_percent(age_ms, 30_000), expected, "after {age_ms} ms");
        check(0, 10);
        check(5_999, 10);
        check(6_000, 20);
        check(15_000, 50);
        check(29_999, 90);
        check(30_000, 100);
        check(u64::MAX, 100);
        assert_eq!(ramp_percent(0, 0), 100);
        let steps: Vec<u8> = (0..=30_000).map(|age_ms| ramp_percent(age_ms, 30_000)).collect();
        assert!(steps.is_sorted());
        assert_eq!(steps.into_iter().collect::<BTreeSet<_>>().len(), STEPS as usize);
    }
}
