//! DATA (RFC 9113 section 6.1), as it comes in.
//!
//! Windows and lengths are settled for the whole frame when its header has come. Its payload is then taken piece by
//! piece, so that a driver need not hold a frame. What nobody will read goes back to the connection's window at once.

use super::Mux;
use crate::h2::{
    Abuse, ErrorCode, Fatal, SMALL_DATA_BYTES, StreamEnd, StreamKey,
    frame::{self, FrameHeader, flag},
    settings::Role,
    stream::{self, Stream},
};

/// A DATA frame of which something is still to come.
#[derive(Debug)]
pub(super) struct OpenData {
    /// Who gets it; nobody, if its stream is closed.
    key: Option<StreamKey>,
    left: usize,
    padding: usize,
    end_stream: bool,
}

impl Mux {
    /// With the first byte of the payload, if it is there. Returns what of the payload is done with; `None`: that byte is
    /// needed.
    pub(super) fn begin_data(
        &mut self,
        header: FrameHeader,
        first: Option<u8>,
    ) -> Result<Option<usize>, Fatal> {
        if header.stream == 0 {
            return Err(Fatal::protocol("DATA on stream 0"));
        }
        let (prefix, padding) = match (header.has(flag::PADDED), header.len, first) {
            (false, ..) => (0, 0),
            (true, 0, _) => return Err(Fatal::frame_size("a padded frame without its padding's length")),
            (true, _, None) => return Ok(None),
            (true, _, Some(padding)) => (1, usize::from(padding)),
        };
        let Some(left) = header.len.checked_sub(prefix + padding) else {
            return Err(Fatal::protocol("padding as long as its frame, or longer"));
        };
        self.meter_data(left, header.has(flag::END_STREAM))?;
        // Section 5.2.2, 6.9.1: padding counts, and so does what comes for closed streams.
        if !self.recv_window.take(header.len as u32) {
            return Err(Fatal::flow("DATA beyond the connection's window"));
        }
        let key = self.admit_data(header, left)?;
        self.give(key, prefix + padding);
        self.data = Some(OpenData { key, left, padding, end_stream: header.has(flag::END_STREAM) });
        Ok(Some(prefix))
    }

    /// Takes what `input` has of the open DATA frame, if there is one.
    pub(super) fn take_data(&mut self, input: &[u8]) -> Result<usize, Fatal> {
        let Some(data) = &mut self.data else { return Ok(0) };
        let n = data.left.min(input.len());
        data.left -= n;
        let skipped = if data.left == 0 { data.padding.min(input.len() - n) } else { 0 };
        data.padding -= skipped;
        let (key, is_done, end_stream) = (data.key, data.left + data.padding == 0, data.end_stream);
        self.store(key, &input[..n]);
        if is_done {
            self.data = None;
            if end_stream && let Some(key) = key {
                self.end_recv(key)?;
            }
        }
        Ok(n + skipped)
    }

    /// Frames whose header is most of them are worth their while only so often.
    fn meter_data(&mut self, bytes: usize, end_stream: bool) -> Result<(), Fatal> {
        if bytes >= SMALL_DATA_BYTES as usize {
            self.guard.received();
            Ok(())
        } else if end_stream {
            Ok(())
        } else if bytes == 0 {
            self.draw(Abuse::EmptyData)
        } else {
            self.draw(Abuse::SmallData)
        }
    }

    /// The stream that takes a DATA frame with so much data; none if it is closed, or is closed by this frame.
    fn admit_data(&mut self, header: FrameHeader, bytes: usize) -> Result<Option<StreamKey>, Fatal> {
        let found = self.streams.find(header.stream);
        let Some((key, stream)) = found.and_then(|key| Some((key, self.streams.get(key)?))) else {
            if self.is_unused(header.stream) {
                return Err(Fatal::protocol("DATA on an idle stream"));
            }
            self.handle_late(header.stream)?;
            return Ok(None);
        };
        if stream.is_closed() {
            self.handle_late(header.stream)?;
            return Ok(None);
        }
        let fault = if stream.recv.is_ended {
            // Section 5.1, "half-closed (remote)".
            Some((ErrorCode::STREAM_CLOSED, StreamEnd::Reset(ErrorCode::STREAM_CLOSED)))
        } else if !stream.recv.window.take(header.len as u32) {
            Some((ErrorCode::FLOW_CONTROL_ERROR, StreamEnd::Reset(ErrorCode::FLOW_CONTROL_ERROR)))
        } else if !stream.recv.has_head || stream.recv.left.is_some_and(|left| left < bytes as u64) {
            // Section 8.1: data before the head, or more than its content-length (section 8.1.1).
            Some((ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed))
        } else {
            None
        };
        if let Some((code, end)) = fault {
            self.stream_error(key, code, end)?;
            return Ok(None);
        }
        if stream.is_lingering && stream.recv.window.is_half_used() && !header.has(flag::END_STREAM) {
            self.stop(key);
            return Ok(None);
        }
        if let Some(left) = &mut stream.recv.left {
            *left -= bytes as u64;
        }
        stream.recv.total += bytes as u64;
        if stream.recv.total > self.settings.body_bytes_max && !stream.recv.is_tunnel {
            stream.recv.is_too_large = true;
            stream::wake(&mut stream.recv.waker);
            self.drop_received(key);
        }
        Ok(Some(key))
    }

    /// Keeps a piece of data until it is read.
    fn store(&mut self, key: Option<StreamKey>, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        let stream = key.and_then(|key| self.streams.get(key));
        let is_wanted =
            |stream: &&mut Stream| !stream.is_closed() && !stream.is_lingering && !stream.recv.is_too_large;
        match stream.filter(is_wanted) {
            Some(stream) => {
                stream.recv.queue.push(piece, &mut self.spares);
                stream::wake(&mut stream.recv.waker);
            }
            None => self.give(None, piece.len()),
        }
    }

    /// END_STREAM has come.
    pub(super) fn end_recv(&mut self, key: StreamKey) -> Result<(), Fatal> {
        let Some(stream) = self.streams.get(key).filter(|stream| !stream.is_closed()) else { return Ok(()) };
        // Section 8.1.1: less than was announced; or a response without a head.
        if stream.recv.left.is_some_and(|left| left > 0) || !stream.recv.has_head {
            return self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed);
        }
        stream.recv.is_ended = true;
        stream::wake(&mut stream.recv.waker);
        self.settle(key);
        Ok(())
    }

    /// So many bytes have been read, or thrown away: both windows get them back, a stream's only while more can come.
    pub(super) fn give(&mut self, key: Option<StreamKey>, bytes: usize) {
        if self.is_lost {
            return;
        }
        self.recv_window.give(bytes as u32);
        if self.recv_window.is_due_to_all() {
            self.output.push_control(&frame::window_update(0, self.recv_window.pay()));
        }
        let Some(stream) = key.and_then(|key| self.streams.get(key)) else { return };
        if stream.recv.is_ended || stream.is_closed() || stream.recv.is_too_large {
            return;
        }
        let window = &mut stream.recv.window;
        window.give(bytes as u32);
        if !window.is_due() {
            return;
        }
        if std::mem::take(&mut stream.recv.was_emptied) {
            let more = self.settings.stream_window_max.saturating_sub(window.size());
            let more = more.min(window.size()).min(self.window_reserve);
            window.widen(more);
            self.window_reserve -= more;
        }
        let increment = window.pay();
        self.output.push_control(&frame::window_update(stream.id, increment));
    }

    /// A stream is gone, and so is its window.
    pub(super) fn reclaim_window(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.peek(key) else { return };
        self.window_reserve += stream.recv.window.size().saturating_sub(self.settings.stream_window);
    }

    /// The window of a new stream. Until our SETTINGS are acknowledged, the peer may go by the default.
    pub(super) fn recv_window_new(&self) -> crate::h2::flow::RecvWindow {
        let size = self.settings.stream_window;
        let left = if self.is_acknowledged { size } else { size.max(crate::h2::flow::WINDOW_INITIAL) };
        crate::h2::flow::RecvWindow::new(left, size)
    }

    /// A server, by its role.
    pub fn is_server(&self) -> bool {
        self.role == Role::Server
    }
}
