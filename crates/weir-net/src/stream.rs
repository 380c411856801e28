//! A byte stream with a peer: today a TCP connection, later also one inside TLS.
//!
//! Reads and writes go through tokio's `poll_read` and `poll_write`, not `try_read`: only those know that a read
//! which did not fill its buffer has drained the socket, and save the system call that would say so.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::unconstrained,
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
    pub fn accepted(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // Heads and ends of bodies are whole writes: waiting to fill a segment only delays them.
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Reads into the room of `buffer`, which must not be full. `Ok(0)`: the peer sends no more.
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        debug_assert!(!buffer.is_full(), "a read without room looks like the end");
        let mut room = ReadBuf::new(buffer.room());
        match Pin::new(&mut self.0).poll_read(context, &mut room) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let n = room.filled().len();
                buffer.fill(n);
                Poll::Ready(Ok(n))
            }
        }
    }

    /// Writes some of `bytes`.
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
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

    /// Nothing has arrived as far as the event loop has been told; costs no system call. For a connection that
    /// waits in a pool, anything else means that it is of no more use.
    pub fn is_quiet(&self) -> bool {
        // Not of the task's budget: one that has used it up would be told that nothing has arrived, whatever has, and a
        // client decides how much is used by what it pipelines.
        let look = pin!(unconstrained(poll_fn(|context| self.0.poll_read_ready(context))));
        look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Looks at what waits to be read, by a system call.
    pub fn peek(&self) -> io::Result<Peeked> {
        match recv(&self.0, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Ok(Peeked::Closed),
            Ok(_) => Ok(Peeked::Bytes),
            Err(rustix::io::Errno::AGAIN) => Ok(Peeked::Nothing),
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
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use tokio::{
        net::TcpListener,
        task::coop::{has_budget_remaining, poll_proceed},
    };

    use super::*;

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
