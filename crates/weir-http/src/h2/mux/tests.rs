//! Frames in, frames out: what RFC 9113 demands of a connection, section by section, and what its peer cannot do to it.

mod abuse;
mod client;
mod connection;
mod end;
mod exchanges;
mod flow;
mod leaks;
mod model;
mod streams;
mod wire;
