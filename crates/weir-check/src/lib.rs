//! Health checks: one judgement per server, shared by all workers.
//!
//! A [`Checker`] runs on the control runtime and asks every server in turn, each at its own time. Workers add
//! what they meet on the way: a connect that failed is reported over a [`PassiveSender`] and counts as one
//! failed check. An agent beside a server may say how much it wants to get. The judgement itself ([`verdict`]) is pure; it
//! is written into the live [`weir_balance::Server`], which is all that the workers read.
//!
//! Beside the checks, one loop looks at what workers have counted of answers, and takes servers out for that (`ejector` drives
//! [`weir_balance::ejection`]). What changes how a server stands is entered in one history, whoever found it.
//!
//! Rejected: one judge per worker. Eight workers would ask every server eight times and disagree for as long
//! as their counts differ.

#![forbid(unsafe_code)]

mod agenda;
pub mod agent;
mod checker;
mod ejector;
mod event;
mod history;
mod lateness;
mod passive;
mod pool;
mod probe;
mod said;
mod schedule;
pub mod verdict;
mod watched;

pub use checker::{Checker, PoolTargets, Speech, Target};
pub use event::{AllDown, EjectionChanged, Event, HealthChanged, WeightChanged};
pub use history::{Change, HISTORY_MAX, History, Standing};
pub use lateness::{LATENESS_BOUNDS_MS, Lateness};
pub use passive::{ConnectFailure, PASSIVE_QUEUE_MAX, PassiveSender};
pub use watched::Status;

/// The most checks under way at once, over all servers: each holds a file descriptor.
pub const CHECKS_IN_FLIGHT_MAX: usize = 1024;

/// The most programs of `exec` that run at once, over all servers.
pub const PROGRAMS_MAX: usize = 32;
