//! Which server takes the next request: the live state of servers and the algorithms over it. Pure: time and
//! randomness are arguments, there is no I/O.
//!
//! A [`Pool`] is immutable and shared by all workers; a [`Server`] is live and shared too; a [`Picker`] is one
//! worker's own memory of a pool (where its rotation stands, which servers are up) and shares nothing.

#![forbid(unsafe_code)]

mod budget;
pub mod ejection;
mod estimate;
mod maglev;
mod order;
mod outcomes;
mod percentile;
mod picker;
mod pool;
mod pressure;
mod rank;
mod rng;
mod server;
pub mod sticky;
mod subset;
mod warming;

pub use budget::Budget;
pub use estimate::Observation;
pub use maglev::{Tables, hash_key};
pub use outcomes::{Account, Seen, Times};
pub use percentile::Percentile;
pub use picker::{Ask, Load, Picker};
pub use pool::{Algorithm, Member, Policy, Pool, ServerIndex, Wants, WhenAllDown};
pub use pressure::{Pressure, Tally};
pub use rank::Rank;
pub use rng::Rng;
pub use server::{Epoch, Health, Server, WEIGHT_PERCENT_MAX};
pub use subset::Subset;
pub use warming::{RAMP_PERCENT_MIN, ramp_percent};
