//! What a pool bears now, over all workers, and who waits for it to bear more.
//!
//! It belongs to the pool's name and outlives snapshots. Only pools with such a limit touch it: these are the numbers that
//! several workers write, and there is no way around that for a limit that all workers share.
//!
//! Waiting is first in, first out over all workers without a lock: whoever waits draws a ticket and stands in the line of
//! its worker, and each worker shows the ticket of its first. A room that becomes free is for the least of these. Its worker is
//! told; whoever was first and leaves, for whatever reason, tells the next.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

/// Things that are counted up to a limit.
#[derive(Debug, Default)]
pub struct Tally(AtomicU32);

impl Tally {
    /// Counts one in, unless `max` are in already.
    pub fn try_enter(&self, max: u32) -> bool {
        self.0.fetch_update(SeqCst, SeqCst, |count| (count < max).then_some(count + 1)).is_ok()
    }

    /// Counts one out.
    pub fn leave(&self) {
        let before = self.0.fetch_sub(1, SeqCst);
        assert!(before > 0, "one that never entered leaves");
    }

    /// How many are in at this moment.
    pub fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// What one pool bears.
#[derive(Debug)]
pub struct Pressure {
    /// Requests in flight, where that is limited.
    pub requests: Tally,
    /// Requests that wait for a connection, where that is limited.
    pub pending: Tally,
    /// Further attempts in flight, where that is limited.
    pub retries: Tally,
    /// Requests that wait for room.
    pub line: Line,
}

impl Pressure {
    /// Nothing yet.
    pub fn new(workers: usize) -> Self {
        Self {
            requests: Tally::default(),
            pending: Tally::default(),
            retries: Tally::default(),
            line: Line::new(workers),
        }
    }
}

/// Shown by a worker in which nobody waits.
const NOBODY: u64 = u64::MAX;

/// Those who wait, in the order in which they came.
#[derive(Debug)]
pub struct Line {
    waiting: Tally,
    /// Those who wait for one server, and have no turn.
    beside: Tally,
    next_ticket: AtomicU64,
    /// The ticket of each worker's first.
    first: Box<[First]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct First(AtomicU64);

impl Line {
    fn new(workers: usize) -> Self {
        Self {
            waiting: Tally::default(),
            beside: Tally::default(),
            next_ticket: AtomicU64::new(0),
            first: (0..workers).map(|_| First(AtomicU64::new(NOBODY))).collect(),
        }
    }

    /// Whether nobody waits for a turn: else whoever comes goes behind them.
    pub fn is_empty(&self) -> bool {
        self.waiting.0.load(SeqCst) == 0
    }

    /// How many wait, with a turn or without.
    pub fn len(&self) -> u32 {
        self.waiting.count() + self.beside.count()
    }

    /// A ticket for one more who waits; `None` when `max` do.
    pub fn arrive(&self, max: u32) -> Option<u64> {
        self.waiting.try_enter(max).then(|| self.next_ticket.fetch_add(1, SeqCst))
    }

    /// One more waits for one server alone: it keeps nobody from others. False when `max` do.
    pub fn arrive_beside(&self, max: u32) -> bool {
        self.beside.try_enter(max)
    }

    /// Who has arrived beside does not wait any more.
    pub fn leave_beside(&self) {
        self.beside.leave();
    }

    /// Who has arrived does not wait any more. Its worker has shown its first since.
    pub fn leave(&self) {
        self.waiting.leave();
    }

    /// Shows the first of a worker's own line. Called by that worker alone.
    pub fn show(&self, worker: usize, ticket: Option<u64>) {
        self.first[worker].0.store(ticket.unwrap_or(NOBODY), SeqCst);
    }

    /// The worker whose first is the first of all.
    pub fn first(&self) -> Option<usize> {
        let tickets = self.first.iter().map(|first| first.0.load(SeqCst));
        let (worker, ticket) = tickets.enumerate().min_by_key(|(_, ticket)| *ticket)?;
        (ticket != NOBODY).then_some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_never_above_its_limit() {
        let tally = Tally::default();
        assert!(tally.try_enter(2) && tally.try_enter(2) && !tally.try_enter(2));
        tally.leave();
        assert!(tally.try_enter(2));
        // A limit that a reload has lowered: nobody is thrown out, nobody comes in.
        assert!(!tally.try_enter(1));
        assert_eq!(tally.count(), 2);
    }

    #[test]
    fn the_first_is_who_came_first_whichever_worker_it_waits_in() {
        let line = Line::new(3);
        assert_eq!((line.is_empty(), line.first()), (true, None));
        let tickets: Vec<u64> = (0..3).map(|_| line.arrive(3).unwrap()).collect();
        assert_eq!(line.arrive(3), None, "it is full");
        line.show(2, Some(tickets[0]));
        line.show(0, Some(tickets[1]));
        assert_eq!(line.first(), Some(2));
        // It leaves, and one behind it in the same worker is first there.
        line.show(2, Some(tickets[2]));
        line.leave();
        assert_eq!((line.first(), line.len()), (Some(0), 2));
        assert!(line.arrive(3).unwrap() > tickets[2]);
    }
}
