//! `pools.NAME.adaptive_concurrency`.

use super::to_u32;
use crate::{AdaptiveConcurrency, filled::Filled, report::Findings};

pub(super) fn adaptive_concurrency(pool: &Filled, findings: &mut Findings) -> Option<AdaptiveConcurrency> {
    let node = pool.get("adaptive_concurrency").filter(|node| node.section().is_some())?;
    let limits = AdaptiveConcurrency { min: to_u32(node.number("min")), max: to_u32(node.number("max")) };
    if limits.min > limits.max && limits.max > 0 {
        let message = format!("`min` is {}, which is more than `max`, {}", limits.min, limits.max);
        findings.error(node.span, message);
    }
    Some(limits)
}
