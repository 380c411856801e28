//! `mirror`: copies of requests for another pool, whose answers are thrown away.
//!
//! A copy is made beside the exchange and sent by a task of its own ([`send`]), so that nothing which happens to it can delay,
//! fail or change what the client gets. A request without a body is copied as soon as its pool is known. That of one with a
//! body is kept as the exchange reads it (`attempt::Kept`) and sent when it is whole: a copy that had to be broken off would be another
//! request than the client's, and one that went along would tie the client to the mirror's pace. Whatever cannot be copied
//! within the limits is left out and counted.
//!
//! Sharing what `retry` keeps of bodies was rejected: the longer of both limits would then hold for retries too.

mod send;

use std::{cell::Cell, mem, rc::Rc, sync::Arc, time::Duration};

use tokio::task::spawn_local;
use weir_config::{Mirror, Route};
use weir_net::Buffer;

use crate::{
    connection::Connection,
    counters::{Limit, MirrorOutcome, RouteCounters},
    engine::Worker,
    exchange::Desk,
    forward,
    h1::{Body, HeadLimits, Refusal},
    head::BodyLength,
    relay,
    site::{ListenerSite, PerWorker, RouteSite},
    upstream::{RouteLink, World},
};

/// What one worker holds of all copies, heads and bodies, in bytes. Requests beyond it are not copied.
pub(crate) const MIRRORED_BYTES_PER_WORKER_MAX: usize = 32 << 20;

/// Tells the mirror's servers that nobody waits for their answer.
const MARK: (&str, &str) = ("x-weir-mirror", "1");

/// `mirror` of one route.
#[derive(Debug)]
pub struct MirrorSite {
    settings: Mirror,
    /// The route as its copies are forwarded: with the mark.
    route: Route,
}

impl MirrorSite {
    /// What the route says of copies.
    pub fn of(route: &Route) -> Option<Self> {
        let settings = route.mirror.clone()?;
        let mut route = route.clone();
        let edits = &mut route.request_headers;
        edits.set.retain(|(name, _)| name != MARK.0);
        edits.add.retain(|(name, _)| name != MARK.0);
        // In place of whatever the client calls so.
        edits.set.push((MARK.0.to_owned(), MARK.1.to_owned()));
        Some(Self { settings, route })
    }
}

/// Copies the request if its route has a mirror and it is drawn. It goes out now, or when its body is whole.
pub(crate) fn begin(
    connection: &Connection,
    desk: &mut Desk,
    world: &Rc<World>,
    listener: &ListenerSite,
    (route, link): (&RouteSite, &RouteLink),
) {
    let Some(site) = &route.mirror else { return };
    let worker = &connection.worker;
    if !worker.draws(site.settings.share) {
        return;
    }
    let copied = may_be_copied(worker, desk, &site.settings)
        .and_then(|announced| Place::take(worker, &link.mirrored, &site.settings, announced))
        .and_then(|place| Duplicate::new(connection, desk, world, listener, (site, &route.counters), place));
    match copied {
        Ok(copy) => {
            Waiting::begin(copy, connection, desk, site.settings.body_bytes_max, listener.head_limits());
        }
        Err(outcome) => route.counters[worker.index].mirrored.count(outcome),
    }
}

/// How long its body may become, if it is one that can be copied.
fn may_be_copied(worker: &Worker, desk: &Desk, settings: &Mirror) -> Result<usize, MirrorOutcome> {
    let request = &desk.request;
    if request.upgrade.is_some() || request.extended_connect {
        return Err(MirrorOutcome::Protocol);
    }
    match request.body {
        BodyLength::None => Ok(0),
        BodyLength::Sized(bytes) if bytes > settings.body_bytes_max as u64 => {
            worker.counters.reached(Limit::MirrorBody);
            Err(MirrorOutcome::Body)
        }
        BodyLength::Sized(bytes) => Ok(bytes as usize),
        BodyLength::Chunked | BodyLength::UntilEnd => Ok(settings.body_bytes_max),
    }
}

/// One of the copies that may be under way, until it is dropped.
struct Place {
    worker: Rc<Worker>,
    under_way: Rc<Cell<u32>>,
    bytes: usize,
}

impl Place {
    fn take(
        worker: &Rc<Worker>,
        under_way: &Rc<Cell<u32>>,
        settings: &Mirror,
        bytes: usize,
    ) -> Result<Self, MirrorOutcome> {
        if under_way.get() >= settings.requests_max {
            worker.counters.reached(Limit::MirrorMax);
            return Err(MirrorOutcome::Full);
        }
        under_way.update(|copies| copies + 1);
        let mut place = Self { worker: Rc::clone(worker), under_way: Rc::clone(under_way), bytes: 0 };
        place.hold(bytes)?;
        Ok(place)
    }

    /// Holds so many bytes more.
    fn hold(&mut self, bytes: usize) -> Result<(), MirrorOutcome> {
        let held = self.worker.mirrored_bytes.get() + bytes;
        if held > MIRRORED_BYTES_PER_WORKER_MAX {
            self.worker.counters.reached(Limit::MirrorBytes);
            return Err(MirrorOutcome::Memory);
        }
        self.worker.mirrored_bytes.set(held);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.update(|copies| copies - 1);
        self.worker.mirrored_bytes.update(|held| held - self.bytes);
    }
}

/// A copy. Counted by its outcome when it is dropped.
pub(crate) struct Duplicate {
    world: Rc<World>,
    settings: Mirror,
    counters: Arc<RouteCounters>,
    place: Place,
    head: Vec<u8>,
    /// Its data, without framing.
    body: Vec<u8>,
    /// What the head says of the body.
    length: BodyLength,
    /// What the mirror's pool hashes.
    key: Option<u64>,
    to_head: bool,
    limits: HeadLimits,
    outcome: MirrorOutcome,
}

impl Drop for Duplicate {
    fn drop(&mut self) {
        self.counters.mirrored.count(self.outcome);
    }
}

impl Duplicate {
    fn new(
        connection: &Connection,
        desk: &mut Desk,
        world: &Rc<World>,
        listener: &ListenerSite,
        (site, counters): (&MirrorSite, &PerWorker<RouteCounters>),
        mut place: Place,
    ) -> Result<Box<Self>, MirrorOutcome> {
        let worker = &connection.worker;
        let pool = &world.site.pools[site.settings.pool.0];
        // One that names no host gets the first server's, whichever takes it.
        let host_default = pool.pool.members()[0].server.address();
        let mut head = Vec::with_capacity(connection.text().len());
        // The body goes along, or the copy does not go.
        let expects_continue = mem::take(&mut desk.request.expects_continue);
        let forwarding = relay::forwarding(connection, desk, listener, &site.route, host_default);
        forward::request(&mut head, &desk.request, &forwarding);
        desk.request.expects_continue = expects_continue;
        place.hold(head.len())?;
        let view = connection.view(&desk.request);
        let mut room = worker.path_room.borrow_mut();
        let key = pool.hash_key.as_ref().and_then(|key| view.hash(key, &mut room));
        Ok(Box::new(Self {
            world: Rc::clone(world),
            settings: site.settings.clone(),
            counters: Arc::clone(&counters[worker.index]),
            place,
            head,
            body: Vec::new(),
            length: desk.request.body,
            key,
            to_head: desk.to_head,
            limits: listener.head_limits(),
            outcome: MirrorOutcome::Incomplete,
        }))
    }

    fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    fn start(self: Box<Self>) {
        spawn_local(self.run());
    }
}

/// A copy whose body is on its way.
pub(crate) struct Waiting {
    copy: Box<Duplicate>,
    body: Body,
    /// Framing that has not come whole.
    rest: Vec<u8>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("body", &self.body).finish_non_exhaustive()
    }
}

/// What is still to come of a body.
enum Left {
    Nothing,
    Something,
}

impl Waiting {
    /// Sends the copy if its body has come with the head, or keeps it until it has.
    fn begin(
        copy: Box<Duplicate>,
        connection: &Connection,
        desk: &mut Desk,
        bytes_max: usize,
        limits: HeadLimits,
    ) {
        let request = &desk.request;
        if request.body == BodyLength::None {
            return copy.start();
        }
        let on_stream = connection.wire.is_http2();
        let body = Body::of(request.body, on_stream, bytes_max as u64, limits);
        let arrived = connection.buffer.as_ref().map_or(&[][..], Buffer::filled);
        let arrived = if on_stream { arrived } else { &arrived[request.len..] };
        let waiting = Box::new(Self { copy, body, rest: Vec::new() });
        match arrived {
            [] => desk.kept.copy_to(waiting),
            arrived => waiting.came(arrived).into_iter().for_each(|waiting| desk.kept.copy_to(waiting)),
        }
    }

    /// More of the body has come; nothing: the client has sent all. `None`: the copy has gone, or there will be none.
    pub(crate) fn came(mut self: Box<Self>, bytes: &[u8]) -> Option<Box<Self>> {
        if bytes.is_empty() {
            if matches!(self.body, Body::UntilEnd(_)) {
                self.copy.start();
            }
            return None;
        }
        match self.keep(bytes) {
            Ok(Left::Something) => return Some(self),
            Ok(Left::Nothing) => self.copy.start(),
            Err(Refusal::BodyTooLarge) => {
                self.copy.place.worker.counters.reached(Limit::MirrorBody);
                self.copy.outcome = MirrorOutcome::Body;
            }
            // The exchange ends by it too.
            Err(_) => {}
        }
        None
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<Left, Refusal> {
        let mut joined = mem::take(&mut self.rest);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let mut at = 0;
        // What comes behind the body is the next request.
        while !self.body.is_done() {
            let piece = self.body.next(&bytes[at..])?;
            let data = at + piece.framing..at + piece.framing + piece.data;
            if data.end == at {
                self.rest = bytes[at..].to_vec();
                return Ok(Left::Something);
            }
            at = data.end;
            self.copy.body.extend_from_slice(&bytes[data]);
        }
        Ok(Left::Nothing)
    }
}
