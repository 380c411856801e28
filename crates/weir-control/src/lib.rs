//! The control plane: loads files, builds snapshots, runs workers and checks, answers metrics.
//!
//! [`start`] brings everything up and gives a handle, [`run`] does so and then lives by the process's signals. The way
//! of a change of the file is [`reload`](Running::reload): loaded, checked and built whole beside the running state,
//! which it then replaces, or changes nothing.

#![forbid(unsafe_code)]

mod acme;
pub mod balance;
mod certificates;
pub mod log;
pub mod metrics;
mod process;
mod registry;
mod running;
mod snapshot;
mod sockets;
mod source;
mod sticky;
mod tls;
mod workers;

pub use process::run;
pub use running::{Running, start};
pub use source::{Error, Source};
pub use tls::check;
