//! TLS on both sides, certificates, and the ACME client. The only crate that names rustls.
//!
//! [`Stream`] is what the engines see: bytes to and from a peer, whether they are encrypted on the way or not. [`Server`]
//! and [`Client`] are what the control plane makes of the configuration of a listener and of a pool.

#![forbid(unsafe_code)]

pub mod acme;
pub mod certs;
mod client;
mod files;
mod handshake;
mod identity;
mod keys;
mod own_secrets;
mod private;
mod seals;
mod server;
mod session;
mod stream;
mod suites;
mod tickets;
mod websocket;

pub use client::Client;
pub use files::{SystemRoots, read_file, shared_secrets};
pub use handshake::{Failure, Handshake, why};
pub use identity::{CLIENT_CERTIFICATE_BYTES_MAX, Identity};
pub use own_secrets::{OwnSecrets, check_own_secrets, own_secrets};
pub use seals::{SEALED_PLAIN_BYTES_MAX, SealRoom, Seals};
pub use server::Server;
pub use session::{Rooms, Session};
pub use stream::Stream;
pub use tickets::Tickets;
pub use websocket::{WEBSOCKET_ACCEPT_LEN, WEBSOCKET_KEY_LEN, websocket_accept, websocket_key};
