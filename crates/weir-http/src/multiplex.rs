//! Connections of HTTP/2, shared by the exchanges on their streams.
//!
//! One task per connection, its driver, reads and writes the socket; each exchange is a task of its own that holds a
//! [`Stream`]. What they share is the state machine ([`Mux`]), in a cell: all of them run on one worker. An exchange
//! leaves what it sends in the output and wakes the driver, which runs after all exchanges that are ready: the answers
//! of many go out in one call.

mod downstream;
mod io;
mod settings;
mod stream;
mod upstream;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

use weir_tls::Identity;

use crate::h2::{Fatal, Mux};

pub(crate) use downstream::serve;
pub(crate) use stream::Stream;
pub(crate) use upstream::{Obtained, Trunks, obtain};

/// One connection, as its streams see it.
#[derive(Debug)]
pub(crate) struct Multiplex {
    mux: RefCell<Mux>,
    /// Of the URLs that are asked for on it.
    scheme: &'static str,
    /// What the certificate of its client says.
    identity: Option<Rc<Identity>>,
    /// Why it cannot go on.
    fatal: Cell<Option<Fatal>>,
    /// It takes no new streams, though its peer would.
    retired: Cell<bool>,
    /// Who waits for the server's SETTINGS.
    unsettled: RefCell<Vec<Waker>>,
}

impl Multiplex {
    fn new(mux: Mux, scheme: &'static str, identity: Option<Rc<Identity>>) -> Self {
        Self {
            mux: RefCell::new(mux),
            scheme,
            identity,
            fatal: Cell::new(None),
            retired: Cell::new(false),
            unsettled: RefCell::default(),
        }
    }

    /// The peer's SETTINGS have come, or will not come any more.
    fn is_settled(&self) -> bool {
        let mux = self.mux.borrow();
        mux.is_settled() || mux.is_draining()
    }

    fn wake_unsettled(&self) {
        if !self.unsettled.borrow().is_empty() && self.is_settled() {
            self.unsettled.take().into_iter().for_each(Waker::wake);
        }
    }
}
