//! A pool of the user's own file, as far as it matters here.

use std::path::Path;

use weir_balance::{Policy, Rank};
use weir_config::Balance;
use weir_control::{Source, balance};

use crate::Failure;

pub(super) struct Own {
    pub(super) weights: Vec<u16>,
    pub(super) ranks: Vec<Rank>,
    pub(super) traffic: Vec<u32>,
    pub(super) policy: Policy,
    pub(super) algorithm: String,
}

/// Reads a file, and takes the pool of this name, or the only one.
pub(super) fn read(path: &Path, name: Option<&str>) -> Result<Own, Failure> {
    let checked = weir_control::check(&Source::File(path.to_owned())).map_err(Failure::Configuration)?;
    let config = &checked.config;
    let names = || config.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ");
    let pool = match name {
        Some(name) => config.pools.iter().find(|pool| pool.name == name),
        None => config.pools.first().filter(|_| config.pools.len() == 1),
    };
    let pool = pool.ok_or_else(|| {
        Failure::Usage(match name {
            Some(name) => format!("{} has no pool `{name}`; it has {}", path.display(), names()),
            None => format!("{} has several pools; choose one with --pool: {}", path.display(), names()),
        })
    })?;
    let ranks = balance::ranks(pool, &config.runtime);
    let servers = pool.servers.iter().zip(ranks).filter(|(server, _)| !server.backup && server.weight > 0);
    let (weights, ranks): (Vec<u16>, Vec<Rank>) = servers.map(|(server, rank)| (server.weight, rank)).unzip();
    if weights.is_empty() {
        return Err(Failure::Usage(format!("pool `{}` has no server that takes requests", pool.name)));
    }
    Ok(Own {
        weights,
        ranks,
        traffic: balance::traffic(pool, &config.runtime),
        policy: balance::policy(pool, &config.runtime),
        algorithm: word(&pool.balance).to_owned(),
    })
}

fn word(balance: &Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastRequests => "least_requests",
        Balance::Random => "random",
        Balance::P2c => "p2c",
        Balance::PeakEwma => "peak_ewma",
        Balance::Prequal(_) => "prequal",
        Balance::Hash { .. } => "hash",
    }
}
