//! From a checked configuration to what the data plane runs on.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use weir_balance::{Algorithm, Member, Policy, Pool, Rank};
use weir_check::{Speech, Target};
use weir_config::{AccessLog, Balance, Config, Hsts, Listener, LogTarget};
use weir_http::{ListenerSite, PoolSite, RouteSite, Site, TlsSite};
use weir_route::Table;
use weir_tls::acme::Challenges;

use crate::{log, registry::Registry, source::Error, tls::Tls};

/// How often the process log says that access log lines are lost.
const WRITE_ERRORS_SAID_EVERY: Duration = Duration::from_secs(60);

/// A snapshot, and what goes with it.
pub(crate) struct Snapshot {
    pub(crate) site: Arc<Site>,
    /// Ends when the snapshot and its workers have let go of the access log.
    pub(crate) log_writer: Option<JoinHandle<()>>,
}

/// Builds the whole snapshot. `registry` is the one made for this very `config`.
pub(crate) fn build(
    config: &Config,
    registry: &Registry,
    tls: &Tls,
    challenges: &Challenges,
) -> Result<Snapshot, Error> {
    let (access_log, log_writer) = match &config.log.access {
        Some(settings) => {
            let sink =
                sink(settings).map_err(|error| Error::system("the access log cannot be opened", error))?;
            let on_error = report_write_errors(settings, Arc::clone(&registry.access_log_errors));
            let (log, writer) = weir_http::AccessLog::start(settings.format, sink, on_error)
                .map_err(|error| Error::system("the access log's thread cannot be started", error))?;
            (Some(Arc::new(log)), Some(writer))
        }
        None => (None, None),
    };
    let site = Site {
        listeners: listeners(config, registry, tls),
        pools: pools(config, registry, tls),
        access_log,
        challenges: challenges.clone(),
    };
    Ok(Snapshot { site: Arc::new(site), log_writer })
}

/// The servers to check.
pub(crate) fn targets(config: &Config, registry: &Registry, tls: &Tls) -> Vec<Target> {
    let pools = config.pools.iter().zip(&registry.pools).zip(&tls.clients);
    pools
        .flat_map(|((pool, entry), tls)| {
            entry.servers.iter().map(|server| Target {
                server: Arc::clone(&server.server),
                label: server.label.clone(),
                health: pool.health.clone(),
                speech: Speech { protocol: pool.protocol, tls: tls.clone() },
            })
        })
        .collect()
}

/// Counts each error, and says so from time to time: a disk that is full fails many times in a second.
fn report_write_errors(
    settings: &AccessLog,
    count: Arc<AtomicU64>,
) -> impl FnMut(&io::Error) + Send + 'static {
    let target = match &settings.to {
        LogTarget::Stdout => "stdout".into(),
        LogTarget::Stderr => "stderr".into(),
        LogTarget::File(path) => path.display().to_string(),
    };
    let mut said: Option<Instant> = None;
    move |error| {
        count.fetch_add(1, Relaxed);
        if said.is_none_or(|said| said.elapsed() >= WRITE_ERRORS_SAID_EVERY) {
            said = Some(Instant::now());
            log::error("access log lines are lost", &[("to", &target), ("error", error)]);
        }
    }
}

fn sink(settings: &AccessLog) -> io::Result<Box<dyn Write + Send>> {
    Ok(match &settings.to {
        LogTarget::Stdout => Box::new(io::stdout()),
        LogTarget::Stderr => Box::new(io::stderr()),
        LogTarget::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Box::new(
                file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
            )
        }
    })
}

fn listeners(config: &Config, registry: &Registry, tls: &Tls) -> Vec<ListenerSite> {
    let listeners = config.listeners.iter().zip(&registry.listeners).zip(&tls.servers);
    listeners
        .map(|((listener, entry), tls)| ListenerSite {
            id: entry.id,
            name: listener.name.clone(),
            settings: listener.http.clone(),
            tls: tls_site(listener, tls.as_ref()),
            table: Table::new(&listener.routes),
            routes: listener
                .routes
                .iter()
                .zip(&entry.routes)
                .map(|(route, (_, counters))| RouteSite {
                    route: route.clone(),
                    counters: Arc::clone(counters),
                })
                .collect(),
            counters: Arc::clone(&entry.counters),
        })
        .collect()
}

fn tls_site(listener: &Listener, server: Option<&Arc<weir_tls::Server>>) -> Option<TlsSite> {
    let (settings, server) = (listener.tls.as_ref()?, server?);
    Some(TlsSite {
        server: Arc::clone(server),
        handshake_timeout: settings.handshake_timeout,
        hsts: settings.hsts.as_ref().map(Hsts::value),
        asks_clients: settings.client_auth.is_some(),
    })
}

fn pools(config: &Config, registry: &Registry, tls: &Tls) -> Vec<PoolSite> {
    let pools = config.pools.iter().zip(&registry.pools).zip(&tls.clients);
    pools.map(|((pool, entry), tls)| pool_site(pool, entry, tls.clone())).collect()
}

fn pool_site(
    pool: &weir_config::Pool,
    entry: &crate::registry::PoolEntry,
    tls: Option<Arc<weir_tls::Client>>,
) -> PoolSite {
    let members = pool.servers.iter().zip(&entry.servers).map(|(server, live)| Member {
        server: Arc::clone(&live.server),
        name: server.name.clone(),
        weight: server.weight,
        rank: if server.backup { Rank::BACKUP } else { Rank::default() },
        in_flight_max: None,
    });
    let (algorithm, hash_key) = match &pool.balance {
        Balance::RoundRobin => (Algorithm::RoundRobin, None),
        Balance::LeastRequests => (Algorithm::LeastRequests, None),
        Balance::Random => (Algorithm::Random, None),
        Balance::P2c => (Algorithm::P2c, None),
        Balance::PeakEwma => (Algorithm::PeakEwma, None),
        Balance::Hash(key) => (Algorithm::Hash { bound_percent: None }, Some(key.clone())),
    };
    let when_all_down = match pool.when_all_down {
        weir_config::WhenAllDown::Fail => weir_balance::WhenAllDown::Fail,
        weir_config::WhenAllDown::Spread => weir_balance::WhenAllDown::Spread,
    };
    PoolSite {
        pool: Pool::new(
            pool.name.clone(),
            members.collect(),
            Policy { when_all_down, ..Policy::new(algorithm) },
            Arc::clone(&entry.epoch),
        ),
        hash_key,
        protocol: pool.protocol,
        tls,
        connect_timeout: pool.connect_timeout,
        keep_alive: pool.keep_alive.clone(),
        servers: entry.servers.iter().map(|live| Arc::clone(&live.counters)).collect(),
    }
}
