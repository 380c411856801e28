//! The servers that a request is tried on.
//!
//! A connect that fails has sent nothing, so the request goes to another server at once, whatever it is. What else may be
//! tried again, and how often, the route's `retry` says ([`retry`]). Where room is limited, a request may have to wait for it
//! ([`room`]).

mod kept;
mod overload;
mod retry;
mod room;

use std::{cell::Cell, future::poll_fn, io, pin::pin, rc::Rc, task::Poll, time::Duration};

use weir_balance::{Ask, ServerIndex};
use weir_config::{PoolIndex, PoolProtocol, RetryCondition};
use weir_net::{Deadline, deadline::milliseconds, stream::is_exhaustion};
use weir_tls::Stream;

pub(crate) use self::{
    kept::{Keeping, Kept},
    overload::OwnLimit,
    retry::Failure,
    room::{InPool, OwnLine, is_gone},
};
use self::{overload::Place, retry::Entered};
pub use self::{overload::ShownLimit, room::PoolShared};
use crate::{
    connection::Connection,
    counters::Limit,
    deadline::{self, Asked, Told},
    engine::Worker,
    exchange::{Desk, End, Record},
    head::BodyLength,
    multiplex::{self, Obtained},
    site::{PoolSite, RouteSite},
    sticky,
    upstream::{Lease, PoolLink, RouteLink, ServerLink, Upstream, World},
};

/// The attempts of one request.
pub(crate) struct Attempts<'a> {
    pub(crate) site: &'a PoolSite,
    pub(crate) route: &'a RouteSite,
    pub(crate) route_link: &'a RouteLink,
    link: &'a PoolLink,
    /// Where the client belongs: that comes before the algorithm.
    pub(crate) sticky: Option<sticky::Session<'a>>,
    key: Option<u64>,
    /// Sending it twice does no harm, as far as its method goes.
    is_repeatable: bool,
    /// How often it has been sent.
    sent: Cell<u32>,
    /// Connects that have failed.
    unreached: u32,
    /// Room in the pool, where that is limited.
    in_pool: Option<InPool<'a>>,
    /// A place among those that wait, in a pool with `adaptive_concurrency`.
    place: Cell<Option<Place>>,
    /// It stands in the line for room.
    is_waiting: bool,
    /// It is counted among the pool's further attempts.
    has_retried: Cell<bool>,
    /// An attempt has failed.
    has_failed: bool,
    /// Where: to be tried once more if the pool has no other server.
    failed_on: Option<ServerIndex>,
    /// It has met the end of a kept connection: once is nobody's fault.
    was_stale: Cell<bool>,
    /// The client has sent all.
    is_whole: Cell<bool>,
    /// When the route's `timeout` ends. It begins anew when the body has been sent.
    give_up_ms: Cell<u64>,
    /// When those before us give up; never, if they have not said.
    until_ms: u64,
    /// They have said it in the way of gRPC.
    has_grpc_timeout: bool,
    /// What was wrong with TLS of the server that was tried last.
    wrong: Option<String>,
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        if self.has_retried.get() {
            self.site.shared.pressure.retries.leave();
        }
    }
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        connection: &Connection,
        desk: &mut Desk,
        world: &'a World,
        pool: PoolIndex,
        route: (&'a RouteSite, &'a RouteLink),
    ) -> Self {
        let (route, route_link) = route;
        let site = &world.site.pools[pool.0];
        let (text, view) = (connection.text(), connection.view(&desk.request));
        let mut room = connection.worker.path_room.borrow_mut();
        let key = site.hash_key.as_ref().and_then(|key| view.hash(key, &mut room));
        drop(room);
        if let Some(prequal) = &world.pools[pool.0].prequal {
            prequal.prepare(&world.pools[pool.0], &connection.worker);
        }
        let retry = &route.route.retry;
        let method = desk.request.method.of(text);
        let is_repeatable =
            retry.attempts > 1 && retry.methods.iter().any(|known| known.as_bytes() == method);
        if is_repeatable {
            desk.kept.begin(connection, &desk.request, retry.body_bytes_max);
        }
        let now_ms = connection.worker.deadlines.recent_ms();
        route_link.budget.borrow_mut().request(now_ms);
        if let Some(hedging) = &route_link.hedging {
            hedging.budget.borrow_mut().request(now_ms);
        }
        desk.tried.clear();
        let begin = |sticky| sticky::Session::begin(sticky, &site.pool, connection, desk);
        let sticky = site.sticky.as_ref().map(begin);
        let Asked { within_ms, in_grpc } =
            deadline::take(connection, desk, world.listener(connection.listener), route);
        let until_ms = within_ms.map_or(u64::MAX, |within_ms| now_ms.saturating_add(within_ms));
        Self {
            site,
            route,
            route_link,
            link: &world.pools[pool.0],
            sticky,
            key,
            is_repeatable,
            sent: Cell::new(0),
            unreached: 0,
            in_pool: None,
            place: Cell::new(None),
            is_waiting: false,
            has_retried: Cell::new(false),
            has_failed: false,
            failed_on: None,
            was_stale: Cell::new(false),
            is_whole: Cell::new(false),
            give_up_ms: Cell::new(until_ms.min(now_ms + milliseconds(route.route.timeout))),
            until_ms,
            has_grpc_timeout: in_grpc,
            wrong: None,
        }
    }

    /// A connection to the server that shall take the request, or the next one if that cannot be reached.
    pub(crate) async fn connect(
        &mut self,
        connection: &mut Connection,
        desk: &mut Desk,
        record: &mut Record,
    ) -> Result<Upstream, End> {
        loop {
            let (index, lease) = self.lease(connection, desk).await?;
            if self.is_late(connection) {
                connection.worker.counters.reached(Limit::ResponseTimeout);
                return Err(deadline::late());
            }
            if desk.tried.is_empty() && self.site.is_limited {
                // What it has waited for room is another matter.
                self.begin_time(&connection.worker);
            }
            let link = &self.link.servers[index.get()];
            record.server = Some(Rc::clone(link));
            desk.tried.push(index);
            let now_ms = connection.worker.deadlines.recent_ms();
            // After one connection has died unseen, others of the same age may have too.
            let kept = if self.has_failed {
                Err(lease)
            } else {
                Upstream::reuse(lease, &self.site.keep_alive, now_ms)
            };
            let lease = match kept {
                Ok(mut upstream) => {
                    // The kernel is asked, since a request that must not be sent twice must not meet a closed
                    // connection.
                    if self.survives_reset(desk) || upstream.is_alive() {
                        self.sent.set(self.sent.get() + 1);
                        return Ok(upstream);
                    }
                    // It closed a moment ago; the server itself may be well.
                    upstream.into_lease()
                }
                Err(lease) => lease,
            };
            let left = Duration::from_millis(self.left_ms(connection));
            let patience = self.site.connect_timeout.min(left);
            let error = match reach(&connection.worker, &connection.deadline, self.site, link, patience).await
            {
                Ok(reached) => {
                    self.sent.set(self.sent.get() + 1);
                    return Ok(reached.upstream(lease, now_ms));
                }
                Err(error) => error,
            };
            self.unreachable(connection, link, &error, patience)?;
        }
    }

    /// Whether its route sends the request again when the connection dies.
    fn survives_reset(&self, desk: &Desk) -> bool {
        self.is_repeatable
            && self.sent.get() + 1 < self.route.route.retry.attempts
            && (desk.request.body == BodyLength::None || desk.kept.is_whole())
            && Failure::Reset.is_in(&self.route.route.retry)
    }

    /// A server could not be reached: returns if another one is to be tried.
    fn unreachable(
        &mut self,
        connection: &Connection,
        link: &ServerLink,
        error: &io::Error,
        patience: Duration,
    ) -> Result<(), End> {
        let worker = &connection.worker;
        if let (io::ErrorKind::QuotaExceeded, Some(max)) = (error.kind(), self.site.breaker.pending_max) {
            worker.counters.reached(Limit::MaxPending);
            let name = self.site.pool.name();
            return Err(End::busy(format!("{max} requests wait for a connection to pool `{name}` already")));
        }
        if is_exhaustion(error) {
            worker.counters.reached(Limit::FileDescriptors);
            return Err(End::answer(503, "no descriptor or port is left here for a connection to a server"));
        }
        if error.kind() == io::ErrorKind::TimedOut {
            if patience < self.site.connect_timeout {
                // Not the server's fault: others before it took the time.
                worker.counters.reached(Limit::ResponseTimeout);
                return Err(End::answer(504, "no server could be reached within the route's timeout"));
            }
            worker.counters.reached(Limit::ConnectTimeout);
        }
        self.wrong = weir_tls::why(error).or_else(|| {
            (error.kind() == io::ErrorKind::Unsupported).then(|| "does not speak HTTP/2".to_owned())
        });
        count_unreachable(worker, link);
        self.unreached += 1;
        let retry = &self.route.route.retry;
        if self.unreached >= retry.connects {
            worker.counters.reached(Limit::ConnectAttempts);
            return Err(self.nobody_left());
        }
        if !retry.when.contains(&RetryCondition::ConnectFailure) {
            return Err(self.nobody_left());
        }
        Ok(())
    }

    fn pick(&mut self, connection: &Connection, desk: &Desk) -> Result<ServerIndex, End> {
        let pool = &self.site.pool;
        let mut rng = connection.worker.rng.borrow_mut();
        let picked = self.sticky.as_mut().and_then(sticky::Session::take_home);
        let now_ms = connection.worker.deadlines.recent_ms();
        let ask = Ask { key: self.key, tried: &desk.tried, now_ms, insists: self.is_waiting };
        let picked = picked.or_else(|| self.link.picker.borrow_mut().pick(pool, &ask, &mut rng));
        // An attempt that failed need not mean that its server did: with no other left, it is worth another.
        let picked = picked.or_else(|| self.failed_on.take());
        picked.ok_or_else(|| match desk.tried.is_empty() {
            true => End::answer(503, format!("no server of pool `{}` is up", pool.name())),
            false => self.nobody_left(),
        })
    }

    /// No server is left that could be tried.
    fn nobody_left(&self) -> End {
        let wrong = self.wrong.as_ref().map(|wrong| format!("; the last one {wrong}")).unwrap_or_default();
        let name = self.site.pool.name();
        End::answer(502, format!("no server of pool `{name}` could be reached{wrong}"))
    }

    /// Another server for a request that one works on already, if there is one with room at this moment.
    pub(crate) fn second(&self, connection: &Connection, desk: &mut Desk) -> Option<Lease> {
        let hedging = self.route_link.hedging.as_ref()?;
        let settings = self.route.route.hedge?;
        let worker = &connection.worker;
        // Who waits for room comes first.
        if self.site.is_limited && !self.site.shared.pressure.line.is_empty() {
            return None;
        }
        let now_ms = worker.deadlines.recent_ms();
        let ask = Ask { key: self.key, tried: &desk.tried, now_ms, insists: false };
        let picked =
            self.link.picker.borrow_mut().pick(&self.site.pool, &ask, &mut worker.rng.borrow_mut())?;
        let max = self.site.pool.member(picked).in_flight_max;
        let lease = Lease::limited(&self.link.servers[picked.get()], worker.index, max)?;
        let mut budget = hedging.budget.borrow_mut();
        if !budget.take(settings.budget_percent, now_ms) {
            worker.counters.reached(Limit::HedgeBudget);
            return None;
        }
        if !self.enter_retries(worker) {
            budget.put_back();
            return None;
        }
        desk.tried.push(picked);
        Some(lease)
    }

    /// A connection for [`Attempts::second`], which has a deadline of its own.
    pub(crate) async fn reach_second(
        &self,
        worker: &Rc<Worker>,
        deadline: &Deadline,
        lease: Lease,
    ) -> Option<Upstream> {
        let now_ms = worker.deadlines.recent_ms();
        let lease = match Upstream::reuse(lease, &self.site.keep_alive, now_ms) {
            Ok(upstream) => return Some(upstream),
            Err(lease) => lease,
        };
        match reach(worker, deadline, self.site, &lease.link, self.site.connect_timeout).await {
            Ok(reached) => Some(reached.upstream(lease, now_ms)),
            Err(error) => {
                if !is_exhaustion(&error) && error.kind() != io::ErrorKind::QuotaExceeded {
                    count_unreachable(worker, &lease.link);
                }
                None
            }
        }
    }

    /// Whether a second request may be sent beside the first: the request can be sent twice, and its client need not stay
    /// where it is.
    pub(crate) fn may_hedge(&self, desk: &Desk) -> bool {
        self.is_repeatable
            && desk.request.body == BodyLength::None
            && desk.request.upgrade.is_none()
            && self.sticky.is_none()
    }

    /// After an attempt that has failed, and that may be made again ([`Attempts::permits`]).
    pub(crate) fn again(
        &mut self,
        connection: &mut Connection,
        desk: &mut Desk,
        record: &Record,
        failure: Failure,
    ) {
        self.has_failed = true;
        self.failed_on = desk.tried.last().copied();
        if let Some(sticky) = &mut self.sticky
            && matches!(failure, Failure::Reset | Failure::Stale | Failure::Untouched)
        {
            sticky.died(self.failed_on);
        }
        desk.kept.rewind(connection);
        if let Some(server) = &record.server {
            server.counters.replays.add(1);
        }
    }

    /// The client has sent all of its request: what it waits for now is the answer, however often that is asked for.
    pub(crate) fn request_is_whole(&self, worker: &Worker) {
        if !self.is_whole.replace(true) {
            self.begin_time(worker);
        }
    }

    fn begin_time(&self, worker: &Worker) {
        let give_up_ms = worker.deadlines.recent_ms() + milliseconds(self.route.route.timeout);
        self.give_up_ms.set(give_up_ms.min(self.until_ms));
    }

    /// `timeout`, or what is left of the time that the client has given if that is less.
    pub(crate) fn within(&self, connection: &Connection, timeout: Duration) -> Duration {
        if self.until_ms == u64::MAX {
            return timeout;
        }
        let left_ms = self.until_ms.saturating_sub(connection.worker.deadlines.recent_ms());
        timeout.min(Duration::from_millis(left_ms))
    }

    /// The time that the client has given is over.
    pub(crate) fn is_late(&self, connection: &Connection) -> bool {
        self.until_ms <= connection.worker.deadlines.recent_ms()
    }

    /// What the server is told of the time that is left.
    #[inline]
    pub(crate) fn told(&self, connection: &Connection) -> Told<'_> {
        let (in_grpc, header) = (self.has_grpc_timeout, self.route.route.timeout_header.as_deref());
        if !in_grpc && header.is_none() {
            return Told::default();
        }
        // The clock, not what somebody has read on it a while ago: a deadline may be of few milliseconds.
        connection.worker.deadlines.now();
        Told { left_ms: self.left_ms(connection), in_grpc, header }
    }

    /// What is left of the route's `timeout`, or of a shorter time that the client has given.
    pub(crate) fn left_ms(&self, connection: &Connection) -> u64 {
        self.give_up_ms.get().saturating_sub(connection.worker.deadlines.recent_ms())
    }
}

/// Counts and tells that a server could not be reached.
pub(crate) fn count_unreachable(worker: &Worker, link: &ServerLink) {
    link.counters.connect_failures.add(1);
    link.unreachable(&worker.deadlines);
    (worker.shared.on_connect_failure)(&link.server);
}

/// What a request goes out on.
pub(crate) enum Reached {
    Alone(Stream),
    Shared(multiplex::Stream),
}

impl Reached {
    pub(crate) fn upstream(self, lease: Lease, now_ms: u64) -> Upstream {
        match self {
            Self::Alone(stream) => Upstream::fresh(stream, lease, now_ms),
            Self::Shared(stream) => Upstream::shared(stream, lease),
        }
    }
}

/// A connection to the server, or a stream on one.
pub(crate) async fn reach(
    worker: &Rc<Worker>,
    deadline: &Deadline,
    site: &PoolSite,
    link: &Rc<ServerLink>,
    patience: Duration,
) -> io::Result<Reached> {
    let may_be_http1 = site.protocol == PoolProtocol::Auto;
    if site.protocol == PoolProtocol::Http1 || (may_be_http1 && link.trunks.speaks_http1()) {
        return Ok(Reached::Alone(dial(worker, deadline, site, link, patience).await?));
    }
    deadline.set(patience);
    let obtained = multiplex::obtain(
        link,
        worker,
        &site.keep_alive,
        may_be_http1,
        async || dial(worker, deadline, site, link, patience).await,
        || deadline.expired(),
    );
    Ok(match obtained.await? {
        Obtained::Shared(stream) => {
            link.counters.reuses.add(1);
            Reached::Shared(stream)
        }
        Obtained::Fresh(stream) => {
            link.counters.connects.add(1);
            Reached::Shared(stream)
        }
        Obtained::Http1(stream) => Reached::Alone(stream),
    })
}

/// Connects within `patience`, or fails with `TimedOut`.
async fn dial(
    worker: &Worker,
    deadline: &Deadline,
    site: &PoolSite,
    link: &ServerLink,
    patience: Duration,
) -> io::Result<Stream> {
    let pending = &site.shared.pressure.pending;
    let _entered = match site.breaker.pending_max {
        Some(max) if !pending.try_enter(max) => return Err(io::ErrorKind::QuotaExceeded.into()),
        limit => limit.map(|_| Entered(pending)),
    };
    deadline.set(patience);
    let tcp = in_time(deadline, weir_net::Stream::connect(link.address())).await?;
    let Some(tls) = &site.tls else { return Ok(tcp.into()) };
    let mut stream = Stream::with_tls(tcp, tls.connect(link.address(), &worker.tls_rooms));
    in_time(deadline, poll_fn(|context| stream.poll_handshake(context))).await?;
    Ok(stream)
}

async fn in_time<T>(deadline: &Deadline, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut doing = pin!(doing);
    poll_fn(|context| match doing.as_mut().poll(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        polled => polled,
    })
    .await
}
