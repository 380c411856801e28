//! The HTTP engine: decode, route, balance, relay, account.
//!
//! One [`Engine`] per worker, on the worker's own event loop. The way of a request is `exchange::run`, to be read from
//! top to bottom; [`Site`] is what the control plane builds for it.

#![forbid(unsafe_code)]

mod access_log;
mod answer;
mod attempt;
mod challenge;
mod connection;
pub mod counters;
mod deadline;
mod engine;
mod exchange;
mod faults;
mod forward;
#[doc(hidden)]
pub mod fuzzing;
pub mod grpc;
pub mod h1;
pub mod h2;
pub mod head;
mod mirror;
mod multiplex;
mod prequal;
mod pump;
mod relay;
mod site;
mod sticky;
mod tunnel;
mod upstream;
mod view;
mod wire;

pub use access_log::AccessLog;
pub use attempt::{PoolShared, ShownLimit};
pub use engine::{Engine, OnConnectFailure, Shared};
pub use mirror::MirrorSite;
pub use site::{JudgedBy, ListenerId, ListenerSite, PerWorker, PoolSite, RouteSite, Site, TlsSite};
pub use sticky::{CookieSite, StickyBy, StickySite};
