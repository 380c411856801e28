//! What belongs to identities and outlives every snapshot: the live state of servers, and all counters.
//!
//! A reload makes the next registry from the last one ([`Registry::for_config`]): whatever the new configuration still
//! names keeps its state, the rest is let go. The last one stays as it is until the change has succeeded.

use std::{
    collections::HashMap,
    hash::RandomState,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use weir_balance::{Epoch, Server, Tables, sticky::Table};
use weir_config::{Config, Listener, Sticky, StickyBy};
use weir_http::{
    ListenerId, PerWorker, PoolShared,
    counters::{ListenerCounters, RouteCounters, ServerCounters, StickyCounters, WorkerCounters},
};

/// Everything that outlives a snapshot.
#[derive(Debug)]
pub(crate) struct Registry {
    /// One block per worker.
    pub(crate) workers: Vec<Arc<WorkerCounters>>,
    /// In the order of the configuration.
    pub(crate) listeners: Vec<ListenerEntry>,
    /// In the order of the configuration.
    pub(crate) pools: Vec<PoolEntry>,
    /// Blocks of access log lines that could not be written.
    pub(crate) access_log_errors: Arc<AtomicU64>,
    next_listener_id: u32,
}

/// A listener and its routes.
#[derive(Debug)]
pub(crate) struct ListenerEntry {
    pub(crate) id: ListenerId,
    pub(crate) name: String,
    /// As written: the identity, with the name where the port is 0.
    bind: SocketAddr,
    pub(crate) counters: PerWorker<ListenerCounters>,
    pub(crate) routes: Vec<RouteEntry>,
}

/// A route of a listener.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    pub(crate) name: String,
    pub(crate) counters: PerWorker<RouteCounters>,
    /// Its requests are copied.
    pub(crate) has_mirror: bool,
    /// Faults are made on purpose.
    pub(crate) has_faults: bool,
}

/// A pool and its servers.
#[derive(Debug)]
pub(crate) struct PoolEntry {
    pub(crate) name: String,
    pub(crate) epoch: Arc<Epoch>,
    /// Those that its snapshots hash by.
    pub(crate) tables: Arc<Tables>,
    pub(crate) servers: Vec<ServerEntry>,
    pub(crate) sticky: Option<StickyEntry>,
    /// What it bears now, and who waits for it.
    pub(crate) shared: Arc<PoolShared>,
}

/// What a pool remembers of its clients.
#[derive(Debug)]
pub(crate) struct StickyEntry {
    settings: Sticky,
    /// `None`: clients carry it themselves.
    pub(crate) table: Option<Arc<Table>>,
    pub(crate) counters: PerWorker<StickyCounters>,
}

/// A server of a pool.
#[derive(Debug)]
pub(crate) struct ServerEntry {
    pub(crate) label: String,
    pub(crate) server: Arc<Server>,
    pub(crate) counters: PerWorker<ServerCounters>,
}

impl Registry {
    /// Nothing yet, for this many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| Arc::default()).collect();
        Self {
            workers,
            listeners: Vec::new(),
            pools: Vec::new(),
            access_log_errors: Arc::default(),
            next_listener_id: 0,
        }
    }

    /// What `config` needs, with the state of whatever stood here already.
    pub(crate) fn for_config(&self, config: &Config) -> Self {
        let mut next_listener_id = self.next_listener_id;
        let listeners = config
            .listeners
            .iter()
            .map(|listener| {
                let before = self.listeners.iter().find(|entry| entry.is(listener));
                let id = before.map(|entry| entry.id).unwrap_or_else(|| {
                    next_listener_id += 1;
                    ListenerId(next_listener_id)
                });
                self.listener(listener, before, id)
            })
            .collect();
        let pools = config.pools.iter().map(|pool| self.pool(pool)).collect();
        Self {
            workers: self.workers.clone(),
            listeners,
            pools,
            access_log_errors: Arc::clone(&self.access_log_errors),
            next_listener_id,
        }
    }

    fn listener(&self, listener: &Listener, before: Option<&ListenerEntry>, id: ListenerId) -> ListenerEntry {
        let known: HashMap<&str, &PerWorker<RouteCounters>> = before
            .iter()
            .flat_map(|entry| &entry.routes)
            .map(|entry| (entry.name.as_str(), &entry.counters))
            .collect();
        let routes = listener.routes.iter().map(|route| {
            let counters = known.get(route.name.as_str()).map(|counters| Arc::clone(counters));
            RouteEntry {
                name: route.name.clone(),
                counters: counters.unwrap_or_else(|| self.blocks()),
                has_mirror: route.mirror.is_some(),
                has_faults: route.faults.is_some(),
            }
        });
        ListenerEntry {
            id,
            name: listener.name.clone(),
            bind: listener.bind,
            counters: before.map_or_else(|| self.blocks(), |entry| Arc::clone(&entry.counters)),
            routes: routes.collect(),
        }
    }

    fn pool(&self, pool: &weir_config::Pool) -> PoolEntry {
        let before = self.pools.iter().find(|entry| entry.name == pool.name);
        let epoch = before.map_or_else(Arc::default, |entry| Arc::clone(&entry.epoch));
        let tables = before.map_or_else(Arc::default, |entry| Arc::clone(&entry.tables));
        let known: HashMap<SocketAddr, &ServerEntry> = before
            .iter()
            .flat_map(|entry| &entry.servers)
            .map(|entry| (entry.server.address(), entry))
            .collect();
        let servers = pool.servers.iter().map(|server| match known.get(&server.address) {
            Some(entry) => ServerEntry {
                label: server.name.clone(),
                server: Arc::clone(&entry.server),
                counters: Arc::clone(&entry.counters),
            },
            None => ServerEntry {
                label: server.name.clone(),
                server: Arc::new(Server::new(
                    &pool.name,
                    server.address,
                    Arc::clone(&epoch),
                    self.workers.len(),
                )),
                counters: self.blocks(),
            },
        });
        let sticky = pool.sticky.as_ref();
        let sticky = sticky.map(|sticky| self.sticky(sticky, before.and_then(|entry| entry.sticky.as_ref())));
        let shared = before.map(|entry| Arc::clone(&entry.shared));
        let shared = shared.unwrap_or_else(|| Arc::new(PoolShared::new(self.workers.len())));
        PoolEntry { name: pool.name.clone(), servers: servers.collect(), epoch, tables, sticky, shared }
    }

    /// A table goes on as long as it is to remember the same.
    fn sticky(&self, sticky: &Sticky, before: Option<&StickyEntry>) -> StickyEntry {
        let size = match &sticky.by {
            StickyBy::Cookie(_) => None,
            StickyBy::AppCookie { size, .. } | StickyBy::Table { size, .. } => Some(*size),
        };
        let is_same =
            |entry: &&StickyEntry| entry.settings.by == sticky.by && entry.settings.ttl == sticky.ttl;
        let known = before.filter(is_same).and_then(|entry| entry.table.clone());
        let table = size.map(|size| {
            known.unwrap_or_else(|| Arc::new(Table::new(size, sticky.ttl.as_secs(), RandomState::new())))
        });
        let counters = before.map_or_else(|| self.blocks(), |entry| Arc::clone(&entry.counters));
        StickyEntry { settings: sticky.clone(), table, counters }
    }

    fn blocks<T: Default>(&self) -> PerWorker<T> {
        self.workers.iter().map(|_| Arc::default()).collect()
    }
}

impl ListenerEntry {
    fn is(&self, listener: &Listener) -> bool {
        self.bind == listener.bind && (listener.bind.port() != 0 || self.name == listener.name)
    }
}
