//! The simulator against what queueing theory says exactly, for exponential service.
//!
//! Random and the central queue have closed forms (M/M/1 and M/M/N); round robin is an Erlang/M/1 queue; two choices are
//! those of Mitzenmacher's limit for many servers. Numbers in mean service times.

use weir_balance::{Algorithm, Policy};
use weir_sim::{Balancer, Histogram, Scenario, run};

/// How far a run may be off.
const TOLERANCE: f64 = 0.03;

fn times(balancer: Balancer, load: f64) -> Histogram {
    let scenario = Scenario {
        balancer,
        requests: 2_000_000,
        precision: Some(0.01),
        ..Scenario::new(Algorithm::Random, 1000, 1, load)
    };
    run(&scenario).times
}

fn by(algorithm: Algorithm) -> Balancer {
    Balancer::Nodes(Policy::new(algorithm))
}

#[track_caller]
fn check(what: &str, found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() <= TOLERANCE, "{what}: {found:.2}, and theory says {expected}");
}

#[test]
fn the_99th_percentile_at_a_load_of_95_percent() {
    for (name, balancer, expected) in [
        ("random", by(Algorithm::Random), 92.1),
        ("round robin", by(Algorithm::RoundRobin), 46.8),
        ("two choices", by(Algorithm::P2c), 10.2),
        ("central queue", Balancer::CentralQueue, 4.6),
    ] {
        check(name, times(balancer, 0.95).quantile(0.99), expected);
    }
}

#[test]
fn the_mean_at_a_load_of_90_percent() {
    for (name, balancer, expected) in [
        ("random", by(Algorithm::Random), 10.0),
        ("round robin", by(Algorithm::RoundRobin), 5.18),
        ("two choices", by(Algorithm::P2c), 2.61),
    ] {
        check(name, times(balancer, 0.9).mean(), expected);
    }
}
