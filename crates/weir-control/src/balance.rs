//! What the file says of balancing, in the words of `weir-balance`.
//!
//! Zones have names in the file and places in a pool: the own one is the first, whatever its name, so that the data plane
//! compares numbers.

use weir_balance::{Algorithm, Policy, Rank, Subset, WhenAllDown};
use weir_config::{Balance, HashKey, LoadSource, Pool, Runtime, Server};

/// How a server is picked.
pub fn policy(pool: &Pool, runtime: &Runtime) -> Policy {
    Policy {
        algorithm: algorithm(&pool.balance),
        when_all_down: when_all_down(pool),
        spill_percent: pool.spill_percent,
        subset: pool.subset.map(|size| Subset { size, node: runtime.node.unwrap_or_default() }),
    }
}

fn algorithm(balance: &Balance) -> Algorithm {
    match balance {
        Balance::RoundRobin => Algorithm::RoundRobin,
        Balance::LeastRequests => Algorithm::LeastRequests,
        Balance::Random => Algorithm::Random,
        Balance::P2c => Algorithm::P2c,
        Balance::PeakEwma => Algorithm::PeakEwma,
        Balance::Prequal(_) => Algorithm::Prequal,
        Balance::Hash { bound_percent, .. } => Algorithm::Hash { bound_percent: *bound_percent },
    }
}

pub(crate) fn hash_key(pool: &Pool) -> Option<HashKey> {
    match &pool.balance {
        Balance::Hash { key, .. } => Some(key.clone()),
        _ => None,
    }
}

/// Where servers say what they have to do.
pub(crate) fn load_source(pool: &Pool) -> Option<LoadSource> {
    match &pool.balance {
        Balance::Prequal(source) => Some(source.clone()),
        _ => None,
    }
}

pub(crate) fn when_all_down(pool: &Pool) -> WhenAllDown {
    match pool.when_all_down {
        weir_config::WhenAllDown::Fail => WhenAllDown::Fail,
        weir_config::WhenAllDown::Spread => WhenAllDown::Spread,
    }
}

/// The rank of each server.
pub fn ranks(pool: &Pool, runtime: &Runtime) -> Vec<Rank> {
    let zones = Zones::new(pool, runtime);
    let rank = |server: &Server| {
        let rank = if server.backup { Rank::BACKUP } else { Rank::new(server.priority) };
        rank.in_zone(zones.as_ref().map_or(0, |zones| zones.place(server)))
    };
    pool.servers.iter().map(rank).collect()
}

/// How traffic comes in, by the places of zones; empty where zones do not matter.
pub fn traffic(pool: &Pool, runtime: &Runtime) -> Vec<u32> {
    Zones::new(pool, runtime).map_or_else(Vec::new, |zones| zones.traffic(runtime))
}

/// The zones of a pool's servers as one node sees them.
struct Zones<'a> {
    own: &'a str,
    /// Other zones where servers stand, by name. Behind them come servers without a zone, and behind those all zones that
    /// have traffic and no servers.
    others: Vec<&'a str>,
}

impl<'a> Zones<'a> {
    /// `None` where zones do not matter.
    fn new(pool: &'a Pool, runtime: &'a Runtime) -> Option<Self> {
        let own = runtime.zone.as_deref()?;
        let mut all: Vec<&str> = pool.servers.iter().filter_map(|server| server.zone.as_deref()).collect();
        if all.is_empty() {
            return None;
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|zone| *zone != own);
        Some(Self { own, others: all })
    }

    fn place(&self, server: &Server) -> usize {
        match server.zone.as_deref() {
            Some(zone) if zone == self.own => 0,
            Some(zone) => self.of(zone).expect("it is one of the pool's"),
            None => 1 + self.others.len(),
        }
    }

    fn of(&self, zone: &str) -> Option<usize> {
        self.others.iter().position(|other| *other == zone).map(|place| 1 + place)
    }

    fn traffic(&self, runtime: &Runtime) -> Vec<u32> {
        if runtime.zone_traffic.is_empty() {
            // Nobody stands nowhere.
            return [vec![1; 1 + self.others.len()], vec![0, 0]].concat();
        }
        let mut traffic = vec![0_u32; self.others.len() + 3];
        for (zone, part) in &runtime.zone_traffic {
            let place = if zone == self.own { Some(0) } else { self.of(zone) };
            let place = place.unwrap_or(traffic.len() - 1);
            traffic[place] = traffic[place].saturating_add(*part);
        }
        traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runtime: &str, servers: &str, expected_places: &[usize], expected_traffic: &[u32]) {
        let text = format!(
            "runtime: {runtime}\nlisteners: [{{ bind: \":80\", pool: a }}]\npools: {{ a: {{ servers: [{servers}] }} }}\n"
        );
        let config = weir_config::check("test", &text).unwrap_or_else(|errors| panic!("{errors}")).config;
        let (pool, runtime) = (&config.pools[0], &config.runtime);
        let expected: Vec<Rank> = expected_places.iter().map(|&place| Rank::new(0).in_zone(place)).collect();
        assert_eq!(ranks(pool, runtime), expected, "{text}");
        assert_eq!(traffic(pool, runtime), expected_traffic, "{text}");
    }

    #[test]
    fn the_own_zone_is_the_first() {
        let servers = "{ address: 10.0.0.1:80, zone: c }, { address: 10.0.0.2:80, zone: a }, 10.0.0.3:80, \
                       { address: 10.0.0.4:80, zone: b }";
        check("{ zone: b }", servers, &[2, 1, 3, 0], &[1, 1, 1, 0, 0]);
        check("{ zone: d }", servers, &[3, 1, 4, 2], &[1, 1, 1, 1, 0, 0]);
        check(
            "{ zone: b, zone_traffic: { b: 5, c: 2, x: 1, z: 1 } }",
            servers,
            &[2, 1, 3, 0],
            &[5, 0, 2, 0, 2],
        );
    }

    #[test]
    fn without_zones_there_are_none() {
        check("{}", "{ address: 10.0.0.1:80, zone: c }, 10.0.0.2:80", &[0, 0], &[]);
        check("{ zone: b }", "10.0.0.1:80", &[0], &[]);
    }
}
