//! A Weir that runs: brought up by [`start`], changed by [`Running::reload`], ended by [`Running::stop`].

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, task::JoinHandle as Task};
use weir_balance::WhenAllDown;
use weir_check::{AllDown, Checker, ConnectFailure, Event};
use weir_config::{Checked, Config};
use weir_http::Shared;
use weir_tls::acme::Challenges;

use crate::{
    certificates::Certificates,
    log,
    metrics::{endpoint, families},
    process,
    registry::Registry,
    snapshot,
    sockets::Sockets,
    source::{Error, Source},
    tls::{self, Tls},
    workers::Workers,
};

/// Threads of the control plane's own event loop.
const CONTROL_THREADS: usize = 2;

/// How long new servers may take for their first check before a snapshot that names them is used all the same. They
/// get no traffic until they have passed.
const FIRST_CHECKS_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the last lines of the access log may take to be written.
const LOG_WRITERS_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is looked whether they are.
const LOG_WRITERS_LOOK: Duration = Duration::from_millis(2);

/// A Weir that runs. Dropping it stops everything at once.
pub struct Running {
    source: Source,
    runtime: Option<Runtime>,
    state: Arc<State>,
    workers: Option<Workers>,
    shared: Arc<Shared>,
    sockets: Sockets,
    tls: Tls,
    /// Looks after the keys of cookies.
    keys: Option<Task<()>>,
    metrics: Option<(SocketAddr, Task<()>)>,
    log_writers: Vec<JoinHandle<()>>,
}

/// What the metrics endpoint reads beside the main thread.
pub(crate) struct State {
    pub(crate) started: Instant,
    pub(crate) checker: Checker,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) registry: Mutex<Arc<Registry>>,
    pub(crate) config: Mutex<Arc<Config>>,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
}

impl State {
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&lock(&self.registry))
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}

/// Brings everything up: file, sockets, checks, workers, metrics. Returns when requests are served.
pub fn start(source: Source) -> Result<Running, Error> {
    start_on(control_runtime()?, source)
}

/// The control plane's own event loop.
pub(crate) fn control_runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| Error::system("the control plane's event loop cannot be made", error))
}

/// As [`start`], with the control plane on `runtime`.
pub(crate) fn start_on(runtime: Runtime, source: Source) -> Result<Running, Error> {
    let checked = source.load().map_err(Error::Config)?;
    let challenges = Challenges::new();
    let options = tls::options(&checked.config, &challenges);
    let (checked, tls) = tls::load(checked, None, &options).map_err(Error::Config)?;
    warn(&checked);
    let config = checked.config;
    log::init(config.log.level, config.log.format);
    let connections_max = process::raise_descriptor_limit(config.runtime.max_connections);
    let worker_count =
        config.runtime.workers.map_or_else(|| weir_net::worker::cpus().len(), |n| n.get().into());

    let registry = Registry::new(worker_count).for_config(&config);
    let mut sockets = Sockets::from_environment();
    let mut change = sockets.prepare(&config, &registry)?;
    let built = snapshot::build(&config, &registry, &tls, &challenges)?;
    let certificates = Certificates::new(runtime.handle(), challenges, tls.store.clone());

    let checker = Checker::new(runtime.handle().clone(), RandomState::new().hash_one(0), tell);
    checker.apply(snapshot::targets(&config, &registry, &tls));
    runtime.block_on(checker.first_round(FIRST_CHECKS_TIMEOUT));

    let passive = checker.passive();
    let per_worker = config.runtime.max_connections_per_worker.unwrap_or(u32::MAX);
    let shared = Arc::new(Shared {
        connections: AtomicU32::new(0),
        connections_max: AtomicU32::new(connections_max),
        connections_per_worker_max: AtomicU32::new(per_worker),
        on_connect_failure: Box::new(move |server| {
            passive.try_send(ConnectFailure { server: Arc::clone(server) });
        }),
    });
    let workers = Workers::start(&built.site, &registry.workers, &shared)
        .map_err(|error| Error::system("a worker's thread cannot be started", error))?;
    let state = Arc::new(State {
        started: Instant::now(),
        checker,
        certificates,
        registry: Mutex::new(Arc::new(registry)),
        config: Mutex::new(Arc::new(config)),
        reloads: AtomicU64::new(0),
        reloads_failed: AtomicU64::new(0),
    });
    let mut running = Running {
        source,
        state,
        workers: Some(workers),
        shared,
        sockets: Sockets::default(),
        keys: tls.sticky.look_after(runtime.handle()),
        tls,
        metrics: None,
        log_writers: built.log_writer.into_iter().collect(),
        runtime: Some(runtime),
    };
    let config = running.state.config();
    running.metrics = running.endpoint(&config)?;
    // The sockets are listened on: whatever an ACME server asks now waits for the workers, which are about to come.
    running.state.certificates.change(&config, running.tls.store.clone())?;
    let open = std::mem::take(&mut change.open);
    running.runtime().block_on(running.workers().change(&built.site, open, &[])).map_err(Error::System)?;
    sockets.commit(&mut change);
    for address in sockets.unclaimed() {
        log::warn("a socket was passed in that no listener binds", &[("address", &address)]);
    }
    running.sockets = sockets;
    running.say_where_it_listens(&[]);
    Ok(running)
}

impl Running {
    /// Where each listener listens, by its name.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let registry = self.state.registry();
        let address = |id| self.sockets.address(id);
        registry.listeners.iter().filter_map(|entry| Some((entry.name.clone(), address(entry.id)?))).collect()
    }

    /// Where metrics are answered.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// What the metrics endpoint answers.
    pub fn metrics_text(&self) -> String {
        families::text(&self.state)
    }

    /// Reads the source again and changes over to it, or changes nothing and says why.
    ///
    /// Everything that can fail comes first; connections stay open as long as their listener does.
    pub fn reload(&mut self) -> Result<(), Error> {
        let result = self.try_reload();
        let count = if result.is_ok() { &self.state.reloads } else { &self.state.reloads_failed };
        count.fetch_add(1, Relaxed);
        result
    }

    fn try_reload(&mut self) -> Result<(), Error> {
        let checked = self.source.load().map_err(Error::Config)?;
        let challenges = self.state.certificates.challenges();
        let options = tls::options(&checked.config, challenges);
        let (checked, tls) = tls::load(checked, Some(&self.tls), &options).map_err(Error::Config)?;
        warn(&checked);
        let (config, before) = (checked.config, self.state.config());
        let registry = self.state.registry().for_config(&config);
        let mut change = self.sockets.prepare(&config, &registry)?;
        let built = snapshot::build(&config, &registry, &tls, challenges)?;
        let endpoint = match (&config.metrics, &before.metrics) {
            (Some(new), Some(old)) if new.bind == old.bind => None,
            _ => Some(self.endpoint(&config)?),
        };
        if let Err(error) = self.state.certificates.change(&config, tls.store.clone()) {
            endpoint.flatten().inspect(|(_, task)| task.abort());
            return Err(error);
        }

        log::init(config.log.level, config.log.format);
        if config.runtime.workers != before.runtime.workers {
            log::warn("runtime.workers takes effect when the process is started again", &[]);
        }
        let max = process::raise_descriptor_limit(config.runtime.max_connections);
        self.shared.connections_max.store(max, Relaxed);
        let per_worker = config.runtime.max_connections_per_worker.unwrap_or(u32::MAX);
        self.shared.connections_per_worker_max.store(per_worker, Relaxed);

        // First the checks: a new server gets traffic when it has passed, and with the old snapshot none knows it.
        self.state.checker.apply(snapshot::targets(&config, &registry, &tls));
        self.runtime().block_on(self.state.checker.first_round(FIRST_CHECKS_TIMEOUT));
        let (open, listening) = (std::mem::take(&mut change.open), self.addresses());
        let changed = self.runtime().block_on(self.workers().change(&built.site, open, &change.close));
        // A worker that is stuck takes the change when it comes to itself; the others run on it already.
        changed.unwrap_or_else(|error| log::error(&error, &[]));
        self.sockets.commit(&mut change);
        if let Some(endpoint) = endpoint
            && let Some((_, old)) = std::mem::replace(&mut self.metrics, endpoint)
        {
            old.abort();
        }
        self.log_writers.retain(|writer| !writer.is_finished());
        self.log_writers.extend(built.log_writer);
        let keys = tls.sticky.look_after(self.runtime().handle());
        if let Some(before) = std::mem::replace(&mut self.keys, keys) {
            before.abort();
        }
        self.tls = tls;
        *lock(&self.state.registry) = Arc::new(registry);
        *lock(&self.state.config) = Arc::new(config);
        self.say_where_it_listens(&listening);
        Ok(())
    }

    /// Says in the log what is listened on besides what is `known`.
    fn say_where_it_listens(&self, known: &[(String, SocketAddr)]) {
        for (name, address) in self.addresses().into_iter().filter(|entry| !known.contains(entry)) {
            log::info("listening", &[("listener", &name), ("address", &address)]);
        }
    }

    /// How long open exchanges may take to end.
    pub(crate) fn grace(&self) -> Duration {
        self.state.config().runtime.shutdown_grace
    }

    /// Stops everything, whatever it is doing.
    pub fn stop(mut self) {
        self.end();
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only at the end")
    }

    pub(crate) fn workers(&self) -> &Workers {
        self.workers.as_ref().expect("taken only at the end")
    }

    /// Starts answering metrics where `config` says.
    fn endpoint(&self, config: &Config) -> Result<Option<(SocketAddr, Task<()>)>, Error> {
        let Some(metrics) = &config.metrics else { return Ok(None) };
        let bound = self.runtime().block_on(tokio::net::TcpListener::bind(metrics.bind));
        let listener = bound.map_err(|error| {
            Error::system(format!("metrics cannot be answered on {}", metrics.bind), error)
        })?;
        let address = listener.local_addr().map_err(|error| Error::system("the metrics socket", error))?;
        let state = Arc::clone(&self.state);
        let task = self.runtime().spawn(async move {
            endpoint::serve(listener, Arc::new(move || families::text(&state))).await;
        });
        log::info("metrics", &[("address", &address)]);
        Ok(Some((address, task)))
    }

    fn end(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.stop();
        }
        self.state.certificates.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let deadline = Instant::now() + LOG_WRITERS_TIMEOUT;
        for writer in self.log_writers.drain(..) {
            // Whoever reads the log may have stopped reading; that must not keep the process from ending.
            while !writer.is_finished() && Instant::now() < deadline {
                std::thread::sleep(LOG_WRITERS_LOOK);
            }
            if writer.is_finished() {
                let _ = writer.join();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says in the log what is hardly meant in a configuration.
fn warn(checked: &Checked) {
    for warning in &checked.warnings {
        let line = warning.place.as_ref().map_or(0, |place| place.line);
        log::warn(&warning.message, &[("line", &line)]);
    }
}

/// Says in the log what the checks found.
fn tell(event: Event) {
    match event {
        Event::HealthChanged(change) => {
            let fields: [log::Field<'_>; 6] = [
                ("pool", &change.pool),
                ("server", &change.label),
                ("address", &change.address),
                ("from", &change.from.word()),
                ("to", &change.to.word()),
                ("reason", &change.reason),
            ];
            let level = match change.to {
                weir_balance::Health::Down => weir_config::LogLevel::Warn,
                _ => weir_config::LogLevel::Info,
            };
            log::log(level, "health changed", &fields);
        }
        Event::WeightChanged(change) => {
            let fields: [log::Field<'_>; 6] = [
                ("pool", &change.pool),
                ("server", &change.label),
                ("address", &change.address),
                ("from", &format_args!("{}%", change.from)),
                ("to", &format_args!("{}%", change.to)),
                ("reason", &change.reason),
            ];
            log::info("live weight changed", &fields);
        }
        Event::EjectionChanged(change) => {
            let mut fields: Vec<log::Field<'_>> =
                vec![("pool", &change.pool), ("server", &change.label), ("address", &change.address)];
            let (cause, time) = change.to.map_or(("", Duration::ZERO), |(cause, time)| (cause.word(), time));
            let time = format!("{time:?}");
            if change.to.is_some() {
                fields.extend([("cause", &cause as &dyn std::fmt::Display), ("time", &time)]);
            }
            fields.push(("reason", &change.reason));
            match change.to {
                Some(_) => log::warn("ejected", &fields),
                None => log::info("no longer ejected", &fields),
            }
        }
        Event::EjectionHeld { pool, label, reason } => {
            let fields: [log::Field<'_>; 3] = [("pool", &pool), ("server", &label), ("reason", &reason)];
            log::warn(
                "not ejected: no more servers may be out (`eject.max`, and the last one stays)",
                &fields,
            );
        }
        Event::NotChecked { pool, label, reason } => {
            log::error(
                "a check could not be made",
                &[("pool", &pool), ("server", &label), ("reason", &reason)],
            );
        }
        Event::AllDown(AllDown { pool, when_all_down, servers }) => {
            let then = match when_all_down {
                WhenAllDown::Fail => "its requests are answered 503",
                WhenAllDown::Spread => "its requests are spread over all servers",
            };
            let fields: [log::Field<'_>; 3] = [("pool", &pool), ("servers", &servers), ("then", &then)];
            log::error("no server of the pool takes requests", &fields);
        }
        Event::NoLongerAllDown { pool } => {
            log::info("a server of the pool takes requests again", &[("pool", &pool)]);
        }
    }
}
