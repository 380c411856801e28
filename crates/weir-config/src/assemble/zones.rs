//! Zones, priorities and parts of pools: what the file says of servers, and what it says of this node.

use super::to_u32;
use crate::{
    filled::{Data, Entry, Filled},
    nearest::nearest,
    report::{Findings, shown},
};

/// Zones of one pool. `weir_balance::Rank::ZONES_MAX` has room for three more: the own one, servers without a zone, and
/// zones without servers.
const ZONES_MAX: usize = 13;

pub(super) fn traffic(runtime: &Filled) -> Vec<(String, u32)> {
    let part = |entry: &Entry| Some((entry.name.clone(), to_u32(entry.value.as_number()?)));
    runtime.map("zone_traffic").iter().filter_map(part).collect()
}

pub(super) fn priority(server: &Filled, findings: &mut Findings) -> u8 {
    let priority = server.number("priority");
    if let Some(place) = server.get("priority").filter(|_| priority > 0 && is_backup(server)) {
        findings
            .error(place.span, "a backup has no priority: it comes when nobody else is left")
            .help("take one of both away");
    }
    u8::try_from(priority).unwrap_or(u8::MAX)
}

fn is_backup(server: &Filled) -> bool {
    server.get("backup").is_some_and(|backup| backup.as_text() == Some("true"))
}

pub(super) fn spill(pool: &Filled, findings: &mut Findings) -> Option<u8> {
    let place = pool.get("spill")?;
    if !pool.list("servers").iter().any(is_ranked) && !pool.get("servers").is_none_or(Filled::is_bad) {
        findings
            .error(place.span, "`spill` has no meaning: no server has a `zone` or a `priority`")
            .help("all are preferred alike, so there is nobody to hand traffic on to");
    }
    u8::try_from(place.as_number()?).ok()
}

/// Whether it is not preferred like any other.
pub(crate) fn is_ranked(server: &Filled) -> bool {
    server.get("zone").is_some() || server.number("priority") > 0
}

pub(super) fn subset(pool: &Filled, findings: &mut Findings) -> Option<u32> {
    let node = pool.get("subset").filter(|subset| subset.section().is_some())?;
    let balance = pool.get("balance");
    let hashes = balance.is_some_and(|balance| {
        balance.as_word() == Some("client_ip") || balance.get("hash").is_some_and(|hash| !hash.is_bad())
    });
    if hashes {
        findings
            .error(node.span, "with a `subset`, nodes would not find the same server for one value")
            .help("balance by anything but a hash, or take `subset` away");
    }
    Some(to_u32(node.number("size"))).filter(|size| *size > 0)
}

/// What servers say against what `runtime` says.
pub(super) fn check(root: &Filled, findings: &mut Findings) {
    let Some(runtime) = root.get("runtime").filter(|runtime| runtime.section().is_some()) else { return };
    check_zones(root, runtime, findings);
    check_traffic(root, runtime, findings);
    let subset = root.map("pools").iter().find_map(|pool| pool.value.get("subset"));
    match (subset.filter(|subset| !subset.is_bad()), runtime.get("node")) {
        (Some(subset), None) if !doubtful(runtime) => {
            findings
                .error(subset.span, "which part of the pool this node takes is not said")
                .help("give each node its number: `runtime: { node: 0 }`, `1` and so on");
        }
        (None, Some(node)) => {
            findings.warning(node.span, "`node` has no effect: no pool has a `subset`");
        }
        _ => {}
    }
}

fn check_zones(root: &Filled, runtime: &Filled, findings: &mut Findings) {
    let all = zones(root);
    for pool in root.map("pools") {
        let mut names: Vec<&str> = servers_zones(pool).filter_map(Filled::as_text).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > ZONES_MAX {
            let message = format!("the servers of `{}` stand in {} zones", shown(&pool.name), names.len());
            findings.error(pool.span, message).help(format!("a pool has at most {ZONES_MAX} zones"));
        }
    }
    match (runtime.get("zone").filter(|own| !own.is_bad()), all.first()) {
        (None, Some(first)) if runtime.get("zone").is_none() && !doubtful(runtime) => {
            findings.warning(
                first.span,
                "`zone` has no effect: where this Weir stands is not said, as `runtime.zone`",
            );
        }
        (Some(own), _) => {
            let name = own.as_text().unwrap_or_default();
            if !all.iter().any(|zone| zone.as_text() == Some(name)) {
                let near = nearest(name, all.iter().filter_map(|zone| zone.as_text()));
                let meant = near.map(|near| format!(", did you mean `{}`?", shown(near))).unwrap_or_default();
                findings.warning(own.span, format!("no server stands in the zone `{}`{meant}", shown(name)));
            }
        }
        _ => {}
    }
}

fn check_traffic(root: &Filled, runtime: &Filled, findings: &mut Findings) {
    let parts = runtime.map("zone_traffic");
    let Some(own) = runtime.text("zone").filter(|_| !parts.is_empty()) else { return };
    match parts.iter().find(|part| part.name == own) {
        Some(Entry { value: Filled { data: Data::Bad, .. }, .. }) => {}
        Some(part) if part.value.as_number() == Some(0) => {
            findings.error(
                part.value.span,
                format!("traffic comes in at `{}`, where this Weir stands", shown(own)),
            );
        }
        Some(_) => {}
        None => {
            let place = runtime.section().and_then(|section| section.entry("zone_traffic"));
            let near = nearest(own, parts.iter().map(|part| part.name.as_str()));
            let message = format!("the zone where this Weir stands, `{}`, is not among these", shown(own));
            findings.error(place.map_or(runtime.span, |entry| entry.span), message).help(match near {
                Some(near) => format!("`{}` is near to it", shown(near)),
                None => format!("add `{}: 1`", shown(own)),
            });
        }
    }
    // A zone may have nodes and no servers; more often its name is misspelt.
    let all = zones(root);
    let names = || all.iter().filter_map(|zone| zone.as_text());
    for part in parts.iter().filter(|part| part.name != own && !names().any(|name| name == part.name)) {
        let meant = nearest(&part.name, names())
            .map(|near| format!(", did you mean `{}`?", shown(near)))
            .unwrap_or_default();
        findings.warning(part.span, format!("no server stands in the zone `{}`{meant}", shown(&part.name)));
    }
}

/// The zones of all servers, as they are written.
fn zones(root: &Filled) -> Vec<&Filled> {
    root.map("pools").iter().flat_map(servers_zones).collect()
}

fn servers_zones(pool: &Entry) -> impl Iterator<Item = &Filled> {
    pool.value.list("servers").iter().filter_map(|server| server.get("zone"))
}

fn doubtful(runtime: &Filled) -> bool {
    runtime.section().is_some_and(|section| section.doubtful)
}
