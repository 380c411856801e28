//! The servers that a request is tried on.
//!
//! A connect that fails has sent nothing, so the request goes to another server at once, whatever it is. A connection
//! that dies after the request went out leaves open whether it was carried out: only an idempotent request without a
//! body is sent again, once (RFC 9110 section 9.2.2).

use std::{future::poll_fn, io, pin::pin, rc::Rc, task::Poll, time::Duration};

use weir_balance::{Ask, ServerIndex};
use weir_config::{PoolIndex, PoolProtocol};
use weir_net::{deadline::milliseconds, stream::is_exhaustion};
use weir_tls::Stream;

use crate::{
    connection::Connection,
    counters::Limit,
    exchange::{Desk, End, Record},
    head::BodyLength,
    multiplex::{self, Obtained},
    site::PoolSite,
    sticky,
    upstream::{Lease, PoolLink, ServerLink, Upstream, World},
};

/// Servers that one request is tried on while connects fail.
pub(crate) const CONNECT_ATTEMPTS_MAX: usize = 8;

/// The attempts of one request.
pub(crate) struct Attempts<'a> {
    pub(crate) site: &'a PoolSite,
    link: &'a PoolLink,
    /// Where the client belongs: that comes before the algorithm.
    pub(crate) sticky: Option<sticky::Session<'a>>,
    key: Option<u64>,
    /// The request may be sent again when its connection dies.
    is_replayable: bool,
    replayed: bool,
    /// Where it died, if the pool has no other server.
    died_on: Option<ServerIndex>,
    /// When no other server is tried any more.
    give_up_ms: u64,
    /// What was wrong with TLS of the server that was tried last.
    wrong: Option<String>,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        connection: &Connection,
        desk: &mut Desk,
        world: &'a World,
        pool: PoolIndex,
        timeout: Duration,
    ) -> Self {
        let site = &world.site.pools[pool.0];
        let (text, view) = (connection.text(), connection.view(&desk.request));
        let mut room = connection.worker.path_room.borrow_mut();
        let key = site.hash_key.as_ref().and_then(|key| view.hash(key, &mut room));
        let is_replayable = desk.request.body == BodyLength::None && desk.request.is_idempotent(text);
        let give_up_ms = connection.worker.deadlines.recent_ms() + milliseconds(timeout);
        desk.tried.clear();
        drop(room);
        if let Some(prequal) = &world.pools[pool.0].prequal {
            prequal.prepare(&world.pools[pool.0], &connection.worker);
        }
        let begin = |sticky| sticky::Session::begin(sticky, &site.pool, connection, desk);
        let sticky = site.sticky.as_ref().map(begin);
        Self {
            site,
            link: &world.pools[pool.0],
            sticky,
            key,
            is_replayable,
            replayed: false,
            died_on: None,
            give_up_ms,
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
            let (index, link) = self.pick(connection, desk)?;
            record.server = Some(Rc::clone(link));
            desk.tried.push(index);
            let now_ms = connection.worker.deadlines.recent_ms();
            let lease = Lease::new(link, connection.worker.index);
            // After one connection has died unseen, others of the same age may have too.
            let kept = if self.replayed {
                Err(lease)
            } else {
                Upstream::reuse(lease, &self.site.keep_alive, now_ms)
            };
            let lease = match kept {
                Ok(mut upstream) => {
                    // The kernel is asked, since a request that must not be sent twice must not meet a closed
                    // connection.
                    if self.is_replayable || upstream.is_alive() {
                        return Ok(upstream);
                    }
                    // It closed a moment ago; the server itself may be well.
                    upstream.into_lease()
                }
                Err(lease) => lease,
            };
            let left_ms = self.give_up_ms.saturating_sub(connection.worker.deadlines.recent_ms());
            let patience = self.site.connect_timeout.min(Duration::from_millis(left_ms));
            let error = match self.reach(connection, link, patience).await {
                Ok(Reached::Alone(stream)) => return Ok(Upstream::fresh(stream, lease, now_ms)),
                Ok(Reached::Shared(stream)) => return Ok(Upstream::shared(stream, lease)),
                Err(error) => error,
            };
            if is_exhaustion(&error) {
                connection.worker.counters.reached(Limit::FileDescriptors);
                return Err(End::answer(
                    503,
                    "no descriptor or port is left here for a connection to a server",
                ));
            }
            if error.kind() == io::ErrorKind::TimedOut {
                if patience < self.site.connect_timeout {
                    // Not the server's fault: others before it took the time.
                    connection.worker.counters.reached(Limit::ResponseTimeout);
                    return Err(End::answer(504, "no server could be reached within the route's timeout"));
                }
                connection.worker.counters.reached(Limit::ConnectTimeout);
            }
            self.wrong = weir_tls::why(&error).or_else(|| {
                (error.kind() == io::ErrorKind::Unsupported).then(|| "does not speak HTTP/2".to_owned())
            });
            link.counters.connect_failures.add(1);
            link.unreachable(&connection.worker.deadlines);
            (connection.worker.shared.on_connect_failure)(&link.server);
        }
    }

    /// A connection to the server, or a stream on one.
    async fn reach(
        &self,
        connection: &Connection,
        link: &Rc<ServerLink>,
        patience: Duration,
    ) -> io::Result<Reached> {
        let may_be_http1 = self.site.protocol == PoolProtocol::Auto;
        if self.site.protocol == PoolProtocol::Http1 || (may_be_http1 && link.trunks.speaks_http1()) {
            return Ok(Reached::Alone(dial(connection, self.site, link, patience).await?));
        }
        connection.deadline.set(patience);
        let obtained = multiplex::obtain(
            link,
            &connection.worker,
            &self.site.keep_alive,
            may_be_http1,
            async || dial(connection, self.site, link, patience).await,
            || connection.deadline.expired(),
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

    fn pick(
        &mut self,
        connection: &Connection,
        desk: &Desk,
    ) -> Result<(ServerIndex, &'a Rc<ServerLink>), End> {
        let pool = &self.site.pool;
        if desk.tried.len() >= CONNECT_ATTEMPTS_MAX {
            connection.worker.counters.reached(Limit::ConnectAttempts);
            return Err(End::answer(
                502,
                format!("{CONNECT_ATTEMPTS_MAX} servers of pool `{}` failed", pool.name()),
            ));
        }
        let mut rng = connection.worker.rng.borrow_mut();
        let picked = self.sticky.as_mut().and_then(sticky::Session::take_home);
        let now_ms = connection.worker.deadlines.recent_ms();
        let ask = Ask { key: self.key, tried: &desk.tried, now_ms };
        let picked = picked.or_else(|| self.link.picker.borrow_mut().pick(pool, &ask, &mut rng));
        // A connection that died need not mean that its server did: with no other left, a new one is worth a try.
        let picked = picked.or_else(|| self.died_on.take());
        match picked {
            Some(index) => Ok((index, &self.link.servers[index.0 as usize])),
            None if desk.tried.is_empty() => {
                Err(End::answer(503, format!("no server of pool `{}` is up", pool.name())))
            }
            None => {
                let wrong =
                    self.wrong.take().map(|wrong| format!("; the last one {wrong}")).unwrap_or_default();
                Err(End::answer(502, format!("no server of pool `{}` could be reached{wrong}", pool.name())))
            }
        }
    }

    /// After the connection died before a byte of the answer: permits another try, or ends the exchange.
    /// `untouched`: the server has said that it did nothing with the request.
    pub(crate) fn again(&mut self, desk: &mut Desk, record: &Record, untouched: bool) -> Result<(), End> {
        let is_safe = untouched && desk.request.body == BodyLength::None;
        if !is_safe && (!self.is_replayable || self.replayed) {
            return Err(End::answer(502, "the server closed the connection without an answer"));
        }
        self.replayed = true;
        self.died_on = desk.tried.last().copied();
        if let Some(sticky) = &mut self.sticky {
            sticky.died(self.died_on);
        }
        if let Some(server) = &record.server {
            server.counters.replays.add(1);
        }
        Ok(())
    }
}

/// What a request goes out on.
enum Reached {
    Alone(Stream),
    Shared(multiplex::Stream),
}

/// Connects within `patience`, or fails with `TimedOut`.
async fn dial(
    connection: &Connection,
    site: &PoolSite,
    link: &ServerLink,
    patience: Duration,
) -> io::Result<Stream> {
    connection.deadline.set(patience);
    let tcp = in_time(connection, weir_net::Stream::connect(link.address())).await?;
    let Some(tls) = &site.tls else { return Ok(tcp.into()) };
    let mut stream = Stream::with_tls(tcp, tls.connect(link.address(), &connection.worker.tls_rooms));
    in_time(connection, poll_fn(|context| stream.poll_handshake(context))).await?;
    Ok(stream)
}

async fn in_time<T>(connection: &Connection, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut doing = pin!(doing);
    poll_fn(|context| match doing.as_mut().poll(context) {
        Poll::Pending if connection.deadline.expired() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        polled => polled,
    })
    .await
}
