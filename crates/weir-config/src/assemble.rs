//! The filled tree to a [`Config`]: references become indices, and what only makes sense together is checked
//! together.
//!
//! It runs over a file with errors too, so that all errors come at once; the result is thrown away then.

mod balance;
mod certificate;
mod eject;
mod health;
mod listener;
mod named;
mod overload;
mod pool;
mod rehearsal;
mod resilience;
mod route;
mod shadow;
mod sticky;
mod tls;
mod zones;

pub(crate) use zones::is_ranked;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
};

use crate::{
    AccessFormat, AccessLog, Config, FilePath, Log, LogFormat, LogLevel, LogTarget, Metrics, Place, Runtime,
    fill::first_at,
    filled::Filled,
    kind::Value,
    report::{Findings, shown},
    tree::Span,
};

/// Builds the whole configuration.
pub(crate) fn assemble(root: &Filled, findings: &mut Findings) -> Config {
    let mut binds = Once::default();
    let metrics = root.get("metrics").map(|metrics| Metrics { bind: bind(metrics, &mut binds, findings) });
    let pools: Vec<_> = root.map("pools").iter().map(|entry| pool::pool(entry, findings)).collect();
    let certificates: Vec<_> = root.map("certificates").iter().map(certificate::certificate).collect();
    let mut names = named::Named::new(root, "pools", "pool");
    let mut served = named::Named::new(root, "certificates", "certificate");
    let listeners = listener::listeners(root, &mut binds, &mut names, &mut served, findings);
    sticky::check_names(&listeners, &pools, findings);
    names.warn_unused("route", findings);
    served.warn_unused("listener", findings);
    certificate::check_challenges(&certificates, &listeners, findings);
    zones::check(root, findings);
    Config {
        runtime: runtime(root.get("runtime").unwrap_or(root), findings),
        metrics,
        log: log(root.get("log").unwrap_or(root)),
        certificates,
        listeners,
        pools,
    }
}

fn runtime(runtime: &Filled, findings: &mut Findings) -> Runtime {
    let narrow = |name: &str| runtime.get(name).and_then(Filled::as_number).map(to_u32);
    let max_connections = to_u32(runtime.number("max_connections"));
    let max_connections_per_worker = narrow("max_connections_per_worker");
    if let (Some(share), Some(place)) =
        (max_connections_per_worker, runtime.get("max_connections_per_worker"))
        && share > max_connections
        && max_connections > 0
    {
        let message =
            format!("one worker cannot have more connections than `max_connections`, {max_connections}");
        findings.error(place.span, message);
    }
    Runtime {
        workers: narrow("workers").and_then(|count| u16::try_from(count).ok()).and_then(NonZeroU16::new),
        max_connections,
        max_connections_per_worker,
        shutdown_grace: runtime.duration("shutdown_grace"),
        state_dir: certificate::file(runtime, "state_dir")
            .unwrap_or_else(|| FilePath { path: PathBuf::new(), place: Place(runtime.span) }),
        zone: runtime.text("zone").map(str::to_owned),
        zone_traffic: zones::traffic(runtime),
        node: runtime.get("node").and_then(Filled::as_number),
    }
}

fn log(log: &Filled) -> Log {
    let level = match log.word("level") {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        _ => LogLevel::Info,
    };
    let format = match log.word("format") {
        Some("json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    let access = log.get("access").map(|access| AccessLog {
        to: match access.text("to") {
            Some("stderr") => LogTarget::Stderr,
            Some("stdout") | None => LogTarget::Stdout,
            Some(path) => LogTarget::File(PathBuf::from(path)),
        },
        format: match access.word("format") {
            Some("common") => AccessFormat::Common,
            _ => AccessFormat::Json,
        },
    });
    Log { level, format, access }
}

/// The `bind` of a section; no two are the same, except on port 0.
fn bind(section: &Filled, binds: &mut Once, findings: &mut Findings) -> SocketAddr {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let Some(node) = section.get("bind") else { return nowhere };
    let Some(Value::Address(address)) = node.value() else { return nowhere };
    if address.port() != 0
        && let Some(first) = binds.take(address.to_string(), node.span)
    {
        let text = shown(node.as_text().unwrap_or_default());
        findings.error(node.span, format!("`{text}` is already listened on{}", first_at(first, node.span)));
    }
    *address
}

/// Text that may be there only once, with the place where it was first.
#[derive(Default)]
struct Once(HashMap<String, Span>);

impl Once {
    /// The first place, if the text was there before.
    fn take(&mut self, text: String, span: Span) -> Option<Span> {
        match self.0.entry(text) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(span);
                None
            }
        }
    }
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
