//! `pools.NAME`.

use super::{Once, tls, to_u32, to_usize};
use crate::{
    Balance, HashKey, Health, HttpProbe, KeepAlive, Pool, PoolProtocol, Probe, Server, WhenAllDown,
    fill::first_at,
    filled::{Data, Entry, Filled},
    kind::Value,
    report::{Findings, shown},
};

/// A check reads no more of a body, so no longer text could be found.
const EXPECT_BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) fn pool(entry: &Entry, findings: &mut Findings) -> Pool {
    let pool = &entry.value;
    let keep_alive = pool.get("keep_alive").unwrap_or(pool);
    let protocol = match pool.word("protocol") {
        Some("h2") => PoolProtocol::H2,
        Some("auto") => PoolProtocol::Auto,
        _ => PoolProtocol::Http1,
    };
    grpc_needs_h2(pool, protocol, findings);
    Pool {
        name: entry.name.clone(),
        balance: balance(pool.get("balance")),
        protocol,
        tls: pool.get("tls").map(|node| tls::pool(entry, node, findings)),
        servers: servers(entry, findings),
        health: pool
            .get("health")
            .filter(|health| health.section().is_some())
            .map(|node| health(node, findings)),
        connect_timeout: pool.duration("connect_timeout"),
        when_all_down: match pool.word("when_all_down") {
            Some("spread") => WhenAllDown::Spread,
            _ => WhenAllDown::Fail,
        },
        keep_alive: KeepAlive {
            max: to_usize(keep_alive.number("max")),
            timeout: keep_alive.duration("timeout"),
            age: keep_alive.duration("age"),
        },
    }
}

/// gRPC is HTTP/2: in a pool that never speaks it, no check could pass.
fn grpc_needs_h2(pool: &Filled, protocol: PoolProtocol, findings: &mut Findings) {
    let speaks = match protocol {
        PoolProtocol::Http1 => false,
        PoolProtocol::H2 => true,
        PoolProtocol::Auto => pool.get("tls").is_some(),
    };
    let refused = pool.get("protocol").is_none_or(Filled::is_bad);
    let entry = pool.get("health").and_then(Filled::section).and_then(|section| section.entry("grpc"));
    if let Some(entry) = entry.filter(|_| !speaks && !refused) {
        findings
            .error(entry.span, "a check by `grpc` needs HTTP/2, which this pool does not speak")
            .help("write `protocol: h2` in the pool");
    }
}

fn balance(node: Option<&Filled>) -> Balance {
    match node.and_then(Filled::as_word) {
        Some("least_requests") => return Balance::LeastRequests,
        Some("random") => return Balance::Random,
        Some("p2c") => return Balance::P2c,
        Some("peak_ewma") => return Balance::PeakEwma,
        Some("client_ip") => return Balance::Hash(HashKey::ClientIp),
        _ => {}
    }
    match node.and_then(|node| node.get("hash")).and_then(Filled::value) {
        Some(Value::Hash(key)) => Balance::Hash(key.clone()),
        _ => Balance::RoundRobin,
    }
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

/// Nothing about this server was refused.
fn right(server: &Filled) -> bool {
    server.section().is_some_and(|section| section.entries.iter().all(|entry| !entry.value.is_bad()))
}

fn health(node: &Filled, findings: &mut Findings) -> Health {
    let (interval, timeout) = (node.duration("interval"), node.duration("timeout"));
    if timeout > interval && !interval.is_zero() {
        let place = node.section().and_then(|section| section.entry("timeout"));
        let place = place.map_or(node.span, |entry| entry.value.span);
        findings
            .error(place, "`timeout` is longer than `interval`: checks of one server would overlap")
            .help("shorten `timeout` or lengthen `interval`");
    }
    Health {
        probe: probe(node, findings),
        interval,
        timeout,
        fall: to_u32(node.number("fall")),
        rise: to_u32(node.number("rise")),
    }
}

fn probe(node: &Filled, findings: &mut Findings) -> Probe {
    if let Some(service) = node.text("grpc") {
        return Probe::Grpc(service.to_owned());
    }
    let Some(path) = node.get("http") else { return Probe::Tcp };
    let ranges = node.list("expect").iter().filter_map(|range| match range.value() {
        Some(Value::Range(from, to)) => Some((*from, *to)),
        _ => None,
    });
    let mut names = Once::default();
    let mut expect_headers = Vec::new();
    for entry in node.map("expect_headers") {
        let name = entry.name.to_ascii_lowercase();
        if names.take(name.clone(), entry.span).is_some() {
            findings.error(entry.span, format!("`{}` is written twice", shown(&entry.name)));
        }
        if let Data::One(text, _) = &entry.value.data {
            expect_headers.push((name, text.text.clone()));
        }
    }
    if let Some(text) = node.get("expect_body") {
        match text.as_text().map_or(1, str::len) {
            0 => {
                findings.error(text.span, "`expect_body` is empty").help("take it away: any body will do");
            }
            1..=EXPECT_BODY_BYTES_MAX => {}
            _ => {
                findings.error(text.span, "`expect_body` is longer than what is read of a body, 64 KiB");
            }
        }
    }
    Probe::Http(HttpProbe {
        path: path.as_text().unwrap_or_default().to_owned(),
        host: node.text("host").map(str::to_owned),
        expect: ranges.collect(),
        expect_headers,
        expect_body: node.text("expect_body").map(str::to_owned),
    })
}
