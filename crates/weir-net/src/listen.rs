//! Listening sockets: one per worker and address, spread over by the kernel.
//!
//! All sockets of an address are bound with `SO_REUSEPORT` by the control plane before any worker gets one, so an
//! address that cannot be bound refuses the whole change.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per socket.
pub const ACCEPT_QUEUE_MAX: i32 = 4096;

/// One listening socket per worker on `address`. Port 0 picks one free port for all. `beside_own`: this process listens
/// already on an address that overlaps, which must not count as taken.
pub fn bind(address: SocketAddr, workers: usize, beside_own: bool) -> io::Result<Vec<TcpListener>> {
    // `SO_REUSEPORT` would let a second process of the same user join in and take half the connections, unseen.
    // A socket without it is refused where anybody listens already.
    if !beside_own {
        drop(bind_one(address, false)?);
    }
    let first = bind_one(address, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bind_one(address, true)?);
    }
    Ok(sockets)
}

/// The same for a socket that was bound by somebody else: all workers accept from this one.
pub fn share(socket: &TcpListener, workers: usize) -> io::Result<Vec<TcpListener>> {
    socket.set_nonblocking(true)?;
    socket2::SockRef::from(socket).set_tcp_nodelay(true)?;
    (0..workers).map(|_| socket.try_clone()).collect()
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `:80` means every address of the host, IPv4 included.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Accepted connections inherit it: one system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_QUEUE_MAX)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_share_one_free_port() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3, false).unwrap();
        let ports: Vec<u16> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
    }

    #[test]
    fn an_address_that_another_listens_on_is_refused() {
        let held = bind("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        let error = bind(held[0].local_addr().unwrap(), 2, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_unspecified_ipv6_address_takes_ipv4_too() {
        let sockets = bind("[::]:0".parse().unwrap(), 1, false).unwrap();
        let port = sockets[0].local_addr().unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
