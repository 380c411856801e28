//! A client's HTTP/2 connection: its driver, and the tasks of its exchanges.

use std::{
    convert::Infallible,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::spawn_local;

use super::{
    Multiplex, Stream,
    io::{Input, Turn},
    settings,
};
use crate::{
    connection::{Connection, LINGER_TIMEOUT, Places},
    counters::Limit,
    h2::{Mux, StreamKey},
    wire::Wire,
};

/// How long a client may take to answer the PING that goes with the first GOAWAY. After it, requests that are still on
/// their way are refused.
const DRAIN_PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a connection whose client speaks HTTP/2 to its end. What has arrived begins with the client's preface.
pub(crate) async fn serve<F>(mut connection: Connection, places: Rc<Places<F>>)
where
    F: Future<Output = Infallible> + 'static,
{
    let settings = {
        let world = connection.worker.world();
        let Some(listener) = world.listener(connection.listener) else { return };
        settings::downstream(&listener.settings, listener.head_limits())
    };
    let home =
        Rc::new(Multiplex::new(Mux::server(settings), connection.scheme(), connection.identity().cloned()));
    let buffer = connection.buffer.take();
    let mut driver = Driver {
        input: Input { is_new: buffer.is_some(), buffer, ..Input::default() },
        home,
        wait: Wait::First,
        draining: false,
    };
    connection.belongs_to_this_task().await;
    // What it has sent may be much: who begins anew all the time gets no turn more than the others.
    connection.worker.slow_lane.turn().await;
    poll_fn(|context| driver.poll(context, &mut connection, &places)).await;
    if let Some(fatal) = driver.home.fatal.get() {
        connection.worker.counters.http2_ended(&fatal);
    }
    drop(driver);
    connection.linger().await;
}

/// How long a connection is held that has overdrawn a budget, before it is told: who is cut off at once begins anew at
/// once, with all its budgets. Nothing is read meanwhile.
const HELD: Duration = Duration::from_secs(1);

/// How long a connection keeps what exchanges worked in, for the next one.
const SHED_AFTER: Duration = Duration::from_secs(1);

struct Driver {
    home: Rc<Multiplex>,
    input: Input,
    wait: Wait,
    draining: bool,
}

/// What a connection waits for, which bounds how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Its first request; the time runs since the accept.
    First,
    /// The next request, which may come at once.
    Idle,
    /// The next request, which did not come at once.
    Asleep,
    /// The client takes nothing of what is to be sent.
    Stuck,
    /// The same, and nothing will come but the end.
    Ending,
    /// [`HELD`].
    Held,
    /// The client answers to the first GOAWAY.
    Drain,
    /// Exchanges, which have their own times.
    Exchanges,
}

impl Driver {
    fn poll<F>(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
        places: &Rc<Places<F>>,
    ) -> Poll<()>
    where
        F: Future<Output = Infallible> + 'static,
    {
        if !self.draining && connection.is_unwanted() {
            self.draining = true;
            self.home.mux.borrow_mut().drain_begin();
        }
        loop {
            let turn = self.turn(context, connection, places);
            connection.worker.counters.http2_refused(self.home.mux.borrow_mut().take_refusals());
            if turn == Turn::Over {
                return Poll::Ready(());
            }
            self.set_deadline(connection, turn);
            if !connection.deadline.expired() {
                return Poll::Pending;
            }
            if self.overdue(connection) {
                return Poll::Ready(());
            }
        }
    }

    fn turn<F>(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
        places: &Rc<Places<F>>,
    ) -> Turn
    where
        F: Future<Output = Infallible> + 'static,
    {
        let worker = Rc::clone(&connection.worker);
        let origin = (connection.listener, connection.client);
        let Wire::Http1(socket) = &mut connection.wire else { unreachable!("it holds the socket") };
        let home = &self.home;
        let accept = |key: StreamKey| {
            let stream = Stream::accepted(home, key);
            let exchange = Connection::of_stream(&worker, stream, origin);
            let places = Rc::clone(places);
            spawn_local(async move {
                exchange.belongs_to_this_task().await;
                places.run(exchange).await;
            });
        };
        home.turn(context, socket, &mut self.input, &worker, accept)
    }

    fn set_deadline(&mut self, connection: &Connection, turn: Turn) {
        let mux = self.home.mux.borrow();
        let wait = match () {
            () if turn == Turn::Held => Wait::Held,
            () if turn == Turn::Stuck && self.input.ended => Wait::Ending,
            () if turn == Turn::Stuck => Wait::Stuck,
            () if self.draining => Wait::Drain,
            () if mux.streams_open() > 0 => Wait::Exchanges,
            () if matches!(self.wait, Wait::First | Wait::Asleep) => self.wait,
            () => Wait::Idle,
        };
        if wait == self.wait {
            return;
        }
        self.wait = wait;
        let world = connection.worker.world();
        let settings = world.listener(connection.listener).map(|listener| &listener.settings);
        match (wait, settings) {
            (Wait::Exchanges, _) => connection.deadline.clear(),
            (Wait::Stuck, Some(settings)) => connection.deadline.set(settings.body_timeout),
            (Wait::Idle, Some(settings)) => connection.deadline.set(settings.idle_timeout.min(SHED_AFTER)),
            (Wait::First | Wait::Asleep, Some(settings)) => connection.deadline.set(settings.idle_timeout),
            (Wait::Held, _) => connection.deadline.set(HELD),
            (Wait::Ending, _) => connection.deadline.set(LINGER_TIMEOUT),
            (Wait::Drain, _) | (_, None) => connection.deadline.set(DRAIN_PING_TIMEOUT),
        }
    }

    /// The deadline has come. True: the connection is given up.
    fn overdue(&mut self, connection: &mut Connection) -> bool {
        let counters = &connection.worker.counters;
        let mut mux = self.home.mux.borrow_mut();
        match self.wait {
            Wait::Stuck => {
                counters.reached(Limit::BodyTimeout);
                drop(mux);
                connection.wire.reset_when_closed();
                return true;
            }
            Wait::Ending => {
                drop(mux);
                connection.wire.reset_when_closed();
                return true;
            }
            Wait::Held => {
                self.input.held = false;
                connection.worker.let_go();
            }
            Wait::Idle if self.idle_left(connection) > Duration::ZERO => {
                mux.shed();
                drop(mux);
                self.wait = Wait::Asleep;
                connection.deadline.set(self.idle_left(connection));
                return false;
            }
            Wait::First | Wait::Idle | Wait::Asleep => {
                let is_first = self.wait == Wait::First;
                counters.reached(if is_first { Limit::HeaderTimeout } else { Limit::IdleTimeout });
                self.draining = true;
                mux.drain_begin();
                mux.drain_bound();
            }
            Wait::Drain => mux.drain_bound(),
            Wait::Exchanges => {}
        }
        connection.deadline.clear();
        false
    }

    /// Of `idle_timeout`, behind [`SHED_AFTER`].
    fn idle_left(&self, connection: &Connection) -> Duration {
        let world = connection.worker.world();
        let listener = world.listener(connection.listener);
        listener.map_or(Duration::ZERO, |listener| listener.settings.idle_timeout.saturating_sub(SHED_AFTER))
    }
}
