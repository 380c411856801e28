//! Requests, on the server's side.

use super::{Mux, StreamKey, headers::compression};
use crate::{
    h1::Refusal,
    h2::{
        Abuse, ErrorCode, Fatal,
        flow::SendWindow,
        frame,
        head::{HeadError, RequestRules, decode_request},
        stream::{ClosedBy, Sending},
    },
    head::{BodyLength, Field, RequestHead},
};

impl Mux {
    /// The next request whose head is complete. The caller holds its stream until [`Mux::release`].
    ///
    /// Nothing while the output is full: answers to requests that are never read pile up here, in the streams' own
    /// number, and not there.
    pub fn accept(&mut self) -> Option<StreamKey> {
        if self.is_lost || self.output.len() > self.settings.output_bytes_max {
            return None;
        }
        self.accepts.pop_front()
    }

    /// The head of an accepted request, by swapping: what `head` and `text` held is kept for reuse. With a refusal, the
    /// request is beyond a limit and to be answered so; of its head only the method is sure, and may be empty.
    pub fn take_request(
        &mut self,
        key: StreamKey,
        head: &mut RequestHead,
        text: &mut Vec<u8>,
    ) -> Option<Refusal> {
        let stream = self.streams.get(key)?;
        std::mem::swap(&mut stream.recv.request, head);
        std::mem::swap(&mut stream.recv.text, text);
        stream.recv.refusal.take()
    }

    /// A header block on an idle stream.
    pub(super) fn handle_request(
        &mut self,
        id: u32,
        end_stream: bool,
        is_circular: bool,
        bytes: &[u8],
    ) -> Result<(), Fatal> {
        if self.drain.bound().is_some_and(|bound| id > bound) {
            // Section 6.8: ignored. The client knows from GOAWAY that it may send it elsewhere.
            self.streams.remember(id, ClosedBy::Us);
            return self.discard(bytes);
        }
        self.end_lingering();
        let rules = RequestRules {
            limits: &self.settings.head,
            end_stream,
            extended_connect: self.settings.extended_connect,
        };
        let (decoder, scratch) = (&mut self.decoder, &mut self.scratch);
        let refusal = match decode_request(decoder, bytes, &rules, scratch, &mut self.text, &mut self.request)
        {
            Ok(()) => None,
            Err(HeadError::TooLarge(refusal)) => Some(refusal),
            Err(HeadError::Compression(error)) => return Err(compression(error)),
            Err(HeadError::Malformed(_)) => return self.turn_away(id, ErrorCode::PROTOCOL_ERROR),
        };
        if is_circular {
            return self.turn_away(id, ErrorCode::PROTOCOL_ERROR);
        }
        // Section 5.1.2. Held ones are bounded too: a stream that its client has reset lives on until its task knows.
        let streams_max = self.settings.streams_max;
        if self.streams.counted() >= streams_max || self.streams.len() >= 2 * streams_max as usize {
            self.refusals.streams += 1;
            return self.turn_away(id, ErrorCode::REFUSED_STREAM);
        }
        // Not left waiting: a head that has been decoded takes its room wherever it waits, and what has not been cannot be
        // put off, since the frames behind it may be what other streams need to end.
        let heads = self.streams.head_bytes();
        if heads > 0 && heads + self.head_bytes() > self.settings.heads_bytes_max {
            self.refusals.heads += 1;
            return self.turn_away(id, ErrorCode::REFUSED_STREAM);
        }
        self.guard.stream_opened();
        self.admit_request(id, end_stream, refusal);
        Ok(())
    }

    /// Of the request in `self.request`.
    fn head_bytes(&self) -> usize {
        self.text.len() + self.request.fields.len() * size_of::<Field>()
    }

    /// The request in `self.request` becomes a stream.
    fn admit_request(&mut self, id: u32, end_stream: bool, refusal: Option<Refusal>) {
        /// Room for text, in bytes, that a head may hold and not need.
        const TEXT_BYTES_SPARE: usize = 4096;
        let window = self.recv_window_new();
        let head_bytes = self.head_bytes();
        if self.text.capacity() > self.text.len() + TEXT_BYTES_SPARE {
            self.text.shrink_to(self.text.len());
        }
        let (key, stream) = self.streams.insert(id);
        let recv = &mut stream.recv;
        std::mem::swap(&mut recv.request, &mut self.request);
        std::mem::swap(&mut recv.text, &mut self.text);
        let method = recv.request.method.of(&recv.text);
        stream.is_to_head = method == b"HEAD";
        recv.is_tunnel = method == b"CONNECT" || recv.request.extended_connect;
        recv.left = announced(recv.request.body).filter(|_| refusal.is_none() && !recv.is_tunnel);
        let is_too_large = recv.left.is_some_and(|left| left > self.settings.body_bytes_max);
        recv.refusal = refusal.or(is_too_large.then_some(Refusal::BodyTooLarge));
        recv.window = window;
        recv.has_head = true;
        recv.is_ended = end_stream;
        stream.send.state = Sending::Head;
        stream.send.window = SendWindow::new(self.peer.stream_window);
        self.streams.set_head_bytes(key, head_bytes);
        self.accepts.push_back(key);
    }

    /// The text of an accepted request's head has been given up, before its exchange has ended.
    pub fn forget_head(&mut self, key: StreamKey) {
        self.streams.set_head_bytes(key, 0);
    }

    /// A request that does not become a stream (sections 5.4.2 and 8.1.1).
    fn turn_away(&mut self, id: u32, code: ErrorCode) -> Result<(), Fatal> {
        self.output.push_control(&frame::rst_stream(id, code));
        self.streams.remember(id, ClosedBy::Us);
        self.draw(Abuse::MadeYouReset)
    }

    /// Its peer has reset it before anybody took it: no exchange begins.
    pub(super) fn forget_unaccepted(&mut self, key: StreamKey) {
        if let Some(place) = self.accepts.iter().position(|waiting| *waiting == key) {
            self.accepts.remove(place);
            if let Some(stream) = self.streams.get(key) {
                stream.is_held = false;
            }
        }
    }
}

/// How much data must come, if that is known.
pub(super) fn announced(body: BodyLength) -> Option<u64> {
    match body {
        BodyLength::None => Some(0),
        BodyLength::Sized(bytes) => Some(bytes),
        BodyLength::Chunked | BodyLength::UntilEnd => None,
    }
}
