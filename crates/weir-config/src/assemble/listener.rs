//! `listeners[]`.

use ipnet::IpNet;

use super::{Once, bind, route, shadow, to_usize};
use crate::{
    Action, ForwardedFields, HttpSettings, Listener, Match, Rewrite, Route,
    fill::first_at,
    filled::Filled,
    kind::Value,
    report::{Findings, shown},
};

pub(super) fn listeners(
    root: &Filled,
    binds: &mut Once,
    pools: &mut route::PoolNames,
    findings: &mut Findings,
) -> Vec<Listener> {
    let (mut names, mut route_names) = (Once::default(), Once::default());
    let mut listeners = Vec::new();
    for node in root.list("listeners") {
        let bind = bind(node, binds, findings);
        let name = node.text("name").unwrap_or_default().to_owned();
        unique(node, &name, "listener", &mut names, findings);
        let mut routes = Vec::new();
        let nodes = node.list("routes");
        for node in nodes {
            let route = route::route(node, pools, findings);
            unique(node, &route.name, "route", &mut route_names, findings);
            routes.push(route);
        }
        if routes.len() == nodes.len() {
            shadow::check(nodes, &routes, findings);
        }
        routes.extend(whole(node, &name, pools, findings));
        listeners.push(Listener { bind, http: http(node.get("http").unwrap_or(node)), name, routes });
    }
    listeners
}

/// `pool: NAME` on the listener: one route for everything.
fn whole(node: &Filled, name: &str, pools: &mut route::PoolNames, findings: &mut Findings) -> Option<Route> {
    let pool = pools.find(node.get("pool")?, findings)?;
    Some(Route {
        name: format!("{name}#1"),
        matches: Match::default(),
        action: Action::Pool(pool),
        rewrite: Rewrite::default(),
        request_headers: Default::default(),
        response_headers: Default::default(),
        timeout: crate::settle::ROUTE_TIMEOUT,
    })
}

fn http(http: &Filled) -> HttpSettings {
    HttpSettings {
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
    }
}

pub(super) fn networks(node: &Filled, name: &str) -> Vec<IpNet> {
    let networks = node.list(name).iter().filter_map(|item| match item.value() {
        Some(Value::Network(network)) => Some(*network),
        _ => None,
    });
    networks.collect()
}

/// Names are labels in metrics: two things of one kind cannot share one.
fn unique(node: &Filled, name: &str, kind: &str, names: &mut Once, findings: &mut Findings) {
    let Some(place) = node.get("name").filter(|place| !place.is_bad()) else { return };
    let Some(first) = names.take(name.to_owned(), place.span) else { return };
    // Two listeners on one address without names: the address is what is wrong, and it was said.
    if place.written {
        let message = format!("another {kind} is called `{}`{}", shown(name), first_at(first, place.span));
        findings.error(place.span, message);
    } else if name.ends_with(":0") || name.contains(":0#") {
        let message = format!("another {kind} is called `{}`, after its address", shown(name));
        findings.error(place.span, message).help("give each a `name`");
    }
}
