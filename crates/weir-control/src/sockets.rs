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
    /// Activated sockets that a listener has claimed.
    claimed: Vec<SocketAddr>,
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
    pub(crate) fn prepare(&self, config: &Config, registry: &Registry) -> Result<Change, Error> {
        let mut addresses = HashMap::new();
        let mut claimed = Vec::new();
        let mut open: Vec<NewSockets> = registry.workers.iter().map(|_| Vec::new()).collect();
        for (listener, entry) in config.listeners.iter().zip(&registry.listeners) {
            if let Some(address) = self.addresses.get(&entry.id) {
                addresses.insert(entry.id, *address);
                continue;
            }
            let activated = self.activated(listener.bind);
            claimed.extend(activated.map(|_| listener.bind));
            let sockets = match activated {
                Some(socket) => listen::share(socket, open.len()),
                None => listen::bind(listener.bind, open.len(), self.overlaps(listener.bind)),
            };
            let sockets = sockets.map_err(|error| {
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
        Ok(Change { addresses, claimed, open, close })
    }

    /// The change has been carried out.
    pub(crate) fn commit(&mut self, change: &mut Change) {
        self.addresses = std::mem::take(&mut change.addresses);
        // The workers have their own handles now. Kept here, a socket would go on listening after its listener's end.
        self.activated
            .retain(|socket| !socket.local_addr().is_ok_and(|bound| change.claimed.contains(&bound)));
    }

    /// Where a listener listens.
    pub(crate) fn address(&self, id: ListenerId) -> Option<SocketAddr> {
        self.addresses.get(&id).copied()
    }

    /// Addresses that were passed in and that no listener has: connections to them wait for nobody.
    pub(crate) fn unclaimed(&self) -> Vec<SocketAddr> {
        self.activated.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    fn activated(&self, address: SocketAddr) -> Option<&TcpListener> {
        self.activated.iter().find(|socket| socket.local_addr().is_ok_and(|bound| bound == address))
    }

    /// This process listens on an address that a new socket for `address` would share connections with.
    fn overlaps(&self, address: SocketAddr) -> bool {
        self.addresses.values().any(|own| {
            own.port() == address.port()
                && (own.ip() == address.ip() || own.ip().is_unspecified() || address.ip().is_unspecified())
        })
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
