//! Taking servers out by what traffic shows of them: the judgement over one pool. Pure.
//!
//! Whoever drives it looks at the pool again and again, and gives at each look what has come of requests since the last one
//! ([`Seen`]); the answer is what is to be done. A server is never judged alone: it is taken out when it does clearly
//! worse than the *other* servers of its pool. What hurts all of them alike (a database behind them, a bad release, a client
//! whose requests nobody can answer) is no reason to take any of them out.
//!
//! What may be out at a time is bounded ([`Rules::out_max`]), and the last usable server stays. Who was out comes back on
//! probation: first with a part of its share, and out again, for longer, if it goes on as it went.
//!
//! Rejected: letting any five errors in a row decide, as others do. Whoever makes servers answer 500 at will could take
//! one after another out with five requests each.

mod record;
mod rounds;

#[cfg(test)]
mod tests;

pub use self::record::Record;

use std::fmt;

use self::rounds::{Comparison, ROUND_MS};
use crate::Seen;

/// A row of errors must have lasted so long: no good answer at all in this time. Who sends requests that fail does not
/// keep the good answers of others away.
pub const ERRORS_SPAN_MS: u64 = 500;

/// Of a server that was out, so many failures before its first good answer are enough, and at once.
pub const PROBATION_ERRORS: u64 = 2;

/// So many rounds in a row must be bad, so that a pause of a second is none. On probation one is enough.
pub const ROUNDS_BAD: u32 = 3;

/// The longest time out is so many times the first.
pub const TIMES_MAX: u32 = 10;

/// Why a server is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Failures in a row.
    Errors,
    /// Too few of its answers are good.
    SuccessRate,
    /// Its answers take too long.
    Latency,
}

/// What a pool's servers are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row.
    pub errors: u64,
    /// Good answers, in percent, that are too few below; `None`: not judged.
    pub success_percent: Option<u8>,
    /// How many times the pool's median is too slow, in hundredths; `None`: not judged.
    pub latency_percent: Option<u32>,
    /// How much of the pool may be out at a time, in percent.
    pub max_percent: u8,
    /// How long a server is out for the first time.
    pub time_ms: u64,
    /// How long it is on probation after that.
    pub probation_ms: u64,
}

/// A server as it is judged.
#[derive(Debug, Default)]
pub struct Case {
    /// What is remembered of it from look to look. It belongs to the server's identity.
    pub record: Record,
    /// What has come since the last look. Whoever looks sets this and what follows before each look.
    pub seen: Seen,
    /// Its checks find it well.
    pub is_up: bool,
    /// It would take new requests, if it is up and not taken out: it has a weight, and does not drain.
    pub has_weight: bool,
}

/// What is to be done with the server at this place among the cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its place.
    pub case: usize,
    /// What.
    pub sentence: Sentence,
    /// Why, for a person.
    pub reason: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sentence {
    /// Take it out.
    Eject {
        /// For what.
        cause: Cause,
        /// For how long, unless something comes between.
        time_ms: u64,
    },
    /// Take it in again.
    Release {
        /// It begins with a part of its share; otherwise somebody else decides how it comes back.
        probation: bool,
    },
    /// It would have to be taken out, but as many are out as may be. Said once, until it does better.
    Hold {
        /// For what.
        cause: Cause,
    },
}

/// Judges the servers of one pool.
#[derive(Debug, Default)]
pub struct Judge {
    /// Answers of all servers since the beginning, and how many of them were failures.
    answers: u64,
    failures: u64,
    round_began_ms: Option<u64>,
    /// Of the last round.
    comparison: Comparison,
}

impl Cause {
    /// All, in a fixed order.
    pub const ALL: [Cause; 3] = [Self::Errors, Self::SuccessRate, Self::Latency];

    /// The word in logs and metrics, that of its key in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::SuccessRate => "success_rate",
            Self::Latency => "latency",
        }
    }

    pub(crate) fn number(self) -> u8 {
        self as u8 + 1
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.number() == number)
    }
}

impl Rules {
    /// How many of `servers` may be out at a time: the share of them, rounded down, but one of two or more.
    pub fn out_max(&self, servers: usize) -> usize {
        match servers {
            0 | 1 => 0,
            _ => (servers * usize::from(self.max_percent) / 100).max(1),
        }
    }
}

impl Judge {
    /// Looks at all servers of the pool. `now_ms` never goes back.
    pub fn look(&mut self, rules: &Rules, now_ms: u64, cases: &mut [Case]) -> Vec<Verdict> {
        self.take_in(now_ms, cases);
        let mut verdicts = Vec::new();
        release(rules, now_ms, cases, &mut verdicts);
        if self.round_ends(now_ms) {
            rounds::close(rules, now_ms, cases, &mut self.comparison);
        }
        self.eject(rules, now_ms, cases, &mut verdicts);
        verdicts
    }

    /// The pool's servers are not judged any more: all that are out come in.
    pub fn release_all(cases: &mut [Case]) -> Vec<Verdict> {
        let out = cases.iter_mut().enumerate().filter(|(_, case)| case.record.is_out());
        out.map(|(case, at)| {
            at.record = Record::default();
            released(case, false, "servers of this pool are not ejected any more".to_owned())
        })
        .collect()
    }

    fn take_in(&mut self, now_ms: u64, cases: &mut [Case]) {
        let before = (self.answers, self.failures);
        for case in &mut *cases {
            self.answers += case.seen.good + case.seen.failures;
            self.failures += case.seen.failures;
        }
        for case in cases {
            case.record.take_in(&case.seen, now_ms, before, (self.answers, self.failures));
        }
    }

    fn round_ends(&mut self, now_ms: u64) -> bool {
        let began_ms = *self.round_began_ms.get_or_insert(now_ms);
        let ends = now_ms >= began_ms + ROUND_MS;
        if ends {
            self.round_began_ms = Some(now_ms);
        }
        ends
    }

    fn eject(&self, rules: &Rules, now_ms: u64, cases: &mut [Case], verdicts: &mut Vec<Verdict>) {
        let servers = cases.iter().filter(|case| case.has_weight).count();
        if rules.out_max(servers) == 0 {
            // There is nobody to compare it with.
            return;
        }
        let mut suspects: Vec<(usize, Suspicion)> = Vec::new();
        for (place, case) in cases.iter_mut().enumerate() {
            match self.suspicion(rules, now_ms, case) {
                Some(suspicion) => suspects.push((place, suspicion)),
                None => case.record.held = false,
            }
        }
        // The worst first, since not all may go.
        suspects.sort_by_key(|(_, suspicion)| (suspicion.cause as u8, std::cmp::Reverse(suspicion.degree)));
        let mut out = cases.iter().filter(|case| case.record.is_out()).count();
        let mut usable = cases.iter().filter(|case| case.is_usable()).count();
        for (place, Suspicion { cause, reason, .. }) in suspects {
            let record = &mut cases[place].record;
            if out < rules.out_max(servers) && usable > 1 {
                let time_ms = record.go_out(rules, now_ms);
                (out, usable) = (out + 1, usable - 1);
                verdicts.push(Verdict { case: place, sentence: Sentence::Eject { cause, time_ms }, reason });
            } else if !std::mem::replace(&mut record.held, true) {
                verdicts.push(Verdict { case: place, sentence: Sentence::Hold { cause }, reason });
            }
        }
    }

    fn suspicion(&self, rules: &Rules, now_ms: u64, case: &Case) -> Option<Suspicion> {
        if !case.is_usable() {
            return None;
        }
        let totals = (self.answers, self.failures);
        let errors = case.record.row_of_errors(rules, now_ms, totals).map(|(degree, reason)| Suspicion {
            cause: Cause::Errors,
            degree,
            reason,
        });
        errors.or_else(|| self.comparison.suspicion(rules, &case.record))
    }
}

/// Why a server should be out.
#[derive(Debug)]
struct Suspicion {
    cause: Cause,
    /// How bad it is, among those of this cause.
    degree: u64,
    reason: String,
}

impl Case {
    /// It takes requests.
    fn is_usable(&self) -> bool {
        self.is_up && self.has_weight && !self.record.is_out()
    }
}

/// Lets those come in whose time is over, or who are needed more than feared.
fn release(rules: &Rules, now_ms: u64, cases: &mut [Case], verdicts: &mut Vec<Verdict>) {
    for (place, case) in cases.iter_mut().enumerate() {
        let Some(until_ms) = case.record.out_until_ms() else { continue };
        if !case.is_up {
            case.record.come_in(now_ms, None);
            verdicts.push(released(place, false, "its checks have taken it out".to_owned()));
        } else if now_ms >= until_ms {
            case.record.come_in(now_ms, Some(rules.probation_ms));
            verdicts.push(released(place, true, "its time is over".to_owned()));
        }
    }
    let servers = cases.iter().filter(|case| case.has_weight).count();
    while cases.iter().filter(|case| case.record.is_out()).count() > rules.out_max(servers) {
        let soonest =
            cases.iter().enumerate().filter_map(|(place, case)| Some((case.record.out_until_ms()?, place)));
        let Some((_, place)) = soonest.min() else { break };
        cases[place].record.come_in(now_ms, Some(rules.probation_ms));
        verdicts.push(released(place, true, "more are out than `max` allows".to_owned()));
    }
    if !cases.iter().any(Case::is_usable) {
        for (place, case) in
            cases.iter_mut().enumerate().filter(|(_, case)| case.record.is_out() && case.has_weight)
        {
            case.record.come_in(now_ms, None);
            verdicts.push(released(place, false, "no other server is left".to_owned()));
        }
    }
}

fn released(case: usize, probation: bool, reason: String) -> Verdict {
    Verdict { case, sentence: Sentence::Release { probation }, reason }
}

/// A share as a person reads it: `97%`, and never `100%` of what was not all.
struct Percent {
    part: u64,
    whole: u64,
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.part * 100 / self.whole.max(1))
    }
}

/// A time as a person reads it: `41ms`, `1.2s`.
struct Time {
    us: u64,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.us as f64;
        match self.us {
            0..1_000 => write!(f, "{us}us"),
            1_000..10_000 => write!(f, "{:.1}ms", us / 1e3),
            10_000..1_000_000 => write!(f, "{:.0}ms", us / 1e3),
            _ => write!(f, "{:.1}s", us / 1e6),
        }
    }
}
