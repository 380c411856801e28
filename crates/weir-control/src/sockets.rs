//! Listening sockets: bound before anything changes, handed to workers, and known by the listener they belong to.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use weir_config::Config;
use weir_http::ListenerId;
use weir_net::listen;

use crate::{registry::Registry, source::Error};

/// The listening sockets of one worker that it does not have yet.
pub(crate) type NewSockets = Vec<(ListenerId, TcpListener)>;

/// Which listeners listen, and where.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    addresses: HashMap<ListenerId, SocketAddr>,
    /// Passed in by systemd, not claimed by a listener yet.
    activated: Vec<TcpListener>,
}

/// What a new configuration changes.
#[derive(Debug)]
pub(crate) struct Change {
    addresses: HashMap<ListenerId, SocketAddr>,
    /// New sockets for each worker.
    pub(crate) open: Vec<NewSockets>,
    /// Listeners that are no more.
    pub(crate) close: Vec<ListenerId>,
}

impl Sockets {
    /// No listener yet; takes over what systemd passed in (`LISTEN_FDS`).
    pub(crate) fn from_environment() -> Self {
        let mut passed = ListenFd::from_env();
        let activated = (0..passed.len()).filter_map(|index| passed.take_tcp_listener(index).ok().flatten());
        Self { addresses: HashMap::new(), activated: activated.collect() }
    }

    /// Binds what `config` needs and is not bound yet. Nothing else changes until [`Sockets::commit`].
    pub(crate) fn prepare(&mut self, config: &Config, registry: &Registry) -> Result<Change, Error> {
        let mut addresses = HashMap::new();
        let mut open: Vec<NewSockets> = registry.workers.iter().map(|_| Vec::new()).collect();
        for (listener, entry) in config.listeners.iter().zip(&registry.listeners) {
            if let Some(address) = self.addresses.get(&entry.id) {
                addresses.insert(entry.id, *address);
                continue;
            }
            let sockets = self.bind(listener.bind, open.len()).map_err(|error| {
                Error::System(format!(
                    "listener `{}` cannot listen on {}: {}",
                    listener.name,
                    listener.bind,
                    way_out(&error)
                ))
            })?;
            let address =
                sockets[0].local_addr().map_err(|error| Error::system("a listening socket", error))?;
            addresses.insert(entry.id, address);
            for (worker, socket) in open.iter_mut().zip(sockets) {
                worker.push((entry.id, socket));
            }
        }
        let close = self.addresses.keys().filter(|id| !addresses.contains_key(id)).copied().collect();
        Ok(Change { addresses, open, close })
    }

    /// The change has been carried out.
    pub(crate) fn commit(&mut self, change: &mut Change) {
        self.addresses = std::mem::take(&mut change.addresses);
    }

    /// Where a listener listens.
    pub(crate) fn address(&self, id: ListenerId) -> Option<SocketAddr> {
        self.addresses.get(&id).copied()
    }

    fn bind(&mut self, address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
        let passed =
            self.activated.iter().position(|socket| socket.local_addr().is_ok_and(|bound| bound == address));
        match passed {
            Some(index) => {
                // One socket that all workers share, since it is not ours to bind again.
                let socket = self.activated.swap_remove(index);
                socket.set_nonblocking(true)?;
                (0..workers).map(|_| socket.try_clone()).collect()
            }
            None => listen::bind(address, workers),
        }
    }
}

fn way_out(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("{error}; another process has it (`ss -ltnp` names it)"),
        io::ErrorKind::PermissionDenied => {
            format!("{error}; ports below 1024 need root, CAP_NET_BIND_SERVICE or systemd socket activation")
        }
        io::ErrorKind::AddrNotAvailable => format!("{error}; this host has no such address"),
        _ => error.to_string(),
    }
}
