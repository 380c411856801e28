//! Connections to servers: made, kept while idle, used again. All of one worker; nothing is shared.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use weir_balance::{Budget, Observation, Percentile, Picker, Pool, Server, ServerIndex, Wants};
use weir_config::{Hedge, HedgeAfter, KeepAlive};
use weir_net::{Deadlines, deadline::milliseconds};
use weir_route::Table;
use weir_tls::Stream;

use crate::{
    attempt::{OwnLimit, OwnLine, PoolShared},
    counters::{Limit, ServerCounters, WorkerCounters},
    head::ResponseHead,
    multiplex::{self, Trunks},
    prequal::{Heard, Prequal},
    site::{JudgedBy, ListenerId, ListenerSite, PoolSite, RouteSite, Site},
    wire::Wire,
};

/// One worker's view of a snapshot: the snapshot itself, and beside each pool what the worker remembers of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) site: Arc<Site>,
    /// In the order of the site's listeners.
    listeners: Vec<ListenerLink>,
    pub(crate) pools: Vec<Rc<PoolLink>>,
}

/// What a worker has of a listener.
#[derive(Debug)]
pub(crate) struct ListenerLink {
    /// A clone, since threads that search with one regular expression wait for each other over its memory.
    pub(crate) table: Table,
    /// In the order of its routes.
    pub(crate) routes: Vec<Rc<RouteLink>>,
}

/// What a worker remembers of a route.
#[derive(Debug)]
pub(crate) struct RouteLink {
    /// Further attempts.
    pub(crate) budget: RefCell<Budget>,
    pub(crate) hedging: Option<Hedging>,
    /// Copies for its mirror that are under way.
    pub(crate) mirrored: Rc<Cell<u32>>,
    /// Requests that are made to wait.
    pub(crate) delayed: Cell<u32>,
}

/// What a worker remembers of a route with `hedge`.
#[derive(Debug)]
pub(crate) struct Hedging {
    /// Second requests.
    pub(crate) budget: RefCell<Budget>,
    /// How long answers take, where that says when a second request is sent.
    pub(crate) latency: Option<RefCell<Percentile>>,
}

/// What a worker remembers of a pool.
#[derive(Debug)]
pub(crate) struct PoolLink {
    pub(crate) picker: RefCell<Picker>,
    /// What the picker wants to be told.
    wants: Wants,
    /// Where servers say what they have to do.
    pub(crate) prequal: Option<Rc<Prequal>>,
    /// In the order of the pool's members.
    pub(crate) servers: Vec<Rc<ServerLink>>,
    /// Requests of this worker that wait for room. Goes on over reloads.
    pub(crate) line: Rc<OwnLine>,
    /// The limit of this worker, in a pool with `adaptive_concurrency`. Goes on over reloads.
    pub(crate) limit: Option<Rc<OwnLimit>>,
}

/// What a worker has to one server. Lives as long as the server is in the configuration, over all reloads.
#[derive(Debug)]
pub(crate) struct ServerLink {
    pub(crate) server: Arc<Server>,
    worker: usize,
    pub(crate) counters: Arc<ServerCounters>,
    /// The picker that is to be told of its requests: that of the snapshot which holds now, whichever they began in.
    seat: RefCell<Seat>,
    /// What is to be told of each request. Apart from the seat, for it is asked several times per request.
    habits: Cell<Habits>,
    /// What all workers share of its pool.
    shared: Arc<PoolShared>,
    idle: RefCell<Vec<Idle>>,
    /// What it has said of its load.
    pub(crate) heard: Heard,
    /// Connections of HTTP/2, which exchanges share.
    pub(crate) trunks: Trunks,
}

/// A server's place in a pool.
#[derive(Debug, Clone)]
struct Seat {
    pool: Weak<PoolLink>,
    index: ServerIndex,
}

/// Who wants to know what of the requests of a server.
#[derive(Debug, Clone, Copy, Default)]
struct Habits {
    wants: Wants,
    judged_by: JudgedBy,
    /// Its answers say what it has to do.
    says_load: bool,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    born_ms: u64,
    since_ms: u64,
}

/// A connection to a server that an exchange uses, counted as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) wire: Wire,
    born_ms: u64,
    /// It was kept since an earlier request.
    pub(crate) is_reused: bool,
    /// The request has gone out, and what came of it has not been told.
    is_awaited: bool,
    /// When it went out, if anybody wants to know how long the answer takes.
    sent: Option<Duration>,
    lease: Lease,
}

/// One request in flight on a server.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) link: Rc<ServerLink>,
    worker: usize,
    /// It has one of the places that all workers share.
    has_place: bool,
}

impl Lease {
    pub(crate) fn new(link: &Rc<ServerLink>, worker: usize) -> Self {
        link.server.begin(worker);
        if link.habits.get().wants.counts {
            link.tell(|picker, index| picker.begin(index));
        }
        Self { link: Rc::clone(link), worker, has_place: false }
    }

    /// The same on a server that works on at most `max` requests; `None` if it does.
    pub(crate) fn limited(link: &Rc<ServerLink>, worker: usize, max: Option<u32>) -> Option<Self> {
        if max.is_some_and(|max| !link.server.try_enter(max)) {
            return None;
        }
        let mut lease = Self::new(link, worker);
        lease.has_place = max.is_some();
        Some(lease)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.link.server.end(self.worker);
        if self.link.habits.get().wants.counts {
            self.link.tell(|picker, index| picker.end(index));
        }
        if self.has_place {
            self.link.server.leave();
            self.link.shared.ring();
        }
    }
}

impl Upstream {
    fn new(wire: Wire, born_ms: u64, is_reused: bool, lease: Lease) -> Self {
        Self { wire, born_ms, is_reused, is_awaited: false, sent: None, lease }
    }

    /// A connection that has just been made.
    pub(crate) fn fresh(stream: Stream, lease: Lease, now_ms: u64) -> Self {
        lease.link.counters.connects.add(1);
        Self::new(Wire::Http1(stream), now_ms, false, lease)
    }

    /// A stream of a connection that others share.
    pub(crate) fn shared(stream: multiplex::Stream, lease: Lease) -> Self {
        Self::new(Wire::Http2(Box::new(stream)), 0, false, lease)
    }

    /// An idle connection of the leased server, if one is good.
    pub(crate) fn reuse(lease: Lease, settings: &KeepAlive, now_ms: u64) -> Result<Self, Lease> {
        let counters = &lease.link.counters;
        let mut idle = lease.link.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            counters.idle.sub(1);
            if connection.is_good(settings, now_ms) {
                counters.reuses.add(1);
                drop(idle);
                let wire = Wire::Http1(connection.stream);
                return Ok(Self::new(wire, connection.born_ms, true, lease));
            }
        }
        drop(idle);
        Err(lease)
    }

    /// Asks the kernel whether the server has closed the connection.
    pub(crate) fn is_alive(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1(stream) => stream.is_quiet_by_kernel(),
            Wire::Http2(_) => true,
        }
    }

    /// Closes the connection, but goes on counting the request.
    pub(crate) fn into_lease(self) -> Lease {
        self.lease
    }

    /// The server at its other end.
    pub(crate) fn link(&self) -> &Rc<ServerLink> {
        &self.lease.link
    }

    /// The request has gone out.
    pub(crate) fn sent(&mut self, deadlines: &Deadlines) {
        self.is_awaited = true;
        if self.lease.link.habits.get().wants_times() {
            self.sent = Some(deadlines.now());
        }
    }

    /// The head of the answer has come, or it is clear that none comes.
    pub(crate) fn answered(&mut self, deadlines: &Deadlines, failed: bool) {
        if std::mem::take(&mut self.is_awaited) {
            let came = if failed { Came::Failure } else { Came::Answer };
            self.lease.link.observe(self.sent.take(), came, deadlines);
        }
    }

    /// Another server has answered the same request first: so long this one has taken at least.
    pub(crate) fn outrun(&mut self, deadlines: &Deadlines) {
        if std::mem::take(&mut self.is_awaited) {
            self.lease.link.observe(self.sent.take(), Came::Nothing, deadlines);
        }
    }

    /// Keeps the connection for a later request. It must be between two exchanges.
    pub(crate) fn keep(self, settings: &KeepAlive, worker: &WorkerCounters, now_ms: u64) {
        let Self { wire, born_ms, lease, .. } = self;
        let Wire::Http1(stream) = wire else { return };
        let mut idle = lease.link.idle.borrow_mut();
        if idle.len() >= settings.max {
            if settings.max > 0 {
                worker.reached(Limit::KeepAliveMax);
            }
            return;
        }
        lease.link.counters.idle.add(1);
        idle.push(Idle { stream, born_ms, since_ms: now_ms });
    }
}

impl Idle {
    fn is_good(&mut self, settings: &KeepAlive, now_ms: u64) -> bool {
        // Both moments are rounded down: only a difference of more than the setting is surely one of so much.
        now_ms <= self.since_ms + milliseconds(settings.timeout)
            && now_ms <= self.born_ms + milliseconds(settings.age)
            && self.stream.is_quiet()
    }
}

impl ServerLink {
    /// No answer can come: it could not be reached.
    pub(crate) fn unreachable(&self, deadlines: &Deadlines) {
        self.observe(None, Came::Failure, deadlines);
    }

    /// The head of an answer has come.
    pub(crate) fn listen(&self, response: &ResponseHead, text: &[u8], deadlines: &Deadlines) {
        if self.habits.get().says_load {
            self.heard.listen(self, response, text, deadlines.recent_ms());
        }
    }

    /// Tells whoever wants to know what came of a request: the algorithm, and who judges the server. `sent` is when it went
    /// out, if that was noted.
    #[inline]
    fn observe(&self, sent: Option<Duration>, came: Came, deadlines: &Deadlines) {
        let habits = self.habits.get();
        if !habits.wants_times() && sent.is_none() {
            // Most pools: whether it was good is all that is counted.
            if habits.judged_by.outcomes && came != Came::Nothing {
                self.server.count(self.worker, came == Came::Failure, None);
            }
            return;
        }
        self.observe_time(sent, came, deadlines);
    }

    fn observe_time(&self, sent: Option<Duration>, came: Came, deadlines: &Deadlines) {
        let Habits { wants, judged_by, .. } = self.habits.get();
        let now = if sent.is_some() || wants.answers { deadlines.now() } else { Duration::ZERO };
        let latency_us = sent.map(|sent| now.saturating_sub(sent).as_micros().min(u32::MAX.into()) as u32);
        if judged_by.outcomes {
            let latency_us = latency_us.filter(|_| judged_by.times);
            match came {
                // It may answer yet, or never: neither is known, only the time.
                Came::Nothing => self.server.count_time(self.worker, latency_us),
                Came::Answer => self.server.count(self.worker, false, latency_us),
                Came::Failure => self.server.count(self.worker, true, latency_us),
            }
        }
        // The algorithm may have come with a reload while the request was on its way.
        let failed = came == Came::Failure;
        if wants.answers && (failed || latency_us.is_some()) {
            let observation = Observation { latency_us: latency_us.unwrap_or_default(), failed };
            let now_ms = milliseconds(now);
            self.tell(|picker, index| {
                picker.observe(&self.server, observation, now_ms);
                picker.judge(index, failed, now_ms);
            });
        }
    }

    fn tell(&self, tell: impl FnOnce(&mut Picker, ServerIndex)) {
        let seat = self.seat.borrow();
        if let Some(pool) = seat.pool.upgrade() {
            tell(&mut pool.picker.borrow_mut(), seat.index);
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Answer,
    Failure,
    /// Nothing yet, and it is not waited for any more.
    Nothing,
}

impl Habits {
    fn wants_times(&self) -> bool {
        self.wants.answers || self.judged_by.times
    }
}

impl Drop for ServerLink {
    fn drop(&mut self) {
        self.counters.idle.sub(self.idle.get_mut().len() as u64);
    }
}

impl World {
    /// The worker's view of `site`, which keeps what `before` remembers of servers and pools that are still there.
    pub(crate) fn new(site: Arc<Site>, worker: usize, before: Option<&World>) -> Self {
        let known: HashMap<*const Server, &Rc<ServerLink>> = before
            .into_iter()
            .flat_map(|world| &world.pools)
            .flat_map(|pool| &pool.servers)
            .map(|link| (Arc::as_ptr(&link.server), link))
            .collect();
        let link = |pool: &PoolSite, index: usize, server: &Arc<Server>| match known.get(&Arc::as_ptr(server))
        {
            Some(link) => Rc::clone(link),
            None => Rc::new(ServerLink {
                server: Arc::clone(server),
                worker,
                counters: Arc::clone(&pool.servers[index][worker]),
                seat: RefCell::new(Seat { pool: Weak::new(), index: ServerIndex(0) }),
                habits: Cell::default(),
                shared: Arc::clone(&pool.shared),
                idle: RefCell::default(),
                heard: Heard::default(),
                trunks: Trunks::default(),
            }),
        };
        let pools = site.pools.iter().map(|pool| {
            let members = pool.pool.members().iter().enumerate();
            let linked = Rc::new(PoolLink {
                picker: RefCell::new(picker(&pool.pool, worker, before)),
                wants: pool.pool.algorithm().wants(),
                prequal: Prequal::of(pool),
                servers: members.map(|(index, member)| link(pool, index, &member.server)).collect(),
                line: line(&pool.pool, before),
                limit: OwnLimit::of(pool, worker, last_form(&pool.pool, before)),
            });
            for (index, server) in pool.pool.indices().zip(&linked.servers) {
                let judged_by = pool.judged_by;
                let says_load = linked.prequal.as_ref().is_some_and(|prequal| prequal.listens());
                server.habits.set(Habits { wants: linked.wants, judged_by, says_load });
                *server.seat.borrow_mut() = Seat { pool: Rc::downgrade(&linked), index };
            }
            linked
        });
        let pools = pools.collect();
        let listeners = site.listeners.iter().map(|listener| ListenerLink::new(listener, before)).collect();
        Self { site, listeners, pools }
    }

    pub(crate) fn listener(&self, id: ListenerId) -> Option<&ListenerSite> {
        self.site.listeners.iter().find(|listener| listener.id == id)
    }

    /// What this worker has of a listener that [`World::listener`] found.
    pub(crate) fn link(&self, id: ListenerId) -> &ListenerLink {
        self.find_link(id).expect("the listener is in this very snapshot")
    }

    fn find_link(&self, id: ListenerId) -> Option<&ListenerLink> {
        let index = self.site.listeners.iter().position(|listener| listener.id == id);
        Some(&self.listeners[index?])
    }

    pub(crate) fn has_listener(&self, id: ListenerId) -> bool {
        self.listener(id).is_some()
    }

    /// Closes idle connections that have become too old, or that their server has closed.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for (pool, site) in self.pools.iter().zip(&self.site.pools) {
            for link in &pool.servers {
                link.heard.sweep(now_ms);
                let mut idle = link.idle.borrow_mut();
                let before = idle.len();
                idle.retain_mut(|connection| connection.is_good(&site.keep_alive, now_ms));
                link.counters.idle.sub((before - idle.len()) as u64);
            }
        }
    }
}

impl ListenerLink {
    fn new(listener: &ListenerSite, before: Option<&World>) -> Self {
        let old =
            before.and_then(|world| Some((world.listener(listener.id)?, world.find_link(listener.id)?)));
        let known: HashMap<&str, &Rc<RouteLink>> = old
            .iter()
            .flat_map(|(site, link)| site.routes.iter().zip(&link.routes))
            .map(|(site, link)| (site.route.name.as_str(), link))
            .collect();
        let route = |route: &RouteSite| {
            let hedge = route.route.hedge;
            let link = known.get(route.route.name.as_str()).copied();
            link.filter(|link| link.suits(hedge)).map_or_else(|| Rc::new(RouteLink::new(hedge)), Rc::clone)
        };
        Self { table: listener.table.clone(), routes: listener.routes.iter().map(route).collect() }
    }
}

impl RouteLink {
    fn new(hedge: Option<Hedge>) -> Self {
        let hedging = hedge.map(|hedge| Hedging {
            budget: RefCell::default(),
            latency: percent(hedge).map(|percent| RefCell::new(Percentile::new(percent))),
        });
        Self { budget: RefCell::default(), hedging, mirrored: Rc::default(), delayed: Cell::new(0) }
    }

    /// Whether it remembers what these settings ask for.
    fn suits(&self, hedge: Option<Hedge>) -> bool {
        let remembered = self
            .hedging
            .as_ref()
            .map(|hedging| hedging.latency.as_ref().map(|latency| latency.borrow().percent()));
        remembered == hedge.map(percent)
    }
}

fn percent(hedge: Hedge) -> Option<u8> {
    match hedge.after {
        HedgeAfter::Percentile(percent) => Some(percent),
        HedgeAfter::Time(_) => None,
    }
}

/// Those who wait in the pool's last form go on waiting.
fn line(pool: &Pool, before: Option<&World>) -> Rc<OwnLine> {
    last_form(pool, before).map(|old| Rc::clone(&old.line)).unwrap_or_default()
}

/// What was remembered of the pool of this name.
fn last_form<'a>(pool: &Pool, before: Option<&'a World>) -> Option<&'a PoolLink> {
    let world = before?;
    let index = world.site.pools.iter().position(|old| old.pool.name() == pool.name())?;
    Some(&world.pools[index])
}

/// A picker that goes on where the one of the pool's last form stopped.
fn picker(pool: &Pool, worker: usize, before: Option<&World>) -> Picker {
    let same_name = |world: &World| world.site.pools.iter().position(|old| old.pool.name() == pool.name());
    match before.and_then(|world| same_name(world).map(|index| (world, index))) {
        Some((world, index)) => {
            let old_pool = &world.site.pools[index].pool;
            // Exchanges that began before still pick from the old form; theirs starts anew.
            let old = world.pools[index].picker.replace(Picker::new(old_pool, worker));
            old.succeed(old_pool, pool)
        }
        None => Picker::new(pool, worker),
    }
}
