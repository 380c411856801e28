//! One client connection: idle, then busy with exchanges, then idle again, until it ends.
//!
//! The task is small, for most connections are idle most of the time: it holds the socket and a few words, no buffer.
//! Everything that an exchange needs lives in a reused place of the worker ([`weir_net::Slots`]).

use std::{
    convert::Infallible,
    future::poll_fn,
    net::IpAddr,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::spawn_local;
use weir_net::{BUFFER_BYTES, Buffer, Deadline, Hatch, Slots};
use weir_tls::{Failure, Identity, Stream, acme::TLS_ALPN_01_PROTOCOL};

use crate::{
    counters::{Limit, ListenerCounters},
    engine::Worker,
    exchange::{self, Desk},
    head::RequestHead,
    multiplex,
    site::{ListenerId, ListenerSite},
    view::View,
    wire::Wire,
};

/// How long a connection that is being closed may go on sending what nobody reads.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How much of it is thrown away before the connection is closed all the same, in bytes.
pub(crate) const LINGER_BYTES_MAX: u64 = 1 << 20;

/// A client connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) wire: Wire,
    pub(crate) deadline: Deadline,
    /// What has arrived and is not consumed; `None` when that is nothing.
    pub(crate) buffer: Option<Buffer>,
    pub(crate) listener: ListenerId,
    /// Its first request has begun.
    pub(crate) has_begun: bool,
    pub(crate) client: IpAddr,
}

/// Where busy connections run: places with futures of [`place`].
pub(crate) type Places<F> = Slots<F, Connection, After>;

/// What becomes of a connection that was busy.
pub(crate) enum After {
    /// It waits for more.
    Idle(Connection),
    /// Its client speaks HTTP/2.
    Http2(Connection),
    /// It has ended.
    Gone,
}

/// What comes after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request, which may have arrived already.
    Request,
    /// The end.
    Close,
    /// The client speaks HTTP/2.
    Http2,
    /// The end, but the client may still be sending: closing at once would make its kernel throw away our answer.
    Linger,
}

/// Serves a connection to its end.
///
/// Not an `async fn`: that would hold its arguments twice, once as they came and once as they are used.
#[allow(clippy::manual_async_fn)]
pub(crate) fn serve<F>(mut connection: Connection, places: Rc<Places<F>>) -> impl Future<Output = ()>
where
    F: Future<Output = Infallible> + 'static,
{
    async move {
        connection.belongs_to_this_task().await;
        while poll_fn(|context| connection.poll_idle(context)).await {
            match places.run(connection).await {
                After::Idle(idle) => connection = idle,
                After::Http2(shared) => {
                    // In a task of its own, so that this one, which most connections have, stays small.
                    spawn_local(multiplex::serve(shared, places));
                    return;
                }
                After::Gone => return,
            }
        }
    }
}

/// A place for busy connections, one after the other.
pub(crate) async fn place(hatch: Rc<Hatch<Connection, After>>) -> Infallible {
    let mut desk = Desk::default();
    loop {
        let mut connection = hatch.next().await;
        let after = match busy(&mut connection, &mut desk).await {
            Next::Request => After::Idle(connection),
            Next::Http2 => After::Http2(connection),
            Next::Close | Next::Linger => After::Gone,
        };
        hatch.give(after);
    }
}

/// Runs exchanges until nothing more has arrived.
async fn busy(connection: &mut Connection, desk: &mut Desk) -> Next {
    if let Some(next) = handshake(connection).await {
        return next;
    }
    let next = loop {
        let next = exchange::exchange(connection, desk).await;
        if connection.wire.is_http2() {
            return Next::Close;
        }
        if next != Next::Request || connection.buffer.is_none() {
            break next;
        }
    };
    match next {
        // Before its first request, a connection is not idle but late: its deadline stands.
        Next::Request if connection.has_begun => match connection.idle_timeout() {
            Some(timeout) => connection.deadline.set(timeout),
            None => return Next::Close,
        },
        Next::Linger => connection.linger().await,
        _ => {}
    }
    next
}

/// Carries the handshake on, if there is one, as far as it goes. `None`: it is done.
async fn handshake(connection: &mut Connection) -> Option<Next> {
    let Wire::Http1(stream) = &mut connection.wire else { return None };
    if !stream.is_handshaking() {
        return None;
    }
    let deadline = &connection.deadline;
    let polled = poll_fn(|context| match stream.poll_handshake(context) {
        // What waits to be sent keeps it busy; what waits to arrive does not.
        Poll::Pending if stream.has_unsent() && !deadline.expired() => Poll::Pending,
        polled => Poll::Ready(polled),
    });
    match polled.await {
        // Its time runs since the accept.
        Poll::Pending => Some(Next::Request),
        Poll::Ready(Err(error)) => {
            connection.count(|counters| counters.handshakes.failed(Failure::of(&error)));
            Some(Next::Close)
        }
        Poll::Ready(Ok(())) => established(connection),
    }
}

/// What comes after a handshake. `None`: requests of HTTP/1.
fn established(connection: &mut Connection) -> Option<Next> {
    let Wire::Http1(stream) = &mut connection.wire else { return None };
    let session = stream.tls_mut()?;
    let read = session.read_identity();
    let handshake = session.handshake();
    let next = match session.protocol() {
        Some(b"h2") => Some(Next::Http2),
        // RFC 8737 section 3: the handshake was all that was wanted.
        Some(TLS_ALPN_01_PROTOCOL) => Some(Next::Close),
        _ => None,
    };
    if let Err(error) = read {
        connection.count(|counters| counters.handshakes.failed(Failure::of(&error)));
        return Some(Next::Close);
    }
    handshake.inspect(|handshake| connection.count(|counters| counters.handshakes.done(*handshake)));
    // The first request has a time of its own.
    let world = connection.worker.world();
    if let Some(listener) = world.listener(connection.listener) {
        connection.deadline.set(listener.settings.header_timeout);
    }
    next
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.wire.is_http2() {
            self.count(|counters| counters.open.sub(1));
            self.worker.closed();
        }
    }
}

impl Connection {
    /// Counts a connection that has been accepted for `listener` as open until it is dropped.
    pub(crate) fn new(worker: &Rc<Worker>, stream: Stream, listener: &ListenerSite, client: IpAddr) -> Self {
        worker.opened(listener);
        let deadline = worker.deadlines.register();
        deadline
            .set(listener.tls.as_ref().map_or(listener.settings.header_timeout, |tls| tls.handshake_timeout));
        Self {
            worker: Rc::clone(worker),
            wire: Wire::Http1(stream),
            deadline,
            buffer: None,
            listener: listener.id,
            has_begun: false,
            client,
        }
    }

    /// One stream of a connection that has been counted already.
    pub(crate) fn of_stream(
        worker: &Rc<Worker>,
        stream: multiplex::Stream,
        (listener, client): (ListenerId, IpAddr),
    ) -> Self {
        Self {
            worker: Rc::clone(worker),
            wire: Wire::Http2(Box::new(stream)),
            deadline: worker.deadlines.register(),
            buffer: None,
            listener,
            has_begun: true,
            client,
        }
    }

    /// What the client's certificate says; the same for all streams of a connection.
    pub(crate) fn identity(&self) -> Option<&Rc<Identity>> {
        match &self.wire {
            Wire::Http1(stream) => stream.tls()?.identity(),
            Wire::Http2(stream) => stream.identity(),
        }
    }

    /// The handshake of TLS has said that it speaks HTTP/1.
    pub(crate) fn has_agreed_on_http1(&self) -> bool {
        let Wire::Http1(stream) = &self.wire else { return false };
        stream.tls().is_some_and(|session| session.protocol().is_some())
    }

    /// Its deadline wakes the task that calls this.
    pub(crate) async fn belongs_to_this_task(&self) {
        // A task's waker stays the same for as long as it lives.
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
        self.deadline.belongs_to(waker);
    }

    /// True when a request may have arrived, false when the connection shall end.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let Wire::Http1(stream) = &self.wire else { unreachable!("streams are not idle") };
        if stream.poll_readable(context).is_ready() {
            return Poll::Ready(true);
        }
        if self.is_unwanted() {
            return Poll::Ready(false);
        }
        if self.deadline.expired() {
            let limit = match self.has_begun {
                true => Limit::IdleTimeout,
                false if stream.is_handshaking() => {
                    self.count(|counters| counters.handshakes.failed(Failure::Timeout));
                    Limit::HandshakeTimeout
                }
                false => Limit::HeaderTimeout,
            };
            self.worker.counters.reached(limit);
            return Poll::Ready(false);
        }
        Poll::Pending
    }

    /// It is to end with what is under way: the worker drains, or the listener is not in the snapshot any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.worker.is_draining() || !self.worker.world().has_listener(self.listener)
    }

    fn idle_timeout(&self) -> Option<Duration> {
        Some(self.worker.world().listener(self.listener)?.settings.idle_timeout)
    }

    /// What has arrived and is not consumed; the text of the request's head, until that is.
    #[inline]
    pub(crate) fn text(&self) -> &[u8] {
        match &self.wire {
            Wire::Http2(stream) => stream.text(),
            Wire::Http1(_) => self.buffer.as_ref().map_or(&[], Buffer::filled),
        }
    }

    /// The request of this head as routes see it.
    pub(crate) fn view<'a>(&'a self, head: &'a RequestHead) -> View<'a> {
        View { head, text: self.text(), client: self.client, scheme: self.scheme() }
    }

    /// The scheme of the URLs that the client asks for.
    #[inline]
    pub(crate) fn scheme(&self) -> &'static str {
        match &self.wire {
            Wire::Http1(stream) if stream.tls().is_some() => "https",
            Wire::Http1(_) => "http",
            Wire::Http2(stream) => stream.scheme(),
        }
    }

    /// How many bytes have arrived and are not consumed.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.as_ref().map_or(0, Buffer::len)
    }

    /// Takes `n` bytes from the front of the buffer, and gives the buffer back when that was all.
    pub(crate) fn consume(&mut self, n: usize) {
        if let Wire::Http2(stream) = &mut self.wire {
            stream.forget_text();
        } else if let Some(buffer) = &mut self.buffer {
            buffer.consume(n);
            if buffer.is_empty() {
                self.buffer = None;
            }
        }
    }

    /// Counts something of its listener, whose counters outlive any snapshot.
    pub(crate) fn count(&self, count: impl FnOnce(&ListenerCounters)) {
        self.worker.count(self.listener, count);
    }

    /// Says that no more will be sent, and throws away what still comes, for a bounded time and amount.
    pub(crate) async fn linger(&mut self) {
        if self.wire.shutdown_write().is_err() {
            return;
        }
        self.deadline.set(LINGER_TIMEOUT);
        let mut buffer = self.buffer.take().unwrap_or_else(|| self.worker.buffers.take());
        let (mut left, mut in_turn) = (LINGER_BYTES_MAX, 0);
        loop {
            buffer.clear();
            let came = poll_fn(|context| match self.wire.poll_read(context, &mut buffer) {
                Poll::Pending if self.deadline.expired() => Poll::Ready(Ok(0)),
                polled => polled,
            });
            match came.await {
                Ok(n) if n > 0 && left > n as u64 => {
                    left -= n as u64;
                    in_turn += n;
                }
                _ => return,
            }
            if in_turn >= BUFFER_BYTES {
                // There may be much more, and nobody else is to wait for it.
                in_turn = 0;
                self.worker.slow_lane.turn().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: fn(Rc<Hatch<Connection, After>>) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_task<F, T>(
        _: fn(Rc<Hatch<Connection, After>>) -> F,
        _: impl Fn(Connection, Rc<Places<F>>) -> T,
    ) -> usize {
        size_of::<T>()
    }

    /// An idle connection pays for the task, a busy one for a place.
    #[test]
    fn futures_stay_small() {
        let (task, future) = (size_of_task(place, serve), size_of_future(place));
        assert!(task <= 160, "the task of a connection has grown to {task} bytes");
        assert!(future <= 2176, "the future of a busy connection has grown to {future} bytes");
    }
}
