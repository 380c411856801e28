//! The stage for end-to-end tests: the real `weir` binary between scripted clients and scripted servers.
//!
//! A test reads as a script: servers ([`Origin`]), a configuration ([`Weir::start`]), a client ([`Client`]), what is
//! expected. Both ends are plain threads and blocking sockets that share no code with Weir: a mistake in its codec
//! cannot hide behind the same mistake here. Nothing sleeps to be in step with anything; whoever waits, waits for a
//! state that can be seen, with a deadline ([`wait`]).

#![forbid(unsafe_code)]

pub mod client;
pub mod folder;
pub mod h2;
pub mod kernel;
pub mod load;
pub mod message;
pub mod metrics;
pub mod origin;
pub mod pattern;
pub mod pebble;
pub mod peer;
pub mod pki;
pub mod python;
pub mod tls;
pub mod wait;
pub mod weir;

pub use client::Client;
pub use load::Load;
pub use message::{Fields, Request, Response};
pub use metrics::Metrics;
pub use origin::Origin;
pub use wait::{until, until_lines};
pub use weir::Weir;
