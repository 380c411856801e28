//! The live state of one server.
//!
//! It belongs to the server's identity (its pool's name and its address), not to a snapshot: whoever reloads
//! hands the same [`Server`] on, so health, in-flight counts and history survive every change of the file.
//!
//! Everything that a worker writes lies on a cache line of its own; all other workers only read it. Health and
//! the live weight are written by the control plane alone.

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
};

use crate::{ejection::Cause, estimate::Estimate, outcomes::Outcomes, sticky::Drain};

/// What the checks know of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Not checked yet: gets no traffic.
    Unknown = 0,
    /// Gets traffic.
    Up = 1,
    /// Gets none.
    Down = 2,
}

impl Health {
    /// The word used in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// The largest live weight, in percent of the written one.
pub const WEIGHT_PERCENT_MAX: u16 = 1000;

/// Counts the changes of health and live weight in one pool, so that a worker notices with one load that what it knows of the
/// pool is out of date.
#[derive(Debug, Default)]
pub struct Epoch(AtomicU64);

impl Epoch {
    /// The current count. Whoever reads it sees every health and live weight that was set before it was reached:
    /// with less, a worker could see the count but not yet the health, and keep the old one until the next change.
    pub fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    fn advance(&self) {
        self.0.fetch_add(1, Release);
    }
}

/// One server, live: shared by every snapshot that names it, by all workers and by the checks.
#[derive(Debug)]
pub struct Server {
    pool: String,
    address: SocketAddr,
    health: AtomicU8,
    weight_percent: AtomicU16,
    ramp_percent: AtomicU8,
    /// 0, or the cause for which it is taken out.
    ejected: AtomicU8,
    /// Requests in flight over all workers; counted only where a limit asks for it.
    places: AtomicU32,
    epoch: Arc<Epoch>,
    lanes: Box<[Lane]>,
    drain: Drain,
}

/// What one worker knows, alone on its cache lines (two, since CPUs fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    in_flight: AtomicU32,
    estimate: Estimate,
    outcomes: Outcomes,
}

impl Server {
    /// A server that no check has seen yet. `epoch` is that of its pool, `workers` how many will count in it.
    pub fn new(pool: &str, address: SocketAddr, epoch: Arc<Epoch>, workers: usize) -> Self {
        Self {
            pool: pool.to_owned(),
            address,
            health: AtomicU8::new(Health::Unknown as u8),
            weight_percent: AtomicU16::new(100),
            ramp_percent: AtomicU8::new(100),
            ejected: AtomicU8::new(0),
            places: AtomicU32::new(0),
            epoch,
            lanes: (0..workers).map(|_| Lane::default()).collect(),
            drain: Drain::default(),
        }
    }

    /// The name of the pool that it belongs to.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether this is the epoch that it advances.
    pub(crate) fn advances(&self, epoch: &Arc<Epoch>) -> bool {
        Arc::ptr_eq(&self.epoch, epoch)
    }

    /// What the checks know of it.
    pub fn health(&self) -> Health {
        match self.health.load(Relaxed) {
            0 => Health::Unknown,
            1 => Health::Up,
            _ => Health::Down,
        }
    }

    /// Sets its health and tells the workers. Returns what it was before. For the control plane only.
    pub fn set_health(&self, health: Health) -> Health {
        let before = self.health();
        if before != health {
            self.health.store(health as u8, Relaxed);
            self.epoch.advance();
        }
        before
    }

    /// Its live weight in percent of the written one: 100 as long as nobody says otherwise, 0 while it drains.
    pub fn weight_percent(&self) -> u16 {
        self.weight_percent.load(Relaxed)
    }

    /// Sets its live weight and tells the workers. Returns what it was before. For the control plane only.
    pub fn set_weight_percent(&self, percent: u16) -> u16 {
        assert!(percent <= WEIGHT_PERCENT_MAX, "a live weight of {percent}%");
        let before = self.weight_percent();
        if before != percent {
            self.weight_percent.store(percent, Relaxed);
            self.epoch.advance();
        }
        before
    }

    /// Whether it takes no new requests but those of clients that stick to it.
    pub fn is_draining(&self) -> bool {
        self.weight_percent() == 0
    }

    /// How much of its weight a server has that is warming up, in percent.
    pub fn ramp_percent(&self) -> u8 {
        self.ramp_percent.load(Relaxed)
    }

    /// Sets how much of its weight it has, 1 to 100, and tells the workers. For the control plane only.
    pub fn set_ramp_percent(&self, percent: u8) {
        assert!((1..=100).contains(&percent), "{percent}% of a weight");
        if self.ramp_percent.swap(percent, Relaxed) != percent {
            self.epoch.advance();
        }
    }

    /// Why it is taken out for what traffic has shown; `None`: it is not.
    pub fn ejected(&self) -> Option<Cause> {
        Cause::from_number(self.ejected.load(Relaxed))
    }

    /// Takes it out or in again, and tells the workers. For the control plane only.
    pub fn set_ejected(&self, cause: Option<Cause>) {
        let number = cause.map_or(0, Cause::number);
        if self.ejected.swap(number, Relaxed) != number {
            self.epoch.advance();
        }
    }

    /// Whether it may get new requests: it is up, and not taken out.
    pub fn is_usable(&self) -> bool {
        self.health() == Health::Up && self.ejected().is_none()
    }

    /// Whether those that belong to it may stay: it is up, and not taken out because it fails. One that is only slow
    /// still knows them.
    pub(crate) fn keeps_clients(&self) -> bool {
        self.health() == Health::Up && self.ejected().is_none_or(|cause| cause == Cause::Latency)
    }

    /// Counts what came of a request, for who judges the server by that. `latency_us` is the time to the head of a good
    /// answer, if anybody wants it. Called by `worker` alone for its own lane.
    pub fn count(&self, worker: usize, failed: bool, latency_us: Option<u32>) {
        self.lanes[worker].outcomes.count(failed, latency_us);
    }

    /// Counts how long a request has taken so far whose answer nobody waits for any more. Called as [`Server::count`].
    pub fn count_time(&self, worker: usize, latency_us: Option<u32>) {
        self.lanes[worker].outcomes.count_time(latency_us);
    }

    /// What each worker has counted.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &Outcomes> {
        self.lanes.iter().map(|lane| &lane.outcomes)
    }

    /// Since when it drains, as its sticky clients have noticed.
    pub(crate) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Counts a request in. Called by `worker` alone for its own lane, so a load and a store suffice.
    pub fn begin(&self, worker: usize) {
        let lane = &self.lanes[worker].in_flight;
        lane.store(lane.load(Relaxed) + 1, Relaxed);
    }

    /// Counts a request out, by the worker that counted it in.
    pub fn end(&self, worker: usize) {
        let lane = &self.lanes[worker].in_flight;
        let count = lane.load(Relaxed);
        assert!(count > 0, "a request that never began has ended");
        lane.store(count - 1, Relaxed);
    }

    /// Requests in flight over all workers. A moment's view: lanes are read one after another.
    pub fn in_flight(&self) -> u32 {
        self.lanes.iter().map(|lane| lane.in_flight.load(Relaxed)).sum()
    }

    /// Requests in flight of one worker.
    pub fn in_flight_of(&self, worker: usize) -> u32 {
        self.lanes[worker].in_flight.load(Relaxed)
    }

    /// Takes one of `max` places, which all workers share: no more requests than that are ever in flight.
    ///
    /// This is the one number on the way of a request that several workers write, and only where somebody has set a
    /// limit: a limit over all workers is known to all workers.
    pub fn try_enter(&self, max: u32) -> bool {
        self.places.fetch_update(SeqCst, SeqCst, |taken| (taken < max).then_some(taken + 1)).is_ok()
    }

    /// Gives a place back.
    pub fn leave(&self) {
        let before = self.places.fetch_sub(1, SeqCst);
        assert!(before > 0, "a place that was never taken is given back");
    }

    /// Whether all of `max` places are taken, at this moment.
    pub fn is_full(&self, max: u32) -> bool {
        self.places.load(SeqCst) >= max
    }

    /// What `worker` has seen of its answers.
    pub(crate) fn estimate(&self, worker: usize) -> &Estimate {
        &self.lanes[worker].estimate
    }

    /// The time that `worker` expects of an answer, in microseconds; `None` before the first.
    pub fn expected_us(&self, worker: usize) -> Option<f32> {
        self.lanes[worker].estimate.last_us()
    }
}

#[cfg(all(loom, test))]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_health_or_live_weight_advances_the_epoch() {
        let epoch = Arc::new(Epoch::default());
        let server = Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::clone(&epoch), 1);
        assert_eq!((server.weight_percent(), server.is_draining(), epoch.get()), (100, false, 0));
        assert_eq!(server.set_health(Health::Up), Health::Unknown);
        assert_eq!(server.set_weight_percent(0), 100);
        assert_eq!((server.weight_percent(), server.is_draining(), epoch.get()), (0, true, 2));
        assert_eq!(server.set_weight_percent(0), 0);
        assert_eq!(server.set_health(Health::Up), Health::Up);
        assert_eq!(epoch.get(), 2, "nothing has changed");
    }
}
