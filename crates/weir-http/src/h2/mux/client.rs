//! Requests and their responses, on the client's side.

use std::task::{Context, Poll};

use super::{Mux, StreamKey, headers::compression, send::announced_in, server::announced};
use crate::{
    h2::{
        ErrorCode, Fatal, StreamEnd,
        flow::SendWindow,
        frame::U31_MAX,
        head::{HeadError, ResponseRules, decode_response, encode_request},
        stream::{self, Response, Sending},
    },
    head::ResponseHead,
};

/// Interim responses that may wait on a stream: more come only from a server that has gone wrong.
const INTERIMS_UNREAD_MAX: usize = 4;

/// Interim responses on a stream. They cost a server nothing, not even window.
const INTERIMS_MAX: u32 = 32;

/// How a request goes out.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// Makes it an extended CONNECT (RFC 8441) for this protocol.
    pub protocol: Option<&'a [u8]>,
    /// There is no body and there are no trailers.
    pub end_stream: bool,
}

/// No stream can be opened on this connection now, or ever: see [`Mux::can_open`] and [`Mux::is_draining`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Mux {
    /// [`Mux::open`] would succeed.
    pub fn can_open(&self) -> bool {
        let streams_max = self.settings.streams_max.min(self.peer.streams_max);
        !self.is_server()
            && !self.is_lost
            && !self.is_draining()
            && self.own_next <= U31_MAX
            && self.streams.counted() < streams_max
            && self.streams.len() < 2 * self.settings.streams_max as usize
            && self.output.len() <= self.settings.output_bytes_max
    }

    /// The server allows no stream at all.
    pub fn takes_none(&self) -> bool {
        self.peer.streams_max == 0
    }

    /// The server takes extended CONNECT (RFC 8441). Known once its SETTINGS have come.
    pub fn takes_extended_connect(&self) -> bool {
        self.peer.extended_connect
    }

    /// The peer's SETTINGS have come.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Sends a request, whose whole head is `text` in the form of HTTP/1.
    pub fn open(&mut self, text: &[u8], opening: &Opening<'_>) -> Result<StreamKey, Full> {
        if !self.can_open() {
            return Err(Full);
        }
        let id = self.own_next;
        self.own_next += 2;
        let window = self.recv_window_new();
        let (key, stream) = self.streams.insert(id);
        stream.is_to_head = text.starts_with(b"HEAD ");
        stream.recv.window = window;
        stream.recv.is_tunnel = opening.protocol.is_some();
        stream.send.window = SendWindow::new(self.peer.stream_window);
        stream.send.left = if stream.recv.is_tunnel { None } else { announced_in(text) };
        stream.send.state = if opening.end_stream { Sending::Ended } else { Sending::Body };
        let encoder = &mut self.encoder;
        stream.send.place = self.output.push_block(id, opening.end_stream, |out| {
            encode_request(encoder, text, opening.scheme, opening.protocol, out);
        });
        self.guard.stream_opened();
        self.poke();
        Ok(key)
    }

    /// The next response head: interim ones first, each once, then the final one. By swapping, as in
    /// [`Mux::take_request`].
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        key: StreamKey,
        head: &mut ResponseHead,
        text: &mut Vec<u8>,
    ) -> Poll<Result<(), StreamEnd>> {
        let Some(stream) = self.streams.get(key) else { return Poll::Ready(Err(StreamEnd::ConnectionLost)) };
        if let Some(mut response) = stream.recv.responses.pop_front() {
            std::mem::swap(&mut response.head, head);
            std::mem::swap(&mut response.text, text);
            stream.recv.text = response.text;
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = stream.end {
            return Poll::Ready(Err(end));
        }
        stream::wait(&mut stream.recv.waker, cx.waker());
        Poll::Pending
    }

    /// A header block before the final head.
    pub(super) fn handle_response(
        &mut self,
        key: StreamKey,
        end_stream: bool,
        bytes: &[u8],
    ) -> Result<(), Fatal> {
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        let rules = ResponseRules { limits: &self.settings.head, end_stream, to_head: stream.is_to_head };
        let mut response =
            Response { text: std::mem::take(&mut stream.recv.text), head: ResponseHead::default() };
        let (decoder, scratch) = (&mut self.decoder, &mut self.scratch);
        match decode_response(decoder, bytes, &rules, scratch, &mut response.text, &mut response.head) {
            Ok(()) => {}
            Err(HeadError::Compression(error)) => return Err(compression(error)),
            Err(_) => return self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed),
        }
        let recv = &mut stream.recv;
        if response.head.status < 200 {
            recv.interims += 1;
            if recv.interims > INTERIMS_MAX || recv.responses.len() >= INTERIMS_UNREAD_MAX {
                return self.stream_error(key, ErrorCode::ENHANCE_YOUR_CALM, StreamEnd::Malformed);
            }
        } else {
            recv.has_head = true;
            // A tunnel exists only behind a success; what refuses it has a body like any other.
            recv.is_tunnel &= response.head.status < 300;
            recv.left = announced(response.head.body).filter(|_| !recv.is_tunnel);
        }
        recv.responses.push_back(response);
        stream::wake(&mut recv.waker);
        if end_stream { self.end_recv(key) } else { Ok(()) }
    }
}
