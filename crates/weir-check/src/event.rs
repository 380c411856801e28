//! What the control plane is told while checks run.

use std::{net::SocketAddr, time::Duration};

use weir_balance::{Health, WhenAllDown, ejection::Cause};

/// Something that whoever runs the process may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server is judged otherwise than before.
    HealthChanged(HealthChanged),
    /// A server's agent gives it another live weight.
    WeightChanged(WeightChanged),
    /// A server is taken out, or in again, for what traffic has shown.
    EjectionChanged(EjectionChanged),
    /// A server would have to be taken out, but as many of its pool are out as may be.
    EjectionHeld {
        /// The server's pool.
        pool: String,
        /// The server's label.
        label: String,
        /// Why it would have to be, for a person.
        reason: String,
    },
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
    /// No server of a pool takes new requests any more: each is down, ejected, drains, or has no weight.
    AllDown(AllDown),
    /// A server of a pool takes new requests again, the first after [`Event::AllDown`].
    NoLongerAllDown {
        /// The pool.
        pool: String,
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

/// A change of a server's live weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChanged {
    /// The server's pool.
    pub pool: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name in logs and metrics.
    pub label: String,
    /// Percent of the written weight before.
    pub from: u16,
    /// Percent of the written weight now; 0 while it drains.
    pub to: u16,
    /// Why, for a person.
    pub reason: String,
}

/// A server that is taken out or in for what traffic has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EjectionChanged {
    /// The server's pool.
    pub pool: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name in logs and metrics.
    pub label: String,
    /// For what it is out, and for how long; `None`: it is in again.
    pub to: Option<(Cause, Duration)>,
    /// Why, for a person.
    pub reason: String,
}

/// A pool without a server that takes new requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllDown {
    /// The pool.
    pub pool: String,
    /// What happens with its requests now.
    pub when_all_down: WhenAllDown,
    /// How many servers it has.
    pub servers: usize,
}
