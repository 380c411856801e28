//! Whether a request that failed is tried again.
//!
//! Four things must be so: what happened is a failure in the route's eyes (`retry.when`), sending twice does no harm
//! (`retry.methods`, and there is no body or all of it was kept), there are attempts left, and the route's budget allows one more.
//! The budget is asked last, for asking takes from it. A connect that fails is not asked about there: it multiplies nobody's
//! load, and with one server of a few gone, the requests of a small site are not a matter of shares.

use weir_balance::Tally;
use weir_config::{Retry, RetryCondition};

use super::Attempts;
use crate::{connection::Connection, counters::Limit, engine::Worker, exchange::Desk, head::BodyLength};

/// How an attempt failed. Nothing of an answer has gone to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server has said that it did nothing with the request.
    Untouched,
    /// The connection ended before a byte of the answer.
    Reset,
    /// The same with one that was kept since an earlier request: most likely the server closed it before this one came.
    Stale,
    /// No head of an answer within `per_try_timeout`.
    Timeout,
    /// An answer with this status.
    Status(u16),
    /// An answer of gRPC with this status.
    Grpc(u8),
}

impl Failure {
    /// Whether the route takes it for a failure.
    pub(crate) fn is_in(self, retry: &Retry) -> bool {
        retry.when.iter().any(|condition| match (*condition, self) {
            // Whatever else is wanted, this costs nothing.
            (_, Self::Untouched) => true,
            (RetryCondition::Reset, Self::Reset | Self::Stale) | (RetryCondition::Timeout, Self::Timeout) => {
                true
            }
            (RetryCondition::Status(from, to), Self::Status(status)) => (from..=to).contains(&status),
            (RetryCondition::Grpc(wanted), Self::Grpc(status)) => wanted == status,
            _ => false,
        })
    }
}

/// Counted out again when the exchange has ended.
#[derive(Debug)]
pub(super) struct Entered<'a>(pub(super) &'a Tally);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Attempts<'_> {
    /// Whether the request may be tried again after this. If it may, one attempt is taken from the budget.
    pub(crate) fn permits(&self, connection: &Connection, desk: &Desk, failure: Failure) -> bool {
        let retry = &self.route.route.retry;
        let whole = desk.request.body == BodyLength::None || desk.kept.is_whole();
        let safe = match failure {
            Failure::Untouched => self.sent.get() + self.unreached <= retry.connects,
            _ => self.is_repeatable && self.sent.get() < retry.attempts && failure.is_in(retry),
        };
        // What no server has worked on multiplies no load: like a connect that failed, it is free.
        let is_free = failure == Failure::Stale && !self.was_stale.replace(true);
        whole && safe && self.left_ms(connection) > 0 && (is_free || self.spend(connection))
    }

    /// Takes one further attempt from what the route and the pool allow.
    fn spend(&self, connection: &Connection) -> bool {
        let worker = &connection.worker;
        let percent = self.route.route.retry.budget_percent;
        let mut budget = self.route_link.budget.borrow_mut();
        if !budget.take(percent, worker.deadlines.recent_ms()) {
            worker.counters.reached(Limit::RetryBudget);
            return false;
        }
        let entered = self.enter_retries(worker);
        if !entered {
            budget.put_back();
        }
        entered
    }

    /// Counts the request among those that are tried further, unless too many are.
    pub(super) fn enter_retries(&self, worker: &Worker) -> bool {
        let Some(max) = self.site.breaker.retries_max else { return true };
        if self.has_retried.get() {
            return true;
        }
        let entered = self.site.shared.pressure.retries.try_enter(max);
        self.has_retried.set(entered);
        if !entered {
            worker.counters.reached(Limit::MaxRetries);
        }
        entered
    }
}
