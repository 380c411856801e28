//! Routes that can never match, because an earlier one takes everything that they would.
//!
//! The check is sound and not complete: what it reports is certainly dead, and it compares routes in pairs only.
//! Regular expressions are compared by their text, and tried on exact values.

use crate::{
    HostPattern, Match, PathPattern, Route, ValuePattern,
    filled::{Data, Filled},
    report::Findings,
};

pub(super) fn check(nodes: &[Filled], routes: &[Route], findings: &mut Findings) {
    // A match of which something was refused is narrower than it looks.
    let whole: Vec<bool> = nodes.iter().map(|node| node.get("match").is_none_or(is_whole)).collect();
    for (later, route) in routes.iter().enumerate().skip(1) {
        if !whole[later] {
            continue;
        }
        let earlier =
            (0..later).find(|earlier| whole[*earlier] && covers(&routes[*earlier].matches, &route.matches));
        let Some(earlier) = earlier else { continue };
        let (first, dead) = (&nodes[earlier], &nodes[later]);
        let line = first.span.start.line;
        let name = match first.get("name") {
            Some(Filled { written: true, data: Data::One(name, _), .. }) => format!(" `{}`", name.text),
            _ => String::new(),
        };
        let place = dead.section().and_then(|section| section.entry("match")).map_or(dead.span, |entry| {
            if entry.value.span.start.line == entry.value.span.end.line {
                entry.value.span
            } else {
                entry.span
            }
        });
        findings
            .error(
                place,
                format!("this route can never match: the route{name} in line {line} takes all that it would"),
            )
            .help("routes are tried in the written order: put the narrower one first");
    }
}

fn is_whole(node: &Filled) -> bool {
    match &node.data {
        Data::Bad => false,
        Data::One(..) => true,
        Data::List(items) => items.iter().all(is_whole),
        Data::Map(pairs) => pairs.iter().all(|entry| is_whole(&entry.value)),
        Data::Section(section) => {
            !section.doubtful && section.entries.iter().all(|entry| is_whole(&entry.value))
        }
    }
}

/// Whether every request that `narrow` takes is taken by `wide`.
fn covers(wide: &Match, narrow: &Match) -> bool {
    let path = match (&wide.path, &narrow.path) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => path_covers(wide, narrow),
    };
    path && any_covers(&wide.hosts, &narrow.hosts, host_covers)
        && any_covers(&wide.methods, &narrow.methods, |wide, narrow| wide == narrow)
        && any_covers(&wide.clients, &narrow.clients, |wide, narrow| wide.contains(narrow))
        && values_cover(&wide.headers, &narrow.headers)
        && values_cover(&wide.cookies, &narrow.cookies)
        && values_cover(&wide.query, &narrow.query)
}

/// Lists of alternatives, of which the empty one takes everything.
fn any_covers<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| covers(w, n))))
}

fn host_covers(wide: &HostPattern, narrow: &HostPattern) -> bool {
    let below = || {
        narrow.name.strip_suffix(&wide.name).is_some_and(|front| front.ends_with('.'))
            || (narrow.wildcard && narrow.name == wide.name)
    };
    let name = if wide.wildcard { below() } else { !narrow.wildcard && wide.name == narrow.name };
    name && (wide.port.is_none() || wide.port == narrow.port)
}

fn path_covers(wide: &PathPattern, narrow: &PathPattern) -> bool {
    let below = |front: &str, path: &str| {
        path.strip_prefix(front).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match (wide, narrow) {
        (PathPattern::Exact(wide), PathPattern::Exact(narrow))
        | (PathPattern::Prefix(wide), PathPattern::Prefix(narrow))
            if wide == narrow =>
        {
            true
        }
        _ if changes(wide) || changes(narrow) => false,
        (PathPattern::Exact(_), PathPattern::Exact(_)) => false,
        (PathPattern::Exact(_), _) => false,
        (PathPattern::Prefix(wide), PathPattern::Exact(narrow) | PathPattern::Prefix(narrow)) => {
            below(wide, narrow)
        }
        (PathPattern::Prefix(_), PathPattern::Regex(_)) => false,
        (PathPattern::Regex(wide), PathPattern::Exact(narrow)) => wide.regex.is_match(narrow.as_bytes()),
        (PathPattern::Regex(_), PathPattern::Prefix(_)) => false,
        (PathPattern::Regex(wide), PathPattern::Regex(narrow)) => wide.text == narrow.text,
    }
}

/// Whether a path may not be written in the form in which requests are compared: with escapes or dot segments.
/// Then its text does not tell what it takes.
fn changes(path: &PathPattern) -> bool {
    match path {
        PathPattern::Exact(path) | PathPattern::Prefix(path) => path.contains('%') || path.contains("/."),
        PathPattern::Regex(_) => false,
    }
}

/// Lists of conditions that all must hold: each of the wide ones follows from a narrow one.
fn values_cover(wide: &[(String, ValuePattern)], narrow: &[(String, ValuePattern)]) -> bool {
    wide.iter()
        .all(|(name, wide)| narrow.iter().any(|(other, narrow)| name == other && value_covers(wide, narrow)))
}

fn value_covers(wide: &ValuePattern, narrow: &ValuePattern) -> bool {
    match (wide, narrow) {
        (ValuePattern::Present, _) => true,
        (ValuePattern::Exact(wide), ValuePattern::Exact(narrow)) => wide == narrow,
        (ValuePattern::Regex(wide), ValuePattern::Exact(narrow)) => wide.regex.is_match(narrow.as_bytes()),
        (ValuePattern::Regex(wide), ValuePattern::Regex(narrow)) => wide.text == narrow.text,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
