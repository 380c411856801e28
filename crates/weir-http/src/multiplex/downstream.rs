//! A client's HTTP/2 connection: its driver, and the tasks of its exchanges.

use std::{
    convert::Infallible,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::spawn_local;
use weir_config::HttpSettings;

use super::{
    Multiplex, Stream,
    io::{Input, Turn},
};
use crate::{
    connection::{Connection, Places},
    counters::Limit,
    h1::HeadLimits,
    h2::{Mux, Settings, StreamKey},
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
        settings(&listener.settings, listener.head_limits())
    };
    let home = Rc::new(Multiplex::new(Mux::server(settings), connection.scheme()));
    let buffer = connection.buffer.take();
    let mut driver = Driver {
        input: Input { is_new: buffer.is_some(), buffer, ended: false },
        home,
        wait: Wait::First,
        draining: false,
    };
    poll_fn(|context| driver.poll(context, &mut connection, &places)).await;
    if let Some(fatal) = driver.home.fatal.get() {
        connection.worker.counters.http2_ended(&fatal);
    }
    drop(driver);
    connection.linger().await;
}

fn settings(http: &HttpSettings, head: HeadLimits) -> Settings {
    Settings {
        streams_max: http.http2.max_concurrent_streams,
        stream_window: http.http2.stream_window,
        connection_window: http.http2.connection_window,
        head,
        body_bytes_max: http.max_body_bytes,
        extended_connect: true,
        ..Settings::default()
    }
}

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
    /// The next request.
    Idle,
    /// The client takes nothing of what is to be sent.
    Stuck,
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
        let (worker, origin) = (Rc::clone(&connection.worker), connection.origin());
        let Wire::Http1(socket) = &mut connection.wire else { unreachable!("it holds the socket") };
        let home = &self.home;
        let accept = |key: StreamKey| {
            let stream = Stream::accepted(home, key);
            let exchange = Connection::of_stream(&worker, stream, origin.clone());
            let places = Rc::clone(places);
            spawn_local(async move {
                exchange.belongs_to_this_task().await;
                places.run(exchange).await;
            });
        };
        home.turn(context, socket, &mut self.input, &worker.buffers, worker.deadlines.recent_ms(), accept)
    }

    fn set_deadline(&mut self, connection: &Connection, turn: Turn) {
        let mux = self.home.mux.borrow();
        let wait = match () {
            () if turn == Turn::Stuck => Wait::Stuck,
            () if self.draining => Wait::Drain,
            () if mux.streams_open() > 0 => Wait::Exchanges,
            () if self.wait == Wait::First => Wait::First,
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
            (Wait::First | Wait::Idle, Some(settings)) => connection.deadline.set(settings.idle_timeout),
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
            Wait::First | Wait::Idle => {
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
}
