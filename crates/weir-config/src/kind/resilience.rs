//! When a request is tried again, and when a second one is sent beside it.

use super::{Fault, number, status};
use crate::{HedgeAfter, RetryCondition, nearest::nearest, report::shown};

/// Statuses of gRPC that may pass if the call is made again (<https://grpc.io/docs/guides/status-codes/>).
const GRPC: [(&str, u8); 6] = [
    ("grpc_cancelled", 1),
    ("grpc_deadline_exceeded", 4),
    ("grpc_resource_exhausted", 8),
    ("grpc_aborted", 10),
    ("grpc_internal", 13),
    ("grpc_unavailable", 14),
];

const WORDS: [(&str, RetryCondition); 3] = [
    ("connect_failure", RetryCondition::ConnectFailure),
    ("reset", RetryCondition::Reset),
    ("timeout", RetryCondition::Timeout),
];

/// A word, or the status of an error.
pub(crate) fn condition(text: &str) -> Result<RetryCondition, Fault> {
    if let Some((_, condition)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(*condition);
    }
    if let Some((_, status)) = GRPC.iter().find(|(word, _)| *word == text) {
        return Ok(RetryCondition::Grpc(*status));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (from, to) = status::range(text)?;
        if from < 400 {
            return Err(Fault::new(format!("`{}` is not a failure", shown(text)))
                .help("statuses from 400 to 599 can be tried again"));
        }
        return Ok(RetryCondition::Status(from, to));
    }
    let names = || WORDS.iter().map(|(word, _)| *word).chain(GRPC.iter().map(|(word, _)| *word));
    let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    Err(match nearest(text, names()) {
        Some(near) => Fault::new(format!("unknown value `{}`, did you mean `{near}`?", shown(text))),
        None => Fault::new(format!("unknown value `{}`", shown(text))),
    }
    .help(format!("expected a status like `503` or `502-504`, {}", known.join(", "))))
}

/// A duration, or `p95`.
pub(crate) fn hedge_delay(text: &str) -> Result<HedgeAfter, Fault> {
    if let Some(digits) = text.strip_prefix('p') {
        let percent = digits.parse::<u8>().ok().filter(|percent| (50..=99).contains(percent));
        return percent.map(HedgeAfter::Percentile).ok_or_else(|| {
            Fault::new(format!("`{}` is not a percentile", shown(text))).help("write `p50` to `p99`")
        });
    }
    number::duration(text)
        .map(HedgeAfter::Time)
        .map_err(|fault| Fault { help: Some("write a time like `50ms`, or `p95`".to_owned()), ..fault })
}
