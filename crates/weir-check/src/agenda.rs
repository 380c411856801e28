//! When what is due: the checks and readings of one pool, in the order of their times.
//!
//! One heap and one loop per pool, instead of a task and a timer per server: a server that waits costs an entry of 32
//! bytes. An entry is never taken out of the middle: whoever brings something forward puts in another one, and the one
//! that is out of date is passed over when its time comes. A server is brought forward at most once per check, so the heap
//! stays below a few entries per server. Those of servers that have left are taken out with them.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::watched::Watched;

/// What is to be done with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Check it.
    Check,
    /// Read what its agent says.
    Agent,
}

/// One line of an agenda.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) due: Instant,
    pub(crate) errand: Errand,
    pub(crate) watched: Arc<Watched>,
}

/// What lies before a pool's loop.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: Mutex<BinaryHeap<Reverse<Entry>>>,
    /// The first entry is another one than before.
    sooner: Notify,
}

impl Agenda {
    /// Enters something. It need not be in the future.
    pub(crate) fn put(&self, entry: Entry) {
        let mut entries = self.lock();
        let is_first = entries.peek().is_none_or(|Reverse(first)| entry.due < first.due);
        entries.push(Reverse(entry));
        drop(entries);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// Waits for the first entry to be due, and takes it. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&self) -> Entry {
        loop {
            let due = match self.take_due(Instant::now()) {
                Ok(entry) => return entry,
                Err(due) => due,
            };
            match due {
                // Woken or due: both end in another look.
                Some(due) => drop(timeout_at(due, self.sooner.notified()).await),
                None => self.sooner.notified().await,
            }
        }
    }

    /// Takes out what is entered for these servers, which have left.
    pub(crate) fn forget(&self, gone: &[Arc<Watched>]) {
        let gone: HashSet<*const Watched> = gone.iter().map(Arc::as_ptr).collect();
        self.lock().retain(|Reverse(entry)| !gone.contains(&Arc::as_ptr(&entry.watched)));
    }

    /// Whoever is gone lets go of its servers.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The first entry if it is due, or else when it will be.
    fn take_due(&self, now: Instant) -> Result<Entry, Option<Instant>> {
        let mut entries = self.lock();
        match entries.peek() {
            Some(Reverse(first)) if first.due > now => Err(Some(first.due)),
            Some(_) => entries.pop().map(|Reverse(entry)| entry).ok_or(None),
            None => Err(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Entry {}
