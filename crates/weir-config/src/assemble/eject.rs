//! `pools.NAME.eject` and `slow_start`.

use std::time::Duration;

use super::to_u32;
use crate::{
    Eject,
    filled::{Data, Filled},
};

/// By what servers are taken out; `None`: they are not.
pub(super) fn eject(pool: &Filled) -> Option<Eject> {
    let node = pool.get("eject").filter(|eject| eject.section().is_some())?;
    let number = |name: &str| node.get(name).and_then(Filled::as_number);
    let percent = |name: &str| number(name).and_then(|percent| u8::try_from(percent).ok());
    Some(Eject {
        errors: to_u32(node.number("errors")),
        success_percent: percent("success_rate"),
        latency_percent: number("latency").map(to_u32),
        max_percent: percent("max").unwrap_or_default(),
        time: node.duration("time"),
    })
}

/// How long a server takes to its whole share that comes to others.
pub(super) fn slow_start(pool: &Filled) -> Option<Duration> {
    let is_written = pool.get("slow_start").is_some_and(|node| matches!(node.data, Data::One(..)));
    is_written.then(|| pool.duration("slow_start"))
}
