//! What the workers count of a server's answers, for whoever judges the server by them.
//!
//! Each worker counts in its own lane, beside its requests in flight, and never looks at the numbers again: the control
//! plane reads all lanes from time to time and takes the difference. So a request costs a few stores to a cache line
//! that it writes anyway.
//!
//! Times are summed as logarithms. What comes of that is the geometric mean: one answer that took a minute among twenty
//! of a few milliseconds moves it little, and a server that has become ten times slower moves it by ten. A median would
//! do as well, but needs a histogram for each server and worker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Server;

/// Parts of a doubling in the logarithms of times.
const PARTS: u64 = 256;

/// One worker's lane. Only that worker writes it.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    good: AtomicU64,
    failures: AtomicU64,
    /// Failures since the last good answer.
    in_a_row: AtomicU64,
    timed: AtomicU64,
    logs: AtomicU64,
}

/// A lane as it was read once.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    good: u64,
    failures: u64,
    in_a_row: u64,
    timed: u64,
    logs: u64,
}

/// What all workers have counted of a server since the last look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Good answers.
    pub good: u64,
    /// Answers that were failures, and answers that never came.
    pub failures: u64,
    /// The longest row of failures at the end, in one worker.
    pub tail: u64,
    /// The times of good answers, and of those that were not waited for.
    pub times: Times,
}

/// Times of answers, summed up so that their geometric mean can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    pub(crate) count: u64,
    logs: u64,
}

/// What was read of a server at the last look.
#[derive(Debug)]
pub struct Account(Box<[Counted]>);

impl Outcomes {
    pub(crate) fn count(&self, failed: bool, latency_us: Option<u32>) {
        if failed {
            add(&self.failures, 1);
            add(&self.in_a_row, 1);
            return;
        }
        add(&self.good, 1);
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
        self.count_time(latency_us);
    }

    pub(crate) fn count_time(&self, latency_us: Option<u32>) {
        if let Some(latency_us) = latency_us {
            add(&self.timed, 1);
            add(&self.logs, log_of(latency_us));
        }
    }

    fn read(&self) -> Counted {
        Counted {
            good: self.good.load(Relaxed),
            failures: self.failures.load(Relaxed),
            in_a_row: self.in_a_row.load(Relaxed),
            timed: self.timed.load(Relaxed),
            logs: self.logs.load(Relaxed),
        }
    }
}

/// The lane has one writer, so a load and a store suffice.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
}

impl Account {
    /// Begins to look at a server: what was counted before does not count.
    pub fn open(server: &Server) -> Self {
        Self(server.outcomes().map(Outcomes::read).collect())
    }

    /// What has come since the last look.
    pub fn take(&mut self, server: &Server) -> Seen {
        let mut seen = Seen::default();
        for (before, lane) in self.0.iter_mut().zip(server.outcomes()) {
            let now = lane.read();
            let failures = now.failures.wrapping_sub(before.failures);
            seen.good += now.good.wrapping_sub(before.good);
            seen.failures += failures;
            // The worker goes on while this reads: a row is never longer than what is new.
            seen.tail = seen.tail.max(now.in_a_row.min(failures));
            seen.times.add(Times {
                count: now.timed.wrapping_sub(before.timed),
                logs: now.logs.wrapping_sub(before.logs),
            });
            *before = now;
        }
        seen
    }
}

impl Times {
    /// Takes in others.
    pub(crate) fn add(&mut self, more: Times) {
        self.count += more.count;
        self.logs += more.logs;
    }

    /// Of these answers; for tests and simulations.
    pub fn of(latencies_us: impl IntoIterator<Item = u32>) -> Self {
        latencies_us.into_iter().fold(Self::default(), |sum, latency_us| Self {
            count: sum.count + 1,
            logs: sum.logs + log_of(latency_us),
        })
    }

    /// The geometric mean, in microseconds; `None` without an answer.
    pub fn typical_us(self) -> Option<u64> {
        self.logs.checked_div(self.count).map(time_of)
    }
}

/// The binary logarithm in [`PARTS`], straight between the powers of two: off by at most 6% of a time, and
/// [`time_of`] takes it back the same way.
fn log_of(latency_us: u32) -> u64 {
    let latency = u64::from(latency_us.max(1));
    let whole = u64::from(latency.ilog2());
    whole * PARTS + (((latency - (1 << whole)) * PARTS) >> whole)
}

fn time_of(log: u64) -> u64 {
    let (whole, part) = (log / PARTS, log % PARTS);
    let power = 1_u64 << whole.min(40);
    power + (power * part).div_ceil(PARTS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::Epoch;

    fn server(workers: usize) -> Server {
        Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::new(Epoch::default()), workers)
    }

    #[test]
    fn a_look_sees_what_has_come_since_the_last() {
        let server = server(2);
        server.count(0, true, None);
        let mut account = Account::open(&server);
        assert_eq!(account.take(&server), Seen::default(), "what was before does not count");
        server.count(0, false, Some(1000));
        server.count(1, true, None);
        server.count(1, true, None);
        let seen = account.take(&server);
        assert_eq!((seen.good, seen.failures, seen.tail), (1, 2, 2));
        assert_eq!(seen.times.typical_us(), Some(1000));
        server.count(1, true, None);
        let seen = account.take(&server);
        assert_eq!((seen.good, seen.failures, seen.tail), (0, 1, 1), "a row counts as far as it is new");
        server.count_time(0, Some(7));
        let seen = account.take(&server);
        assert_eq!((seen.good, seen.failures, seen.times.typical_us()), (0, 0, Some(7)));
        server.count(1, false, None);
        let seen = account.take(&server);
        assert_eq!((seen.good, seen.failures, seen.tail, seen.times.typical_us()), (1, 0, 0, None));
    }

    #[test]
    fn one_slow_answer_among_many_moves_little() {
        let many = Times::of([4000; 20]).typical_us().unwrap();
        assert!((3990..=4010).contains(&many), "{many}");
        let with_one = Times::of([4000; 19].into_iter().chain([60_000_000])).typical_us().unwrap();
        assert!((4000..8000).contains(&with_one), "{with_one}");
        let slowed = Times::of([40_000; 20]).typical_us().unwrap();
        assert!((39_900..=40_100).contains(&slowed), "{slowed}");
    }

    proptest! {
        #[test]
        fn logarithms_are_in_order_and_go_back(a in 1..u32::MAX, b in 1..u32::MAX) {
            prop_assert_eq!(a.cmp(&b).is_le() && log_of(a) > log_of(b), false);
            let back = time_of(log_of(a)) as f64 / f64::from(a);
            prop_assert!((0.99..=1.01).contains(&back), "{} became {}", a, time_of(log_of(a)));
        }

        #[test]
        fn looks_add_up(outcomes in prop::collection::vec((0..3_usize, any::<bool>(), any::<bool>()), 0..100)) {
            let server = server(3);
            let mut account = Account::open(&server);
            let mut sum = (0, 0, 0);
            for &(worker, failed, look) in &outcomes {
                server.count(worker, failed, Some(10));
                if look {
                    let seen = account.take(&server);
                    prop_assert!(seen.tail <= seen.failures);
                    sum = (sum.0 + seen.good, sum.1 + seen.failures, sum.2 + seen.times.count);
                }
            }
            let seen = account.take(&server);
            let failed = outcomes.iter().filter(|(_, failed, _)| *failed).count() as u64;
            let good = outcomes.len() as u64 - failed;
            prop_assert_eq!((sum.0 + seen.good, sum.1 + seen.failures, sum.2 + seen.times.count), (good, failed, good));
        }
    }
}
