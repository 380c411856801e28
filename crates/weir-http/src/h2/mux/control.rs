//! Frames that carry no part of a message: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, PRIORITY, GOAWAY.

use super::{Mux, drain::DRAIN_PING};
use crate::h2::{
    Abuse, ErrorCode, Fatal, StreamEnd, StreamKey,
    frame::{self, FrameHeader, HEADER_BYTES, flag, kind, u31, u32_at},
    stream::{self, ClosedBy, Sending},
};

impl Mux {
    /// SETTINGS (RFC 9113 section 6.5).
    pub(super) fn handle_settings(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::protocol("SETTINGS on a stream"));
        }
        let is_ack = header.has(flag::ACK);
        if (is_ack && !payload.is_empty()) || !payload.len().is_multiple_of(6) {
            return Err(Fatal::frame_size("SETTINGS of a wrong length"));
        }
        self.draw(Abuse::Settings)?;
        if is_ack {
            self.is_acknowledged = true;
            return Ok(());
        }
        let old = self.peer;
        self.peer = old.updated(payload, self.role)?;
        self.is_settled = true;
        if self.peer.header_table_bytes != old.header_table_bytes {
            self.encoder.set_table_bytes_max(self.peer.header_table_bytes);
        }
        self.adjust_windows(i64::from(self.peer.stream_window) - i64::from(old.stream_window))?;
        let ack = FrameHeader { len: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 };
        self.output.push_control(&ack.bytes() as &[u8; HEADER_BYTES]);
        Ok(())
    }

    /// Section 6.9.2: a changed initial window changes all streams, below zero if it must be.
    fn adjust_windows(&mut self, by: i64) -> Result<(), Fatal> {
        if by == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            if !stream.send.window.grow(by) {
                return Err(Fatal::flow("SETTINGS_INITIAL_WINDOW_SIZE makes a window larger than 2^31-1"));
            }
            if stream.send.window.open() > 0 && !stream.send.is_queued {
                stream::wake(&mut stream.send.waker);
            }
        }
        Ok(())
    }

    /// PING (section 6.7).
    pub(super) fn handle_ping(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::protocol("PING on a stream"));
        }
        let Ok(payload) = <[u8; 8]>::try_from(payload) else {
            return Err(Fatal::frame_size("PING of another length than 8"));
        };
        self.draw(Abuse::Pings)?;
        if !header.has(flag::ACK) {
            self.output.push_control(&frame::ping(flag::ACK, payload));
        } else if payload == DRAIN_PING {
            self.drain_bound();
        }
        Ok(())
    }

    /// WINDOW_UPDATE (section 6.9).
    pub(super) fn handle_window_update(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if payload.len() != 4 {
            return Err(Fatal::frame_size("WINDOW_UPDATE of another length than 4"));
        }
        self.draw(Abuse::WindowUpdates)?;
        let increment = u31(payload);
        if header.stream == 0 {
            if increment == 0 {
                return Err(Fatal::protocol("WINDOW_UPDATE of 0"));
            }
            if !self.send_window.grow(increment.into()) {
                return Err(Fatal::flow("WINDOW_UPDATE makes the connection's window larger than 2^31-1"));
            }
            self.grant_turns();
            return Ok(());
        }
        let Some(key) = self.live(header.stream, "WINDOW_UPDATE on an idle stream")? else { return Ok(()) };
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        if increment == 0 {
            return self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed);
        }
        if !stream.send.window.grow(increment.into()) {
            let code = ErrorCode::FLOW_CONTROL_ERROR;
            return self.stream_error(key, code, StreamEnd::Reset(code));
        }
        if !stream.send.is_queued {
            stream::wake(&mut stream.send.waker);
        }
        Ok(())
    }

    /// RST_STREAM (section 6.4).
    pub(super) fn handle_rst_stream(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream == 0 {
            return Err(Fatal::protocol("RST_STREAM on stream 0"));
        }
        if payload.len() != 4 {
            return Err(Fatal::frame_size("RST_STREAM of another length than 4"));
        }
        let Some(key) = self.live(header.stream, "RST_STREAM on an idle stream")? else {
            return self.draw_late();
        };
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        let (was_answered, is_whole) = (stream.send.state == Sending::Ended, stream.recv.is_ended);
        let code = ErrorCode(u32_at(payload));
        stream.break_off(stream::end_of(code), ClosedBy::Peer);
        if !is_whole {
            // What is whole may still be read: section 8.1 has a server reset what it has answered early.
            self.drop_received(key);
        }
        self.forget_unaccepted(key);
        self.settle(key);
        if self.is_server() && !was_answered { self.draw(Abuse::RapidReset) } else { Ok(()) }
    }

    /// PRIORITY: checked, and ignored (RFC 9113 section 5.3.2).
    pub(super) fn handle_priority(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream == 0 {
            return Err(Fatal::protocol("PRIORITY on stream 0"));
        }
        self.draw(Abuse::Priorities)?;
        let code = if payload.len() != 5 {
            ErrorCode::FRAME_SIZE_ERROR
        } else if u31(payload) == header.stream {
            // RFC 7540 section 5.3.1, which RFC 9113 does not take up and old peers test.
            ErrorCode::PROTOCOL_ERROR
        } else {
            return Ok(());
        };
        // It may come on any stream. One that is idle cannot be reset, so there the connection ends.
        if self.is_unused(header.stream) {
            return Err(Fatal::new(code, "a malformed PRIORITY on an idle stream"));
        }
        match self.live(header.stream, "")? {
            Some(key) => self.stream_error(key, code, StreamEnd::Reset(code)),
            None => {
                self.output.push_control(&frame::rst_stream(header.stream, code));
                self.draw(Abuse::MadeYouReset)
            }
        }
    }

    /// GOAWAY (section 6.8).
    pub(super) fn handle_goaway(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::protocol("GOAWAY on a stream"));
        }
        if payload.len() < 8 {
            return Err(Fatal::frame_size("GOAWAY shorter than 8"));
        }
        self.draw(Abuse::Settings)?;
        let last = u31(payload);
        if self.goaway.is_some_and(|before| before < last) {
            return Err(Fatal::protocol("GOAWAY names a later last stream than before"));
        }
        self.goaway = Some(last);
        if !self.is_server() {
            self.refuse_above(last);
        }
        Ok(())
    }

    /// Our streams above the peer's last one have not been looked at, and will not be.
    fn refuse_above(&mut self, last: u32) {
        let mut n = self.streams.len();
        while n > 0 {
            n -= 1;
            let Some(key) = self.streams.nth(n).filter(|key| key.id > last) else { break };
            if let Some(stream) = self.streams.get(key).filter(|stream| !stream.is_closed()) {
                stream.break_off(StreamEnd::Refused, ClosedBy::Peer);
                self.drop_received(key);
                self.settle(key);
            }
        }
    }

    /// The stream of this identifier, if it is not closed. RST_STREAM, WINDOW_UPDATE and PRIORITY may come late
    /// (section 5.1, "closed"); on an idle stream they are errors.
    fn live(&self, stream: u32, on_idle: &'static str) -> Result<Option<StreamKey>, Fatal> {
        match self.streams.find(stream) {
            Some(key) => Ok(Some(key).filter(|key| !self.streams.peek(*key).is_some_and(|s| s.is_closed()))),
            None if self.is_unused(stream) => Err(Fatal::protocol(on_idle)),
            None => Ok(None),
        }
    }
}
