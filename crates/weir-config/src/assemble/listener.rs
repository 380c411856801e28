//! `listeners[]`.

use std::collections::{HashMap, hash_map::Entry};

use ipnet::IpNet;

use super::{Once, bind, named::Named, route, shadow, tls, to_u32, to_usize};
use crate::{
    Action, ForwardedFields, Http2Settings, HttpProtocols, HttpSettings, Listener, Match, PoolIndex, Rate,
    Retry, Rewrite, Route,
    fill::first_at,
    filled::Filled,
    kind::Value,
    report::{Findings, shown},
    tree::Span,
};

pub(super) fn listeners(
    root: &Filled,
    binds: &mut Once,
    pools: &mut Named,
    certificates: &mut Named,
    findings: &mut Findings,
) -> Vec<Listener> {
    let (mut names, mut route_names) = (Labels::default(), Labels::default());
    let mut listeners = Vec::new();
    for node in root.list("listeners") {
        let bind = bind(node, binds, findings);
        let name = node.text("name").unwrap_or_default().to_owned();
        names.take(node, &name, "listener", findings);
        let mut routes = Vec::new();
        let nodes = node.list("routes");
        for node in nodes {
            let route = route::route(node, pools, findings);
            route_names.take(node, &route.name, "route", findings);
            routes.push(route);
        }
        if routes.len() == nodes.len() {
            shadow::check(nodes, &routes, findings);
        }
        if let Some(route) = whole(node, &name, pools, findings) {
            route_names.add(&route.name, node.span, false, "route", findings);
            routes.push(route);
        }
        let tls = node.get("tls").map(|node| tls::listener(node, certificates, findings));
        let http = http(node.get("http").unwrap_or(node), findings);
        listeners.push(Listener { bind, tls, http, name, routes });
    }
    listeners
}

/// `pool: NAME` on the listener: one route for everything.
fn whole(node: &Filled, name: &str, pools: &mut Named, findings: &mut Findings) -> Option<Route> {
    let pool = PoolIndex(pools.find(node.get("pool")?, findings)?);
    Some(Route {
        name: format!("{name}#1"),
        matches: Match::default(),
        action: Action::Pool(pool),
        split_sticky: None,
        rewrite: Rewrite::default(),
        request_headers: Default::default(),
        response_headers: Default::default(),
        timeout: crate::settle::ROUTE_TIMEOUT,
        timeout_header: None,
        retry: Retry::default(),
        hedge: None,
        mirror: None,
        faults: None,
    })
}

fn http(http: &Filled, findings: &mut Findings) -> HttpSettings {
    let speaks = |name: &str| http.list("protocols").iter().any(|item| item.as_word() == Some(name));
    HttpSettings {
        protocols: HttpProtocols { http1: speaks("http1"), h2: speaks("h2") },
        header_timeout: http.duration("header_timeout"),
        body_timeout: http.duration("body_timeout"),
        idle_timeout: http.duration("idle_timeout"),
        tunnel_timeout: http.duration("tunnel_timeout"),
        max_header_bytes: to_usize(http.number("max_header_bytes")),
        max_headers: to_usize(http.number("max_headers")),
        max_uri_bytes: to_usize(http.number("max_uri_bytes")),
        max_body_bytes: http.number("max_body_bytes"),
        trusted_proxies: networks(http, "trusted_proxies"),
        forwarded: match http.word("forwarded") {
            Some("x_forwarded") => ForwardedFields::XForwarded,
            Some("forwarded") => ForwardedFields::Forwarded,
            Some("none") => ForwardedFields::None,
            _ => ForwardedFields::All,
        },
        http2: http2(http.get("http2").unwrap_or(http), findings),
    }
}

fn http2(http2: &Filled, findings: &mut Findings) -> Http2Settings {
    let (stream, connection) = (http2.number("stream_window"), http2.number("connection_window"));
    if let Some(place) = http2.get("connection_window").filter(|_| connection < stream && connection > 0) {
        findings
            .error(place.span, "`connection_window` is smaller than `stream_window`, which it limits")
            .help("lengthen `connection_window` or shorten `stream_window`");
    }
    let rate = |name: &str| match http2.get(name).and_then(Filled::value) {
        Some(Value::Rate(rate)) => *rate,
        _ => Rate { count: 1, per: std::time::Duration::from_secs(1) },
    };
    Http2Settings {
        max_concurrent_streams: to_u32(http2.number("max_concurrent_streams")),
        stream_window: to_u32(stream),
        connection_window: to_u32(connection),
        max_resets: rate("max_resets"),
        max_control_frames: rate("max_control_frames"),
        max_empty_frames: rate("max_empty_frames"),
    }
}

pub(super) fn networks(node: &Filled, name: &str) -> Vec<IpNet> {
    let networks = node.list(name).iter().filter_map(|item| match item.value() {
        Some(Value::Network(network)) => Some(*network),
        _ => None,
    });
    networks.collect()
}

/// The names of all things of one kind. They are labels in metrics: two things cannot share one.
#[derive(Default)]
struct Labels(HashMap<String, Label>);

/// Where a name was first, and whether somebody wrote it: otherwise it is made from an address.
#[derive(Clone, Copy)]
struct Label {
    span: Span,
    written: bool,
}

impl Labels {
    /// Takes the name of this thing.
    fn take(&mut self, node: &Filled, name: &str, kind: &str, findings: &mut Findings) {
        if let Some(place) = node.get("name").filter(|place| !place.is_bad()) {
            self.add(name, place.span, place.written, kind, findings);
        }
    }

    fn add(&mut self, name: &str, span: Span, written: bool, kind: &str, findings: &mut Findings) {
        let first = match self.0.entry(name.to_owned()) {
            Entry::Occupied(first) => *first.get(),
            Entry::Vacant(vacant) => {
                vacant.insert(Label { span, written });
                return;
            }
        };
        let free_port = name.ends_with(":0") || name.contains(":0#");
        if written || first.written {
            let message = format!("another {kind} is called `{}`{}", shown(name), first_at(first.span, span));
            let found = findings.error(span, message);
            if !written {
                found.help("this is what it is called unless a `name` is written");
            }
        } else if free_port {
            let message = format!("another {kind} is called `{}`, after its address", shown(name));
            findings.error(span, message).help("give each a `name`");
        }
        // Otherwise two listeners without names have one address: that is what is wrong, and it was said.
    }
}
