//! A fake world for the real balancing code: servers that queue, nodes that pick, and a clock that jumps from event to
//! event.
//!
//! What decides here is [`weir_balance`] itself, unchanged: each node has its own pool, picker and view of every server,
//! as one worker of one Weir has, and knows of other nodes only what it sees of the servers. Everything random comes from
//! the seed, so a run repeats to the last digit.
//!
//! Servers take requests in the order in which they come, one at a time. That is what queueing theory can say something
//! exact about (`tests/theory.rs`), and harder on balancing than servers that work on many at once.

#![forbid(unsafe_code)]

mod distribution;
mod histogram;
mod node;
mod scenario;
mod server;
pub mod tables;
mod world;

pub use distribution::Service;
pub use histogram::Histogram;
pub use scenario::{Balancer, Scenario, Trouble};
pub use world::{Outcome, run};
