//! What came of runs, as tables for people.

use std::fmt::Write;

use weir_sim::{Balancer, Outcome, Scenario, run};

/// A line of numbers about one run.
fn numbers(outcome: &Outcome) -> String {
    let times = &outcome.times;
    let number =
        |number: f64| if number < 99.95 { format!("{number:>9.2}") } else { format!("{number:>9.0}") };
    let quantiles = [0.5, 0.99, 0.999].map(|share| number(times.quantile(share))).concat();
    format!("{}{quantiles}{:>9.2}%", number(times.mean()), 100.0 * outcome.errors)
}

/// How each algorithm does.
pub(super) fn algorithms(scenario: &Scenario, balancers: &[(&str, Balancer)]) -> String {
    let mut table = format!(
        "{} servers, {} Weir node{}, load {}. Response times in units of the mean service time ({:?}).\n\n",
        scenario.servers.len(),
        scenario.nodes,
        if scenario.nodes == 1 { "" } else { "s" },
        scenario.load,
        scenario.service_time,
    );
    let _ = writeln!(
        table,
        "{:<16}{:>9}{:>9}{:>9}{:>9}{:>10}",
        "algorithm", "mean", "p50", "p99", "p99.9", "errors"
    );
    for (name, balancer) in balancers {
        let outcome = run(&Scenario { balancer: balancer.clone(), ..scenario.clone() });
        let _ = writeln!(table, "{name:<16}{}", numbers(&outcome));
    }
    table
}

/// Shares of servers that are lost.
const LOST_PERCENT: [usize; 7] = [0, 5, 10, 15, 20, 30, 40];

/// A p99 that has grown so many times hurts.
const HURTS: f64 = 2.0;

/// What happens to the same traffic when servers are lost.
pub(super) fn losses(scenario: &Scenario, name: &str) -> String {
    let mut table = format!("\nThe same traffic by {name}, when servers are lost:\n\n");
    let _ = writeln!(
        table,
        "{:<16}{:>9}{:>9}{:>9}{:>9}{:>9}{:>10}",
        "lost", "load", "mean", "p50", "p99", "p99.9", "errors"
    );
    let all: f64 = scenario.servers.iter().map(|(speed, _)| speed).sum();
    let mut calm = None;
    let mut verdict = None;
    let mut before = usize::MAX;
    for percent in LOST_PERCENT {
        let lost = (scenario.servers.len() * percent).div_ceil(100);
        if lost == before || lost >= scenario.servers.len() {
            continue;
        }
        before = lost;
        let servers = scenario.servers[lost..].to_vec();
        let ranks = scenario.ranks.get(lost..).unwrap_or_default().to_vec();
        let left: f64 = servers.iter().map(|(speed, _)| speed).sum();
        // Speeds are relative to their mean, which the loss may have changed: the work stays what it was.
        let load = scenario.load * all / left;
        if load >= 1.0 {
            let _ = writeln!(table, "{lost:<16}{load:>9.2}   more than the others can do");
            verdict = verdict.or(Some(lost));
            break;
        }
        let outcome = run(&Scenario { servers, ranks, load, ..scenario.clone() });
        let _ = writeln!(table, "{lost:<16}{load:>9.2}{}", numbers(&outcome));
        let p99 = outcome.times.quantile(0.99);
        if p99 > HURTS * *calm.get_or_insert(p99) {
            verdict = verdict.or(Some(lost));
        }
    }
    let _ = match verdict {
        Some(lost) => writeln!(
            table,
            "\nWith {lost} lost it hurts: the p99 is more than {HURTS} times what it was, or the others cannot do it all."
        ),
        None => writeln!(table, "\nIn none of these is the p99 more than {HURTS} times what it was."),
    };
    table
}
