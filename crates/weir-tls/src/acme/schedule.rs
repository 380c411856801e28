//! When to renew, and when to try again: decisions only, with the time and the randomness as arguments.
//!
//! A certificate is renewed at two thirds of its lifetime, which is what certificate authorities ask for whatever the
//! lifetime is; a fixed number of days would be too late for short ones. Where the authority itself names a window
//! (ARI, RFC 9773), a moment in that window is taken instead: it knows when it will be busy, and which certificates it
//! will revoke.

use std::time::{Duration, SystemTime};

use weir_balance::Rng;

/// Renewals are spread over this part of the lifetime before two thirds of it have passed, so that certificates
/// that were issued together are not renewed together: one part in this many.
const SPREAD_PARTS: u32 = 30;

/// How much longer the wait is after each further failure. Three, because with two a name would be tried more often
/// in its first hour than the five failed validations that a large authority allows.
const BACK_OFF_FACTOR: u32 = 3;

/// The span in which the authority wants a certificate to be renewed (RFC 9773, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub start: SystemTime,
    /// Until here.
    pub end: SystemTime,
}

/// The shortest and the longest wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first failure.
    pub min: Duration,
    /// However many there were.
    pub max: Duration,
}

/// One minute to six hours.
impl Default for BackOff {
    fn default() -> BackOff {
        BackOff { min: Duration::from_secs(60), max: Duration::from_secs(6 * 3600) }
    }
}

/// The moment to renew a certificate that is valid from `not_before` to `not_after`. It may lie in the past, which
/// means now. The window of the authority goes before the lifetime, but never past the end of the certificate.
pub fn when_to_renew(
    not_before: SystemTime,
    not_after: SystemTime,
    ari: Option<Window>,
    rng: &mut Rng,
) -> SystemTime {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    let by_lifetime = not_before + lifetime * 2 / 3;
    match ari {
        // RFC 9773, section 4.2: a uniformly random time within the window.
        Some(window) if window.start < not_after => {
            let end = window.end.min(not_after).max(window.start);
            between(window.start, end, rng)
        }
        _ => between(by_lifetime - lifetime / SPREAD_PARTS, by_lifetime, rng),
    }
}

/// How long to wait after `attempt` failures in a row, the first of which is 1: from `min` times a growing factor up
/// to `max`, with some of it random, so that many certificates that failed together do not try again together.
pub fn back_off(attempt: u32, limits: BackOff, rng: &mut Rng) -> Duration {
    let factor = BACK_OFF_FACTOR.saturating_pow(attempt.saturating_sub(1));
    let base = limits.min.saturating_mul(factor).min(limits.max);
    // At the upper end the randomness can only go downwards.
    let low = if base < limits.max { base } else { (limits.max * 3 / 4).max(limits.min.min(limits.max)) };
    let high = base.saturating_mul(3).min(limits.max.saturating_mul(2)) / 2;
    let high = high.min(limits.max).max(low);
    low + share_of(high - low, rng)
}

fn between(start: SystemTime, end: SystemTime, rng: &mut Rng) -> SystemTime {
    start + share_of(end.duration_since(start).unwrap_or_default(), rng)
}

/// A random part of a span, from nothing to all of it.
pub(super) fn share_of(span: Duration, rng: &mut Rng) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(rng.below(millis.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Whatever the randomness says, the moment lies in `expected`, and it is not always the same.
    fn check_renewal(lifetime: (u64, u64), ari: Option<(u64, u64)>, expected: (u64, u64)) {
        let ari = ari.map(|(start, end)| Window { start: at(start), end: at(end) });
        let moments: Vec<SystemTime> = (0..100)
            .map(|seed| when_to_renew(at(lifetime.0), at(lifetime.1), ari, &mut Rng::new(seed)))
            .collect();
        for moment in &moments {
            assert!(
                (at(expected.0)..=at(expected.1)).contains(moment),
                "{lifetime:?} {ari:?}: {moment:?} is not in {expected:?}"
            );
        }
        let all_the_same = moments.iter().all(|moment| *moment == moments[0]);
        assert_eq!(all_the_same, expected.0 == expected.1, "{lifetime:?} {ari:?}");
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_lifetime_or_when_the_authority_says() {
        check_renewal((0, 90 * DAY), None, (57 * DAY, 60 * DAY));
        check_renewal((0, 6 * DAY), None, (3 * DAY, 4 * DAY));
        check_renewal((100, 100 + 30), None, (119, 120));

        check_renewal((0, 90 * DAY), Some((70 * DAY, 72 * DAY)), (70 * DAY, 72 * DAY));
        check_renewal((0, 90 * DAY), Some((0, 1)), (0, 1));
        check_renewal((0, 90 * DAY), Some((DAY, DAY)), (DAY, DAY));
        // A window that reaches past the end of the certificate is cut, and one behind it is not believed.
        check_renewal((0, 90 * DAY), Some((80 * DAY, 200 * DAY)), (80 * DAY, 90 * DAY));
        check_renewal((0, 90 * DAY), Some((91 * DAY, 92 * DAY)), (57 * DAY, 60 * DAY));
        // Turned round, both: no panic, and something reasonable.
        check_renewal((0, 90 * DAY), Some((80 * DAY, 70 * DAY)), (80 * DAY, 80 * DAY));
        check_renewal((90 * DAY, 0), None, (90 * DAY, 90 * DAY));
    }

    /// In seconds; whatever the randomness says, the wait lies in `expected`.
    fn check_wait(attempt: u32, (min, max): (u64, u64), expected: (u64, u64)) {
        let limits = BackOff { min: Duration::from_secs(min), max: Duration::from_secs(max) };
        for seed in 0..100 {
            let wait = back_off(attempt, limits, &mut Rng::new(seed));
            let range = Duration::from_secs(expected.0)..=Duration::from_secs(expected.1);
            assert!(range.contains(&wait), "{attempt} {limits:?}: {wait:?} is not in {expected:?}");
        }
    }

    #[test]
    fn the_wait_grows_and_stays_within_its_limits() {
        check_wait(1, (60, 21_600), (60, 90));
        check_wait(2, (60, 21_600), (180, 270));
        check_wait(3, (60, 21_600), (540, 810));
        check_wait(6, (60, 21_600), (14_580, 21_600));
        check_wait(7, (60, 21_600), (16_200, 21_600));
        check_wait(u32::MAX, (60, 21_600), (16_200, 21_600));
        check_wait(0, (60, 21_600), (60, 90));
        check_wait(1, (60, 60), (60, 60));
        check_wait(5, (0, 0), (0, 0));
        check_wait(5, (90, 60), (60, 60));
    }
}
