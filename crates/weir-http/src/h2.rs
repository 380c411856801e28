//! The HTTP/2 codec (RFC 9113). It does no I/O.

pub mod abuse;
pub mod error;
mod flow;
mod frame;
pub mod head;
pub mod hpack;
pub mod mux;
mod output;
mod queue;
pub mod settings;
mod stream;
mod streams;

pub use abuse::{Abuse, Budget, Budgets};
pub use error::{ErrorCode, Fatal, StreamEnd};
pub use mux::{Full, Mux, Opening, Refusals, StreamKey};
pub use settings::{HEADS_BYTES_MAX, Settings};

/// DATA frames below this, in bytes, that do not end their stream draw on `Budgets::small_data`.
pub const SMALL_DATA_BYTES: u32 = 16;
