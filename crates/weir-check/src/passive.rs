//! What workers met on their way: connects that failed.
//!
//! A worker never waits for the control plane: when the queue is full the signal is dropped and counted. A
//! full queue holds enough failures to bring down whatever is down.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::mpsc;
use weir_balance::Server;

/// The most signals that wait for the control plane.
pub const PASSIVE_QUEUE_MAX: usize = 1024;

/// A worker could not connect to `server`.
#[derive(Debug, Clone)]
pub struct ConnectFailure {
    /// The server that could not be reached.
    pub server: Arc<Server>,
}

/// A worker's end of the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PassiveSender {
    queue: mpsc::Sender<ConnectFailure>,
    dropped: Arc<AtomicU64>,
}

impl PassiveSender {
    /// Hands the signal over, or drops and counts it. Never waits.
    pub fn try_send(&self, failure: ConnectFailure) {
        if self.queue.try_send(failure).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Signals dropped so far, over all clones.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

pub(crate) fn channel() -> (PassiveSender, mpsc::Receiver<ConnectFailure>) {
    let (queue, receiver) = mpsc::channel(PASSIVE_QUEUE_MAX);
    (PassiveSender { queue, dropped: Arc::default() }, receiver)
}

#[cfg(test)]
mod tests {
    use weir_balance::Epoch;

    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (sender, mut receiver) = channel();
        let server = Arc::new(Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::new(Epoch::default()), 1));
        for _ in 0..PASSIVE_QUEUE_MAX + 3 {
            sender.clone().try_send(ConnectFailure { server: Arc::clone(&server) });
        }
        assert_eq!(sender.dropped(), 3);
        let mut taken = 0;
        while receiver.try_recv().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, PASSIVE_QUEUE_MAX);
    }
}
