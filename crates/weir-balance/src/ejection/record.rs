//! What is remembered of one server from look to look.

use super::{ERRORS_SPAN_MS, PROBATION_ERRORS, Rules, TIMES_MAX, Time, rounds::Rounds};
use crate::Seen;

/// What is remembered of a server. Belongs to its identity, and outlives reloads.
#[derive(Debug, Default)]
pub struct Record {
    standing: Standing,
    /// Failures since the last good answer.
    row: Row,
    /// It was out, and no good answer has come since it was let in.
    is_unproven: bool,
    /// Ejections that are not forgotten.
    ejections: u32,
    /// Since when it has done well, or since when the last ejection was forgotten.
    calm_since_ms: u64,
    pub(super) rounds: Rounds,
    /// It was said that it would have to be out.
    pub(super) held: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    In,
    Probation {
        until_ms: u64,
    },
    Out {
        until_ms: u64,
    },
}

/// Failures without a good answer between them.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    failures: u64,
    /// When it was first seen.
    began_ms: u64,
    /// Answers and failures of the whole pool when it began, its own included.
    pool_then: (u64, u64),
    /// Its own of them since then.
    own: u64,
}

impl Record {
    /// Whether it is out.
    pub fn is_out(&self) -> bool {
        self.out_until_ms().is_some()
    }

    pub(super) fn out_until_ms(&self) -> Option<u64> {
        match self.standing {
            Standing::Out { until_ms } => Some(until_ms),
            Standing::In | Standing::Probation { .. } => None,
        }
    }

    pub(super) fn is_on_probation(&self) -> bool {
        matches!(self.standing, Standing::Probation { .. })
    }

    /// What has come since the last look. All answers and failures of the pool were `before` at that one, and are `pool` at
    /// this one.
    pub(super) fn take_in(&mut self, seen: &Seen, now_ms: u64, before: (u64, u64), pool: (u64, u64)) {
        if matches!(self.standing, Standing::Probation { until_ms } if now_ms >= until_ms) {
            self.standing = Standing::In;
        }
        if self.is_out() {
            // What comes now began before it was taken out, or is of clients that belong to it.
            return;
        }
        self.rounds.take_in(seen);
        self.is_unproven &= seen.good == 0;
        if seen.good > 0 {
            self.row = Row { failures: seen.tail, began_ms: now_ms, pool_then: pool, own: 0 };
            return;
        }
        if self.row.failures == 0 {
            self.row = Row { failures: 0, began_ms: now_ms, pool_then: before, own: 0 };
        }
        self.row.failures += seen.failures;
        self.row.own += seen.failures;
    }

    /// Whether its failures in a row are enough to take it out: how many they are, and why.
    pub(super) fn row_of_errors(
        &self,
        rules: &Rules,
        now_ms: u64,
        pool: (u64, u64),
    ) -> Option<(u64, String)> {
        let Row { failures, began_ms, pool_then, own } = self.row;
        let span_ms = now_ms - began_ms;
        let is_enough = failures >= rules.errors && span_ms >= ERRORS_SPAN_MS;
        let is_relapse = self.is_unproven && failures >= PROBATION_ERRORS;
        if !is_enough && !is_relapse {
            return None;
        }
        let others = (pool.0 - pool_then.0).saturating_sub(own);
        let failed = (pool.1 - pool_then.1).saturating_sub(own);
        if failed * 2 > others {
            return None;
        }
        let when = if is_enough { "" } else { ", the first since it came back" };
        let span = Time { us: span_ms * 1000 };
        Some((
            failures,
            format!("{failures} errors in a row{when}; in {span} the others failed {failed} of {others}"),
        ))
    }

    /// Takes it out; gives for how long.
    pub(super) fn go_out(&mut self, rules: &Rules, now_ms: u64) -> u64 {
        self.ejections = (self.ejections + 1).min(TIMES_MAX);
        let time_ms = rules.time_ms.saturating_mul(self.ejections.into());
        self.standing = Standing::Out { until_ms: now_ms.saturating_add(time_ms) };
        self.begin_anew();
        time_ms
    }

    /// Lets it in, on probation for so long.
    pub(super) fn come_in(&mut self, now_ms: u64, probation_ms: Option<u64>) {
        self.standing = match probation_ms {
            Some(probation_ms) => Standing::Probation { until_ms: now_ms.saturating_add(probation_ms) },
            None => Standing::In,
        };
        self.calm_since_ms = now_ms;
        self.begin_anew();
        self.is_unproven = probation_ms.is_some();
    }

    /// Forgets one ejection for each `time` that it has done well.
    pub(super) fn forgive(&mut self, rules: &Rules, now_ms: u64) {
        if self.is_unproven || self.row.failures >= rules.errors {
            self.calm_since_ms = now_ms;
        }
        if self.ejections > 0 && !self.is_out() && now_ms.saturating_sub(self.calm_since_ms) >= rules.time_ms
        {
            self.ejections -= 1;
            self.calm_since_ms = now_ms;
        }
    }

    fn begin_anew(&mut self) {
        self.row = Row::default();
        self.is_unproven = false;
        self.rounds = Rounds::default();
        self.held = false;
    }
}
