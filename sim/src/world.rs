//! The clock, and what happens when.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use weir_balance::{Policy, Rng, Subset, Tables};

use crate::{
    Balancer, Histogram, Scenario, Trouble,
    distribution::exponential,
    node::Node,
    server::{BEGIN_S, PERIOD_S, RESTART_S, Server},
};

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Response times of requests without an error, in units of the mean service time.
    pub times: Histogram,
    /// The share of requests that ended with an error.
    pub errors: f64,
    /// The share of all requests that each server got.
    pub shares: Vec<f64>,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario) -> Outcome {
    assert!(!scenario.servers.is_empty() && scenario.nodes > 0, "somebody has to work");
    assert!(scenario.load > 0.0 && scenario.load.is_finite(), "a load of {}", scenario.load);
    World::new(scenario).run()
}

struct World<'a> {
    scenario: &'a Scenario,
    rng: Rng,
    /// In seconds, as all times here.
    now: f64,
    servers: Vec<Server>,
    nodes: Vec<Node>,
    answers: BinaryHeap<Reverse<Answer>>,
    /// Servers that restart, and when the next change of them comes.
    restarting: usize,
    next_change: f64,
    is_down: bool,
    /// For a central queue: servers by when they are free.
    free: BinaryHeap<Reverse<Free>>,
    outcome: Outcome,
    mean_gap: f64,
}

/// A request that will be answered.
#[derive(Debug, Clone, Copy)]
struct Answer {
    at: f64,
    taken: f64,
    node: u32,
    server: u32,
    failed: bool,
}

/// A server that will be free.
#[derive(Debug, Clone, Copy)]
struct Free {
    at: f64,
    server: u32,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut rng = Rng::new(scenario.seed);
        let servers = scenario.servers.len();
        let mean_speed = scenario.servers.iter().map(|(speed, _)| speed).sum::<f64>() / servers as f64;
        let troubled = scenario.trouble.servers(servers);
        let server = |(number, &(speed, _)): (usize, &(f64, u16))| {
            let trouble = if number < troubled { scenario.trouble } else { Trouble::None };
            Server::new(speed / mean_speed / scenario.service_time.as_secs_f64(), trouble)
        };
        let nodes = match &scenario.balancer {
            Balancer::CentralQueue => Vec::new(),
            Balancer::Nodes(policy) => {
                let tables = Tables::default();
                let node = |number| {
                    let (place, number) = scenario.place(number);
                    let rank = |server: usize| scenario.ranks.get(server).copied().unwrap_or_default();
                    let servers = scenario.servers.iter().enumerate();
                    let servers =
                        servers.map(|(server, &(_, weight))| (weight, rank(server).seen_from(place)));
                    let mut traffic = scenario.traffic.clone();
                    if !traffic.is_empty() {
                        traffic.swap(0, place);
                    }
                    let subset = policy.subset.map(|subset| Subset { node: number, ..subset });
                    Node::new(&Policy { subset, ..*policy }, servers, traffic, &tables, rng.next())
                };
                (0..scenario.nodes).map(node).collect()
            }
        };
        let restarting = if matches!(scenario.trouble, Trouble::Cold { .. }) { troubled } else { 0 };
        Self {
            scenario,
            now: 0.0,
            servers: scenario.servers.iter().enumerate().map(server).collect(),
            nodes,
            answers: BinaryHeap::new(),
            restarting,
            next_change: if restarting > 0 { BEGIN_S - RESTART_S } else { f64::INFINITY },
            is_down: false,
            free: (0..servers as u32).map(|server| Reverse(Free { at: 0.0, server })).collect(),
            outcome: Outcome::new(servers),
            mean_gap: scenario.service_time.as_secs_f64() / (scenario.load * servers as f64),
            rng,
        }
    }

    fn run(mut self) -> Outcome {
        (0..self.scenario.warm_up()).for_each(|_| self.next(None));
        let mut outcome = std::mem::replace(&mut self.outcome, Outcome::new(0));
        let mut measured = 0;
        let mut estimates = Estimates::default();
        loop {
            let batch = self.batch();
            let mut times = Histogram::default();
            (0..batch).for_each(|_| self.next(Some((&mut outcome, &mut times))));
            measured += batch;
            estimates.add(times.quantile(0.99));
            outcome.times.add_all(&times);
            if measured >= self.scenario.requests
                && self.scenario.precision.is_none_or(|error| estimates.are_within(error))
            {
                break;
            }
        }
        outcome.errors /= measured as f64;
        outcome.shares.iter_mut().for_each(|share| *share /= measured as f64);
        outcome
    }

    /// Requests that are long enough a time for them to be independent of those before, more or less.
    fn batch(&self) -> u64 {
        let requests = self.scenario.requests;
        match self.scenario.precision {
            None => requests,
            Some(_) => {
                (self.scenario.memory() as u64).clamp(requests.div_ceil(8), requests.saturating_mul(2))
            }
        }
    }

    /// The next request.
    fn next(&mut self, measured: Option<(&mut Outcome, &mut Histogram)>) {
        self.now += exponential(&mut self.rng) * self.mean_gap;
        self.catch_up();
        self.request(measured);
    }

    /// Everything that happens before this moment.
    fn catch_up(&mut self) {
        while let Some(&Reverse(answer)) = self.answers.peek()
            && answer.at <= self.now.min(self.next_change)
        {
            self.answers.pop();
            self.servers[answer.server as usize].done();
            self.nodes[answer.node as usize].done(
                answer.server as usize,
                answer.at,
                answer.taken,
                answer.failed,
            );
        }
        while self.next_change <= self.now {
            self.is_down = !self.is_down;
            for node in &self.nodes {
                (0..self.restarting).for_each(|server| node.set_up(server, !self.is_down));
            }
            self.next_change += if self.is_down { RESTART_S } else { PERIOD_S - RESTART_S };
            self.catch_up();
        }
    }

    fn request(&mut self, measured: Option<(&mut Outcome, &mut Histogram)>) {
        let work = self.scenario.service.draw(&mut self.rng);
        let now = self.now;
        let chosen = match &self.scenario.balancer {
            Balancer::CentralQueue => {
                let Reverse(free) = self.free.pop().expect("there are servers");
                Some((0, free.server as usize))
            }
            Balancer::Nodes(_) => {
                let node = self.rng.below(self.nodes.len() as u64) as usize;
                self.nodes[node].pick(now, |server| self.servers[server].load()).map(|server| (node, server))
            }
        };
        let Some((node, server)) = chosen else {
            if let Some((outcome, _)) = measured {
                outcome.errors += 1.0;
            }
            return;
        };
        let (at, failed) = self.servers[server].take(now, work);
        if self.nodes.is_empty() {
            self.servers[server].done();
            self.free.push(Reverse(Free { at: self.servers[server].free_at(), server: server as u32 }));
        } else {
            self.answers.push(Reverse(Answer {
                at,
                taken: now,
                node: node as u32,
                server: server as u32,
                failed,
            }));
        }
        if let Some((outcome, times)) = measured {
            outcome.shares[server] += 1.0;
            if failed {
                outcome.errors += 1.0;
            } else {
                times.add((at - now) / self.scenario.service_time.as_secs_f64());
            }
        }
    }
}

impl Outcome {
    fn new(servers: usize) -> Self {
        Self { times: Histogram::default(), errors: 0.0, shares: vec![0.0; servers] }
    }
}

/// What batches have said of one number.
#[derive(Debug, Default)]
struct Estimates {
    count: f64,
    sum: f64,
    squares: f64,
}

/// Batches before they are believed, and those after which it is enough.
const BATCHES_MIN: f64 = 8.0;
const BATCHES_MAX: f64 = 80.0;

impl Estimates {
    fn add(&mut self, estimate: f64) {
        self.count += 1.0;
        self.sum += estimate;
        self.squares += estimate * estimate;
    }

    fn are_within(&self, relative_error: f64) -> bool {
        if self.count < BATCHES_MIN {
            return false;
        }
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0) / (self.count - 1.0);
        variance.sqrt() <= relative_error * mean || self.count >= BATCHES_MAX
    }
}

impl Trouble {
    /// How many of all servers have it: none of none, else at least one.
    fn servers(self, all: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Slow { share, .. } | Self::FailFast { share } | Self::Cold { share } => {
                ((all as f64 * share).round() as usize).clamp(1, all)
            }
        }
    }
}

/// By time; of those at the same time, in an order that does not depend on the heap.
impl Ord for Answer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then(self.server.cmp(&other.server))
            .then(self.taken.total_cmp(&other.taken))
    }
}

impl PartialOrd for Answer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Answer {}

impl Ord for Free {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then(self.server.cmp(&other.server))
    }
}

impl PartialOrd for Free {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Free {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Free {}
