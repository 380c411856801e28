//! Overload: a place among the requests of this worker that wait for the head of their answer, in a pool with
//! `adaptive_concurrency`.
//!
//! A place is held from the request's entry into the pool to the head of its answer, over all attempts, and no longer: that is
//! what the limit's latencies are of, so a tunnel, a stream or a download holds none while it lasts. Whoever finds no place
//! is refused at once and never queued, for a queue is what is to be avoided.

use std::{cell::RefCell, rc::Rc, time::Duration};

use weir_balance::Gradient;
use weir_config::AdaptiveConcurrency;

use super::{Attempts, Failure};
use crate::{
    connection::Connection,
    counters::{Counter, Limit},
    engine::Worker,
    exchange::End,
    relay::Outcome,
    site::PoolSite,
    upstream::PoolLink,
};

/// One worker's limit on one pool. Goes on over reloads.
#[derive(Debug)]
pub(crate) struct OwnLimit(RefCell<Gradient>);

/// The limit of one worker, for the control plane to read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShownLimit(Counter);

impl ShownLimit {
    /// The most that it lets in at the moment; 0 if there is no limit.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

impl OwnLimit {
    /// That of a pool, which goes on with what was known of its last form.
    pub(crate) fn of(site: &PoolSite, worker: usize, last: Option<&PoolLink>) -> Option<Rc<Self>> {
        let Some(AdaptiveConcurrency { min, max }) = site.adaptive_concurrency else {
            site.shared.limits[worker].0.set(0);
            return None;
        };
        let known = last.and_then(|last| last.limit.as_ref());
        let limit = known.map_or_else(|| Rc::new(Self(RefCell::new(Gradient::new(min, max)))), Rc::clone);
        limit.0.borrow_mut().bound(min, max);
        limit.show(site, worker);
        Some(limit)
    }

    /// Lets the control plane know.
    fn show(&self, site: &PoolSite, worker: usize) {
        let (shown, limit) = (&site.shared.limits[worker].0, u64::from(self.0.borrow().limit()));
        if shown.get() != limit {
            shown.set(limit);
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    limit: Rc<OwnLimit>,
    /// When the request went out for the last time, on the worker's clock, if its answer is waited for.
    sent: Option<Duration>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limit.0.borrow_mut().leave();
    }
}

impl Attempts<'_> {
    /// Takes a place in a pool where these are limited, unless the request has one.
    pub(super) fn enter(&mut self, connection: &Connection) -> Result<(), End> {
        let Some(limit) = &self.link.limit else { return Ok(()) };
        if self.place.get_mut().is_some() {
            return Ok(());
        }
        if !limit.0.borrow_mut().try_enter() {
            connection.worker.counters.reached(Limit::AdaptiveConcurrency);
            let name = self.site.pool.name();
            return Err(End::busy(format!("pool `{name}` is overloaded: more requests would only wait")));
        }
        self.place.set(Some(Place { limit: Rc::clone(limit), sent: None }));
        Ok(())
    }

    /// The request has gone out.
    #[inline]
    pub(crate) fn has_sent(&self, worker: &Worker) {
        if self.link.limit.is_none() {
            return;
        }
        if let Some(mut place) = self.place.take() {
            place.sent = Some(worker.deadlines.now());
            self.place.set(Some(place));
        }
    }

    /// The head of an answer with this status has come. Errors are no measure of how long work takes: most come fast.
    #[inline]
    pub(crate) fn has_head(&self, worker: &Worker, status: u16) {
        if self.link.limit.is_none() {
            return;
        }
        self.tell(worker, |limit, now_us, took_us| {
            if status < 500 {
                limit.sample(now_us, took_us);
            }
        });
    }

    /// What has come of an attempt. Of those without a head, one that ran out of time tells how long it had, and so does a
    /// client that has waited for long.
    #[inline]
    pub(crate) fn has_ended(&self, worker: &Worker, result: &Result<Outcome, End>) {
        if self.link.limit.is_none() {
            return;
        }
        self.tell(worker, |limit, now_us, took_us| match result {
            Ok(Outcome::Failed { failure: Failure::Timeout, .. }) => limit.sample(now_us, took_us),
            Err(End::Answer(answer)) if answer.status == 504 => limit.sample(now_us, took_us),
            Err(End::Gone) => limit.gave_up(now_us, took_us),
            _ => {}
        });
    }

    /// The answer goes to the client: nothing is waited for any more.
    #[inline]
    pub(crate) fn give_place(&self) {
        if self.link.limit.is_some() {
            drop(self.place.take());
        }
    }

    fn tell(&self, worker: &Worker, tell: impl FnOnce(&mut Gradient, u64, u32)) {
        let Some(mut place) = self.place.take() else { return };
        if let Some(sent) = place.sent.take() {
            let now = worker.deadlines.now();
            let took_us = now.saturating_sub(sent).as_micros().min(u32::MAX.into()) as u32;
            tell(&mut place.limit.0.borrow_mut(), now.as_micros() as u64, took_us);
            place.limit.show(self.site, worker.index);
        }
        self.place.set(Some(place));
    }
}
