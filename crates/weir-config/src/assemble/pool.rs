//! `pools.NAME`.

use std::net::SocketAddr;

use super::{Once, balance, eject, health, overload, resilience, sticky, tls, to_u32, to_usize, zones};
use crate::{
    KeepAlive, Pool, PoolProtocol, Server, WhenAllDown,
    fill::first_at,
    filled::{Entry, Filled},
    kind::Value,
    report::{Findings, shown},
};

pub(super) fn pool(entry: &Entry, findings: &mut Findings) -> Pool {
    let pool = &entry.value;
    let keep_alive = pool.get("keep_alive").unwrap_or(pool);
    let protocol = match pool.word("protocol") {
        Some("h2") => PoolProtocol::H2,
        Some("auto") => PoolProtocol::Auto,
        _ => PoolProtocol::Http1,
    };
    let checked = Pool {
        name: entry.name.clone(),
        balance: balance::balance(pool, findings),
        protocol,
        tls: pool.get("tls").map(|node| tls::pool(entry, node, findings)),
        servers: servers(entry, findings),
        health: health::health(pool, protocol, findings),
        eject: eject::eject(pool),
        slow_start: eject::slow_start(pool),
        connect_timeout: pool.duration("connect_timeout"),
        spill_percent: zones::spill(pool, findings),
        subset: zones::subset(pool, findings),
        when_all_down: match pool.word("when_all_down") {
            Some("spread") => WhenAllDown::Spread,
            _ => WhenAllDown::Fail,
        },
        keep_alive: KeepAlive {
            max: to_usize(keep_alive.number("max")),
            timeout: keep_alive.duration("timeout"),
            age: keep_alive.duration("age"),
        },
        sticky: pool
            .get("sticky")
            .filter(|sticky| sticky.section().is_some())
            .map(|node| sticky::sticky(node, findings)),
        queue: resilience::queue(pool),
        circuit_breaker: resilience::circuit_breaker(pool),
        adaptive_concurrency: overload::adaptive_concurrency(pool, findings),
    };
    resilience::check_queue(&checked, pool, findings);
    checked
}

fn servers(pool: &Entry, findings: &mut Findings) -> Vec<Server> {
    let (mut addresses, mut names) = (Once::default(), Once::default());
    let mut servers = Vec::new();
    let list = pool.value.list("servers");
    for node in list {
        let Some(place) = node.get("address") else { continue };
        let Some(Value::Address(address)) = place.value() else { continue };
        if let Some(first) = addresses.take(address.to_string(), place.span) {
            let message = format!("`{address}` is in this pool twice{}", first_at(first, place.span));
            findings.error(place.span, message);
            continue;
        }
        let name = node.text("name").unwrap_or_default().to_owned();
        if let (Some(place), Some(first)) = (node.get("name"), names.take(name.clone(), node.span)) {
            let message =
                format!("another server is called `{}`{}", shown(&name), first_at(first, place.span));
            findings.error(place.span, message);
        }
        servers.push(Server {
            address: *address,
            name,
            weight: u16::try_from(node.number("weight")).unwrap_or(u16::MAX),
            backup: matches!(node.get("backup").and_then(Filled::value), Some(Value::Bool(true))),
            requests_max: Some(to_u32(node.number("max_connections"))).filter(|max| *max > 0),
            priority: zones::priority(node, findings),
            zone: node.text("zone").map(str::to_owned),
            check: check(node, pool, *address, findings),
        });
    }
    let complete = servers.len() == list.len() && list.iter().all(right);
    if complete && !servers.is_empty() && !servers.iter().any(|server| server.weight > 0 && !server.backup) {
        let what = if servers.iter().all(|server| server.backup) {
            "is a backup"
        } else {
            "is a backup or has weight 0"
        };
        findings
            .error(pool.span, format!("every server of `{}` {what}", shown(&pool.name)))
            .help("at least one must be no backup and have a weight");
    }
    servers
}

/// Where the checks of a server go.
fn check(server: &Filled, pool: &Entry, address: SocketAddr, findings: &mut Findings) -> SocketAddr {
    let Some(written) = server.section().and_then(|section| section.entry("check")) else {
        return health::asked_at(&pool.value, address);
    };
    if pool.value.word("health") == Some("none") {
        findings.error(written.span, "`check` has no meaning with `health: none`");
    }
    match written.value.value() {
        Some(Value::Address(check)) => *check,
        _ => address,
    }
}

/// Nothing about this server was refused.
fn right(server: &Filled) -> bool {
    server.section().is_some_and(|section| section.entries.iter().all(|entry| !entry.value.is_bad()))
}
