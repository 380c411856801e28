//! HTTP/2 connections to a server: shared by all exchanges of a worker, and made as streams run out.
//!
//! A new connection carries one exchange, for which it was made, until the server's SETTINGS have come: they may allow a
//! few streams only, and a request with a body that is refused cannot be sent again. The others wait so long.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::spawn_local;
use weir_config::KeepAlive;
use weir_net::{Deadline, deadline::milliseconds};
use weir_tls::Stream as Socket;

use super::{
    Multiplex, Stream,
    io::{Input, Turn},
    settings,
};
use crate::{counters::Limit, engine::Worker, h2::Mux, upstream::ServerLink};

/// A worker's HTTP/2 connections to one server.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    open: RefCell<Vec<Rc<Multiplex>>>,
    /// Somebody makes another one.
    dialing: Cell<bool>,
    /// Those who wait for it, or for its SETTINGS.
    waiting: RefCell<Vec<Waker>>,
    /// The server has chosen HTTP/1.
    speaks_http1: Cell<bool>,
}

/// What [`obtain`] has got.
pub(crate) enum Obtained {
    /// A stream on a connection that was there.
    Shared(Stream),
    /// A stream on a connection that was made for it.
    Fresh(Stream),
    /// A new connection of HTTP/1, which the server preferred.
    Http1(Socket),
}

impl Trunks {
    /// A stream on a connection that has room for one.
    fn stream(&self) -> Option<Stream> {
        let mut open = self.open.borrow_mut();
        open.retain(|home| !home.is_over());
        open.iter().find(|home| home.takes_streams()).map(Stream::to_open)
    }

    /// The server does not speak HTTP/2, so far as it said.
    pub(crate) fn speaks_http1(&self) -> bool {
        self.speaks_http1.get()
    }

    /// Soon there may be room: somebody dials, or a new connection's SETTINGS are to come.
    fn is_promising(&self) -> bool {
        self.dialing.get() || self.open.borrow().iter().any(|home| home.is_unsettled())
    }

    /// Wakes this once when that has changed.
    fn await_change(&self, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

impl Multiplex {
    fn takes_streams(&self) -> bool {
        let mux = self.mux.borrow();
        !self.retired.get() && mux.can_open() && (mux.is_settled() || mux.streams_open() == 0)
    }

    /// The server's SETTINGS are still to come.
    fn is_unsettled(&self) -> bool {
        !self.retired.get() && !self.is_settled()
    }

    /// Nobody will open a stream on it any more. A server that allows none at all could allow some again; but until then
    /// there would be a connection more for each request.
    fn is_over(&self) -> bool {
        let mux = self.mux.borrow();
        self.retired.get() || mux.is_draining() || mux.takes_none()
    }
}

/// A stream to the server of `link`. If no connection has room for one, `dial` makes another; those who come meanwhile
/// wait for it. `may_be_http1`: the server may choose, in the handshake.
pub(crate) async fn obtain(
    link: &Rc<ServerLink>,
    worker: &Rc<Worker>,
    keep_alive: &KeepAlive,
    may_be_http1: bool,
    dial: impl AsyncFnOnce() -> io::Result<Socket>,
    is_overdue: impl Fn() -> bool,
) -> io::Result<Obtained> {
    let trunks = &link.trunks;
    loop {
        if let Some(stream) = trunks.stream() {
            return Ok(Obtained::Shared(stream));
        }
        // One of HTTP/1 is for one exchange alone: there is nothing to wait for.
        if !trunks.is_promising() || (may_be_http1 && trunks.speaks_http1()) {
            break;
        }
        poll_fn(|context| match trunks.is_promising() {
            false => Poll::Ready(Ok(())),
            true if is_overdue() => Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut))),
            true => {
                trunks.await_change(context.waker());
                Poll::Pending
            }
        })
        .await?;
    }
    let dialing = Dialing::begin(trunks);
    let socket = dial().await?;
    let (is_agreed, scheme) = match socket.tls() {
        Some(tls) => (tls.protocol() == Some(b"h2"), "https"),
        None => (!may_be_http1, "http"),
    };
    if !is_agreed && may_be_http1 {
        trunks.speaks_http1.set(true);
        return Ok(Obtained::Http1(socket));
    } else if !is_agreed {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the server does not speak HTTP/2"));
    }
    let home = Rc::new(Multiplex::new(Mux::client(settings::upstream()), scheme, None));
    trunks.open.borrow_mut().push(Rc::clone(&home));
    drop(dialing);
    let stream = Stream::to_open(&home);
    spawn_local(Driver::new(home, socket, link, worker, keep_alive.clone()).run());
    Ok(Obtained::Fresh(stream))
}

/// Somebody dials, until this is dropped.
struct Dialing<'a>(&'a Trunks);

impl<'a> Dialing<'a> {
    fn begin(trunks: &'a Trunks) -> Self {
        trunks.dialing.set(true);
        Self(trunks)
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.dialing.set(false);
        self.0.wake_all();
    }
}

/// How long a server may take to send its SETTINGS, which come first (RFC 9113 section 3.4).
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(10);

struct Driver {
    home: Rc<Multiplex>,
    socket: Socket,
    input: Input,
    /// Lives as long as the server is in the configuration.
    link: Weak<ServerLink>,
    worker: Rc<Worker>,
    deadline: Deadline,
    keep_alive: KeepAlive,
    born_ms: u64,
    wait: Option<Wait>,
    /// Somebody may wait for its SETTINGS.
    is_new: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For the server's SETTINGS.
    Settings,
    /// For a request.
    Idle,
    /// For the server to take what is to be sent.
    Stuck,
    /// For answers, which have their own times.
    Exchanges,
}

impl Driver {
    fn new(
        home: Rc<Multiplex>,
        socket: Socket,
        link: &Rc<ServerLink>,
        worker: &Rc<Worker>,
        keep_alive: KeepAlive,
    ) -> Self {
        Self {
            home,
            socket,
            input: Input::default(),
            link: Rc::downgrade(link),
            deadline: worker.deadlines.register(),
            born_ms: worker.deadlines.recent_ms(),
            worker: Rc::clone(worker),
            keep_alive,
            wait: None,
            is_new: true,
        }
    }

    async fn run(mut self) {
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
        self.deadline.belongs_to(waker);
        poll_fn(|context| self.poll(context)).await;
        self.home.retired.set(true);
        self.home.mux.borrow_mut().handle_eof();
        self.wake_waiting();
    }

    /// Those who wait for SETTINGS, which have come or will not come any more.
    fn wake_waiting(&mut self) {
        self.home.wake_unsettled();
        if std::mem::take(&mut self.is_new)
            && let Some(link) = self.link.upgrade()
        {
            link.trunks.wake_all();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let turn = self.home.turn(context, &mut self.socket, &mut self.input, &self.worker, |_| {
            unreachable!("servers open no streams")
        });
        if !self.home.is_unsettled() {
            self.wake_waiting();
        }
        if turn == Turn::Over {
            return Poll::Ready(());
        }
        let age_ms = milliseconds(self.keep_alive.age);
        if self.worker.deadlines.recent_ms() > self.born_ms + age_ms || self.link.strong_count() == 0 {
            self.home.retired.set(true);
        }
        let is_unused = self.home.mux.borrow().streams_open() == 0;
        if is_unused && self.home.is_over() {
            return Poll::Ready(());
        }
        let wait = match () {
            () if self.home.is_unsettled() => Wait::Settings,
            () if turn == Turn::Stuck => Wait::Stuck,
            () if is_unused => Wait::Idle,
            () => Wait::Exchanges,
        };
        if self.wait != Some(wait) {
            self.wait = Some(wait);
            match wait {
                Wait::Settings => self.deadline.set(SETTINGS_TIMEOUT),
                Wait::Exchanges => self.deadline.clear(),
                // As long as an unused one may be kept: exchanges give up before, and reset their streams.
                Wait::Idle | Wait::Stuck => self.deadline.set(self.keep_alive.timeout),
            }
        }
        if self.deadline.expired() {
            match wait {
                Wait::Settings => self.worker.counters.reached(Limit::ConnectTimeout),
                Wait::Stuck => self.worker.counters.reached(Limit::BodyTimeout),
                Wait::Idle | Wait::Exchanges => {}
            }
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
