//! How streams end.

use std::task::{Context, Poll};

use super::{Mux, StreamKey};
use crate::h2::{
    Abuse, ErrorCode, Fatal, StreamEnd, frame,
    stream::{self, ClosedBy, Sending},
};

impl Mux {
    /// Ready when the peer has reset the stream or the connection is lost.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>, key: StreamKey) -> Poll<StreamEnd> {
        let Some(stream) = self.streams.get(key) else { return Poll::Ready(StreamEnd::ConnectionLost) };
        if let Some(end) = stream.end {
            return Poll::Ready(end);
        }
        stream::wait(&mut stream.reset_waker, cx.waker());
        Poll::Pending
    }

    /// Resets the stream with RST_STREAM. It stays held until [`Mux::release`].
    pub fn reset(&mut self, key: StreamKey, code: ErrorCode) {
        self.break_off(key, code, StreamEnd::Reset(code));
        self.poke();
    }

    /// The text of a head that was taken from the stream has had its use: it is room for another one, unless it is large.
    pub fn give_back(&mut self, key: StreamKey, text: Vec<u8>) {
        if (1..=stream::TEXT_BYTES_KEPT).contains(&text.capacity())
            && let Some(stream) = self.streams.get(key)
        {
            stream.recv.text = text;
        }
    }

    /// The holder is done with the stream. If it has not ended: after a complete answer the client is to stop sending
    /// ([`Mux::linger`]), otherwise it is reset with `code` (CANCEL for an abandoned request, INTERNAL_ERROR for an
    /// answer that broke off).
    pub fn release(&mut self, key: StreamKey, code: ErrorCode) {
        let is_server = self.is_server();
        let Some(stream) = self.streams.get(key) else { return };
        stream.is_held = false;
        // Nobody is left to wake.
        (stream.recv.waker, stream.send.waker, stream.reset_waker) = (None, None, None);
        let is_answered = is_server && stream.send.state == Sending::Ended;
        if !stream.is_closed() && is_answered {
            self.linger(key);
        } else if !stream.is_closed() {
            self.break_off(key, code, StreamEnd::Reset(code));
        } else {
            self.settle(key);
        }
        self.poke();
    }

    /// A request was answered in whole before its end came. Section 8.1 has RST_STREAM with NO_ERROR tell the client to stop
    /// sending. It is sent when half of the stream's window is used up, when the next request comes, or when the connection
    /// is idle ([`Mux::shed`]): mostly the end is under way already, and as long as we have not reset the stream, what comes on
    /// it is judged like on any other.
    fn linger(&mut self, key: StreamKey) {
        self.drop_received(key);
        self.streams.set_lingering(key);
        if self.streams.peek(key).is_some_and(|stream| stream.recv.window.is_half_used()) {
            self.stop(key);
        }
    }

    /// The client is to send no more on a stream that has been answered.
    pub(super) fn stop(&mut self, key: StreamKey) {
        self.break_off(key, ErrorCode::NO_ERROR, StreamEnd::Reset(ErrorCode::NO_ERROR));
    }

    /// The same for all that wait for their clients to end them.
    pub(super) fn end_lingering(&mut self) {
        while let Some(key) = self.streams.first_lingering() {
            self.stop(key);
        }
    }

    /// RST_STREAM from our side, if the stream is not closed.
    pub(super) fn break_off(&mut self, key: StreamKey, code: ErrorCode, end: StreamEnd) {
        let Some(stream) = self.streams.get(key).filter(|stream| !stream.is_closed()) else { return };
        stream.break_off(end, ClosedBy::Us);
        self.output.push_control(&frame::rst_stream(key.id, code));
        self.drop_received(key);
        self.forget_unaccepted(key);
        self.settle(key);
    }

    /// A stream error (section 5.4.2): the peer has made us reset it.
    pub(super) fn stream_error(
        &mut self,
        key: StreamKey,
        code: ErrorCode,
        end: StreamEnd,
    ) -> Result<(), Fatal> {
        self.break_off(key, code, end);
        if self.is_server() { self.draw(Abuse::MadeYouReset) } else { Ok(()) }
    }

    /// DATA or HEADERS for a stream that is closed (section 5.1, "closed").
    pub(super) fn handle_late(&mut self, id: u32) -> Result<(), Fatal> {
        self.draw_late()?;
        let known = self.streams.find(id).and_then(|key| self.streams.peek(key)?.closed_by);
        match known.or_else(|| self.streams.closed_by(id)) {
            Some(ClosedBy::Ends) => Err(Fatal::stream_closed("a frame behind END_STREAM")),
            Some(ClosedBy::Peer) => {
                self.output.push_control(&frame::rst_stream(id, ErrorCode::STREAM_CLOSED));
                Ok(())
            }
            // Section 5.1.1: passed over, when a later one was opened.
            None if self.streams.was_never(id) => {
                Err(Fatal::protocol("a stream identifier that was passed over"))
            }
            // Ours crosses theirs on the wire; or so long ago that nobody remembers.
            Some(ClosedBy::Us) | None => Ok(()),
        }
    }

    /// One more frame on a closed stream. Of a server, those are what our own clients have caused by going away, and none
    /// of them must be able to end the connection of all: their DATA is bounded by windows.
    pub(super) fn draw_late(&mut self) -> Result<(), Fatal> {
        if self.is_server() { self.draw(Abuse::LateFrames) } else { Ok(()) }
    }

    /// What has arrived will not be read.
    pub(super) fn drop_received(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else { return };
        let bytes = stream.recv.queue.clear(&mut self.spares);
        self.give(None, bytes);
    }

    /// Draws the conclusions, when something about a stream has come to an end.
    pub(super) fn settle(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else { return };
        if !stream.is_closed() && stream.recv.is_ended && stream.send.state == Sending::Ended {
            stream.closed_by = Some(ClosedBy::Ends);
            self.guard.exchange_ended();
        }
        if !stream.is_closed() {
            return;
        }
        let is_held = stream.is_held;
        self.streams.uncount(key);
        self.forgo_send(key);
        if !is_held {
            self.drop_received(key);
            self.reclaim_window(key);
            self.streams.remove(key);
            if self.is_finished() {
                self.poke();
            }
        }
    }

    /// All streams are lost.
    pub(super) fn lose(&mut self) {
        self.is_lost = true;
        for stream in self.streams.iter_mut().filter(|stream| !stream.is_closed()) {
            stream.break_off(StreamEnd::ConnectionLost, ClosedBy::Peer);
        }
        while let Some(key) = self.accepts.front().copied() {
            self.forget_unaccepted(key);
            self.settle(key);
        }
    }

    /// A connection error (section 5.4.1).
    pub(super) fn die(&mut self, fatal: Fatal) {
        self.output.push(&frame::goaway(self.peer_last, fatal.code, fatal.reason));
        self.fatal = Some(fatal);
        self.lose();
        self.poke();
    }
}
