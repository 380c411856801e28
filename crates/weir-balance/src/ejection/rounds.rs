//! Success and latency over rounds: a second each, or for a server with little traffic as long as it takes to have enough
//! answers to be judged by.

use super::{Case, Cause, Percent, ROUNDS_BAD, Record, Rules, Suspicion, Time};
use crate::{Seen, Times};

/// How long a round lasts.
pub(super) const ROUND_MS: u64 = 1000;

/// Good answers that a server must have in a round for its latency to be judged.
pub(super) const ROUND_TIMES_MIN: u64 = 20;

/// Answers that a server must have in a round for its share of good ones to be judged: with fewer, chance decides.
pub(super) const ROUND_ANSWERS_MIN: u64 = 50;

/// What was gathered is thrown away when it is not enough after so long, and forgotten when it is so old.
pub(super) const ROUND_MS_MAX: u64 = 30_000;

/// Less than this above the median is never too slow: among servers that answer at once, chance decides.
pub(super) const LATENCY_MARGIN_US: u64 = 1000;

/// The rounds of one server.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    times: Stretch<Times>,
    answers: Stretch<Answers>,
}

/// What is gathered of one kind, and what came of the last round.
#[derive(Debug, Default)]
struct Stretch<T> {
    gathered: T,
    /// When the round began, once it is known.
    began_ms: Option<u64>,
    /// The last whole round, and when it ended.
    last: Option<(T, u64)>,
    /// Rounds in a row that were bad.
    bad: u32,
    /// A round has ended at this look.
    is_new: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    good: u64,
    all: u64,
}

/// What the servers are compared with.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    median_us: Option<u64>,
    /// Of all servers.
    answers: Answers,
    /// Typical times in order; kept for its room.
    times: Vec<u64>,
}

impl Rounds {
    pub(super) fn take_in(&mut self, seen: &Seen) {
        self.times.gathered.add(seen.times);
        self.answers.gathered.good += seen.good;
        self.answers.gathered.all += seen.good + seen.failures;
    }
}

impl<T: Default + Copy> Stretch<T> {
    fn close(&mut self, is_enough: impl Fn(&T) -> bool, now_ms: u64) {
        let began_ms = *self.began_ms.get_or_insert(now_ms - ROUND_MS.min(now_ms));
        self.is_new = is_enough(&self.gathered);
        if self.is_new {
            self.last = Some((std::mem::take(&mut self.gathered), now_ms));
            self.began_ms = Some(now_ms);
        } else if now_ms >= began_ms + ROUND_MS_MAX {
            *self = Self { began_ms: Some(now_ms), ..Self::default() };
        }
    }

    fn last(&self, now_ms: u64) -> Option<T> {
        self.last.filter(|(_, ended_ms)| now_ms < ended_ms + ROUND_MS_MAX).map(|(value, _)| value)
    }

    /// Takes in whether the round that has just ended was bad.
    fn judge(&mut self, is_bad: bool) {
        if self.is_new {
            self.bad = if is_bad { self.bad + 1 } else { 0 };
        }
    }
}

/// Ends a round of all servers, and judges each by it.
pub(super) fn close(rules: &Rules, now_ms: u64, cases: &mut [Case], comparison: &mut Comparison) {
    for case in &mut *cases {
        case.record.forgive(rules, now_ms);
        let rounds = &mut case.record.rounds;
        rounds.times.close(|times| times.count >= ROUND_TIMES_MIN, now_ms);
        rounds.answers.close(|answers| answers.all >= ROUND_ANSWERS_MIN, now_ms);
    }
    comparison.update(cases, now_ms);
    for case in cases.iter_mut().filter(|case| case.is_usable()) {
        let rounds = &mut case.record.rounds;
        let (is_slow, is_failing) =
            (comparison.finds_slow(rules, rounds), comparison.finds_failing(rules, rounds));
        rounds.times.judge(is_slow);
        rounds.answers.judge(is_failing);
    }
}

impl Comparison {
    fn update(&mut self, cases: &[Case], now_ms: u64) {
        let usable = || cases.iter().filter(|case| case.is_usable()).map(|case| &case.record.rounds);
        self.times.clear();
        self.times.extend(usable().filter_map(|rounds| rounds.times.last(now_ms)?.typical_us()));
        self.times.sort_unstable();
        // Of an even number the lower: of two servers, one is compared with the other.
        let middle = self.times.len().saturating_sub(1) / 2;
        self.median_us = self.times.get(middle).copied().filter(|_| self.times.len() > 1);
        self.answers = usable().filter_map(|rounds| rounds.answers.last(now_ms)).fold(
            Answers::default(),
            |sum, more| Answers { good: sum.good + more.good, all: sum.all + more.all },
        );
    }

    /// What its last rounds say against a server.
    pub(super) fn suspicion(&self, rules: &Rules, record: &Record) -> Option<Suspicion> {
        let enough = if record.is_on_probation() { 1 } else { ROUNDS_BAD };
        let rounds = &record.rounds;
        if rules.success_percent.is_some() && rounds.answers.bad >= enough {
            let own = rounds.answers.last?.0;
            let others = self.others(own);
            let share = Percent { part: own.good, whole: own.all };
            let of_others = Percent { part: others.good, whole: others.all };
            return Some(Suspicion {
                cause: Cause::SuccessRate,
                degree: (own.all - own.good) * 1000 / own.all.max(1),
                reason: format!(
                    "{share} of its last {} answers were good, below {}%; of the others' {of_others}",
                    own.all, rules.success_percent?
                ),
            });
        }
        if rules.latency_percent.is_some() && rounds.times.bad >= enough {
            let (own_us, median_us) = (rounds.times.last?.0.typical_us()?, self.median_us?);
            let factor = f64::from(rules.latency_percent?) / 100.0;
            return Some(Suspicion {
                cause: Cause::Latency,
                degree: own_us,
                reason: format!(
                    "its answers take {}, more than {factor} times the pool's median of {}",
                    Time { us: own_us },
                    Time { us: median_us }
                ),
            });
        }
        None
    }

    fn finds_slow(&self, rules: &Rules, rounds: &Rounds) -> bool {
        let Some(percent) = rules.latency_percent else { return false };
        let Some(own_us) = rounds.times.last.and_then(|(times, _)| times.typical_us()) else { return false };
        self.median_us.is_some_and(|median_us| {
            own_us * 100 > median_us * u64::from(percent) && own_us > median_us + LATENCY_MARGIN_US
        })
    }

    fn finds_failing(&self, rules: &Rules, rounds: &Rounds) -> bool {
        let Some(percent) = rules.success_percent else { return false };
        let Some((own, _)) = rounds.answers.last else { return false };
        let is_below = |answers: Answers| answers.good * 100 < answers.all * u64::from(percent);
        let others = self.others(own);
        is_below(own) && others.all > 0 && !is_below(others)
    }

    fn others(&self, own: Answers) -> Answers {
        Answers {
            good: self.answers.good.saturating_sub(own.good),
            all: self.answers.all.saturating_sub(own.all),
        }
    }
}
