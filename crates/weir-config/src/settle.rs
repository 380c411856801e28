//! Defaults that depend on other keys: names, and what a check asks.
//!
//! They are written into the tree, so that the effective file shows them like all others.

use std::time::Duration;

use crate::{
    assemble::is_ranked,
    filled::{Data, Entry, Filled, Section},
    kind::{Kind, Value, number},
    spec,
    tree::{Scalar, Span},
};

/// How long a check takes at most, unless its interval is shorter.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a server may take for an answer.
pub(crate) const ROUTE_TIMEOUT: Duration = Duration::from_secs(60);
/// Of its weight, a priority or zone needs so much to bear all; as one whose servers could do 1.4 times as much.
const SPILL_TEXT: &str = "70%";
const ROUTE_TIMEOUT_TEXT: &str = "60s";

/// Settles the whole file.
pub(crate) fn settle(root: &mut Filled) {
    let Some(root) = root.section_mut() else { return };
    for entry in &mut root.entries {
        match (entry.name.as_str(), &mut entry.value.data) {
            ("listeners", Data::List(listeners)) => listeners.iter_mut().for_each(listener),
            ("pools", Data::Map(pools)) => pools.iter_mut().for_each(|pool| settle_pool(&mut pool.value)),
            _ => {}
        }
    }
}

fn listener(listener: &mut Filled) {
    let span = listener.span;
    let bind = listener.text("bind").map(str::to_owned);
    let Some(section) = listener.section_mut() else { return };
    if let (None, Some(bind)) = (section.get("name"), &bind) {
        insert(section, 0, "name", span, Scalar { text: bind.clone(), quoted: true }, Kind::Name);
    }
    if let Some(tls) = section.entries.iter_mut().find(|entry| entry.name == "tls") {
        settle_tls(&mut tls.value);
    }
    let name = section.get("name").and_then(Filled::as_text).map(str::to_owned);
    let routes = section.entries.iter_mut().find(|entry| entry.name == "routes");
    let Some(Data::List(routes)) = routes.map(|entry| &mut entry.value.data) else { return };
    for (index, route) in routes.iter_mut().enumerate() {
        settle_route(route, name.as_deref().map(|name| format!("{name}#{}", index + 1)));
    }
}

fn settle_tls(tls: &mut Filled) {
    let span = tls.span;
    let first = tls.list("certificates").first().and_then(Filled::as_text).map(str::to_owned);
    let Some(section) = tls.section_mut() else { return };
    if let (None, Some(first)) = (section.get("default"), first) {
        let text = Scalar { text: first, quoted: true };
        insert(section, 1, "default", span, text, Kind::CertificateName);
    }
}

fn settle_route(route: &mut Filled, name: Option<String>) {
    let span = route.span;
    let Some(section) = route.section_mut() else { return };
    if let (None, Some(name)) = (section.get("name"), name) {
        insert(section, 0, "name", span, Scalar { text: name, quoted: true }, Kind::Name);
    }
    let to_pool = section.get("pool").or(section.get("split")).is_some();
    if to_pool && section.get("timeout").is_none() {
        let text = Scalar { text: ROUTE_TIMEOUT_TEXT.to_owned(), quoted: false };
        insert(section, usize::MAX, "timeout", span, text, Kind::Duration);
    }
}

fn settle_pool(pool: &mut Filled) {
    settle_spill(pool);
    let Some(pool) = pool.section_mut() else { return };
    for entry in &mut pool.entries {
        match (entry.name.as_str(), &mut entry.value) {
            ("health", health) => settle_health(health),
            ("sticky", sticky) => settle_sticky(sticky),
            ("balance", balance) => settle_balance(balance),
            ("servers", Filled { data: Data::List(servers), .. }) => servers.iter_mut().for_each(server),
            _ => {}
        }
    }
}

fn settle_balance(balance: &mut Filled) {
    let Some(section) = balance.section_mut() else { return };
    let Some(prequal) = section.entries.iter_mut().find(|entry| entry.name == "prequal") else { return };
    let span = prequal.value.span;
    let Some(section) = prequal.value.section_mut() else { return };
    let count = Kind::Count { min: 1, max: 10_000 };
    for (name, text, kind) in [("timeout", "1s", Kind::Duration), ("max_probes", "16", count)] {
        if section.get("probe").is_some() && section.get(name).is_none() {
            let scalar = Scalar { text: text.to_owned(), quoted: false };
            add(section, &spec::PREQUAL, name, one(span, scalar, kind));
        }
    }
}

/// Where there is somebody to hand traffic on to.
fn settle_spill(pool: &mut Filled) {
    let span = pool.span;
    let is_ranked = pool.list("servers").iter().any(is_ranked);
    let Some(section) = pool.section_mut() else { return };
    if is_ranked && section.get("spill").is_none() {
        let text = Scalar { text: SPILL_TEXT.to_owned(), quoted: false };
        let percent = one(span, text, Kind::Share { min: 1, max: 100 });
        add(section, &spec::POOL, "spill", percent);
    }
}

fn settle_sticky(sticky: &mut Filled) {
    let span = sticky.span;
    let Some(section) = sticky.section_mut() else { return };
    if section.doubtful {
        return;
    }
    let with_cookie = section.get("cookie").is_some();
    let ttl = section.get("ttl").and_then(Filled::as_text).map(str::to_owned);
    let ttl = ttl.unwrap_or_else(|| if with_cookie { "8h" } else { "30m" }.to_owned());
    let size = Kind::Count { min: 1, max: u64::MAX };
    let all = [
        ("ttl", ttl.as_str(), Kind::Duration, true),
        ("drain", ttl.as_str(), Kind::Duration, true),
        ("size", "100000", size, !with_cookie),
        ("same_site", "lax", Kind::Text, with_cookie),
        ("no_cache", "false", Kind::Bool, with_cookie),
    ];
    for (name, text, kind, applies) in all {
        if applies && section.get(name).is_none() {
            insert(section, usize::MAX, name, span, Scalar { text: text.to_owned(), quoted: false }, kind);
        }
    }
    // As they are defined, so that the effective file is its own.
    let order = ["cookie", "app_cookie", "table", "ttl", "drain", "size", "same_site", "no_cache", "keys"];
    section.entries.sort_by_key(|entry| order.iter().position(|name| *name == entry.name));
}

fn server(server: &mut Filled) {
    let span = server.span;
    let address = server.text("address").map(str::to_owned);
    let Some(section) = server.section_mut() else { return };
    if let (None, Some(address)) = (section.get("name"), address) {
        insert(section, 1, "name", span, Scalar { text: address, quoted: true }, Kind::Name);
    }
}

fn settle_health(health: &mut Filled) {
    let span = health.span;
    let interval = health.duration("interval");
    let Some(section) = health.section_mut() else { return };
    if let Some(agent) = section.entries.iter_mut().find(|entry| entry.name == "agent") {
        settle_timeout(&mut agent.value, &spec::AGENT);
    }
    let plain = |text: &str| Scalar { text: text.to_owned(), quoted: false };
    let asked = ["http", "grpc", "tcp", "tls", "exec"].iter().any(|name| section.get(name).is_some());
    if !asked && !section.doubtful {
        add(section, &spec::HEALTH, "tcp", one(span, plain("connect"), Kind::Text));
    }
    if section.get("http").is_some() && section.get("method").is_none() {
        add(section, &spec::HEALTH, "method", one(span, plain("GET"), Kind::Method));
    }
    if section.get("http").is_some() && section.get("expect").is_none() {
        let range = one(span, plain("200-299"), Kind::StatusRange);
        let value = Filled { span, written: false, data: Data::List(vec![range]) };
        add(section, &spec::HEALTH, "expect", value);
    }
    if section.get("down_interval").is_none() && !interval.is_zero() {
        let text = plain(&number::duration_text(interval));
        add(section, &spec::HEALTH, "down_interval", one(span, text, Kind::Duration));
    }
    settle_timeout(health, &spec::HEALTH);
}

/// `timeout`: [`CHECK_TIMEOUT`], but no longer than an interval.
fn settle_timeout(node: &mut Filled, definition: &spec::Section) {
    let span = node.span;
    let intervals = ["interval", "down_interval"].map(|name| node.duration(name));
    let shortest = intervals.into_iter().filter(|interval| !interval.is_zero()).min();
    let Some(section) = node.section_mut() else { return };
    if section.get("timeout").is_none() {
        let timeout = shortest.map_or(CHECK_TIMEOUT, |shortest| CHECK_TIMEOUT.min(shortest));
        let text = Scalar { text: number::duration_text(timeout), quoted: false };
        add(section, definition, "timeout", one(span, text, Kind::Duration));
    }
}

/// Adds a key at its place in the definition.
fn add(section: &mut Section, definition: &spec::Section, name: &str, value: Filled) {
    section.entries.push(Entry { name: name.to_owned(), span: value.span, value });
    section.entries.sort_by_key(|entry| definition.keys.iter().position(|key| key.name == entry.name));
}

fn insert(section: &mut Section, at: usize, name: &str, span: Span, scalar: Scalar, kind: Kind) {
    let at = at.min(section.entries.len());
    let value = one(span, scalar, kind);
    section.entries.insert(at, Entry { name: name.to_owned(), span, value });
}

/// A default as a value. It is right, or it was made from something that was already refused.
fn one(span: Span, scalar: Scalar, kind: Kind) -> Filled {
    let value = match kind {
        Kind::Name | Kind::CertificateName | Kind::Text => Ok(Value::Text),
        _ => kind.parse(&scalar),
    };
    let data = value.map_or(Data::Bad, |value| Data::One(scalar, value));
    Filled { span, written: false, data }
}
