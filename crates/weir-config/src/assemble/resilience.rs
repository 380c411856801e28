//! `retry` and `hedge` of a route, `queue` and `circuit_breaker` of a pool.

use std::time::Duration;

use super::{to_u32, to_usize};
use crate::{
    CircuitBreaker, Hedge, HedgeAfter, Queue, Retry, RetryCondition,
    filled::{Data, Entry, Filled},
    kind::Value,
    report::Findings,
};

pub(super) fn retry(route: &Filled, findings: &mut Findings) -> Retry {
    let Some(node) = route.get("retry").filter(|retry| retry.section().is_some()) else {
        return Retry::default();
    };
    let conditions = node.list("when").iter().filter_map(|condition| match condition.value() {
        Some(Value::Retry(condition)) => Some(*condition),
        _ => None,
    });
    let retry = Retry {
        attempts: to_u32(node.number("attempts")),
        connects: to_u32(node.number("connects")),
        when: conditions.collect(),
        methods: node.list("methods").iter().filter_map(Filled::as_text).map(str::to_owned).collect(),
        per_try_timeout: Some(node.duration("per_try_timeout")).filter(|timeout| !timeout.is_zero()),
        body_bytes_max: to_usize(node.number("max_body_bytes")),
        budget_percent: to_u32(node.number("budget")),
    };
    useless(route, node, &retry, findings);
    retry
}

/// Keys that cannot do what they say.
fn useless(route: &Filled, node: &Filled, retry: &Retry, findings: &mut Findings) {
    let when = |condition| retry.when.contains(&condition);
    if retry.per_try_timeout.is_none()
        && when(RetryCondition::Timeout)
        && let Some(place) = written(node, "when")
    {
        findings
            .error(place.value.span, "`timeout` never happens: there is no `per_try_timeout`")
            .help("write `per_try_timeout: TIME`, shorter than the route's `timeout`");
    }
    let total = route.duration("timeout");
    if let (Some(one), Some(place)) = (retry.per_try_timeout, written(node, "per_try_timeout"))
        && one >= total
        && total > Duration::ZERO
    {
        findings.error(
            place.value.span,
            "`per_try_timeout` must be shorter than `timeout`, which holds for all attempts",
        );
    }
    if retry.attempts == 1
        && let Some(place) = written(node, "max_body_bytes")
        && retry.body_bytes_max > 0
    {
        findings.error(place.value.span, "no body is kept with `attempts: 1`");
    }
}

fn written<'a>(node: &'a Filled, name: &str) -> Option<&'a Entry> {
    node.section()?.entry(name).filter(|entry| entry.value.written && !matches!(entry.value.data, Data::Bad))
}

pub(super) fn hedge(route: &Filled) -> Option<Hedge> {
    let node = route.get("hedge").filter(|hedge| hedge.section().is_some())?;
    Some(Hedge {
        after: match node.get("after").and_then(Filled::value) {
            Some(Value::Hedge(after)) => *after,
            _ => HedgeAfter::Percentile(95),
        },
        budget_percent: to_u32(node.number("budget")),
    })
}

pub(super) fn queue(pool: &Filled) -> Option<Queue> {
    let node = pool.get("queue").filter(|queue| queue.section().is_some())?;
    Some(Queue { max: to_u32(node.number("max")), timeout: node.duration("timeout") })
}

pub(super) fn circuit_breaker(pool: &Filled) -> CircuitBreaker {
    let Some(node) = pool.get("circuit_breaker") else { return CircuitBreaker::default() };
    let limit = |name| Some(to_u32(node.number(name))).filter(|max| *max > 0);
    CircuitBreaker {
        requests_max: limit("max_requests"),
        pending_max: limit("max_pending"),
        retries_max: limit("max_retries"),
    }
}

/// A queue in which nobody ever waits.
pub(super) fn check_queue(pool: &crate::Pool, node: &Filled, findings: &mut Findings) {
    let has_limit = pool.circuit_breaker.requests_max.is_some()
        || pool.servers.iter().any(|server| server.requests_max.is_some());
    if let Some(entry) = written(node, "queue").filter(|_| !has_limit) {
        findings
            .error(entry.span, "nobody ever waits in this queue: no server of the pool has `max_connections`")
            .help(
                "write `max_connections` for servers, or `circuit_breaker: { max_requests: N }` for the pool",
            );
    }
}
