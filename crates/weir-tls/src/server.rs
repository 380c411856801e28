//! A listener's side of TLS: what it offers to clients.

use std::{rc::Rc, sync::Arc};

use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, ResolvesServerCert, UnbufferedServerConnection},
};

use crate::{Rooms, Session};

/// What a listener offers: certificates, versions, protocols. Immutable; shared by all workers.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
}

impl Server {
    /// With certificates from `resolver`.
    pub fn new(resolver: Arc<dyn ResolvesServerCert>, alpn: Vec<Vec<u8>>) -> Self {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = alpn;
        // Tickets carry the whole state: nothing is stored here, and any worker and any node can resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("the system gives random bytes");
        Self { config: Arc::new(config) }
    }

    /// A session with a client that has just connected.
    pub fn accept(&self, rooms: &Rc<Rooms>) -> Session {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.config));
        Session::server(connection.expect("the configuration has been checked"), rooms)
    }
}
