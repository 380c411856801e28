//! Room for a request: on a server (`max_connections`), in the pool (`max_requests`), or in the line before it (`queue`).
//!
//! A pool without such limits never comes here, nor does it write what workers share.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    mem,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use weir_balance::{Pressure, ServerIndex};
use weir_config::Queue;
use weir_net::deadline::{TICK, milliseconds};

use super::{Attempts, ShownLimit};
use crate::{
    connection::Connection,
    counters::Limit,
    exchange::{Desk, End},
    sticky,
    upstream::Lease,
    wire::Wire,
};

/// Picks that may meet a server which another worker has filled a moment before.
const RACES_MAX: usize = 4;

/// What all workers share of a pool, for as long as there is one of that name.
#[derive(Debug)]
pub struct PoolShared {
    /// What the pool bears now.
    pub pressure: Pressure,
    /// Wakes the first who waits in each worker.
    bells: Box<[AtomicWaker]>,
    /// The limit of each worker, in a pool with `adaptive_concurrency`.
    pub limits: Box<[ShownLimit]>,
}

impl PoolShared {
    /// Nothing yet.
    pub fn new(workers: usize) -> Self {
        let bells = (0..workers).map(|_| AtomicWaker::new()).collect();
        let limits = (0..workers).map(|_| ShownLimit::default()).collect();
        Self { pressure: Pressure::new(workers), bells, limits }
    }

    /// Some room has become free, or who was to take it next has gone.
    pub(crate) fn ring(&self) {
        if !self.pressure.line.is_empty()
            && let Some(worker) = self.pressure.line.first()
        {
            self.bells[worker].wake();
        }
    }
}

/// Those who wait in one worker, each with its ticket.
#[derive(Debug, Default)]
pub(crate) struct OwnLine(RefCell<VecDeque<(u64, Option<Waker>)>>);

/// One who waits, until it is dropped.
struct Standing<'a> {
    shared: &'a PoolShared,
    line: &'a OwnLine,
    worker: usize,
    /// `None`: it waits for one server alone. It must not keep others from theirs, so it has no turn, but looks now and then.
    ticket: Option<u64>,
}

impl<'a> Standing<'a> {
    /// At the end of the line, or beside it, unless it is full.
    fn new(
        shared: &'a PoolShared,
        line: &'a OwnLine,
        worker: usize,
        queue: Queue,
        beside: bool,
    ) -> Option<Self> {
        if beside {
            let arrived = shared.pressure.line.arrive_beside(queue.max);
            return arrived.then(|| Self { shared, line, worker, ticket: None });
        }
        let ticket = shared.pressure.line.arrive(queue.max)?;
        line.0.borrow_mut().push_back((ticket, None));
        let standing = Self { shared, line, worker, ticket: Some(ticket) };
        standing.show();
        Some(standing)
    }

    fn show(&self) {
        let first = self.line.0.borrow().front().map(|(ticket, _)| *ticket);
        self.shared.pressure.line.show(self.worker, first);
    }

    /// Whether it may look for room now. If not, this task is woken when it may.
    fn may_look(&self, waker: &Waker) -> bool {
        let Some(ticket) = self.ticket else { return true };
        let mut line = self.line.0.borrow_mut();
        if line.front().is_some_and(|(first, _)| *first == ticket) {
            // First the bell, then the look: who makes room in between finds the bell.
            self.shared.bells[self.worker].register(waker);
            return self.shared.pressure.line.first() == Some(self.worker);
        }
        if let Some((_, kept)) = line.iter_mut().find(|(other, _)| *other == ticket) {
            *kept = Some(waker.clone());
        }
        false
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else {
            self.shared.pressure.line.leave_beside();
            return;
        };
        {
            let mut line = self.line.0.borrow_mut();
            line.retain(|(other, _)| *other != ticket);
            if let Some(waker) = line.front_mut().and_then(|(_, waker)| waker.take()) {
                waker.wake();
            }
        }
        self.show();
        self.shared.pressure.line.leave();
        self.shared.ring();
    }
}

/// Room in a pool with `max_requests`.
#[derive(Debug)]
pub(crate) struct InPool<'a>(&'a PoolShared);

impl<'a> InPool<'a> {
    /// Takes some, unless `max` requests have it.
    pub(crate) fn enter(shared: &'a PoolShared, max: u32) -> Option<Self> {
        // Not made before it has entered: what is dropped leaves.
        shared.pressure.requests.try_enter(max).then(|| Self(shared))
    }
}

impl InPool<'_> {
    /// Gives the room back without a word to who waits.
    fn leave_quietly(self) {
        self.0.pressure.requests.leave();
        mem::forget(self);
    }
}

impl Drop for InPool<'_> {
    fn drop(&mut self) {
        self.0.pressure.requests.leave();
        self.0.ring();
    }
}

/// Whether the client is known to have gone. One that has closed its connection in order may still want an answer.
pub(crate) fn is_gone(wire: &mut Wire, context: &mut Context<'_>) -> bool {
    match wire {
        Wire::Http1(stream) => stream.poll_readable(context).is_ready() && stream.is_broken(),
        Wire::Http2(stream) => stream.poll_gone(context).is_ready(),
    }
}

/// What came of asking for room.
enum Room {
    Taken(ServerIndex, Lease),
    /// There are servers, and none has room.
    None,
}

impl<'a> Attempts<'a> {
    /// A server for the request, on which it is counted.
    pub(super) async fn lease(
        &mut self,
        connection: &mut Connection,
        desk: &mut Desk,
    ) -> Result<(ServerIndex, Lease), End> {
        self.enter(connection)?;
        if !self.site.is_limited {
            let index = self.pick(connection, desk)?;
            return Ok((index, Lease::new(&self.link.servers[index.get()], connection.worker.index)));
        }
        // Who waits already comes first, but for who has waited before, and looks for another server now.
        let is_new = desk.tried.is_empty() && self.in_pool.is_none();
        let waits = is_new && !self.site.shared.pressure.line.is_empty();
        if !waits && let Room::Taken(index, lease) = self.try_lease(connection, desk)? {
            return Ok((index, lease));
        }
        self.is_waiting = true;
        // In a box: few requests need the room.
        let leased = Box::pin(self.wait(connection, desk)).await;
        self.is_waiting = false;
        leased
    }

    /// Takes room, if there is some at this moment.
    fn try_lease(&mut self, connection: &Connection, desk: &Desk) -> Result<Room, End> {
        if let (None, Some(max)) = (&self.in_pool, self.site.breaker.requests_max) {
            self.in_pool = InPool::enter(&self.site.shared, max);
            if self.in_pool.is_none() {
                return Ok(Room::None);
            }
        }
        for _ in 0..RACES_MAX {
            let index = match self.pick(connection, desk) {
                Ok(index) => index,
                Err(_) if self.all_are_full(desk) => break,
                Err(end) => return Err(end),
            };
            let link = &self.link.servers[index.get()];
            let max = self.site.pool.member(index).in_flight_max;
            if let Some(lease) = Lease::limited(link, connection.worker.index, max) {
                return Ok(Room::Taken(index, lease));
            }
            let waits = self.site.queue.is_some() && desk.tried.is_empty();
            if self.sticky.as_mut().is_some_and(|sticky| sticky.full(&self.site.pool, index, waits)) {
                break;
            }
        }
        // Who waits for a server holds no room in the pool. That this has become free is no news to who waits itself.
        if let Some(unused) = self.in_pool.take_if(|_| desk.tried.is_empty()) {
            if self.is_waiting { unused.leave_quietly() } else { drop(unused) }
        }
        Ok(Room::None)
    }

    /// No server was picked: whether that is because none has room, of those that the request could go to.
    fn all_are_full(&self, desk: &Desk) -> bool {
        if desk.tried.is_empty() {
            return self.link.picker.borrow().knows_servers();
        }
        let pool = &self.site.pool;
        pool.indices().any(|index| pool.member(index).is_available() && !desk.tried.contains(&index))
    }

    /// Waits in the line until there is room.
    async fn wait(
        &mut self,
        connection: &mut Connection,
        desk: &mut Desk,
    ) -> Result<(ServerIndex, Lease), End> {
        let worker = Rc::clone(&connection.worker);
        let (site, link) = (self.site, self.link);
        let full = |why: &str| End::busy(format!("no server of pool `{}` has room{why}", site.pool.name()));
        let Some(queue) = site.queue else {
            worker.counters.reached(Limit::NoRoom);
            return Err(full(""));
        };
        let stand = |beside| {
            let standing = Standing::new(&site.shared, &link.line, worker.index, queue, beside);
            standing.ok_or_else(|| {
                worker.counters.reached(Limit::QueueMax);
                full(&format!(", and {} requests wait already", queue.max))
            })
        };
        let goes_home = |attempts: &Self| attempts.sticky.as_ref().is_some_and(sticky::Session::goes_home);
        let mut standing = stand(goes_home(self))?;
        let until_ms = worker.deadlines.recent_ms() + milliseconds(queue.timeout);
        poll_fn(|context| {
            let may_look = standing.may_look(context.waker());
            worker.deadlines.now();
            if may_look {
                match self.try_lease(connection, desk) {
                    Ok(Room::Taken(index, lease)) => return Poll::Ready(Ok((index, lease))),
                    Ok(Room::None) => {}
                    Err(end) => return Poll::Ready(Err(end)),
                }
            }
            if is_gone(&mut connection.wire, context) {
                return Poll::Ready(Err(End::Gone));
            }
            if standing.ticket.is_none() && !goes_home(self) {
                // The server that it waited for takes no more clients of its own: any other will do.
                standing = match stand(false) {
                    Ok(standing) => standing,
                    Err(end) => return Poll::Ready(Err(end)),
                };
                context.waker().wake_by_ref();
            }
            let left_ms = until_ms.saturating_sub(worker.deadlines.recent_ms());
            if left_ms == 0 {
                worker.counters.reached(Limit::QueueTimeout);
                return Poll::Ready(Err(full(" within `queue.timeout`")));
            }
            // The first looks now and then by itself: servers come up, and limits change, without a bell.
            let left = Duration::from_millis(left_ms);
            connection.deadline.set(if may_look { left.min(TICK) } else { left });
            Poll::Pending
        })
        .await
    }
}
