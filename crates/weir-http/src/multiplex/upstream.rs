//! HTTP/2 connections to a server: shared by all exchanges of a worker, and made as streams run out.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
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
    /// Those who wait for it.
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

    fn wake_all(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

impl Multiplex {
    fn takes_streams(&self) -> bool {
        !self.retired.get() && self.mux.borrow().can_open()
    }

    /// Nobody will open a stream on it any more.
    fn is_over(&self) -> bool {
        self.retired.get() || self.mux.borrow().is_draining()
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
        if !trunks.dialing.get() {
            break;
        }
        let mut waited = false;
        poll_fn(|context| {
            if is_overdue() {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
            }
            if !trunks.dialing.get() || waited {
                return Poll::Ready(Ok(()));
            }
            waited = true;
            trunks.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
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
        }
    }

    async fn run(mut self) {
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
        self.deadline.belongs_to(waker);
        poll_fn(|context| self.poll(context)).await;
        self.home.retired.set(true);
        self.home.mux.borrow_mut().handle_eof();
        self.home.wake_unsettled();
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let turn = self.home.turn(context, &mut self.socket, &mut self.input, &self.worker, |_| {
            unreachable!("servers open no streams")
        });
        self.home.wake_unsettled();
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
            () if turn == Turn::Stuck => Wait::Stuck,
            () if is_unused => Wait::Idle,
            () => Wait::Exchanges,
        };
        if self.wait != Some(wait) {
            self.wait = Some(wait);
            match wait {
                Wait::Exchanges => self.deadline.clear(),
                // As long as an unused one may be kept: exchanges give up before, and reset their streams.
                Wait::Idle | Wait::Stuck => self.deadline.set(self.keep_alive.timeout),
            }
        }
        if self.deadline.expired() {
            if wait == Wait::Stuck {
                self.worker.counters.reached(Limit::BodyTimeout);
            }
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
