//! One worker's HTTP engine: listens, keeps the worker's state, takes in new snapshots.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::spawn_local,
};
use weir_balance::{Rng, Server};
use weir_config::Part;
use weir_net::{
    Buffers, Deadlines, Slots, SlowLane,
    deadline::TICK,
    stream::{canonical, is_exhaustion},
    worker::vital,
};

use weir_tls::{Rooms, Stream};

use crate::{
    access_log,
    connection::{self, Connection, Places},
    counters::{Limit, ListenerCounters, WorkerCounters},
    site::{ListenerId, ListenerSite, Site},
    upstream::World,
};

/// How long a listener waits when the process has no descriptors left.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are accepted before what has arrived on others is looked at again.
const ACCEPTS_IN_A_ROW_MAX: u32 = 8;

/// Connections of HTTP/2 that have overdrawn a budget and are held, at a time. Others are cut off at once.
const HELD_PER_WORKER_MAX: u32 = 256;

/// How often idle connections to servers are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What all workers share. Touched when a connection opens or closes or a connect fails, never per request.
pub struct Shared {
    /// Client connections open now, over all workers.
    pub connections: AtomicU32,
    /// The most there may be.
    pub connections_max: AtomicU32,
    /// The most there may be in one worker.
    pub connections_per_worker_max: AtomicU32,
    /// Told of each connect that failed.
    pub on_connect_failure: OnConnectFailure,
}

/// Takes the word that a connect to a server failed.
pub type OnConnectFailure = Box<dyn Fn(&Arc<Server>) + Send + Sync>;

/// The HTTP engine of one worker.
pub struct Engine {
    worker: Rc<Worker>,
    stops: RefCell<HashMap<ListenerId, oneshot::Sender<()>>>,
    spawn: Rc<Spawn>,
}

/// Starts the task of an accepted connection.
type Spawn = dyn Fn(Connection);

/// The state of one worker. Everything in it belongs to one thread.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) buffers: Rc<Buffers>,
    /// Connections that have much to do.
    pub(crate) slow_lane: Rc<SlowLane>,
    /// What sessions of TLS work in.
    pub(crate) tls_rooms: Rc<Rooms>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) rng: RefCell<Rng>,
    /// Room in which heads are built. Taken out while in use, so that it is never borrowed across an await.
    pub(crate) head_room: Cell<Vec<u8>>,
    /// Room in which paths are normalised.
    pub(crate) path_room: RefCell<Vec<u8>>,
    /// Lines of the access log that are not handed over yet.
    pub(crate) log_lines: RefCell<Vec<u8>>,
    /// What it keeps of requests' bodies, in bytes.
    pub(crate) kept_bytes: Cell<usize>,
    /// What it holds of copies for mirrors, in bytes.
    pub(crate) mirrored_bytes: Cell<usize>,
    world: RefCell<Rc<World>>,
    /// Counters of all listeners that connections came from. They outlive the snapshots that name them, and are here so
    /// that no idle connection has to hold them.
    listeners: RefCell<HashMap<ListenerId, Arc<ListenerCounters>>>,
    draining: Cell<bool>,
    /// Listeners that accept, or that have not accepted yet all that waits.
    accepting: Cell<u32>,
    open: Cell<u32>,
    held: Cell<u32>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Engine {
    /// The engine of worker `index`, with `site` as its first snapshot. Must be called on the worker's own event loop.
    pub fn new(
        index: usize,
        seed: u64,
        site: Arc<Site>,
        counters: Arc<WorkerCounters>,
        shared: Arc<Shared>,
    ) -> Self {
        let buffers = Rc::default();
        let worker = Rc::new(Worker {
            index,
            deadlines: Rc::default(),
            slow_lane: Rc::default(),
            tls_rooms: Rooms::new(&buffers),
            buffers,
            counters,
            shared,
            rng: RefCell::new(Rng::new(seed)),
            head_room: Cell::default(),
            path_room: RefCell::default(),
            log_lines: RefCell::default(),
            kept_bytes: Cell::new(0),
            mirrored_bytes: Cell::new(0),
            listeners: RefCell::default(),
            world: RefCell::new(Rc::new(World::new(site, index, None))),
            draining: Cell::new(false),
            accepting: Cell::new(0),
            open: Cell::new(0),
            held: Cell::new(0),
        });
        spawn_local(vital(Rc::clone(&worker.deadlines).run()));
        spawn_local(vital(Rc::clone(&worker.slow_lane).run()));
        spawn_local(vital(Rc::clone(&worker).housekeeping()));
        let spawn = Rc::new(spawner());
        Self { worker, stops: RefCell::default(), spawn }
    }

    /// Takes in a new snapshot. Exchanges that have begun end under the old one.
    pub fn apply(&self, site: Arc<Site>) {
        let world = World::new(site, self.worker.index, Some(&self.worker.world()));
        *self.worker.world.borrow_mut() = Rc::new(world);
    }

    /// Accepts connections from `socket` for the listener `id`.
    pub fn listen(&self, id: ListenerId, socket: std::net::TcpListener) -> io::Result<()> {
        let socket = TcpListener::from_std(socket)?;
        let (stop, stopped) = oneshot::channel();
        self.stops.borrow_mut().insert(id, stop);
        self.worker.accepting.update(|listeners| listeners + 1);
        spawn_local(vital(accept(Rc::clone(&self.worker), id, socket, stopped, Rc::clone(&self.spawn))));
        Ok(())
    }

    /// Stops accepting for the listener `id`. Connections of a listener that the snapshot does not name any more end
    /// with their exchange, idle ones at once, and so do those that wait to be accepted.
    pub fn unlisten(&self, id: ListenerId) {
        self.stops.borrow_mut().remove(&id);
        self.worker.deadlines.wake_all();
    }

    /// Stops accepting, ends idle connections, and lets each busy one end with its exchange.
    pub fn drain(&self) {
        self.worker.draining.set(true);
        self.stops.borrow_mut().clear();
        self.worker.deadlines.wake_all();
    }

    /// After [`Engine::drain`]: all connections have ended, those included that waited to be accepted.
    pub fn is_drained(&self) -> bool {
        self.worker.accepting.get() == 0 && self.worker.open.get() == 0
    }

    /// Hands over the last lines of the access log.
    pub fn flush(&self) {
        self.worker.flush_log();
    }
}

fn spawner() -> impl Fn(Connection) {
    let places = Rc::new(Slots::new(connection::place));
    spawn_local(vital(trim(Rc::clone(&places))));
    move |connection| {
        spawn_local(connection::serve(connection, Rc::clone(&places)));
    }
}

/// Gives up places that busy connections do not need any more, for ever.
async fn trim<F: Future<Output = Infallible>>(places: Rc<Places<F>>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        places.trim();
    }
}

/// What a listener waits for.
enum Came {
    Connection(io::Result<(TcpStream, SocketAddr)>),
    Limit(Limit),
    Stop,
}

/// Accepts until told to stop, and then whatever already waits: closing a socket resets those in its queue.
async fn accept(
    worker: Rc<Worker>,
    id: ListenerId,
    socket: TcpListener,
    mut stopped: oneshot::Receiver<()>,
    spawn: Rc<Spawn>,
) {
    let (mut in_a_row, mut is_ending) = (0, false);
    loop {
        if in_a_row == ACCEPTS_IN_A_ROW_MAX {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
        in_a_row += 1;
        let came = std::future::poll_fn(|context| {
            // Looked at here, not once before: others accept while this waits for a connection.
            if let Some(limit) = worker.full(id) {
                return Poll::Ready(Came::Limit(limit));
            }
            match socket.poll_accept(context) {
                Poll::Ready(accepted) => Poll::Ready(Came::Connection(accepted)),
                Poll::Pending if is_ending => Poll::Ready(Came::Stop),
                // The sender is dropped, not used: either way it is the word to stop.
                Poll::Pending => Pin::new(&mut stopped).poll(context).map(|_| Came::Stop),
            }
        });
        match came.await {
            Came::Limit(limit) => {
                worker.counters.reached(limit);
                // Connections close in other workers too, so there is nothing to be woken by but time.
                while worker.full(id).is_some() {
                    tokio::time::sleep(TICK).await;
                }
            }
            Came::Connection(Ok((stream, peer))) => {
                let world = worker.world();
                let Some(listener) = world.listener(id) else { continue };
                let tcp = weir_net::Stream::accepted(stream);
                let stream = match &listener.tls {
                    Some(tls) => Stream::with_tls(tcp, tls.server.accept(&worker.tls_rooms)),
                    None => tcp.into(),
                };
                spawn(Connection::new(&worker, stream, listener, canonical(peer).ip()));
            }
            Came::Connection(Err(error)) if is_exhaustion(&error) => {
                worker.counters.reached(Limit::FileDescriptors);
                tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            }
            // The client was gone before it was accepted.
            Came::Connection(Err(_)) => {}
            Came::Stop if !is_ending => {
                // That nothing waits is what the event loop knew when it last asked the kernel, and a handshake may be
                // on its last step: only after a while is the queue known to be empty.
                is_ending = true;
                tokio::time::sleep(TICK).await;
            }
            Came::Stop => {
                worker.accepting.update(|listeners| listeners - 1);
                return;
            }
        }
    }
}

impl Worker {
    /// The current snapshot, as this worker sees it.
    pub(crate) fn world(&self) -> Ref<'_, Rc<World>> {
        self.world.borrow()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether this one is of the share.
    pub(crate) fn draws(&self, share: Part) -> bool {
        let whole = Part::WHOLE.0;
        share.0 >= whole || self.rng.borrow_mut().below(whole.into()) < share.0.into()
    }

    /// Counts something of a listener of which a connection has been accepted.
    pub(crate) fn count(&self, listener: ListenerId, count: impl FnOnce(&ListenerCounters)) {
        if let Some(counters) = self.listeners.borrow().get(&listener) {
            count(counters);
        }
    }

    pub(crate) fn opened(&self, listener: &ListenerSite) {
        let counters = &listener.counters[self.index];
        counters.accepted.add(1);
        counters.open.add(1);
        if !self.listeners.borrow().contains_key(&listener.id) {
            self.listeners.borrow_mut().insert(listener.id, Arc::clone(counters));
        }
        self.open.set(self.open.get() + 1);
        self.shared.connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.open.set(self.open.get() - 1);
        self.shared.connections.fetch_sub(1, Relaxed);
    }

    /// One more connection that is held before it is cut off, if there is room.
    pub(crate) fn hold(&self) -> bool {
        let has_room = self.held.get() < HELD_PER_WORKER_MAX;
        if has_room {
            self.held.update(|held| held + 1);
        } else {
            self.counters.reached(Limit::Http2Held);
        }
        has_room
    }

    /// One less.
    pub(crate) fn let_go(&self) {
        self.held.update(|held| held - 1);
    }

    /// The limit that forbids another connection of the listener `id`. None does when it accepts its last ones: when
    /// all is draining, or the snapshot does not name it any more.
    fn full(&self, id: ListenerId) -> Option<Limit> {
        let limit = if self.shared.connections.load(Relaxed) >= self.shared.connections_max.load(Relaxed) {
            Limit::MaxConnections
        } else if self.open.get() >= self.shared.connections_per_worker_max.load(Relaxed) {
            Limit::MaxConnectionsPerWorker
        } else {
            return None;
        };
        (!self.is_draining() && self.world().has_listener(id)).then_some(limit)
    }

    /// Lines of the access log wait here for company.
    pub(crate) fn log(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = self.log_lines.borrow_mut();
        write(&mut lines);
        if lines.len() >= access_log::BLOCK_BYTES {
            drop(lines);
            self.flush_log();
        }
    }

    fn flush_log(&self) {
        let mut lines = self.log_lines.borrow_mut();
        if lines.is_empty() {
            return;
        }
        let delivered = match &self.world().site.access_log {
            Some(log) => log.hand_over(&mut lines),
            // The log was taken out of the configuration a moment ago.
            None => true,
        };
        lines.clear();
        if !delivered {
            self.counters.reached(Limit::AccessLogQueue);
        }
    }

    async fn housekeeping(self: Rc<Self>) {
        let ticks_per_sweep = (SWEEP_INTERVAL.as_millis() / TICK.as_millis()) as u64;
        for tick in 1_u64.. {
            // Without a log, nothing needs more than the sweep.
            let logs = self.world().site.access_log.is_some();
            tokio::time::sleep(if logs { TICK } else { SWEEP_INTERVAL }).await;
            self.flush_log();
            if !logs || tick.is_multiple_of(ticks_per_sweep) {
                self.deadlines.now();
                let world = Rc::clone(&self.world());
                world.sweep(self.deadlines.recent_ms());
                self.buffers.trim();
                self.tls_rooms.trim();
            }
        }
    }
}
