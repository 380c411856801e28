//! A byte stream with a peer: TCP, or TLS over it.
//!
//! One type for both, not a trait: the engines ask for bytes and do not care, and a connection without TLS pays one
//! comparison per call for it. What TLS needs lies in a box ([`Session`]), so that plain connections stay small.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use weir_net::{Buffer, stream::Peeked};

use crate::{Session, session::Quiet};

/// A byte stream with a peer.
#[derive(Debug)]
pub struct Stream {
    tcp: weir_net::Stream,
    tls: Option<Box<Session>>,
}

impl From<weir_net::Stream> for Stream {
    /// Without TLS.
    fn from(tcp: weir_net::Stream) -> Self {
        Self { tcp, tls: None }
    }
}

impl Stream {
    /// With TLS inside, whose handshake has not begun.
    pub fn with_tls(tcp: weir_net::Stream, session: Session) -> Self {
        Self { tcp, tls: Some(Box::new(session)) }
    }

    /// What TLS knows of the peer; `None` without TLS.
    #[inline]
    pub fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// The same, to be changed.
    pub fn tls_mut(&mut self) -> Option<&mut Session> {
        self.tls.as_deref_mut()
    }

    /// The handshake goes on. Until then nothing is to be read or written but by [`Stream::poll_handshake`].
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Bytes of our own wait for the kernel to take them.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_unsent())
    }

    /// Carries the handshake on, to its end. Ready at once without TLS.
    pub fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            None => Poll::Ready(Ok(())),
            Some(tls) => tls.poll_handshake(context, &mut self.tcp),
        }
    }

    /// Reads into the room of `buffer`, which must not be full. `Ok(0)`: the peer sends no more, and says so; within TLS,
    /// an end without a word is an error, since anybody on the way could have made it.
    #[inline]
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.tcp.poll_read(context, buffer),
            Some(tls) => tls.poll_read(context, &mut self.tcp, buffer),
        }
    }

    /// Writes some of `bytes`.
    ///
    /// Within TLS it is ready when what it took is with the kernel, so that nothing has to be flushed later. After
    /// [`Poll::Pending`], the next write must therefore begin with the same bytes.
    #[inline]
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.tcp.poll_write(context, bytes),
            Some(tls) => tls.poll_write(context, &mut self.tcp, bytes, &[]),
        }
    }

    /// Writes some of `first` followed by `second`, as [`Stream::poll_write`].
    #[inline]
    pub fn poll_write_both(
        &mut self,
        context: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.tcp.poll_write_both(context, first, second),
            Some(tls) => tls.poll_write(context, &mut self.tcp, first, second),
        }
    }

    /// Ready when a read may not wait: bytes, the end, or an error. Within TLS the bytes may turn out to be none for
    /// us, so that a read waits all the same.
    #[inline]
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tls {
            Some(tls) if tls.holds_more() => Poll::Ready(Ok(())),
            _ => self.tcp.poll_readable(context),
        }
    }

    /// Nothing has arrived as far as the event loop has been told; as a rule that costs no system call. For a connection
    /// that waits in a pool, anything else means that it is of no more use.
    #[inline]
    pub fn is_quiet(&mut self) -> bool {
        match &mut self.tls {
            None => self.tcp.is_quiet(),
            Some(tls) => !tls.holds_more() && (self.tcp.is_quiet() || self.drain()),
        }
    }

    /// As [`Stream::is_quiet`], but asks the kernel.
    pub fn is_quiet_by_kernel(&mut self) -> bool {
        match self.tcp.peek() {
            Ok(Peeked::Nothing) => self.tls.as_ref().is_none_or(|tls| !tls.holds_more()),
            Ok(Peeked::Bytes) => self.tls.is_some() && self.drain(),
            Ok(Peeked::Closed) | Err(_) => false,
        }
    }

    /// Takes what has arrived on a connection that nobody uses: session tickets leave it usable, anything else does not.
    fn drain(&mut self) -> bool {
        match &mut self.tls {
            Some(tls) => tls.drain(&mut self.tcp) == Quiet::Yes,
            None => false,
        }
    }

    /// The peer has refused what was sent to it, or has reset the connection.
    pub fn is_broken(&self) -> bool {
        self.tcp.is_broken()
    }

    /// Says that no more bytes will be sent.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.tcp);
        }
        self.tcp.shutdown_write()
    }

    /// From here on, closing is a reset: the peer cannot take it for a proper end.
    pub fn reset_when_closed(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.abandon();
        }
        self.tcp.reset_when_closed();
    }

    /// The other end's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp.peer()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            // RFC 8446 section 6.1: each side says that it is done, so that no end can be forged.
            tls.close(&mut self.tcp);
        }
    }
}

#[cfg(test)]
mod tests;
