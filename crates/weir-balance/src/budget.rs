//! How many further attempts a route may make, as a share of its requests: without a bound, a pool that fails gets a
//! multiple of the traffic that made it fail.
//!
//! Requests are counted over the last one to two halves of [`WINDOW_MS`]: an old half leaves as a whole, which is a
//! count and no list. A few attempts are always allowed, so that a route with little traffic has some too.

/// What is counted lies at most so long back, in milliseconds.
const WINDOW_MS: u64 = 10_000;

/// So many further attempts per window are allowed whatever their share.
const FEW: u32 = 10;

const HALF_MS: u64 = WINDOW_MS / 2;

/// The further attempts of one worker on one route.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// Which half this is, counted from the clock's beginning.
    half: u64,
    current: Counts,
    last: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: u32,
    attempts: u32,
}

impl Budget {
    /// Counts a request, once however often it is tried.
    pub fn request(&mut self, now_ms: u64) {
        self.roll(now_ms);
        self.current.requests = self.current.requests.saturating_add(1);
    }

    /// Allows one more attempt, or none: with it, all of them would be more than `percent` of the requests.
    pub fn take(&mut self, percent: u32, now_ms: u64) -> bool {
        self.roll(now_ms);
        let requests = u64::from(self.current.requests) + u64::from(self.last.requests);
        let attempts = u64::from(self.current.attempts) + u64::from(self.last.attempts);
        let allowed = (requests * u64::from(percent) / 100).max(u64::from(FEW));
        let allows = attempts < allowed;
        self.current.attempts += u32::from(allows);
        allows
    }

    /// Takes back what was allowed and not used.
    pub fn put_back(&mut self) {
        self.current.attempts = self.current.attempts.saturating_sub(1);
    }

    fn roll(&mut self, now_ms: u64) {
        let half = now_ms / HALF_MS;
        if half != self.half {
            self.last = if half == self.half + 1 { self.current } else { Counts::default() };
            self.current = Counts::default();
            self.half = half;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_a_share_of_requests() {
        let mut budget = Budget::default();
        let mut attempts = 0;
        for request in 0..100_000_u64 {
            let now_ms = 1_000_000 + request / 10;
            budget.request(now_ms);
            // Each fails, and would be tried three times more.
            attempts += (0..3).filter(|_| budget.take(20, now_ms)).count();
        }
        assert!((19_000..=20_000).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_few_are_always_allowed() {
        let mut budget = Budget::default();
        let allowed = |budget: &mut Budget, now_ms| (0..100).filter(|_| budget.take(20, now_ms)).count();
        assert_eq!(allowed(&mut budget, 1), FEW as usize);
        assert_eq!(allowed(&mut budget, WINDOW_MS - 1), 0, "the same window");
        assert_eq!(allowed(&mut budget, WINDOW_MS), FEW as usize, "the first half has left");
        budget.put_back();
        assert_eq!(allowed(&mut budget, WINDOW_MS), 1);
    }

    #[test]
    fn old_requests_do_not_count() {
        let mut budget = Budget::default();
        (0..10_000).for_each(|_| budget.request(0));
        let allowed = (0..10_000).filter(|_| budget.take(20, 3 * WINDOW_MS)).count();
        assert_eq!(allowed, FEW as usize);
    }
}
