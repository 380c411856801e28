//! Servers that traffic has taken out, and those that have just come.

use weir_balance::ejection::Cause;

use super::{EMPTY_HISTOGRAMS_MAX, Exposition, State};
use crate::registry::Registry;

/// In a large pool, servers of which there is nothing to say have no samples.
pub(super) fn write(out: &mut Exposition, registry: &Registry, state: &State) {
    let servers = || {
        registry.pools.iter().flat_map(|pool| {
            let is_large = pool.servers.len() > EMPTY_HISTOGRAMS_MAX;
            pool.servers.iter().map(move |entry| {
                ([("pool", pool.name.as_str()), ("server", entry.label.as_str())], &entry.server, is_large)
            })
        })
    };
    let mut family =
        out.gauge("weir_server_ejected", "1 while the server is out for what traffic has shown.");
    for (labels, server, is_large) in servers() {
        let is_out = server.ejected().is_some();
        if is_out || !is_large {
            family.sample(&labels, u64::from(is_out));
        }
    }
    let help = "How much of its weight a server has that has just come, in percent.";
    let mut family = out.gauge("weir_server_ramp_percent", help);
    for (labels, server, is_large) in servers() {
        let percent = server.ramp_percent();
        if percent < 100 || !is_large {
            family.sample(&labels, percent.into());
        }
    }
    let large: Vec<&str> = registry
        .pools
        .iter()
        .filter(|pool| pool.servers.len() > EMPTY_HISTOGRAMS_MAX)
        .map(|pool| pool.name.as_str())
        .collect();
    let mut family =
        out.counter("weir_server_ejections", "How often traffic has taken the server out, by cause.");
    for status in state.checker.statuses() {
        let is_large = large.contains(&status.pool.as_str());
        for (cause, times) in Cause::ALL.into_iter().zip(status.ejections) {
            // Most pools are judged by errors alone.
            if times > 0 || (cause == Cause::Errors && !is_large) {
                let labels = [
                    ("pool", status.pool.as_str()),
                    ("server", status.label.as_str()),
                    ("cause", cause.word()),
                ];
                family.sample(&labels, times);
            }
        }
    }
    let help = "How often a server stayed in because as many were out as may be.";
    let mut family = out.counter("weir_pool_ejections_held", help);
    for (pool, times) in state.checker.ejections_held() {
        family.sample(&[("pool", &pool)], times);
    }
}
