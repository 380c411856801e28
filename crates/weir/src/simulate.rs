//! `weir simulate`: which algorithm, and how many servers may be lost before it hurts, answered by the real balancing
//! code under virtual time ([`weir_sim`]).

use std::{fs, io::Write, path::PathBuf, time::Duration};

use clap::Args;
use weir_balance::{Algorithm, Policy};
use weir_sim::{Balancer, Outcome, Scenario, Service, Trouble, run};

use crate::Failure;

mod plot;
mod pool;
mod scenario;
mod table;

/// What was asked for, as typed.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct Arguments {
    /// Print one JSON object; needs one algorithm
    #[arg(long)]
    json: bool,
    /// As in the file, or `central_queue`; several with commas [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    algorithm: Vec<String>,
    /// How many servers [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    servers: Option<u32>,
    /// Weir nodes that know nothing of each other [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    nodes: Option<u32>,
    /// How much of what all servers can do is asked of them
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = load)]
    load: f64,
    /// How long requests take: exponential, constant, mixed (1% takes 100 times as long) or pareto
    #[arg(long, value_name = "NAME", default_value = "exponential", value_parser = service)]
    service: Service,
    /// The mean of that
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = crate::cli::length)]
    service_time: Duration,
    /// Relative speeds, dealt out in turn: 1,2,4
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = speed)]
    speeds: Vec<f64>,
    /// What goes wrong: none, slow, fail_fast or cold
    #[arg(long, value_name = "NAME", default_value = "none", value_parser = trouble)]
    trouble: Trouble,
    /// Requests that are measured at least; more where the p99 is not known to 1% by then
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=1_000_000_000))]
    requests: u64,
    /// The same seed gives the same numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Take all of this from a file; what the file says counts before other options
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Take servers, weights and the algorithm from a pool of this file
    #[arg(long, value_name = "FILE", conflicts_with = "servers")]
    config: Option<PathBuf>,
    /// The pool of the file [default: the only one]
    #[arg(long, value_name = "NAME", requires = "config")]
    pool: Option<String>,
    /// Write a picture of response times against load (SVG)
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    plot: Option<PathBuf>,
}

/// Who can decide, by the names of the file.
const BALANCERS: [(&str, Option<Algorithm>); 8] = [
    ("random", Some(Algorithm::Random)),
    ("round_robin", Some(Algorithm::RoundRobin)),
    ("least_requests", Some(Algorithm::LeastRequests)),
    ("p2c", Some(Algorithm::P2c)),
    ("peak_ewma", Some(Algorithm::PeakEwma)),
    ("prequal", Some(Algorithm::Prequal)),
    ("hash", Some(Algorithm::Hash { bound_percent: None })),
    ("central_queue", None),
];

/// The standard error of a p99.
const PRECISION: f64 = 0.01;

/// Runs what was asked for.
pub(crate) fn done(arguments: &Arguments) -> Result<(), Failure> {
    let mut written = arguments.clone();
    if let Some(path) = &arguments.scenario {
        scenario::read(path, &mut written).map_err(Failure::Configuration)?;
    }
    let arguments = &written;
    let (scenario, own) = base(arguments)?;
    let balancers = balancers(arguments, own.as_ref()).map_err(Failure::Usage)?;
    let mut out = std::io::stdout().lock();
    let mut say = |text: &str| {
        out.write_all(text.as_bytes()).map_err(|error| Failure::Running(format!("standard output: {error}")))
    };
    if arguments.json {
        let [(_, balancer)] = &balancers[..] else {
            return Err(Failure::Usage("--json wants one algorithm: --algorithm p2c".to_owned()));
        };
        let outcome = run(&Scenario { balancer: balancer.clone(), ..scenario });
        return say(&json(&outcome));
    }
    say(&table::algorithms(&scenario, &balancers))?;
    let judged = own.as_ref().map_or("peak_ewma", |pool| &pool.algorithm);
    if let Some((name, balancer)) = balancers.iter().find(|(name, _)| *name == judged).or(balancers.first()) {
        say(&table::losses(&Scenario { balancer: balancer.clone(), ..scenario.clone() }, name))?;
    }
    if let Some(path) = &arguments.plot {
        fs::write(path, plot::svg(&scenario, &balancers))
            .map_err(|error| Failure::Running(format!("{}: {error}", path.display())))?;
        say(&format!("\nwritten to {}\n", path.display()))?;
    }
    Ok(())
}

/// What is simulated, but for who decides, and the pool of a file.
fn base(arguments: &Arguments) -> Result<(Scenario, Option<pool::Own>), Failure> {
    let own = match &arguments.config {
        Some(path) => Some(pool::read(path, arguments.pool.as_deref())?),
        None => None,
    };
    let mut servers = match &own {
        Some(pool) => pool.weights.iter().map(|&weight| (f64::from(weight), weight)).collect(),
        None => vec![(1.0, 1); arguments.servers.unwrap_or(100) as usize],
    };
    if !arguments.speeds.is_empty() {
        for (server, speed) in servers.iter_mut().zip(arguments.speeds.iter().cycle()) {
            server.0 = *speed;
        }
    }
    let nodes = nodes(arguments, own.as_ref())?;
    let scenario = Scenario {
        balancer: Balancer::CentralQueue,
        servers,
        ranks: own.as_ref().map_or_else(Vec::new, |pool| pool.ranks.clone()),
        traffic: own.as_ref().map_or_else(Vec::new, |pool| pool.traffic.clone()),
        nodes,
        load: arguments.load,
        service: arguments.service,
        service_time: arguments.service_time,
        trouble: arguments.trouble,
        warm_up: None,
        requests: arguments.requests,
        precision: Some(PRECISION),
        seed: arguments.seed,
    };
    Ok((scenario, own))
}

/// At least one in each zone where traffic comes in: else zones would not get what the nodes believe.
fn nodes(arguments: &Arguments, own: Option<&pool::Own>) -> Result<usize, Failure> {
    let zones = own.map_or(1, |pool| pool.traffic.iter().filter(|part| **part > 0).count()).max(1);
    match arguments.nodes {
        Some(nodes) if (nodes as usize) < zones => Err(Failure::Usage(format!(
            "--nodes {nodes}: traffic comes in at {zones} zones, so there must be {zones} nodes or more"
        ))),
        Some(nodes) => Ok(nodes as usize),
        None => Ok(zones),
    }
}

fn balancers(
    arguments: &Arguments,
    own: Option<&pool::Own>,
) -> Result<Vec<(&'static str, Balancer)>, String> {
    let balancer = |&(name, algorithm): &(&'static str, Option<Algorithm>)| {
        let policy = |algorithm| match own {
            Some(pool) if pool.algorithm == name => pool.policy,
            // A hash and a subset contradict each other.
            Some(pool) => {
                let subset = pool.policy.subset.filter(|_| !matches!(algorithm, Algorithm::Hash { .. }));
                Policy { algorithm, subset, ..pool.policy }
            }
            None => Policy::new(algorithm),
        };
        let balancer =
            algorithm.map_or(Balancer::CentralQueue, |algorithm| Balancer::Nodes(policy(algorithm)));
        (name, balancer)
    };
    if arguments.algorithm.is_empty() {
        return Ok(BALANCERS.iter().map(balancer).collect());
    }
    let find = |wanted: &String| {
        let wanted = if wanted == "least_connections" { "least_requests" } else { wanted };
        let found = BALANCERS.iter().find(|(name, _)| *name == wanted);
        let names = || BALANCERS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found
            .map(balancer)
            .ok_or_else(|| format!("--algorithm {wanted}: there is none of this name; there are {}", names()))
    };
    arguments.algorithm.iter().map(find).collect()
}

/// The contract: response times in units of the mean service time.
fn json(outcome: &Outcome) -> String {
    let times = &outcome.times;
    format!(
        "{{\"mean\":{:.4},\"p50\":{:.4},\"p99\":{:.4},\"p999\":{:.4},\"errors\":{:.6}}}\n",
        times.mean(),
        times.quantile(0.5),
        times.quantile(0.99),
        times.quantile(0.999),
        outcome.errors,
    )
}

fn load(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.001..=2.0).contains(share));
    share.ok_or_else(|| "a load is a number from 0.001 to 2; 1 is all that the servers can do".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1000.0).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 0.001 to 1000".to_owned())
}

fn service(text: &str) -> Result<Service, String> {
    Ok(match text {
        "exponential" => Service::Exponential,
        "constant" => Service::Constant,
        "mixed" => Service::Mixed,
        "pareto" => Service::Pareto(2.1),
        _ => return Err("it is exponential, constant, mixed or pareto".to_owned()),
    })
}

fn trouble(text: &str) -> Result<Trouble, String> {
    Ok(match text {
        "none" => Trouble::None,
        "slow" => Trouble::Slow { share: 0.1, factor: 5.0 },
        "fail_fast" => Trouble::FailFast { share: 0.01 },
        "cold" => Trouble::Cold { share: 0.1 },
        _ => return Err("it is none, slow, fail_fast or cold".to_owned()),
    })
}
