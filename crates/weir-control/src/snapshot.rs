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

use weir_balance::{Member, Pool, ejection::Rules, sticky::Places};
use weir_check::{PoolTargets, Speech, Target};
use weir_config::{AccessLog, Config, Eject, Hsts, Listener, LogTarget, OwnCookie, PoolProtocol};
use weir_http::{
    CookieSite, JudgedBy, ListenerSite, MirrorSite, PoolSite, RouteSite, Site, StickyBy, StickySite, TlsSite,
};
use weir_route::Table;
use weir_tls::{Seals, acme::Challenges};

use crate::{balance, log, registry::Registry, source::Error, tls::Tls};

/// How often the process log says that access log lines are lost.
const WRITE_ERRORS_SAID_EVERY: Duration = Duration::from_secs(60);

/// Without `slow_start`, probation lasts such a part of `time`.
const PROBATION_PART: u64 = 3;

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
pub(crate) fn targets(config: &Config, registry: &Registry, tls: &Tls) -> Vec<PoolTargets> {
    let pools = config.pools.iter().zip(&registry.pools).zip(&tls.clients);
    pools
        .map(|((pool, entry), tls)| PoolTargets {
            name: pool.name.clone(),
            health: pool.health.clone().map(Arc::new),
            speech: speech(pool, tls.clone()),
            when_all_down: balance::when_all_down(pool),
            eject: pool.eject.map(|eject| rules(&eject, pool.slow_start)),
            slow_start: pool.slow_start,
            servers: pool
                .servers
                .iter()
                .zip(&entry.servers)
                .map(|(server, live)| Target {
                    server: Arc::clone(&live.server),
                    label: live.label.clone(),
                    check: server.check,
                    has_weight: server.weight > 0,
                })
                .collect(),
        })
        .collect()
}

/// By what servers are taken out. On probation they are for as long as any that comes takes to its whole share.
fn rules(eject: &Eject, slow_start: Option<Duration>) -> Rules {
    let ms = |duration: Duration| duration.as_millis() as u64;
    Rules {
        errors: eject.errors.into(),
        success_percent: eject.success_percent,
        latency_percent: eject.latency_percent,
        max_percent: eject.max_percent,
        time_ms: ms(eject.time),
        probation_ms: slow_start.map_or(ms(eject.time) / PROBATION_PART, ms),
    }
}

/// Checks speak as traffic does, but for a handshake with servers whose TLS is passed through.
fn speech(pool: &weir_config::Pool, tls: Option<Arc<weir_tls::Client>>) -> Speech {
    match pool.health.as_ref().map(|health| &health.probe) {
        Some(weir_config::Probe::Tls(name)) if tls.is_none() => {
            let client = weir_tls::Client::for_handshakes(name.as_deref());
            let client = client.expect("the configuration has checked the name");
            Speech { protocol: PoolProtocol::Http1, tls: Some(Arc::new(client)) }
        }
        _ => Speech { protocol: pool.protocol, tls },
    }
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
        .zip(&tls.sticky.splits)
        .map(|(((listener, entry), tls), splits)| ListenerSite {
            id: entry.id,
            name: listener.name.clone(),
            settings: listener.http.clone(),
            tls: tls_site(listener, tls.as_ref()),
            table: Table::new(&listener.routes),
            routes: listener
                .routes
                .iter()
                .zip(&entry.routes)
                .zip(splits)
                .map(|((route, entry), seals)| RouteSite {
                    route: route.clone(),
                    split_sticky: split_site(route, seals.as_ref()),
                    mirror: MirrorSite::of(route),
                    counters: Arc::clone(&entry.counters),
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
    pools
        .zip(&tls.sticky.pools)
        .map(|(((pool, entry), tls), seals)| pool_site(config, pool, entry, tls.clone(), seals.as_ref()))
        .collect()
}

fn pool_site(
    config: &Config,
    pool: &weir_config::Pool,
    entry: &crate::registry::PoolEntry,
    tls: Option<Arc<weir_tls::Client>>,
    seals: Option<&Arc<Seals>>,
) -> PoolSite {
    let ranks = balance::ranks(pool, &config.runtime);
    let members = pool.servers.iter().zip(&entry.servers).zip(ranks).map(|((server, live), rank)| Member {
        server: Arc::clone(&live.server),
        name: server.name.clone(),
        weight: server.weight,
        rank,
        in_flight_max: server.requests_max,
    });
    let live = Pool::new_sharing(
        &entry.tables,
        pool.name.clone(),
        members.collect(),
        balance::policy(pool, &config.runtime),
        Arc::clone(&entry.epoch),
    )
    .with_traffic(balance::traffic(pool, &config.runtime));
    PoolSite {
        sticky: sticky_site(pool, entry, &live, seals),
        judged_by: JudgedBy {
            outcomes: pool.eject.is_some(),
            times: pool.eject.is_some_and(|eject| eject.latency_percent.is_some()),
        },
        pool: live,
        hash_key: balance::hash_key(pool),
        load_source: balance::load_source(pool),
        protocol: pool.protocol,
        tls,
        connect_timeout: pool.connect_timeout,
        keep_alive: pool.keep_alive.clone(),
        queue: pool.queue,
        breaker: pool.circuit_breaker,
        adaptive_concurrency: pool.adaptive_concurrency,
        is_limited: pool.circuit_breaker.requests_max.is_some()
            || pool.servers.iter().any(|server| server.requests_max.is_some()),
        shared: Arc::clone(&entry.shared),
        servers: entry.servers.iter().map(|live| Arc::clone(&live.counters)).collect(),
    }
}

fn sticky_site(
    pool: &weir_config::Pool,
    entry: &crate::registry::PoolEntry,
    live: &Pool,
    seals: Option<&Arc<Seals>>,
) -> Option<StickySite> {
    let (settings, entry) = (pool.sticky.as_ref()?, entry.sticky.as_ref()?);
    let table = || entry.table.clone().expect("the registry was made for this configuration");
    let by = match &settings.by {
        weir_config::StickyBy::Cookie(cookie) => {
            StickyBy::Cookie(cookie_site(cookie, settings.ttl, Arc::clone(seals?)))
        }
        weir_config::StickyBy::AppCookie { name, .. } => StickyBy::AppCookie(name.clone(), table()),
        weir_config::StickyBy::Table { key, .. } => StickyBy::Table(key.clone(), table()),
    };
    Some(StickySite {
        by,
        drain_s: settings.drain.as_secs(),
        places: Places::of(live),
        counters: Arc::clone(&entry.counters),
    })
}

fn split_site(route: &weir_config::Route, seals: Option<&Arc<Seals>>) -> Option<CookieSite> {
    let split = route.split_sticky.as_ref()?;
    Some(cookie_site(&split.cookie, split.ttl, Arc::clone(seals?)))
}

fn cookie_site(settings: &OwnCookie, ttl: Duration, seals: Arc<Seals>) -> CookieSite {
    CookieSite { settings: settings.clone(), ttl_s: ttl.as_secs(), seals }
}
