//! The engine's part of a snapshot: immutable, built whole by the control plane, shared by all workers.

use std::{sync::Arc, time::Duration};

use weir_balance::Pool;
use weir_config::{
    AdaptiveConcurrency, CircuitBreaker, HashKey, HeaderEdits, HttpSettings, KeepAlive, LoadSource,
    PoolProtocol, Queue, Route,
};
use weir_route::Table;
use weir_tls::acme::Challenges;

use crate::{
    access_log::AccessLog,
    attempt::PoolShared,
    counters::{ListenerCounters, RouteCounters, ServerCounters},
    forward::is_edited,
    h1::HeadLimits,
    mirror::MirrorSite,
    sticky::{CookieSite, StickySite},
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
    /// What ACME servers may ask for, on any listener and before any route.
    pub challenges: Challenges,
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
    /// Where clients are to use TLS.
    pub tls: Option<TlsSite>,
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

    /// Whoever speaks to it is taken to speak HTTP/2.
    pub(crate) fn takes_http2_alone(&self) -> bool {
        !self.settings.protocols.http1
    }

    /// `Strict-Transport-Security` for an answer with these edits, unless they say something of it themselves.
    pub(crate) fn hsts(&self, edits: &HeaderEdits) -> Option<&str> {
        let value = self.tls.as_ref()?.hsts.as_deref()?;
        (edits.is_empty() || !is_edited(edits, b"strict-transport-security")).then_some(value)
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

/// TLS of one listener.
#[derive(Debug)]
pub struct TlsSite {
    /// What is offered to clients.
    pub server: Arc<weir_tls::Server>,
    /// From the accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// The value of `Strict-Transport-Security`.
    pub hsts: Option<String>,
    /// Clients are asked for certificates.
    pub asks_clients: bool,
}

/// One route.
#[derive(Debug)]
pub struct RouteSite {
    /// As it was written.
    pub route: Route,
    /// Keeps clients on their side of its split.
    pub split_sticky: Option<CookieSite>,
    /// Where copies of its requests go.
    pub mirror: Option<MirrorSite>,
    /// One block per worker.
    pub counters: PerWorker<RouteCounters>,
}

/// One pool.
#[derive(Debug)]
pub struct PoolSite {
    /// Its servers, live, and the algorithm that picks one.
    pub pool: Pool,
    /// What is counted of its servers' answers.
    pub judged_by: JudgedBy,
    /// What is hashed, when the algorithm hashes.
    pub hash_key: Option<HashKey>,
    /// Where servers say what they have to do, when the algorithm goes by that.
    pub load_source: Option<LoadSource>,
    /// What is spoken to its servers.
    pub protocol: PoolProtocol,
    /// What is asked of its servers, where they are to use TLS.
    pub tls: Option<Arc<weir_tls::Client>>,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// Idle connections.
    pub keep_alive: KeepAlive,
    /// Keeps clients on their servers.
    pub sticky: Option<StickySite>,
    /// Requests that wait for room.
    pub queue: Option<Queue>,
    /// What it is asked to bear at most.
    pub breaker: CircuitBreaker,
    /// Requests are refused that could only wait.
    pub adaptive_concurrency: Option<AdaptiveConcurrency>,
    /// Requests in flight are limited, on a server or in all.
    pub is_limited: bool,
    /// What all workers share of it.
    pub shared: Arc<PoolShared>,
    /// In the order of the pool's members.
    pub servers: Vec<PerWorker<ServerCounters>>,
}

/// What is counted of a server's answers for whoever takes it out by that, so that nothing else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JudgedBy {
    /// How many are good, and how many are not.
    pub outcomes: bool,
    /// How long the good ones take.
    pub times: bool,
}

/// One block of counters for each worker. They are shared with the registry of the control plane, which keeps them
/// over reloads.
pub type PerWorker<T> = Arc<[Arc<T>]>;
