//! What the control plane is told while checks run.

use std::net::SocketAddr;

use weir_balance::Health;

/// Something that whoever runs the process may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server is judged otherwise than before.
    HealthChanged(HealthChanged),
    /// A check could not be made for a reason on this side (no file descriptors, ports or memory). It says nothing
    /// about the server, so it counts neither way.
    NotChecked {
        /// The server's pool.
        pool: String,
        /// The server's label.
        label: String,
        /// What is missing.
        reason: String,
    },
}

/// A change of a server's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChanged {
    /// The server's pool.
    pub pool: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name in logs and metrics.
    pub label: String,
    /// What it was.
    pub from: Health,
    /// What it is now.
    pub to: Health,
    /// Why, for a person: `connection refused, 3 times in a row`.
    pub reason: String,
}
