//! `listeners[].routes[]`.

use super::{Once, listener::networks, named::Named, rehearsal, resilience, sticky, to_u32};
use crate::{
    Action, HeaderEdits, Match, PathPattern, PoolIndex, Redirect, Respond, Rewrite, Route, ValuePattern,
    fill::first_at,
    filled::{Entry, Filled},
    kind::Value,
    report::{Findings, shown},
};

pub(super) fn route(node: &Filled, pools: &mut Named, findings: &mut Findings) -> Route {
    let action = action(node, pools, findings);
    if matches!(action, Some(Action::Redirect(_) | Action::Respond(_))) {
        no_upstream(node, findings);
    }
    let mirror = rehearsal::mirror(node, action.as_ref(), pools, findings);
    Route {
        name: node.text("name").unwrap_or_default().to_owned(),
        matches: node.get("match").map(|node| matches(node, findings)).unwrap_or_default(),
        // The empty split stands in for an action that was refused.
        action: action.unwrap_or(Action::Split(Vec::new())),
        split_sticky: node.get("split_sticky").and_then(|node| sticky::split_sticky(node, findings)),
        rewrite: Rewrite {
            strip_prefix: node.get("rewrite").and_then(|node| node.text("strip_prefix")).map(str::to_owned),
            host: node.get("rewrite").and_then(|node| node.text("host")).map(str::to_owned),
        },
        request_headers: edits(node.get("request_headers"), findings),
        response_headers: edits(node.get("response_headers"), findings),
        timeout: match node.get("timeout") {
            Some(_) => node.duration("timeout"),
            None => crate::settle::ROUTE_TIMEOUT,
        },
        timeout_header: node.text("timeout_header").map(str::to_ascii_lowercase),
        retry: resilience::retry(node, findings),
        hedge: resilience::hedge(node),
        mirror,
        faults: rehearsal::faults(node, findings),
    }
}

/// What only concerns a server means nothing where no server is asked.
fn no_upstream(node: &Filled, findings: &mut Findings) {
    let Some(section) = node.section() else { return };
    for name in
        ["rewrite", "request_headers", "timeout", "timeout_header", "retry", "hedge", "mirror", "faults"]
    {
        if let Some(entry) = section.entry(name) {
            let message = format!("`{name}` has no effect here: this route asks no server");
            findings.error(entry.span, message);
        }
    }
}

fn action(node: &Filled, pools: &mut Named, findings: &mut Findings) -> Option<Action> {
    if let Some(pool) = node.get("pool") {
        return pools.find(pool, findings).map(|pool| Action::Pool(PoolIndex(pool)));
    }
    if let Some(split) = node.get("split") {
        return Some(Action::Split(shares(split, pools, findings)));
    }
    if let Some(redirect) = node.get("redirect") {
        return Some(Action::Redirect(self::redirect(redirect, findings)));
    }
    node.get("respond").map(|node| Action::Respond(respond(node, findings)))
}

fn shares(split: &Filled, pools: &mut Named, findings: &mut Findings) -> Vec<(PoolIndex, u32)> {
    let mut shares = Vec::new();
    for entry in split.pairs() {
        let pool = pools.named(&entry.name, entry.span, findings);
        if let (Some(pool), Some(share)) = (pool, entry.value.as_number()) {
            shares.push((PoolIndex(pool), to_u32(share)));
        }
    }
    if shares.len() == split.pairs().len()
        && !shares.is_empty()
        && shares.iter().all(|(_, share)| *share == 0)
    {
        findings.error(split.span, "every share is 0: no pool would get a request");
    }
    shares
}

fn redirect(node: &Filled, findings: &mut Findings) -> Redirect {
    let text = |name: &str| node.text(name).map(str::to_owned);
    let changes = ["to", "scheme", "host", "port", "path"];
    let section = node.section();
    if section
        .is_some_and(|section| !section.doubtful && changes.iter().all(|name| section.get(name).is_none()))
    {
        findings
            .error(node.span, "this redirect changes nothing, and would lead to itself")
            .help("write `to`, or one of `scheme`, `host`, `port`, `path`");
    }
    Redirect {
        to: text("to"),
        scheme: text("scheme"),
        host: text("host"),
        port: node.get("port").and_then(Filled::as_number).and_then(|port| u16::try_from(port).ok()),
        path: text("path"),
        status: u16::try_from(node.number("status")).unwrap_or(0),
    }
}

fn respond(node: &Filled, findings: &mut Findings) -> Respond {
    let status = u16::try_from(node.number("status")).unwrap_or(0);
    let body = node.text("body").unwrap_or_default().to_owned();
    // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: these answers have no content.
    if let (204 | 205 | 304, Some(place)) = (status, node.get("body"))
        && !body.is_empty()
    {
        findings.error(place.span, format!("an answer with status {status} has no body"));
    }
    Respond { status, body, content_type: node.text("content_type").unwrap_or_default().to_owned() }
}

fn matches(node: &Filled, findings: &mut Findings) -> Match {
    let hosts = node.list("host").iter().filter_map(|host| match host.value() {
        Some(Value::Host(host)) => Some(host.clone()),
        _ => None,
    });
    let methods = node.list("methods").iter().filter_map(|method| method.as_text().map(str::to_owned));
    Match {
        hosts: hosts.collect(),
        path: match node.get("path").and_then(Filled::value) {
            Some(Value::Path(path)) => Some(path.clone()),
            _ => None::<PathPattern>,
        },
        methods: methods.collect(),
        headers: patterns(node.map("headers"), str::to_ascii_lowercase, Some("header field"), findings),
        cookies: patterns(node.map("cookies"), str::to_owned, Some("cookie"), findings),
        query: patterns(node.map("query"), str::to_owned, None, findings),
        clients: networks(node, "client"),
    }
}

/// `trimmed` is what these are, if they are compared without the spaces around them.
fn patterns(
    pairs: &[Entry],
    fold: fn(&str) -> String,
    trimmed: Option<&str>,
    findings: &mut Findings,
) -> Vec<(String, ValuePattern)> {
    let mut names = Once::default();
    let mut patterns = Vec::new();
    for entry in pairs {
        let name = fold(&entry.name);
        twice(entry, name.clone(), &mut names, findings);
        if let Some(Value::Pattern(pattern)) = entry.value.value() {
            if let (Some(what), ValuePattern::Exact(text)) = (trimmed, pattern)
                && text.trim_matches(' ') != text
            {
                let message = format!("no {what} begins or ends with a space: this can never match");
                findings.error(entry.value.span, message);
            }
            patterns.push((name, pattern.clone()));
        }
    }
    patterns
}

fn edits(node: Option<&Filled>, findings: &mut Findings) -> HeaderEdits {
    let Some(node) = node else { return HeaderEdits::default() };
    let mut pairs = |name: &str| {
        let mut names = Once::default();
        let mut pairs = Vec::new();
        for entry in node.map(name) {
            let name = entry.name.to_ascii_lowercase();
            twice(entry, name.clone(), &mut names, findings);
            pairs.extend(entry.value.as_text().map(|text| (name, text.to_owned())));
        }
        pairs
    };
    let removed = node.list("remove").iter().filter_map(Filled::as_text);
    HeaderEdits {
        set: pairs("set"),
        add: pairs("add"),
        remove: removed.map(str::to_ascii_lowercase).collect(),
    }
}

/// Names of header fields differ by more than case.
fn twice(entry: &Entry, name: String, names: &mut Once, findings: &mut Findings) {
    if let Some(first) = names.take(name, entry.span) {
        let message = format!("`{}` is written twice{}", shown(&entry.name), first_at(first, entry.span));
        findings.error(entry.span, message);
    }
}
