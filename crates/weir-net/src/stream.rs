//! A byte stream with a peer: today a TCP connection, later also one inside TLS.
//!
//! The event loop is tokio's, and so is the knowledge of what is ready; the calls are made here, for three savings that
//! show at four calls per request:
//! - A read that did not fill its room has drained the socket: the readiness is cleared at once, without the call that
//!   would say so. (tokio does the same, but only for reads that ask to be woken first.)
//! - What is known to be ready is tried without asking to be woken, which is only done if it fails.
//! - rustix makes the calls: the C library's are cancellation points, which cost more once a process has threads.
//!
//! Each read and write takes from the task's budget, so that no peer that is always ready keeps a worker to itself.

use std::{
    io::{self, ErrorKind::WouldBlock, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use tokio::{
    io::{AsyncWrite, Interest},
    net::TcpStream,
    task::coop::poll_proceed,
};

use crate::Buffer;

/// What a look at a stream without reading finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peeked {
    /// Nothing yet.
    Nothing,
    /// Bytes wait to be read.
    Bytes,
    /// The peer sends no more.
    Closed,
}

/// A byte stream with a peer.
#[derive(Debug)]
pub struct Stream(TcpStream);

impl Stream {
    /// Takes over an accepted connection.
    pub fn accepted(tcp: TcpStream) -> Self {
        Self(tcp)
    }

    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        // Heads and ends of bodies are whole writes: waiting to fill a segment only delays them.
        tcp.set_nodelay(true)?;
        Ok(Self::accepted(tcp))
    }

    /// Reads into the room of `buffer`, which must not be full. `Ok(0)`: the peer sends no more.
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        debug_assert!(!buffer.is_full(), "a read without room looks like the end");
        let budget = ready!(poll_proceed(context));
        loop {
            let room = buffer.room();
            let whole = room.len();
            let read = self.attempt(Interest::READABLE, || {
                let (_, n) = recv(&self.0, &mut *room, RecvFlags::DONTWAIT)?;
                // At the end there is nothing left to drain, and it stays readable.
                Ok((n, n == whole || n == 0))
            });
            match read {
                Ok(n) => {
                    budget.made_progress();
                    buffer.fill(n);
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => ready!(self.0.poll_read_ready(context))?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes some of `bytes`.
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let budget = ready!(poll_proceed(context));
        loop {
            let written = self.attempt(Interest::WRITABLE, || {
                let n = send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
                Ok((n, n == bytes.len()))
            });
            match written {
                Ok(n) => {
                    budget.made_progress();
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => ready!(self.0.poll_write_ready(context))?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Makes a call if it would not wait as far as the event loop knows; `AGAIN` otherwise. The call also says whether
    /// the next one will not wait either: if not, the event loop forgets that it is ready until it hears anew.
    fn attempt(
        &self,
        interest: Interest,
        call: impl FnOnce() -> Result<(usize, bool), Errno>,
    ) -> Result<usize, Errno> {
        let mut result = Err(Errno::AGAIN);
        let _ = self.0.try_io(interest, || {
            let called = call();
            result = called.map(|(n, _)| n);
            match called {
                Ok((_, true)) => Ok(()),
                Ok((_, false)) | Err(Errno::AGAIN) => Err(WouldBlock.into()),
                Err(_) => Ok(()),
            }
        });
        result
    }

    /// Writes some of `first` followed by `second`.
    pub fn poll_write_both(
        &mut self,
        context: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, &[IoSlice::new(first), IoSlice::new(second)])
    }

    /// Ready when a read would not wait: bytes, the end, or an error.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(context)
    }

    /// Nothing has arrived as far as the event loop has been told; as a rule that costs no system call. For a connection
    /// that waits in a pool, anything else means that it is of no more use.
    pub fn is_quiet(&self) -> bool {
        // Neither asks to be woken nor takes from the task's budget: one that has used it up would be told that nothing
        // has arrived, whatever has, and a client decides how much is used by what it pipelines.
        //
        // A last read that just filled its room did not say that it drained the socket, so the kernel is asked.
        let look = || match self.peek() {
            Ok(Peeked::Nothing) => Err(WouldBlock.into()),
            _ => Ok(()),
        };
        self.0.try_io(Interest::READABLE, look).is_err()
    }

    /// Looks at what waits to be read, by a system call.
    pub fn peek(&self) -> io::Result<Peeked> {
        match recv(&self.0, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Ok(Peeked::Closed),
            Ok(_) => Ok(Peeked::Bytes),
            Err(Errno::AGAIN) => Ok(Peeked::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// The peer has refused what was sent to it, or has reset the connection. Reading does not tell this once the
    /// peer's end has been seen: the kernel then goes on to report that.
    pub fn is_broken(&self) -> bool {
        !matches!(self.0.take_error(), Ok(None))
    }

    /// Says that no more bytes will be sent.
    pub fn shutdown_write(&self) -> io::Result<()> {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write).map_err(io::Error::from)
    }

    /// From here on, closing is a reset: the peer cannot take it for a proper end.
    pub fn reset_when_closed(&self) {
        // A socket that refuses this is broken already.
        let _ = self.0.set_zero_linger();
    }

    /// The other end's address; IPv4 addresses that arrived at an IPv6 socket are IPv4 again.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr().map(canonical)
    }
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An error of this machine, not of the peer: no descriptors, ports or memory are left here.
pub fn is_exhaustion(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write, rc::Rc};

    use tokio::{net::TcpListener, task::coop::has_budget_remaining};

    use super::*;
    use crate::{BUFFER_BYTES, Buffers};

    #[test]
    fn a_read_that_just_filled_its_room_leaves_an_idle_connection_quiet() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let mut buffer = Rc::<Buffers>::default().take();
            peer.write_all(&[0; BUFFER_BYTES]).unwrap();
            while !buffer.is_full() {
                poll_fn(|context| stream.poll_read(context, &mut buffer)).await.unwrap();
            }
            assert!(stream.is_quiet());
            peer.write_all(b"more").unwrap();
            poll_fn(|context| stream.poll_readable(context)).await.unwrap();
            assert!(!stream.is_quiet());
        });
    }

    #[test]
    fn a_task_without_budget_left_is_told_the_truth_about_an_idle_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (peer, _) = listener.accept().await.unwrap();
            assert!(stream.is_quiet());
            drop(peer);
            poll_fn(|context| stream.poll_readable(context)).await.unwrap();
            poll_fn(|context| {
                while has_budget_remaining() {
                    let Poll::Ready(proceeded) = poll_proceed(context) else { break };
                    proceeded.made_progress();
                }
                assert!(!stream.is_quiet());
                Poll::Ready(())
            })
            .await;
        });
    }
}
