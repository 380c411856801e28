//! What Weir is to reach, and whether it does.

use std::fmt::Write;

use super::super::proxy::Proxy;
use super::{Outcome, Results, total};

/// Weir's CPU time per request (in the cases that close: per connection), at most this share of another's.
const CPU: &[(&str, Proxy, f64)] = &[
    ("get-64", Proxy::Nginx, 0.85),
    ("get-64", Proxy::Haproxy, 0.70),
    ("get-64", Proxy::Relay, 1.15),
    ("close", Proxy::Nginx, 1.0),
    ("get-64k", Proxy::Nginx, 0.85),
    ("get-1m", Proxy::Nginx, 0.65),
    ("tls-handshake-ecdsa", Proxy::Nginx, 0.9),
    ("tls-handshake-ecdsa", Proxy::Haproxy, 0.6),
    ("tls-handshake-rsa", Proxy::Nginx, 0.9),
    ("tls-handshake-rsa", Proxy::Haproxy, 0.6),
    ("tls-resume", Proxy::Haproxy, 0.6),
    ("tls-get-64", Proxy::Nginx, 0.75),
    ("tls-1m", Proxy::Nginx, 0.9),
    ("h2-get", Proxy::Nginx, 0.70),
    ("h2-get", Proxy::Haproxy, 0.80),
];
/// Weir's process memory per idle connection, at most this share of another's.
const MEMORY: &[(&str, Proxy, f64)] = &[("tls-idle", Proxy::Haproxy, 0.4)];
const CALLS: f64 = 4.3;
const IDLE_BYTES: f64 = 1024.0;

/// A table of all targets for which there are figures.
pub(super) fn write(page: &mut String, results: &Results) -> std::fmt::Result {
    let mut rows = Vec::new();
    for (case, other, limit) in CPU {
        if let Some(spread) = results.ratios(case, Proxy::Weir, *other) {
            let what = format!("{case}, CPU per request / {}", other.name());
            rows.push((what, *limit, spread.median, spread.show(2)));
        }
    }
    for (_, outcome) in results.of("calls").filter(|(owner, _)| *owner == Some(Proxy::Weir)) {
        if let Outcome::Calls(calls) = outcome {
            let value = total(calls);
            rows.push(("system calls per request".into(), CALLS, value, format!("{value:.2}")));
        }
    }
    if let Some(each) = memory(results, "idle", Proxy::Weir) {
        let what = "bytes of process memory per idle connection".into();
        rows.push((what, IDLE_BYTES, each, format!("{each:.0}")));
    }
    for (case, other, limit) in MEMORY {
        if let (Some(ours), Some(others)) =
            (memory(results, case, Proxy::Weir), memory(results, case, *other))
        {
            let what = format!("{case}, process memory / {}", other.name());
            let share = ours / others;
            rows.push((what, *limit, share, format!("{share:.2}")));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## Targets\n\n| figure | at most | measured | |\n|---|---|---|---|")?;
    for (what, limit, value, shown) in rows {
        let verdict = if value <= limit { "reached" } else { "missed" };
        writeln!(page, "| {what} | {limit} | {shown} | {verdict} |")?;
    }
    Ok(())
}

/// Bytes that each connection of a case adds to a proxy.
fn memory(results: &Results, case: &str, proxy: Proxy) -> Option<f64> {
    results.of(case).find_map(|(owner, outcome)| match outcome {
        Outcome::Idle { process: Some(process), .. } if owner == Some(proxy) => Some(process.each),
        _ => None,
    })
}
