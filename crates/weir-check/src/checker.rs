//! All servers under watch: which they are, one check loop for each, and the reader of passive signals.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
    task::AbortHandle,
    time::timeout,
};
use weir_balance::Server;

use crate::{
    CHECKS_IN_FLIGHT_MAX, Event,
    passive::{self, ConnectFailure, PassiveSender},
    probe::probe,
    schedule::Rng,
    watched::{Status, Watched},
};

/// A server to watch.
#[derive(Debug, Clone)]
pub struct Target {
    /// The live server that the judgement is written into.
    pub server: Arc<Server>,
    /// Its name in logs and metrics.
    pub label: String,
    /// How it is checked; `None`: not at all, it counts as up.
    pub health: Option<weir_config::Health>,
    /// How it is spoken to.
    pub speech: Speech,
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
}

/// The servers under watch, by identity: pool and address.
struct Registry {
    watched: HashMap<(String, SocketAddr), Arc<Watched>>,
    seeds: Rng,
}

/// What all check loops share.
struct Shared {
    slots: Semaphore,
    outlet: Outlet,
}

impl Checker {
    /// Watches nothing yet. Its tasks run on `runtime`; `seed` spreads the checks over time; `on_event` is
    /// called for each event, in order for each server, and must neither block nor call back.
    pub fn new(runtime: Handle, seed: u64, on_event: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let outlet = Outlet { on_event: Box::new(on_event), first_results_missing: watch::Sender::new(0) };
        let shared = Arc::new(Shared { slots: Semaphore::new(CHECKS_IN_FLIGHT_MAX), outlet });
        let registry = Arc::new(Mutex::new(Registry { watched: HashMap::new(), seeds: Rng::new(seed) }));
        let (passive, signals) = passive::channel();
        let reader = read_passive(signals, Arc::clone(&registry));
        let passive_reader = runtime.spawn(reader).abort_handle();
        Self { runtime, registry, shared, passive, passive_reader }
    }

    /// Watches exactly these from now on. A server that stays (same pool and address) keeps its health, its
    /// counts and its schedule; one that is new is unknown and checked at once; one that is missing is left
    /// alone from now on.
    pub fn apply(&self, targets: Vec<Target>) {
        let mut registry = lock(&self.registry);
        let mut before = std::mem::take(&mut registry.watched);
        for target in targets {
            let identity = (target.server.pool().to_owned(), target.server.address());
            let seed = registry.seeds.next();
            let watched = match (before.remove(&identity), registry.watched.entry(identity)) {
                (Some(kept), Entry::Vacant(place)) => {
                    kept.update(target, &self.shared.outlet);
                    Arc::clone(place.insert(kept))
                }
                (None, Entry::Vacant(place)) => {
                    let new = Watched::new(target, seed, &self.shared.outlet);
                    Arc::clone(place.insert(Arc::new(new)))
                }
                (_, Entry::Occupied(place)) => {
                    panic!("server {:?} is given twice: the configuration allows it once", place.key())
                }
            };
            watched.ensure_task(|| {
                let check_loop = watch_over(Arc::clone(&watched), Arc::clone(&self.shared));
                self.runtime.spawn(check_loop).abort_handle()
            });
        }
        for gone in before.into_values() {
            gone.retire(&self.shared.outlet);
        }
    }

    /// Waits until every server has had its first result, or until `deadline` has passed. Gives the number of
    /// servers that are still unknown.
    pub fn first_round(&self, deadline: Duration) -> impl Future<Output = usize> + Send + 'static {
        let mut missing = self.shared.outlet.first_results_missing.subscribe();
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
        lock(&self.registry).watched.values().map(|watched| watched.status()).collect()
    }

    /// Passive signals that were dropped because the queue was full.
    pub fn passive_dropped(&self) -> u64 {
        self.passive.dropped()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.passive_reader.abort();
        for watched in lock(&self.registry).watched.values() {
            watched.retire(&self.shared.outlet);
        }
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker")
            .field("servers", &lock(&self.registry).watched.len())
            .finish_non_exhaustive()
    }
}

/// The check loop of one server. Ends by being aborted.
async fn watch_over(watched: Arc<Watched>, shared: Arc<Shared>) {
    loop {
        watched.due().await;
        let _slot = shared.slots.acquire().await.expect("the semaphore is never closed");
        let Some((address, settings, speech)) = watched.begin() else { return };
        let outcome = probe(address, &settings, &speech).await;
        watched.handle_outcome(outcome, &shared.outlet);
    }
}

/// Takes in what workers report. Signals of servers that have left are ignored.
async fn read_passive(mut signals: mpsc::Receiver<ConnectFailure>, registry: Arc<Mutex<Registry>>) {
    while let Some(ConnectFailure { server }) = signals.recv().await {
        let identity = (server.pool().to_owned(), server.address());
        let watched = lock(&registry).watched.get(&identity).map(Arc::clone);
        if let Some(watched) = watched {
            watched.handle_connect_failure();
        }
    }
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    // Poisoned only by the assertion in `apply`, after which the process does not go on.
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where results go besides the server itself.
pub(crate) struct Outlet {
    on_event: Box<dyn Fn(Event) + Send + Sync>,
    first_results_missing: watch::Sender<usize>,
}

impl Outlet {
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
