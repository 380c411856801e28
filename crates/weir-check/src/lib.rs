//! Health checks: one judgement per server, shared by all workers.
//!
//! A [`Checker`] runs on the control runtime and asks every server in turn, each at its own time. Workers add
//! what they meet on the way: a connect that failed is reported over a [`PassiveSender`] and counts as one
//! failed check. The judgement itself ([`verdict`]) is pure; it is written into the live
//! [`weir_balance::Server`], which is all that the workers read.
//!
//! Rejected: one judge per worker. Eight workers would ask every server eight times and disagree for as long
//! as their counts differ.

#![forbid(unsafe_code)]

mod checker;
mod event;
mod passive;
mod probe;
mod schedule;
pub mod verdict;
mod watched;

pub use checker::{Checker, Speech, Target};
pub use event::{Event, HealthChanged};
pub use passive::{ConnectFailure, PASSIVE_QUEUE_MAX, PassiveSender};
pub use watched::Status;

/// The most checks under way at once, over all servers: each holds a file descriptor.
pub const CHECKS_IN_FLIGHT_MAX: usize = 1024;
