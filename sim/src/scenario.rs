//! What is simulated.

use std::time::Duration;

use weir_balance::{Algorithm, Policy, Rank};

use crate::Service;

/// One run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Who decides.
    pub balancer: Balancer,
    /// Servers, each as its relative speed and its weight. The mean speed counts as 1.
    pub servers: Vec<(f64, u16)>,
    /// How each server is preferred, as a node in the first zone sees it. Empty: all alike.
    pub ranks: Vec<Rank>,
    /// How traffic comes in by zones; nodes stand in them in the same proportion. Empty: there are none.
    pub traffic: Vec<u32>,
    /// Weir nodes (or workers that share nothing). Requests come to them at random.
    pub nodes: usize,
    /// How much of what all servers could do together is asked of them, 0 to 1.
    pub load: f64,
    /// How long requests take.
    pub service: Service,
    /// Their mean, at a server of speed 1: what a second of a timer is worth.
    pub service_time: Duration,
    /// What goes wrong.
    pub trouble: Trouble,
    /// Requests that come before those that are measured; `None`: as many as it takes until what a start from idle was
    /// like is forgotten.
    pub warm_up: Option<u64>,
    /// Measured at least.
    pub requests: u64,
    /// More are measured until the 99th percentile is known with this relative standard error, or until it takes
    /// too long. A queue that is nearly full remembers for thousands of service times, so what a run has seen of it may
    /// be far less than it seems.
    pub precision: Option<f64>,
    /// The same seed gives the same run.
    pub seed: u64,
}

/// Who decides which server takes a request.
#[derive(Debug, Clone)]
pub enum Balancer {
    /// Each node for itself.
    Nodes(Policy),
    /// One queue for all servers, which nobody has: the bound.
    CentralQueue,
}

/// What goes wrong with some servers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// This share is slowed by the factor, for 30 of every 90 seconds.
    Slow {
        /// Of all servers.
        share: f64,
        /// How many times longer everything takes.
        factor: f64,
    },
    /// This share answers every request at once, with an error.
    FailFast {
        /// Of all servers.
        share: f64,
    },
    /// This share restarts every 90 seconds: a second down, then cold, at a tenth of its speed, and warm after 30 s.
    Cold {
        /// Of all servers.
        share: f64,
    },
}

impl Scenario {
    /// Equal servers without trouble.
    pub fn new(algorithm: Algorithm, servers: usize, nodes: usize, load: f64) -> Self {
        Self {
            balancer: Balancer::Nodes(Policy::new(algorithm)),
            servers: vec![(1.0, 1); servers],
            ranks: Vec::new(),
            traffic: Vec::new(),
            nodes,
            load,
            service: Service::Exponential,
            service_time: Duration::from_millis(10),
            trouble: Trouble::None,
            warm_up: None,
            requests: 1_000_000,
            precision: None,
            seed: 1,
        }
    }

    /// The zone where a node stands, and its number among the nodes there.
    pub(crate) fn place(&self, node: usize) -> (usize, u64) {
        let sum: u64 = self.traffic.iter().copied().map(u64::from).sum();
        let zone = |node: usize| {
            let mut left = (2 * node as u64 + 1) * sum / (2 * self.nodes as u64).max(1);
            self.traffic.iter().position(|&part| match left.checked_sub(part.into()) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
        };
        let Some(own) = zone(node) else { return (0, node as u64) };
        (own, (0..node).filter(|&before| zone(before) == Some(own)).count() as u64)
    }

    /// Requests that come before those that are measured.
    pub(crate) fn warm_up(&self) -> u64 {
        if let Some(requests) = self.warm_up {
            return requests;
        }
        // What takes longer than the measuring itself is cut: a run at the edge of what is possible has no steady state
        // to wait for.
        ((3.0 * self.memory()) as u64).clamp(self.requests / 5, self.requests.saturating_mul(3))
    }

    /// Requests until a single queue has forgotten how it was (its relaxation time), over all queues.
    pub(crate) fn memory(&self) -> f64 {
        self.load * self.servers.len() as f64 / (1.0 - self.load.min(0.999).sqrt()).powi(2)
    }
}
