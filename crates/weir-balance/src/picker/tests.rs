//! A [`Fleet`] stands for the control plane: it keeps the live servers, so that pools of several snapshots can
//! be made of them. Servers are called by their number in it.

mod hash;
mod least_requests;
mod p2c;
mod prequal;
mod random;
mod reload;
mod round_robin;
mod rules;
mod shares;
mod tiers;
mod warming;

use std::sync::Arc;

use super::*;
use crate::{Epoch, Health, Member, Policy, Server, WhenAllDown};

const HASH: Algorithm = Algorithm::Hash { bound_percent: None };

/// Every algorithm.
const ALL: [Algorithm; 8] = [
    Algorithm::RoundRobin,
    Algorithm::LeastRequests,
    Algorithm::Random,
    Algorithm::P2c,
    Algorithm::PeakEwma,
    Algorithm::Prequal,
    HASH,
    Algorithm::Hash { bound_percent: Some(125) },
];

/// The workers that count requests in a fleet's servers.
const WORKERS: usize = 2;

/// For any server but these.
fn ask(tried: &[ServerIndex]) -> Ask<'_> {
    Ask { tried, ..Ask::default() }
}

struct Fleet {
    epoch: Arc<Epoch>,
    servers: Vec<Arc<Server>>,
}

/// A server's part in a pool of a fleet.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: usize,
    weight: u16,
    backup: bool,
}

impl Fleet {
    /// So many servers, all up.
    fn new(size: usize) -> Self {
        let epoch = Arc::new(Epoch::default());
        let server = |number: usize| {
            let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 80));
            let server = Server::new("web", address, epoch.clone(), WORKERS);
            server.set_health(Health::Up);
            Arc::new(server)
        };
        Self { servers: (0..size).map(server).collect(), epoch }
    }

    fn pool_of(&self, algorithm: Algorithm, when_all_down: WhenAllDown, parts: &[Part]) -> Pool {
        let member = |part: &Part| {
            let server = self.servers[part.number].clone();
            let rank = if part.backup { Rank::BACKUP } else { Rank::default() };
            Member { name: part.number.to_string(), weight: part.weight, rank, in_flight_max: None, server }
        };
        let policy = Policy { when_all_down, ..Policy::new(algorithm) };
        Pool::new("web", parts.iter().map(member).collect(), policy, self.epoch.clone())
    }

    /// A pool of the first servers, with these weights.
    fn pool(&self, algorithm: Algorithm, weights: &[u16]) -> Pool {
        let part = |(number, &weight)| Part { number, weight, backup: false };
        let parts: Vec<Part> = weights.iter().enumerate().map(part).collect();
        self.pool_of(algorithm, WhenAllDown::Fail, &parts)
    }

    fn set(&self, number: usize, health: Health) {
        self.servers[number].set_health(health);
    }
}

/// A pool of servers that are all up, with these weights.
fn pool(algorithm: Algorithm, weights: &[u16]) -> Pool {
    Fleet::new(weights.len()).pool(algorithm, weights)
}

/// Picks for requests that have a random key and tried no server before; the numbers of the servers.
struct Traffic {
    picker: Picker,
    rng: Rng,
}

impl Traffic {
    fn new(pool: &Pool, seed: u64) -> Self {
        Self { picker: Picker::new(pool, 0), rng: Rng::new(seed) }
    }

    fn next(&mut self, pool: &Pool) -> usize {
        let key = self.rng.next();
        number(
            pool,
            self.picker
                .pick(pool, &Ask { key: Some(key), ..Ask::default() }, &mut self.rng)
                .expect("a server"),
        )
    }

    fn take(&mut self, pool: &Pool, picks: usize) -> Vec<usize> {
        (0..picks).map(|_| self.next(pool)).collect()
    }

    fn reload(self, old: &Pool, new: &Pool) -> Self {
        Self { picker: self.picker.succeed(old, new), rng: self.rng }
    }
}

fn number(pool: &Pool, index: ServerIndex) -> usize {
    pool.member(index).name.parse().expect("a number")
}

/// How often each of the first `size` servers was picked.
fn counts(picks: &[usize], size: usize) -> Vec<u64> {
    let mut counts = vec![0; size];
    picks.iter().for_each(|&number| counts[number] += 1);
    counts
}

/// Asserts that picks at random came out by weight: each count within five standard deviations.
#[track_caller]
fn assert_by_weight(counts: &[u64], weights: &[u16]) {
    let picks: u64 = counts.iter().sum();
    let sum: u64 = weights.iter().copied().map(u64::from).sum();
    for (&count, &weight) in counts.iter().zip(weights) {
        let share = f64::from(weight) / sum as f64;
        let expected = picks as f64 * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!((count as f64 - expected).abs() <= 5.0 * deviation + 1.0, "{counts:?} by {weights:?}");
    }
}
