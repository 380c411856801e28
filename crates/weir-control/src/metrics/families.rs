//! The families of metrics, gathered when somebody asks: per-worker blocks are summed up here and nowhere else.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use weir_balance::Health;
use weir_check::LATENESS_BOUNDS_MS;
use weir_http::counters::{
    Counter, GrpcAnswers, Histogram, LATENCY_BOUNDS_US, Limit, ListenerCounters, RouteCounters,
    ServerCounters, StatusClasses,
};

use weir_http::grpc::GRPC_STATUSES;

use super::encode::{self, Exposition, Label};
use crate::{
    registry::{Registry, ServerEntry},
    running::State,
};

mod ejection;
mod rehearsal;
mod sticky;
mod tls;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// In a pool with more servers, those that never answered have no histogram.
const EMPTY_HISTOGRAMS_MAX: usize = 1000;

/// The whole text.
pub(crate) fn text(state: &State) -> String {
    let registry = state.registry();
    let mut out = Exposition::new();
    process(&mut out, state, &registry);
    listeners(&mut out, &registry);
    routes(&mut out, &registry);
    rehearsal::write(&mut out, &registry);
    servers(&mut out, &registry);
    queues(&mut out, &registry);
    concurrency(&mut out, &registry);
    sticky::write(&mut out, &registry);
    checks(&mut out, state);
    ejection::write(&mut out, &registry, state);
    tls::write(&mut out, &registry, state);
    limits(&mut out, &registry, state);
    out.finish()
}

fn process(out: &mut Exposition, state: &State, registry: &Registry) {
    out.info("weir_build", "The version that runs.", &[("version", env!("CARGO_PKG_VERSION"))]);
    out.gauge("weir_uptime_seconds", "Since the start.")
        .sample_f64(&[], state.started.elapsed().as_secs_f64());
    out.gauge("weir_workers", "Data-plane workers.").sample(&[], registry.workers.len() as u64);
    out.counter("weir_reloads", "Changes of the configuration, by how they ended.")
        .sample(&[("result", "changed")], state.reloads.load(Relaxed))
        .sample(&[("result", "refused")], state.reloads_failed.load(Relaxed));
    out.counter("weir_access_log_write_errors", "Blocks of access log lines that could not be written.")
        .sample(&[], registry.access_log_errors.load(Relaxed));
}

fn listeners(out: &mut Exposition, registry: &Registry) {
    type Get = fn(&ListenerCounters) -> &Counter;
    let counters: [(&str, &str, Get); 3] = [
        ("weir_connections_accepted", "Client connections accepted.", |block| &block.accepted),
        ("weir_requests_refused", "Requests that the framing gate or a limit refused.", |block| {
            &block.refused
        }),
        ("weir_requests_unrouted", "Requests that no route took.", |block| &block.unrouted),
    ];
    for (name, help, get) in counters {
        let mut family = out.counter(name, help);
        for listener in &registry.listeners {
            family.sample(&[("listener", &listener.name)], sum(&listener.counters, get));
        }
    }
    let mut family = out.gauge("weir_connections_open", "Client connections open now.");
    for listener in &registry.listeners {
        family.sample(&[("listener", &listener.name)], sum(&listener.counters, |block| &block.open));
    }
}

fn routes(out: &mut Exposition, registry: &Registry) {
    let routes = || {
        registry.listeners.iter().flat_map(|listener| {
            listener.routes.iter().map(|entry| {
                ([("listener", listener.name.as_str()), ("route", entry.name.as_str())], &entry.counters)
            })
        })
    };
    let mut family = out.counter("weir_requests", "Exchanges that were answered, by class of status.");
    for (labels, blocks) in routes() {
        for (class, count) in CLASSES.into_iter().zip(classes(blocks, |block| &block.answers)) {
            family.sample(&[labels[0], labels[1], ("code", class)], count);
        }
    }
    type Get = fn(&RouteCounters) -> &Counter;
    let counters: [(&str, &str, Get); 3] = [
        ("weir_requests_abandoned", "Exchanges whose client went away before an answer.", |block| {
            &block.abandoned
        }),
        ("weir_request_body_bytes", "Request bodies, with their framing.", |block| &block.request_bytes),
        ("weir_response_body_bytes", "Response bodies, with their framing.", |block| &block.response_bytes),
    ];
    for (name, help, get) in counters {
        let mut family = out.counter(name, help);
        for (labels, blocks) in routes() {
            family.sample(&labels, sum(blocks, get));
        }
    }
    let mut family = out.counter("weir_grpc_answers", "Answers to calls of gRPC, by status.");
    for (labels, blocks) in routes() {
        grpc(&mut family, labels, blocks, |block| &block.grpc_answers);
    }
    let help = "From the whole request head to the last byte of the answer.";
    let mut family = out.histogram("weir_request_duration_seconds", help);
    for (labels, blocks) in routes() {
        let (counts, seconds) = histogram(blocks, |block| &block.latency);
        family.sample(&labels, &bounds(), counts, seconds);
    }
}

fn servers(out: &mut Exposition, registry: &Registry) {
    let servers = || {
        registry.pools.iter().flat_map(|pool| {
            pool.servers
                .iter()
                .map(|entry| ([("pool", pool.name.as_str()), ("server", entry.label.as_str())], entry))
        })
    };
    let mut gauge = |name, help, value: &dyn Fn(&ServerEntry) -> u64| {
        let mut family = out.gauge(name, help);
        for (labels, entry) in servers() {
            family.sample(&labels, value(entry));
        }
    };
    gauge("weir_server_up", "1 when its checks say that the server is up.", &|entry| {
        u64::from(entry.server.health() == Health::Up)
    });
    gauge("weir_server_weight_percent", "The live weight, in percent of the written one.", &|entry| {
        entry.server.weight_percent().into()
    });
    gauge("weir_server_requests_in_flight", "Requests in flight.", &|entry| entry.server.in_flight().into());
    gauge("weir_server_connections_idle", "Connections that wait for a request.", &|entry| {
        sum(&entry.counters, |block| &block.idle)
    });
    let mut family = out.counter("weir_server_responses", "Answers of the server, by class of status.");
    for (labels, entry) in servers() {
        for (class, count) in CLASSES.into_iter().zip(classes(&entry.counters, |block| &block.answers)) {
            family.sample(&[labels[0], labels[1], ("code", class)], count);
        }
    }
    type Get = fn(&ServerCounters) -> &Counter;
    let counters: [(&str, &str, Get); 9] = [
        ("weir_server_connects", "Connections made.", |block| &block.connects),
        ("weir_server_connect_failures", "Connections that could not be made.", |block| {
            &block.connect_failures
        }),
        ("weir_server_reuses", "Requests that found an idle connection.", |block| &block.reuses),
        (
            "weir_server_replays",
            "Requests sent again, here or elsewhere, after the server failed them.",
            |block| &block.replays,
        ),
        ("weir_server_hedges", "Second requests, because another server was slow.", |block| &block.hedges),
        ("weir_server_hedges_won", "Second requests whose answer was taken.", |block| &block.hedges_won),
        ("weir_server_failures", "Answers that were not acceptable, broke off or never came.", |block| {
            &block.failures
        }),
        ("weir_server_probes", "Probes for its load that were answered with one.", |block| &block.probes),
        ("weir_server_probe_failures", "Probes for its load that were not.", |block| &block.probe_failures),
    ];
    for (name, help, get) in counters {
        let mut family = out.counter(name, help);
        for (labels, entry) in servers() {
            family.sample(&labels, sum(&entry.counters, get));
        }
    }
    let mut family =
        out.counter("weir_server_grpc_answers", "The server's answers to calls of gRPC, by status.");
    for (labels, entry) in servers() {
        grpc(&mut family, labels, &entry.counters, |block| &block.grpc_answers);
    }
    // Of a hundred thousand servers that are not used, empty histograms would be most of the page.
    let large = registry.pools.iter().filter(|pool| pool.servers.len() > EMPTY_HISTOGRAMS_MAX);
    let large: Vec<&str> = large.map(|pool| pool.name.as_str()).collect();
    let is_large = |pool: &str| large.contains(&pool);
    let help = "From the whole request head to the last byte of the server's answer.";
    let mut family = out.histogram("weir_server_request_duration_seconds", help);
    for (labels, entry) in servers() {
        let (counts, seconds) = histogram(&entry.counters, |block| &block.latency);
        if is_large(labels[0].1) && counts.iter().all(|count| *count == 0) {
            continue;
        }
        family.sample(&labels, &bounds(), counts, seconds);
    }
}

fn queues(out: &mut Exposition, registry: &Registry) {
    let mut family = out.gauge("weir_pool_queued_requests", "Requests that wait for a server with room.");
    for pool in &registry.pools {
        family.sample(&[("pool", &pool.name)], pool.shared.pressure.line.len().into());
    }
}

fn concurrency(out: &mut Exposition, registry: &Registry) {
    let help = "Requests that may wait for their answer at once, over all workers: what `adaptive_concurrency` has found.";
    let mut family = out.gauge("weir_pool_concurrency_limit", help);
    for pool in &registry.pools {
        let limit: u64 = pool.shared.limits.iter().map(|limit| limit.get()).sum();
        if limit > 0 {
            family.sample(&[("pool", &pool.name)], limit);
        }
    }
}

fn checks(out: &mut Exposition, state: &State) {
    let help =
        "1 while no server of the pool takes requests: all are down, ejected, drain or have no weight.";
    let mut family = out.gauge("weir_pool_all_down", help);
    for (pool, all_down) in state.checker.all_down() {
        family.sample(&[("pool", &pool)], u64::from(all_down));
    }
    let lateness = state.checker.lateness();
    let bounds = LATENESS_BOUNDS_MS.map(|ms| ms as f64 / 1e3);
    out.histogram("weir_check_lateness_seconds", "From the time that was set for a check to its beginning.")
        .sample(&[], &bounds, lateness.counts, lateness.sum.as_secs_f64());
    let help = "The longest lateness of a check since the start.";
    out.gauge("weir_check_lateness_max_seconds", help).sample_f64(&[], lateness.max.as_secs_f64());
    let statuses = state.checker.statuses();
    let mut family = out.counter("weir_checks", "Health checks, by their result.");
    for status in &statuses {
        let labels =
            |result| [("pool", status.pool.as_str()), ("server", status.label.as_str()), ("result", result)];
        family
            .sample(&labels("passed"), status.checks_passed)
            .sample(&labels("failed"), status.checks_failed)
            .sample(&labels("not_made"), status.checks_not_made);
    }
    let mut family = out.counter("weir_agent_readings", "Readings of agents, by their result.");
    for status in &statuses {
        let Some((understood, failed)) = status.agent_readings else { continue };
        let labels =
            |result| [("pool", status.pool.as_str()), ("server", status.label.as_str()), ("result", result)];
        family.sample(&labels("understood"), understood).sample(&labels("failed"), failed);
    }
}

fn limits(out: &mut Exposition, registry: &Registry, state: &State) {
    let mut family = out.counter("weir_limits_reached", "How often each limit was reached.");
    for limit in Limit::ALL {
        let times = registry.workers.iter().map(|worker| worker.times_reached(limit)).sum();
        family.sample(&[("limit", limit.name())], times);
    }
    family.sample(&[("limit", "connect_failure_queue")], state.checker.passive_dropped());
    let held = state.checker.ejections_held();
    family.sample(&[("limit", "eject.max")], held.iter().map(|(_, times)| times).sum());
}

fn sum<T>(blocks: &[Arc<T>], get: impl Fn(&T) -> &Counter) -> u64 {
    // Blocks of things that are open may each pass through zero alone: only their sum is a number.
    blocks.iter().fold(0, |sum, block| sum.wrapping_add(get(block).get()))
}

/// Statuses that there were, and `OK` always: most sites know no gRPC, and no call ends in most of them.
fn grpc<T>(
    family: &mut encode::Counter<'_>,
    labels: [Label<'_>; 2],
    blocks: &[Arc<T>],
    get: impl Fn(&T) -> &GrpcAnswers,
) {
    for (index, name) in GRPC_STATUSES.into_iter().enumerate() {
        let times = sum(blocks, |block| &get(block).0[index]);
        if index == 0 || times > 0 {
            family.sample(&[labels[0], labels[1], ("status", name)], times);
        }
    }
}

fn classes<T>(blocks: &[Arc<T>], get: impl Fn(&T) -> &StatusClasses) -> [u64; 5] {
    std::array::from_fn(|class| blocks.iter().map(|block| get(block).0[class].get()).sum())
}

fn histogram<T>(blocks: &[Arc<T>], get: impl Fn(&T) -> &Histogram) -> (Vec<u64>, f64) {
    let counts = (0..=LATENCY_BOUNDS_US.len())
        .map(|bucket| blocks.iter().map(|block| get(block).buckets[bucket].get()).sum())
        .collect();
    let us: u64 = blocks.iter().map(|block| get(block).sum_us.get()).sum();
    (counts, us as f64 / 1e6)
}

fn bounds() -> [f64; LATENCY_BOUNDS_US.len()] {
    LATENCY_BOUNDS_US.map(|us| us as f64 / 1e6)
}
