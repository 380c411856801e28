//! Copies for mirrors and faults made on purpose, of routes that have them.

use weir_http::counters::MirrorOutcome;

use super::sum;
use crate::{
    metrics::encode::Exposition,
    registry::{Registry, RouteEntry},
};

pub(super) fn write(out: &mut Exposition, registry: &Registry) {
    let routes = |has: fn(&RouteEntry) -> bool| {
        registry.listeners.iter().flat_map(move |listener| {
            let routes = listener.routes.iter().filter(move |entry| has(entry));
            routes.map(|entry| (listener.name.as_str(), entry))
        })
    };
    let help = "Requests that were drawn to be copied for a mirror, by what became of the copy.";
    let mut family = out.counter("weir_mirrored_requests", help);
    for (listener, entry) in routes(|entry| entry.has_mirror) {
        for outcome in MirrorOutcome::ALL {
            let count = sum(&entry.counters, |block| block.mirrored.of(outcome));
            let labels =
                [("listener", listener), ("route", entry.name.as_str()), ("outcome", outcome.name())];
            family.sample(&labels, count);
        }
    }
    let mut family = out.counter("weir_faults", "Faults made on purpose.");
    for (listener, entry) in routes(|entry| entry.has_faults) {
        let labels = |fault| [("listener", listener), ("route", entry.name.as_str()), ("fault", fault)];
        family
            .sample(&labels("delay"), sum(&entry.counters, |block| &block.delayed))
            .sample(&labels("abort"), sum(&entry.counters, |block| &block.aborted));
    }
}
