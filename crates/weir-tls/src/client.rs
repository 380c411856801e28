//! A pool's side of TLS: what is asked of servers.

use std::{rc::Rc, sync::Arc};

use rustls::{ClientConfig, client::UnbufferedClientConnection, pki_types::ServerName};

use crate::{Rooms, Session};

/// What is asked of the servers of a pool. Immutable; shared by all workers.
#[derive(Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    #[cfg(test)]
    pub(crate) fn trusting(config: ClientConfig, name: &'static str) -> Self {
        Self { config: Arc::new(config), name: ServerName::try_from(name).expect("a name") }
    }

    /// A session with a server to which a connection has just been made.
    pub fn connect(&self, rooms: &Rc<Rooms>) -> Session {
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Session::client(connection.expect("the configuration has been checked"), rooms)
    }
}
