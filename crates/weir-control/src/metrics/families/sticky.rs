//! Stickiness of pools that have it.

use weir_http::counters::StickyOutcome;

use super::sum;
use crate::{metrics::encode::Exposition, registry::Registry};

pub(super) fn write(out: &mut Exposition, registry: &Registry) {
    let pools = || registry.pools.iter().filter_map(|pool| Some((pool.name.as_str(), pool.sticky.as_ref()?)));
    let help = "Requests to pools with sticky clients, by how they came to their server.";
    let mut family = out.counter("weir_sticky_requests", help);
    for (pool, sticky) in pools() {
        for outcome in StickyOutcome::ALL {
            let count = sum(&sticky.counters, |block| block.of(outcome));
            family.sample(&[("pool", pool), ("outcome", outcome.name())], count);
        }
    }
    let mut family = out.counter("weir_sticky_cookies", "Cookies handed out that name a server.");
    for (pool, sticky) in pools() {
        family.sample(&[("pool", pool)], sum(&sticky.counters, |block| &block.cookies));
    }
}
