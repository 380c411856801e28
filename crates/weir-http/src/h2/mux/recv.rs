//! Bodies and trailers, as they are read.

use std::task::{Context, Poll};

use super::{Mux, StreamKey};
use crate::h2::{StreamEnd, stream};

impl Mux {
    /// Takes what has arrived of the body into `room`, which is not empty. 0: the body has ended, and
    /// [`Mux::take_trailers`] has the trailers. What is taken is given back to the peer's windows.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        key: StreamKey,
        room: &mut [u8],
    ) -> Poll<Result<usize, StreamEnd>> {
        assert!(!room.is_empty(), "no room to read into");
        let Some(stream) = self.streams.get(key) else { return Poll::Ready(Err(StreamEnd::ConnectionLost)) };
        if stream.recv.is_too_large {
            return Poll::Ready(Err(StreamEnd::BodyTooLarge));
        }
        let n = stream.recv.queue.pop(room, &mut self.spares);
        if n > 0 {
            stream.recv.was_emptied |= stream.recv.queue.len() == 0;
            let before = self.output.len();
            self.give(Some(key), n);
            if self.output.len() > before {
                self.poke();
            }
            return Poll::Ready(Ok(n));
        }
        match stream.end {
            Some(StreamEnd::Malformed) => Poll::Ready(Err(StreamEnd::Malformed)),
            _ if stream.recv.is_ended => Poll::Ready(Ok(0)),
            Some(end) => Poll::Ready(Err(end)),
            None => {
                stream::wait(&mut stream.recv.waker, cx.waker());
                Poll::Pending
            }
        }
    }

    /// The body has been read to its end, or there is none.
    pub fn is_recv_done(&self, key: StreamKey) -> bool {
        self.streams.peek(key).is_none_or(|stream| stream.recv.is_ended && stream.recv.queue.len() == 0)
    }

    /// Bytes of the body that have arrived and were not read.
    pub fn unread(&self, key: StreamKey) -> usize {
        self.streams.peek(key).map_or(0, |stream| stream.recv.queue.len())
    }

    /// The trailers, `name: value\r\n` each, once the body has ended.
    pub fn take_trailers(&mut self, key: StreamKey) -> Option<Vec<u8>> {
        self.streams.get(key).filter(|stream| stream.recv.is_ended)?.recv.trailers.take()
    }
}
