//! `mirror` and `faults` of a route.

use super::{named::Named, to_u32, to_usize};
use crate::{
    Abort, Action, Delay, Faults, Mirror, Part, PoolIndex,
    filled::Filled,
    report::{Findings, shown},
};

pub(super) fn mirror(
    route: &Filled,
    action: Option<&Action>,
    pools: &mut Named,
    findings: &mut Findings,
) -> Option<Mirror> {
    let node = route.get("mirror").filter(|mirror| mirror.section().is_some())?;
    let place = node.get("pool")?;
    let pool = PoolIndex(pools.find(place, findings)?);
    let is_same = match action {
        Some(Action::Pool(own)) => *own == pool,
        Some(Action::Split(shares)) => shares.iter().any(|(own, _)| *own == pool),
        _ => false,
    };
    if is_same {
        let name = shown(place.as_text().unwrap_or_default());
        let message = format!("the requests themselves go to `{name}`: its servers would get both");
        findings
            .error(place.span, message)
            .help("copies go to a pool of their own, even if its servers are the same");
    }
    Some(Mirror {
        pool,
        share: part(node),
        body_bytes_max: to_usize(node.number("max_body_bytes")),
        requests_max: to_u32(node.number("max_requests")),
        timeout: node.duration("timeout"),
    })
}

pub(super) fn faults(route: &Filled, findings: &mut Findings) -> Option<Faults> {
    let node = route.get("faults").filter(|faults| faults.section().is_some())?;
    let section = |name: &str| node.get(name).filter(|fault| fault.section().is_some());
    let delay = section("delay").map(|delay| Delay {
        share: part(delay),
        time: delay.duration("time"),
        requests_max: to_u32(delay.number("max_requests")),
    });
    let abort = section("abort").map(|abort| Abort {
        share: part(abort),
        status: u16::try_from(abort.number("status")).unwrap_or(0),
    });
    if node.section().is_some_and(|section| section.entries.is_empty() && !section.doubtful) {
        findings
            .error(node.span, "these faults do nothing")
            .help("write `delay: { share: 5%, time: 200ms }` or `abort: { share: 1%, status: 503 }`");
        return None;
    }
    let of = |fault: &str| section(fault).and_then(|node| node.text("share")).map(shown);
    let delays = delay.and_then(|_| Some(format!("delays {} of the requests", of("delay")?)));
    let aborts = abort
        .and_then(|abort| Some(format!("answers {} of the requests with {}", of("abort")?, abort.status)));
    let what: Vec<String> = delays.into_iter().chain(aborts).collect();
    if !what.is_empty() {
        findings
            .warning(node.span, format!("faults are made on purpose: this route {}", what.join(", and ")));
    }
    Some(Faults { delay, abort })
}

fn part(node: &Filled) -> Part {
    Part(to_u32(node.number("share")))
}
