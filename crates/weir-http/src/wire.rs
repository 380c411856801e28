//! Where the bytes of a message come from and go to, whatever version of HTTP frames them.
//!
//! Below this line an HTTP/1 connection carries one message after the other with its framing among the bytes, and a
//! stream of an HTTP/2 connection carries one message whose framing is told apart. Above it, a body is bytes, an end,
//! and perhaps trailers.

use std::{
    io,
    task::{Context, Poll},
};

use weir_net::Buffer;
use weir_tls::Stream;

use crate::multiplex;

/// One side of an exchange.
#[derive(Debug)]
pub(crate) enum Wire {
    /// A connection that carries one message after the other, with their framing among the bytes.
    Http1(Stream),
    /// A stream of a connection that others share.
    /// In a box, so that the other kind, of which most are idle, stays small.
    Http2(Box<multiplex::Stream>),
}

impl Wire {
    /// Reads into the room of `buffer`, which must not be full. `Ok(0)`: the peer sends no more.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_read(context, buffer),
            Self::Http2(stream) => stream.poll_read(context, buffer),
        }
    }

    /// Writes some of `bytes`. After [`Poll::Pending`], the next write must begin with the same bytes.
    #[inline]
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_write(context, bytes),
            Self::Http2(stream) => stream.poll_write(context, bytes),
        }
    }

    /// Writes some of `first` followed by `second`.
    #[inline]
    pub(crate) fn poll_write_both(
        &mut self,
        context: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_write_both(context, first, second),
            // Frames are small against what a call costs: the second comes with the next write.
            Self::Http2(stream) if first.is_empty() => stream.poll_write(context, second),
            Self::Http2(stream) => stream.poll_write(context, first),
        }
    }

    /// Says that the message is whole. `trailers` are lines as in a head; where they are part of the bytes, they have
    /// been written.
    pub(crate) fn finish(&mut self, trailers: &[u8]) {
        match self {
            Self::Http1(_) => {}
            Self::Http2(stream) => stream.finish(trailers),
        }
    }

    /// The trailers of a message whose end has been read, where they are not part of the bytes.
    pub(crate) fn take_trailers(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(stream) => stream.take_trailers(),
        }
    }

    /// Says that no more bytes will be sent; for tunnels.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(stream) => stream.shutdown_write(),
            // It has been finished.
            Self::Http2(_) => Ok(()),
        }
    }

    /// From here on, closing cannot be taken for a proper end.
    pub(crate) fn reset_when_closed(&mut self) {
        match self {
            Self::Http1(stream) => stream.reset_when_closed(),
            // What is not finished is reset.
            Self::Http2(_) => {}
        }
    }

    /// What it carries from here on is a tunnel.
    pub(crate) fn becomes_tunnel(&mut self) {
        if let Self::Http2(stream) = self {
            stream.becomes_tunnel();
        }
    }

    /// Breaks off a tunnel: the peer cannot take it for a proper end.
    pub(crate) fn break_off(&mut self) {
        match self {
            Self::Http1(stream) => stream.reset_when_closed(),
            Self::Http2(stream) => stream.reset(),
        }
    }

    /// The peer has given up a stream whose end was read already. A connection tells it when it is written to.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(_) => Poll::Pending,
            Self::Http2(stream) => stream.poll_gone(context),
        }
    }

    /// Its messages are framed by HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }
}
