//! The engine's part of a snapshot: immutable, built whole by the control plane, shared by all workers.

use std::{sync::Arc, time::Duration};

use weir_balance::Pool;
use weir_config::{HashKey, HttpSettings, KeepAlive, PoolProtocol, Route};
use weir_route::Table;

use crate::{
    access_log::AccessLog,
    counters::{ListenerCounters, RouteCounters, ServerCounters},
    h1::HeadLimits,
};

/// Names a listener for as long as its address is listened on, over all reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u32);

/// Everything that the HTTP engine knows of the configuration.
#[derive(Debug)]
pub struct Site {
    /// Where requests come in.
    pub listeners: Vec<ListenerSite>,
    /// Where they go; `PoolIndex` indexes this list.
    pub pools: Vec<PoolSite>,
    /// Where exchanges are written down.
    pub access_log: Option<Arc<AccessLog>>,
}

/// One listener.
#[derive(Debug)]
pub struct ListenerSite {
    /// Which sockets are its.
    pub id: ListenerId,
    /// Its name in logs and metrics.
    pub name: String,
    /// Limits and habits.
    pub settings: HttpSettings,
    /// What is offered to clients, where they are to use TLS.
    pub tls: Option<Arc<weir_tls::Server>>,
    /// Finds the route of a request; its indices are those of `routes`.
    pub table: Table,
    /// The routes in their written order.
    pub routes: Vec<RouteSite>,
    /// One block per worker.
    pub counters: PerWorker<ListenerCounters>,
}

impl ListenerSite {
    /// A client without TLS may begin with HTTP/2 (RFC 9113 section 3.3).
    pub(crate) fn takes_prior_knowledge(&self) -> bool {
        self.tls.is_none() && self.settings.protocols.h2
    }

    /// The limits of a request's head.
    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            bytes_max: self.settings.max_header_bytes,
            fields_max: self.settings.max_headers,
            uri_bytes_max: self.settings.max_uri_bytes,
        }
    }
}

/// One route.
#[derive(Debug)]
pub struct RouteSite {
    /// As it was written.
    pub route: Route,
    /// One block per worker.
    pub counters: PerWorker<RouteCounters>,
}

/// One pool.
#[derive(Debug)]
pub struct PoolSite {
    /// Its servers, live, and the algorithm that picks one.
    pub pool: Pool,
    /// What is hashed, when the algorithm hashes.
    pub hash_key: Option<HashKey>,
    /// What is spoken to its servers.
    pub protocol: PoolProtocol,
    /// What is asked of its servers, where they are to use TLS.
    pub tls: Option<Arc<weir_tls::Client>>,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// Idle connections.
    pub keep_alive: KeepAlive,
    /// In the order of the pool's members.
    pub servers: Vec<PerWorker<ServerCounters>>,
}

/// One block of counters for each worker. They are shared with the registry of the control plane, which keeps them
/// over reloads.
pub type PerWorker<T> = Arc<[Arc<T>]>;
