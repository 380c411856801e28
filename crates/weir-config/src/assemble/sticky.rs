//! `pools.NAME.sticky` and `split_sticky` of a route, and cookies of one name that get into each other's way.

use std::time::Duration;

use super::{certificate::secret, to_usize};
use crate::{
    Action, Listener, OwnCookie, Place, Pool, Route, SameSite, SplitSticky, Sticky, StickyBy,
    filled::Filled,
    kind::Value,
    report::{Findings, shown},
};

pub(super) fn sticky(node: &Filled, findings: &mut Findings) -> Sticky {
    let size = to_usize(node.number("size"));
    let by = match (node.get("table").and_then(Filled::value), node.text("app_cookie")) {
        (Some(Value::Hash(key)), _) => StickyBy::Table { key: key.clone(), size },
        (_, Some(name)) => StickyBy::AppCookie { name: name.to_owned(), size },
        _ => StickyBy::Cookie(cookie(node)),
    };
    let (ttl, drain) = (ttl(node, findings), node.duration("drain"));
    Sticky { by, ttl, drain, place: Place(node.span) }
}

pub(super) fn split_sticky(node: &Filled, findings: &mut Findings) -> Option<SplitSticky> {
    node.section()?;
    Some(SplitSticky { cookie: cookie(node), ttl: ttl(node, findings), place: Place(node.span) })
}

fn cookie(node: &Filled) -> OwnCookie {
    OwnCookie {
        name: node.text("cookie").unwrap_or_default().to_owned(),
        same_site: match node.word("same_site") {
            Some("strict") => SameSite::Strict,
            Some("none") => SameSite::None,
            _ => SameSite::Lax,
        },
        no_cache: matches!(node.get("no_cache").and_then(Filled::value), Some(Value::Bool(true))),
        keys: secret(node, "keys"),
    }
}

fn ttl(node: &Filled, findings: &mut Findings) -> Duration {
    let ttl = node.duration("ttl");
    if let Some(place) = node.get("ttl").filter(|_| ttl.subsec_millis() > 0) {
        findings.error(place.span, "`ttl` is counted in whole seconds");
    }
    ttl
}

/// What a browser sends back under one name is the last that it got: of two things that issue the same cookie to one
/// client, each takes the other's away.
pub(super) fn check_names(listeners: &[Listener], pools: &[Pool], findings: &mut Findings) {
    for listener in listeners {
        let mut seen: Vec<(&Route, &str, Issuer<'_>)> = Vec::new();
        for route in &listener.routes {
            for (name, issuer) in issued(route, pools) {
                let before = seen.iter().find(|(other, other_name, other_issuer)| {
                    *other_name == name && *other_issuer != issuer && may_share_a_client(other, route)
                });
                if let Some((_, _, other)) = before {
                    let message = format!(
                        "{} and {} both issue the cookie `{}`: a browser keeps only the last one",
                        other.said(),
                        issuer.said(),
                        shown(name)
                    );
                    findings.warning(issuer.place().0, message).help("give each a name of its own");
                }
                if !seen.iter().any(|(_, other_name, other)| *other_name == name && *other == issuer) {
                    seen.push((route, name, issuer));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Issuer<'a> {
    Pool(&'a Pool, Place),
    Split(&'a Route, Place),
}

impl PartialEq for Issuer<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pool(one, _), Self::Pool(other, _)) => one.name == other.name,
            // Routes that share a cookie share the place in it.
            (Self::Split(..), Self::Split(..)) => true,
            _ => false,
        }
    }
}

impl Issuer<'_> {
    fn place(&self) -> Place {
        match self {
            Self::Pool(_, place) | Self::Split(_, place) => *place,
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Pool(pool, _) => format!("pool `{}`", shown(&pool.name)),
            Self::Split(route, _) => format!("route `{}`", shown(&route.name)),
        }
    }
}

/// The cookies of Weir's own that clients of this route get.
fn issued<'a>(route: &'a Route, pools: &'a [Pool]) -> Vec<(&'a str, Issuer<'a>)> {
    let indices: Vec<usize> = match &route.action {
        Action::Pool(pool) => vec![pool.0],
        Action::Split(shares) => shares.iter().map(|(pool, _)| pool.0).collect(),
        Action::Redirect(_) | Action::Respond(_) => Vec::new(),
    };
    let of_route = route
        .split_sticky
        .iter()
        .map(|split| (split.cookie.name.as_str(), Issuer::Split(route, split.place)));
    let of_pools = indices.into_iter().filter_map(|index| {
        let pool = pools.get(index)?;
        let sticky = pool.sticky.as_ref()?;
        let StickyBy::Cookie(cookie) = &sticky.by else { return None };
        Some((cookie.name.as_str(), Issuer::Pool(pool, sticky.place)))
    });
    of_route.chain(of_pools).collect()
}

/// Browsers keep cookies by host. Routes with hosts that have none in common are for different ones.
fn may_share_a_client(one: &Route, other: &Route) -> bool {
    let (one, other) = (&one.matches.hosts, &other.matches.hosts);
    one.is_empty()
        || other.is_empty()
        || one.iter().any(|a| a.wildcard || other.iter().any(|b| b.wildcard || b.name == a.name))
}
