//! Since when a server drains.
//!
//! It belongs to the server's live state, for it must outlive a reload. Nobody tells it: weights change by a reload, by
//! an agent or by hand, and a backup drains because another server has come back. So whoever serves a client of the
//! server looks, and writes only when something has changed.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The moment in seconds, or 0.
#[derive(Debug, Default)]
pub(crate) struct Drain(AtomicU64);

impl Drain {
    /// Takes note of what is seen now. `None`: it does not drain.
    pub(crate) fn since(&self, drains: bool, now_s: u64) -> Option<u64> {
        let begun_s = self.0.load(Relaxed);
        match (drains, begun_s) {
            (false, 0) => None,
            (false, _) => {
                self.0.store(0, Relaxed);
                None
            }
            // Another worker may have been first.
            (true, 0) => match self.0.compare_exchange(0, now_s, Relaxed, Relaxed) {
                Ok(_) => Some(now_s),
                Err(begun_s) => Some(begun_s),
            },
            // A clock that was set back must not make a drain without end.
            (true, begun_s) if begun_s > now_s => {
                self.0.store(now_s, Relaxed);
                Some(now_s)
            }
            (true, begun_s) => Some(begun_s),
        }
    }
}
