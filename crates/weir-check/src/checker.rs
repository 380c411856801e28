//! All servers under watch: which they are, one loop for each pool, and the reader of passive signals.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::AbortHandle,
    time::timeout,
};
use weir_balance::{Server, WhenAllDown, ejection::Rules};

use crate::{
    CHECKS_IN_FLIGHT_MAX, Event, Lateness, PROGRAMS_MAX,
    ejector::{Ejector, look_after},
    lateness::LatenessCounters,
    passive::{self, ConnectFailure, PassiveSender},
    pool::{PoolWatch, watch_over},
    schedule::Rng,
    watched::{Status, Watched},
};

/// The servers of a pool, to watch.
#[derive(Debug, Clone)]
pub struct PoolTargets {
    /// Its key in the file; unique.
    pub name: String,
    /// How they are checked; `None`: not at all, they count as up.
    pub health: Option<Arc<weir_config::Health>>,
    /// How they are spoken to.
    pub speech: Speech,
    /// What happens with requests when none takes any; only told.
    pub when_all_down: WhenAllDown,
    /// By what they are taken out; `None`: they are not.
    pub eject: Option<Rules>,
    /// How long one takes to its whole share that comes to others; `None`: no time.
    pub slow_start: Option<Duration>,
    /// The servers, each address once.
    pub servers: Vec<Target>,
}

/// A server to watch.
#[derive(Debug, Clone)]
pub struct Target {
    /// The live server that the judgement is written into.
    pub server: Arc<Server>,
    /// Its name in logs and metrics.
    pub label: String,
    /// Where its checks go.
    pub check: SocketAddr,
    /// It has a weight in the file, and so takes requests when it is up.
    pub has_weight: bool,
}

/// How a server is spoken to, by traffic and by checks alike.
#[derive(Debug, Clone)]
pub struct Speech {
    /// Of its pool.
    pub protocol: weir_config::PoolProtocol,
    /// What is asked of it in a handshake, where it uses TLS.
    pub tls: Option<Arc<weir_tls::Client>>,
}

impl Default for Speech {
    /// HTTP/1.1 without TLS.
    fn default() -> Self {
        Self { protocol: weir_config::PoolProtocol::Http1, tls: None }
    }
}

/// Watches servers until it is dropped.
pub struct Checker {
    runtime: Handle,
    registry: Arc<Mutex<Registry>>,
    shared: Arc<Shared>,
    passive: PassiveSender,
    passive_reader: AbortHandle,
    looker: AbortHandle,
}

/// The servers under watch, by the names of their pools.
pub(crate) struct Registry {
    pools: HashMap<String, PoolEntry>,
    seeds: Rng,
}

struct PoolEntry {
    pool: Arc<PoolWatch>,
    /// By their addresses.
    watched: HashMap<SocketAddr, Arc<Watched>>,
    ejector: Ejector,
    watching: AbortHandle,
}

impl Checker {
    /// Watches nothing yet. Its tasks run on `runtime`; `seed` spreads the checks over time; `on_event` is
    /// called for each event, in order for each server, and must neither block nor call back.
    pub fn new(runtime: Handle, seed: u64, on_event: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            slots: Arc::new(Semaphore::new(CHECKS_IN_FLIGHT_MAX)),
            programs: Arc::new(Semaphore::new(PROGRAMS_MAX)),
            lateness: LatenessCounters::default(),
            on_event: Box::new(on_event),
            first_results_missing: watch::Sender::new(0),
        });
        let registry = Arc::new(Mutex::new(Registry { pools: HashMap::new(), seeds: Rng::new(seed) }));
        let (passive, signals) = passive::channel();
        let reader = read_passive(signals, Arc::clone(&registry));
        let passive_reader = runtime.spawn(reader).abort_handle();
        let looker = runtime.spawn(look_after(Arc::clone(&registry), Arc::clone(&shared))).abort_handle();
        Self { runtime, registry, shared, passive, passive_reader, looker }
    }

    /// Watches exactly these from now on. A server that stays (same pool and address) keeps its health, its
    /// counts and its schedule; one that is new is unknown and checked at once; one that is missing is left
    /// alone from now on.
    pub fn apply(&self, pools: Vec<PoolTargets>) {
        let mut registry = lock(&self.registry);
        let mut before = std::mem::take(&mut registry.pools);
        for targets in pools {
            let name = targets.name.clone();
            let mut entry = before.remove(&name).unwrap_or_else(|| self.begin(&targets));
            self.apply_pool(&mut entry, targets, &mut registry.seeds);
            let twice = registry.pools.insert(name, entry);
            assert!(twice.is_none(), "a pool is given twice: the configuration allows it once");
        }
        for gone in before.into_values() {
            gone.retire(&self.shared);
        }
    }

    fn begin(&self, targets: &PoolTargets) -> PoolEntry {
        let pool = Arc::new(PoolWatch::new(&targets.name, targets.when_all_down));
        let watching = self.runtime.spawn(watch_over(Arc::clone(&pool), Arc::clone(&self.shared)));
        let ejector = Ejector::default();
        PoolEntry { pool, watched: HashMap::new(), ejector, watching: watching.abort_handle() }
    }

    fn apply_pool(&self, entry: &mut PoolEntry, targets: PoolTargets, seeds: &mut Rng) {
        let concurrency = targets.health.as_ref().map_or(1, |health| health.concurrency);
        entry.pool.begin_change(concurrency, targets.when_all_down);
        entry.pool.set_slow_start(targets.slow_start);
        let mut before = std::mem::take(&mut entry.watched);
        for target in targets.servers {
            let address = target.server.address();
            let asked = (targets.health.clone(), targets.speech.clone());
            let seed = seeds.next();
            let watched = match before.remove(&address) {
                Some(kept) => {
                    kept.update(target, asked, &self.shared);
                    kept
                }
                None => Watched::new(&entry.pool, target, asked, seed, &self.shared),
            };
            let twice = entry.watched.insert(address, watched);
            assert!(twice.is_none(), "{address} is given twice: the configuration allows it once");
        }
        let gone: Vec<_> = before.into_values().collect();
        gone.iter().for_each(|watched| watched.retire(&self.shared));
        entry.pool.forget(&gone);
        entry.pool.end_change(&self.shared);
        entry.ejector.change(targets.eject, entry.watched.values(), &self.shared);
    }

    /// Waits until every server has had its first result, or until `deadline` has passed. Gives the number of
    /// servers that are still unknown.
    pub fn first_round(&self, deadline: Duration) -> impl Future<Output = usize> + Send + 'static {
        let mut missing = self.shared.first_results_missing.subscribe();
        async move {
            // It fails only when the checker is gone, and then the last count is as good.
            let _ = timeout(deadline, missing.wait_for(|missing| *missing == 0)).await;
            *missing.borrow()
        }
    }

    /// The way for workers to report connects that failed.
    pub fn passive(&self) -> PassiveSender {
        self.passive.clone()
    }

    /// The record of every server, in no particular order.
    pub fn statuses(&self) -> Vec<Status> {
        let registry = lock(&self.registry);
        registry.pools.values().flat_map(|entry| entry.watched.values()).map(|it| it.status()).collect()
    }

    /// The name of every pool, and whether none of its servers takes requests; in no particular order.
    pub fn all_down(&self) -> Vec<(String, bool)> {
        let registry = lock(&self.registry);
        registry.pools.iter().map(|(name, entry)| (name.clone(), entry.pool.all_down())).collect()
    }

    /// The name of every pool, and how often a server of it stayed in because as many were out as may be; in no
    /// particular order.
    pub fn ejections_held(&self) -> Vec<(String, u64)> {
        let registry = lock(&self.registry);
        registry.pools.iter().map(|(name, entry)| (name.clone(), entry.ejector.held())).collect()
    }

    /// How late checks began.
    pub fn lateness(&self) -> Lateness {
        self.shared.lateness.read()
    }

    /// Passive signals that were dropped because the queue was full.
    pub fn passive_dropped(&self) -> u64 {
        self.passive.dropped()
    }
}

impl PoolEntry {
    fn retire(self, shared: &Shared) {
        self.pool.retire();
        self.watched.into_values().for_each(|watched| watched.retire(shared));
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("pools", &lock(&self.registry).pools.len()).finish_non_exhaustive()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.passive_reader.abort();
        self.looker.abort();
        for (_, entry) in lock(&self.registry).pools.drain() {
            entry.watching.abort();
            entry.retire(&self.shared);
        }
    }
}

impl Registry {
    /// Looks at the servers of all pools that are due.
    pub(crate) fn look(&mut self, shared: &Shared) {
        for entry in self.pools.values_mut() {
            entry.ejector.look(shared);
        }
    }
}

/// Takes in what workers report. Signals of servers that have left are ignored.
async fn read_passive(mut signals: mpsc::Receiver<ConnectFailure>, registry: Arc<Mutex<Registry>>) {
    while let Some(ConnectFailure { server }) = signals.recv().await {
        let watched = {
            let registry = lock(&registry);
            let entry = registry.pools.get(server.pool());
            entry.and_then(|entry| entry.watched.get(&server.address())).map(Arc::clone)
        };
        if let Some(watched) = watched {
            watched.handle_connect_failure();
        }
    }
}

pub(crate) fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    // Poisoned only by the assertions in `apply`, after which the process does not go on.
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all pools share: how much may be under way, and where results go besides the servers themselves.
pub(crate) struct Shared {
    slots: Arc<Semaphore>,
    programs: Arc<Semaphore>,
    pub(crate) lateness: LatenessCounters,
    on_event: Box<dyn Fn(Event) + Send + Sync>,
    first_results_missing: watch::Sender<usize>,
}

impl Shared {
    /// Waits until one more check may be under way.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Waits until one more program may run.
    pub(crate) async fn program_slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.programs).acquire_owned().await.expect("the semaphore is never closed")
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.on_event)(event);
    }

    /// One more server is unknown.
    pub(crate) fn expect_first_result(&self) {
        self.first_results_missing.send_modify(|missing| *missing += 1);
    }

    /// One server is no longer unknown, or no longer of interest.
    pub(crate) fn first_result_settled(&self) {
        self.first_results_missing.send_modify(|missing| *missing -= 1);
    }
}
