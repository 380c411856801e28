//! One cell, and how long its run is.

use std::{fmt, time::Duration};

use weir_balance::{Algorithm, Policy};

use crate::{Balancer, Outcome, Scenario, Service, Trouble, run};

/// By the names of the file.
pub const ALGORITHMS: [(&str, Algorithm); 8] = [
    ("round_robin", Algorithm::RoundRobin),
    ("random", Algorithm::Random),
    ("least_requests", Algorithm::LeastRequests),
    ("p2c", Algorithm::P2c),
    ("peak_ewma", Algorithm::PeakEwma),
    ("prequal", Algorithm::Prequal),
    ("hash", Algorithm::Hash { bound_percent: None }),
    ("hash_bounded", Algorithm::Hash { bound_percent: Some(125) }),
];

/// How many servers there are.
pub const SERVERS: [usize; 3] = [100, 1_000, 10_000];

/// How many nodes pick from them, each for itself.
pub const NODES: [usize; 3] = [1, 10, 100];

/// How much of what the servers can do is asked of them.
pub const LOADS_PERCENT: [u8; 4] = [70, 90, 95, 99];

/// What is special about the servers or the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing: equal servers, exponential requests.
    Uniform,
    /// Servers of three speeds, 1, 2 and 4, and equal weights.
    Speeds,
    /// One request of a hundred takes a hundred times as long.
    Long,
    /// A tenth of the servers is slowed by five, for 30 of every 90 seconds.
    Slowed,
    /// One server of a hundred answers at once, with an error.
    FailFast,
    /// A tenth of the servers restarts every 90 seconds, and is cold for 30.
    Cold,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Uniform, Self::Speeds, Self::Long, Self::Slowed, Self::FailFast, Self::Cold];

    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Speeds => "speeds",
            Self::Long => "long",
            Self::Slowed => "slowed",
            Self::FailFast => "fail_fast",
            Self::Cold => "cold",
        }
    }

    fn trouble(self) -> Trouble {
        match self {
            Self::Uniform | Self::Speeds | Self::Long => Trouble::None,
            Self::Slowed => Trouble::Slow { share: 0.1, factor: 5.0 },
            Self::FailFast => Trouble::FailFast { share: 0.01 },
            Self::Cold => Trouble::Cold { share: 0.1 },
        }
    }

    /// Whether it happens by the clock, so that whole periods have to be seen.
    fn has_periods(self) -> bool {
        matches!(self, Self::Slowed | Self::Cold)
    }
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// What is special.
    pub case: Case,
    /// How many servers.
    pub servers: usize,
    /// How many nodes.
    pub nodes: usize,
    /// Of what the servers can do.
    pub load_percent: u8,
    /// One of [`ALGORITHMS`].
    pub algorithm: &'static str,
}

/// From so many servers on, one load is left out.
const SERVERS_HUGE: usize = 10_000;
const LOAD_SKIPPED: u8 = 95;

/// All of them, small ones first.
pub fn cells() -> impl Iterator<Item = Cell> {
    let sizes = SERVERS.iter().flat_map(|&servers| NODES.iter().map(move |&nodes| (servers, nodes)));
    let places = sizes.flat_map(|size| Case::ALL.iter().map(move |&case| (size, case)));
    let loads = places.flat_map(|place| LOADS_PERCENT.iter().map(move |&load| (place, load)));
    // The largest take half of all the time.
    let loads = loads.filter(|&(((servers, _), _), load)| servers < SERVERS_HUGE || load != LOAD_SKIPPED);
    loads.flat_map(|(((servers, nodes), case), load_percent)| {
        ALGORITHMS.iter().map(move |&(algorithm, _)| Cell { case, servers, nodes, load_percent, algorithm })
    })
}

/// Of the cases that do not go by the clock: as many service times are not measured, and measured, for each server.
fn lengths(servers: usize) -> (f64, f64) {
    match servers {
        ..=100 => (5_000.0, 15_000.0),
        101..=1_000 => (700.0, 1_500.0),
        _ => (200.0, 200.0),
    }
}

/// The mean time of a request in the cases that go by the clock: at 10 ms, 90 seconds of 10,000 servers would be 80 million
/// requests.
const CLOCK_SERVICE_TIME: Duration = Duration::from_millis(100);

/// Periods of those cases that are measured.
fn periods(servers: usize) -> f64 {
    match servers {
        ..=100 => 20.0,
        101..=1_000 => 2.0,
        _ => 1.0,
    }
}

const PERIOD_S: f64 = 90.0;

impl Cell {
    /// What is run.
    pub fn scenario(&self, seed: u64) -> Scenario {
        let (_, algorithm) =
            ALGORITHMS.iter().find(|(name, _)| *name == self.algorithm).expect("one of the algorithms");
        let speed = |number: usize| match self.case {
            Case::Speeds => [1.0, 2.0, 4.0][number % 3],
            _ => 1.0,
        };
        let service_time =
            if self.case.has_periods() { CLOCK_SERVICE_TIME } else { Duration::from_millis(10) };
        let load = f64::from(self.load_percent) / 100.0;
        let (before, measured) = if self.case.has_periods() {
            let period = PERIOD_S / service_time.as_secs_f64();
            (period / 4.0, period * periods(self.servers))
        } else {
            lengths(self.servers)
        };
        let requests = |service_times: f64| (service_times * load * self.servers as f64) as u64;
        Scenario {
            ranks: Vec::new(),
            traffic: Vec::new(),
            balancer: Balancer::Nodes(Policy::new(*algorithm)),
            servers: (0..self.servers).map(|number| (speed(number), 1)).collect(),
            nodes: self.nodes,
            load,
            service: if self.case == Case::Long { Service::Mixed } else { Service::Exponential },
            service_time,
            trouble: self.case.trouble(),
            warm_up: Some(requests(before)),
            requests: requests(measured),
            precision: None,
            seed,
        }
    }

    /// Runs it.
    pub fn run(&self, seed: u64) -> Outcome {
        run(&self.scenario(seed))
    }
}

impl fmt::Display for Cell {
    /// As the first fields of its row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, servers, nodes, load_percent, algorithm } = self;
        write!(f, "{},{servers},{nodes},{load_percent},{algorithm}", case.word())
    }
}
