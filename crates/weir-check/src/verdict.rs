//! Up or down: the judgement over a row of passed and failed checks. Pure.
//!
//! A server that is not known yet is judged by its first result, so that a good one gets traffic at once and a
//! dead one none. From then on it takes `fall` failures in a row to take a server out and `rise` successes in
//! a row to take it back: one lost packet moves no traffic.

use weir_balance::Health;

/// How many results in a row change the judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row until an up server is down.
    pub fall: u32,
    /// Successes in a row until a down server is up.
    pub rise: u32,
}

/// The judgement over one server.
#[derive(Debug, Clone)]
pub struct Verdict {
    health: Health,
    failures: u32,
    successes: u32,
}

/// A judgement that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: Health,
    /// What it is now.
    pub to: Health,
    /// How many equal results in a row led to it.
    pub in_a_row: u32,
}

impl Verdict {
    /// Of a server that is `health` so far, with no results in its row.
    pub fn new(health: Health) -> Self {
        Self { health, failures: 0, successes: 0 }
    }

    /// The judgement as it stands.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Successes since the last failure.
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// Takes in one passed check.
    pub fn handle_success(&mut self, thresholds: Thresholds) -> Option<Change> {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        let up = match self.health {
            Health::Unknown | Health::Up => true,
            Health::Down => self.successes >= thresholds.rise,
        };
        if up { self.change_to(Health::Up, self.successes) } else { None }
    }

    /// Takes in one connect that failed for a worker. It counts like a failed check, but leaves the last two in the row to
    /// checks: a burst of requests can overflow a server's queue of connects, for the first check that it calls for as well,
    /// and is no reason to take away a server that checks find well.
    pub fn handle_signal(&mut self, thresholds: Thresholds) {
        if self.health == Health::Up && self.failures + 2 < thresholds.fall {
            self.successes = 0;
            self.failures += 1;
        }
    }

    /// Takes in one failed check.
    pub fn handle_failure(&mut self, thresholds: Thresholds) -> Option<Change> {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        let down = match self.health {
            Health::Unknown | Health::Down => true,
            Health::Up => self.failures >= thresholds.fall,
        };
        if down { self.change_to(Health::Down, self.failures) } else { None }
    }

    fn change_to(&mut self, to: Health, in_a_row: u32) -> Option<Change> {
        let from = std::mem::replace(&mut self.health, to);
        (from != to).then_some(Change { from, to, in_a_row })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `results` (`+` passed, `-` failed) to an unknown server and compares its health after each
    /// (`u` up, `d` down).
    #[track_caller]
    fn check(fall: u32, rise: u32, results: &str, expected: &str) {
        let mut verdict = Verdict::new(Health::Unknown);
        let judged: String =
            results.chars().map(|result| letter(feed(&mut verdict, result == '+', fall, rise).0)).collect();
        assert_eq!(judged, expected, "fall {fall}, rise {rise}, results {results}");
    }

    fn feed(verdict: &mut Verdict, passed: bool, fall: u32, rise: u32) -> (Health, Option<Change>) {
        let thresholds = Thresholds { fall, rise };
        let change =
            if passed { verdict.handle_success(thresholds) } else { verdict.handle_failure(thresholds) };
        (verdict.health(), change)
    }

    fn letter(health: Health) -> char {
        match health {
            Health::Unknown => '?',
            Health::Up => 'u',
            Health::Down => 'd',
        }
    }

    #[test]
    fn the_first_result_decides_at_once() {
        check(3, 2, "+", "u");
        check(3, 2, "-", "d");
        check(9, 9, "-+", "dd");
    }

    #[test]
    fn it_takes_fall_failures_in_a_row() {
        check(3, 2, "+--", "uuu");
        check(3, 2, "+---", "uuud");
        check(1, 2, "+-", "ud");
        check(2, 2, "+-+-+--", "uuuuuud");
    }

    #[test]
    fn it_takes_rise_successes_in_a_row() {
        check(3, 2, "-+", "dd");
        check(3, 2, "-++", "ddu");
        check(3, 1, "-+", "du");
        check(3, 3, "-++-++-+++", "dddddddddu");
    }

    #[test]
    fn up_again_it_has_a_clean_sheet() {
        check(2, 2, "+--++-+--", "uudduuuud");
    }

    #[test]
    fn signals_count_but_never_decide() {
        let thresholds = Thresholds { fall: 3, rise: 2 };
        let mut verdict = Verdict::new(Health::Up);
        (0..9).for_each(|_| verdict.handle_signal(thresholds));
        assert_eq!(verdict.health(), Health::Up);
        assert_eq!(letter(feed(&mut verdict, false, 3, 2).0), 'u', "one check is not enough");
        assert_eq!(letter(feed(&mut verdict, false, 3, 2).0), 'd');
        let mut verdict = Verdict::new(Health::Unknown);
        verdict.handle_signal(thresholds);
        assert_eq!(letter(feed(&mut verdict, true, 3, 2).0), 'u');
    }

    #[test]
    fn a_change_tells_from_to_and_how_often() {
        let mut verdict = Verdict::new(Health::Up);
        assert_eq!(feed(&mut verdict, false, 2, 1).1, None);
        let down = Change { from: Health::Up, to: Health::Down, in_a_row: 2 };
        assert_eq!(feed(&mut verdict, false, 2, 1).1, Some(down));
        assert_eq!(feed(&mut verdict, false, 2, 1).1, None, "down already");
        let up = Change { from: Health::Down, to: Health::Up, in_a_row: 1 };
        assert_eq!(feed(&mut verdict, true, 2, 1).1, Some(up));
    }

    /// The rule, told another way: the judgement is that of the latest of these: the very first result, the
    /// end of `fall` failures in a row, the end of `rise` successes in a row.
    fn judged_from_history(history: &[bool], fall: usize, rise: usize) -> Health {
        for end in (1..=history.len()).rev() {
            let past = &history[..end];
            if past.len() >= fall && past[end - fall..].iter().all(|passed| !passed) {
                return Health::Down;
            }
            if past.len() >= rise && past[end - rise..].iter().all(|passed| *passed) {
                return Health::Up;
            }
            if end == 1 {
                return if past[0] { Health::Up } else { Health::Down };
            }
        }
        Health::Unknown
    }

    proptest! {
        #[test]
        fn agrees_with_its_history(
            history in proptest::collection::vec(any::<bool>(), 0..200),
            fall in 1u32..6,
            rise in 1u32..6,
        ) {
            let mut verdict = Verdict::new(Health::Unknown);
            for (index, passed) in history.iter().enumerate() {
                let before = verdict.health();
                let (health, change) = feed(&mut verdict, *passed, fall, rise);
                prop_assert_eq!(
                    health, judged_from_history(&history[..=index], fall as usize, rise as usize)
                );
                prop_assert_eq!(change.map(|change| (change.from, change.to)),
                    (before != health).then_some((before, health)));
                prop_assert!(verdict.failures() == 0 || verdict.successes() == 0);
            }
        }
    }
}
