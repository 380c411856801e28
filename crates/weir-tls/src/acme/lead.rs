//! Who orders, when several processes share a state directory: the one that holds its lock.
//!
//! The lock is the kernel's and is gone with the process that held it, however that ended, so no stale lock can keep
//! the others from taking over.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::event::{Event, Report};
use super::state::State;

/// Tries until the lock is ours, says so, and holds it until the task ends.
pub(super) async fn lead(
    state: State,
    mut held: Option<File>,
    leads: Arc<watch::Sender<bool>>,
    report: Report,
    look: Duration,
) {
    let mut troubled = false;
    while held.is_none() {
        tokio::time::sleep(look).await;
        match state.lock() {
            Ok(lock) => held = lock,
            // Once is enough: it will be the same each time.
            Err(problem) if !troubled => {
                troubled = true;
                report(Event::Trouble { name: None, problem });
            }
            Err(_) => {}
        }
        if held.is_some() {
            report(Event::Role { orders: true });
        }
    }
    leads.send_replace(true);
    std::future::pending::<()>().await;
}
