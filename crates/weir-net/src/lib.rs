//! What every engine stands on: pinned workers, listening sockets, streams, buffers, deadlines.
//!
//! Nothing here knows a protocol. Everything but [`listen`] and [`worker`] belongs to one worker and is neither
//! `Send` nor locked.

#![forbid(unsafe_code)]

pub mod buffer;
pub mod deadline;
pub mod listen;
pub mod slot;
pub mod slow_lane;
pub mod spares;
pub mod stream;
pub mod worker;

pub use buffer::{BUFFER_BYTES, Buffer, Buffers};
pub use deadline::{Deadline, Deadlines};
pub use slot::{Hatch, Slots};
pub use slow_lane::SlowLane;
pub use spares::Spares;
pub use stream::Stream;
