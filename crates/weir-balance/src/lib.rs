//! Which server takes the next request: the live state of servers and the algorithms over it. Pure: time and
//! randomness are arguments, there is no I/O.

#![forbid(unsafe_code)]

mod server;

pub use server::{Epoch, Health, Server};
