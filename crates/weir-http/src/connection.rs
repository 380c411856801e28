//! One client connection: idle, then busy with exchanges, then idle again, until it ends.
//!
//! The task is small, for most connections are idle most of the time: it holds the socket and a few words, no buffer.
//! Everything that an exchange needs lives in a reused place of the worker ([`weir_net::Slots`]).

use std::{
    convert::Infallible,
    future::poll_fn,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use weir_net::{Buffer, Deadline, Hatch, Slots};
use weir_tls::Stream;

use crate::{
    counters::{Limit, ListenerCounters},
    engine::Worker,
    exchange::{self, Desk},
    head::RequestHead,
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
    counters: Arc<ListenerCounters>,
}

/// Where busy connections run: places with futures of [`place`].
pub(crate) type Places<F> = Slots<F, Connection, Option<Connection>>;

/// What comes after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request, which may have arrived already.
    Request,
    /// The end.
    Close,
    /// The end, but the client may still be sending: closing at once would make its kernel throw away our answer.
    Linger,
}

/// Serves a connection to its end.
///
/// Not an `async fn`: that would hold its arguments twice, once as they came and once as they are used.
#[allow(clippy::manual_async_fn)]
pub(crate) fn serve<F>(mut connection: Connection, places: Rc<Places<F>>) -> impl Future<Output = ()>
where
    F: Future<Output = Infallible>,
{
    async move {
        // A task's waker stays the same for as long as it lives.
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
        connection.deadline.belongs_to(waker);
        while poll_fn(|context| connection.poll_idle(context)).await {
            match places.run(connection).await {
                Some(idle) => connection = idle,
                None => return,
            }
        }
    }
}

/// A place for busy connections, one after the other.
pub(crate) async fn place(hatch: Rc<Hatch<Connection, Option<Connection>>>) -> Infallible {
    let mut desk = Desk::default();
    loop {
        let mut connection = hatch.next().await;
        let goes_on = busy(&mut connection, &mut desk).await;
        hatch.give(goes_on.then_some(connection));
    }
}

/// Runs exchanges until nothing more has arrived; false if the connection ends.
async fn busy(connection: &mut Connection, desk: &mut Desk) -> bool {
    let Wire::Http1(stream) = &mut connection.wire;
    if stream.is_handshaking() {
        match poll_fn(|context| Poll::Ready(stream.poll_handshake(context))).await {
            // Its time runs since the accept.
            Poll::Pending => return true,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return false,
        }
    }
    let next = loop {
        let next = exchange::exchange(connection, desk).await;
        if next != Next::Request || connection.buffer.is_none() {
            break next;
        }
    };
    match next {
        Next::Request => {
            // Before its first request, a connection is not idle but late: its deadline stands.
            if connection.has_begun {
                let Some(timeout) = connection.idle_timeout() else { return false };
                connection.deadline.set(timeout);
            }
            true
        }
        Next::Close => false,
        Next::Linger => {
            connection.linger().await;
            false
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.open.sub(1);
        self.worker.closed();
    }
}

impl Connection {
    /// Counts a connection that has been accepted for `listener` as open until it is dropped.
    pub(crate) fn new(worker: &Rc<Worker>, stream: Stream, listener: &ListenerSite, client: IpAddr) -> Self {
        let counters = Arc::clone(&listener.counters[worker.index]);
        counters.accepted.add(1);
        counters.open.add(1);
        worker.opened();
        let deadline = worker.deadlines.register();
        deadline.set(listener.settings.header_timeout);
        Self {
            worker: Rc::clone(worker),
            wire: Wire::Http1(stream),
            deadline,
            buffer: None,
            listener: listener.id,
            has_begun: false,
            client,
            counters,
        }
    }

    /// True when a request may have arrived, false when the connection shall end.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let Wire::Http1(stream) = &self.wire;
        if stream.poll_readable(context).is_ready() {
            return Poll::Ready(true);
        }
        if self.is_unwanted() {
            return Poll::Ready(false);
        }
        if self.deadline.expired() {
            let limit = if self.has_begun { Limit::IdleTimeout } else { Limit::HeaderTimeout };
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
    pub(crate) fn text(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::filled)
    }

    /// The request of this head as routes see it.
    pub(crate) fn view<'a>(&'a self, head: &'a RequestHead) -> View<'a> {
        View { head, text: self.text(), client: self.client, scheme: self.scheme() }
    }

    /// The scheme of the URLs that the client asks for.
    pub(crate) fn scheme(&self) -> &'static str {
        let Wire::Http1(stream) = &self.wire;
        if stream.tls().is_some() { "https" } else { "http" }
    }

    /// How many bytes have arrived and are not consumed.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.as_ref().map_or(0, Buffer::len)
    }

    /// Takes `n` bytes from the front of the buffer, and gives the buffer back when that was all.
    pub(crate) fn consume(&mut self, n: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.consume(n);
            if buffer.is_empty() {
                self.buffer = None;
            }
        }
    }

    /// The counters of its listener, which outlive any snapshot.
    pub(crate) fn counters(&self) -> &ListenerCounters {
        &self.counters
    }

    /// Says that no more will be sent, and throws away what still comes, for a bounded time and amount.
    async fn linger(&mut self) {
        if self.wire.shutdown_write().is_err() {
            return;
        }
        self.deadline.set(LINGER_TIMEOUT);
        let mut buffer = self.buffer.take().unwrap_or_else(|| self.worker.buffers.take());
        let mut left = LINGER_BYTES_MAX;
        poll_fn(|context| {
            loop {
                buffer.clear();
                match self.wire.poll_read(context, &mut buffer) {
                    Poll::Ready(Ok(n)) if n > 0 && left > n as u64 => left -= n as u64,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending if self.deadline.expired() => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: fn(Rc<Hatch<Connection, Option<Connection>>>) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_task<F, T>(
        _: fn(Rc<Hatch<Connection, Option<Connection>>>) -> F,
        _: impl Fn(Connection, Rc<Places<F>>) -> T,
    ) -> usize {
        size_of::<T>()
    }

    /// An idle connection pays for the task, a busy one for a place.
    #[test]
    fn futures_stay_small() {
        let (task, future) = (size_of_task(place, serve), size_of_future(place));
        assert!(task <= 200, "the task of a connection has grown to {task} bytes");
        assert!(future <= 2000, "the future of a busy connection has grown to {future} bytes");
    }
}
