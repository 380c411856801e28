//! What our own exchanges send: heads, DATA, and the end.

use std::task::{Context, Poll};

use super::{Mux, StreamKey};
use crate::h2::{
    ErrorCode, StreamEnd,
    frame::{PAYLOAD_BYTES_MAX, flag},
    head::{encode_response, encode_trailers},
    stream::{self, Sending},
};

/// A DATA frame with at least this much in it, in bytes, pays for the frames that answer it. Smaller ones do so only if our
/// side had no more to send: otherwise the peer, by tiny windows, could pay for its own flood.
const WORTHY_BYTES: usize = 256;

impl Mux {
    /// Ready when the output has room: for those who could send many heads, before each.
    pub fn poll_send_ready(&mut self, cx: &mut Context<'_>, key: StreamKey) -> Poll<Result<(), StreamEnd>> {
        let is_full = self.output.len() > self.settings.output_bytes_max;
        let Some(stream) = self.streams.get(key) else { return Poll::Ready(Err(StreamEnd::ConnectionLost)) };
        if let Some(end) = stream.end {
            return Poll::Ready(Err(end));
        }
        if !is_full {
            return Poll::Ready(Ok(()));
        }
        stream::wait(&mut stream.send.waker, cx.waker());
        self.turns.await_room(key);
        Poll::Pending
    }

    /// Server: sends a response head, whose text has the form of HTTP/1; interim ones (1xx) may go before. What stands
    /// behind the head in `text` is not looked at.
    pub fn send_head(&mut self, key: StreamKey, text: &[u8], end_stream: bool) -> Result<(), StreamEnd> {
        let stream = self.streams.get(key).ok_or(StreamEnd::ConnectionLost)?;
        if let Some(end) = stream.end {
            return Err(end);
        }
        assert!(stream.send.state == Sending::Head, "a second final head on a stream");
        let status = text.get(9..12).unwrap_or_default();
        if !status.starts_with(b"1") {
            stream.send.state = if end_stream { Sending::Ended } else { Sending::Body };
            // RFC 9110 section 6.4.1: what these announce is not sent.
            let is_bare = stream.is_to_head || status == b"304" || status == b"204";
            stream.send.left = if is_bare { Some(0) } else { announced_in(text) };
            if stream.recv.is_tunnel && status.starts_with(b"2") {
                stream.send.left = None;
            } else {
                stream.recv.is_tunnel = false;
            }
            if end_stream && stream.send.left.is_some_and(|left| left > 0) {
                return Err(self.fail_own(key));
            }
        }
        let encoder = &mut self.encoder;
        stream.send.place =
            self.output.push_block(key.id, end_stream, |out| encode_response(encoder, text, out));
        self.guard.sent();
        if end_stream {
            self.settle(key);
        }
        self.poke();
        Ok(())
    }

    /// Sends from the front of `bytes` what windows and output take, at most one frame, and says how much.
    ///
    /// Streams that wait take turns. Who got `Pending` polls again when woken, or gives up its turn by
    /// [`Mux::forgo_send`], [`Mux::reset`] or [`Mux::release`]; otherwise others wait for it.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        key: StreamKey,
        bytes: &[u8],
    ) -> Poll<Result<usize, StreamEnd>> {
        let Some(stream) = self.streams.get(key) else { return Poll::Ready(Err(StreamEnd::ConnectionLost)) };
        if let Some(end) = stream.end {
            return Poll::Ready(Err(end));
        }
        assert!(stream.send.state == Sending::Body, "a body before its head, or behind its end");
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if stream.send.left.is_some_and(|left| left < bytes.len() as u64) {
            return Poll::Ready(Err(self.fail_own(key)));
        }
        if stream.send.window.open() == 0 {
            stream::wait(&mut stream.send.waker, cx.waker());
            self.forgo_send(key);
            return Poll::Pending;
        }
        if !self.takes_turn(key) {
            if let Some(stream) = self.streams.get(key) {
                stream::wait(&mut stream.send.waker, cx.waker());
            }
            return Poll::Pending;
        }
        let n = self.send_data(key, bytes);
        self.forgo_send(key);
        self.poke();
        Poll::Ready(Ok(n))
    }

    fn send_data(&mut self, key: StreamKey, bytes: &[u8]) -> usize {
        let Some(stream) = self.streams.get(key) else { return 0 };
        let windows = stream.send.window.open().min(self.send_window.open());
        let n = bytes.len().min(windows).min(PAYLOAD_BYTES_MAX);
        stream.send.window.take(n);
        self.send_window.take(n);
        if let Some(left) = &mut stream.send.left {
            *left -= n as u64;
        }
        stream.send.place = self.output.push_data(key.id, &bytes[..n], 0);
        self.guard.carried(n);
        if n == bytes.len() || n >= WORTHY_BYTES {
            self.guard.sent();
        }
        n
    }

    /// Ends our direction: END_STREAM, on trailers (lines in the form of HTTP/1) if there are some.
    pub fn finish(&mut self, key: StreamKey, trailers: Option<&[u8]>) -> Result<(), StreamEnd> {
        let stream = self.streams.get(key).ok_or(StreamEnd::ConnectionLost)?;
        if let Some(end) = stream.end {
            return Err(end);
        }
        assert!(stream.send.state != Sending::Head, "an end before the head");
        if stream.send.state == Sending::Ended {
            return Ok(());
        }
        if stream.send.left.is_some_and(|left| left > 0) {
            return Err(self.fail_own(key));
        }
        stream.send.state = Sending::Ended;
        if let Some(lines) = trailers {
            let encoder = &mut self.encoder;
            self.output.push_block(key.id, true, |out| encode_trailers(encoder, lines, out));
        } else if !self.output.end_stream(stream.send.place) {
            self.output.push_data(key.id, b"", flag::END_STREAM);
        }
        self.forgo_send(key);
        self.settle(key);
        self.poke();
        Ok(())
    }

    /// Our exchange sends something else than it has announced: whoever reads it must not take it for whole.
    fn fail_own(&mut self, key: StreamKey) -> StreamEnd {
        let end = StreamEnd::Reset(ErrorCode::INTERNAL_ERROR);
        self.break_off(key, ErrorCode::INTERNAL_ERROR, end);
        self.poke();
        end
    }
}

/// The content-length in a head's text. Our own code has written it, so there is one at most and it is a number.
pub(super) fn announced_in(text: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = text;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        if line.len() <= 1 {
            break;
        }
        if let Some((name, value)) = line.split_at_checked(NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            return std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok();
        }
        rest = &rest[end + 1..];
    }
    None
}
