//! The HTTP engine: decode, route, balance, relay, account.

#![forbid(unsafe_code)]

pub mod h1;
pub mod head;
