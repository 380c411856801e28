//! One HTTP/2 connection as a state machine, in either role.

use std::task::{Context, Poll, Waker};

use super::{ErrorCode, Fatal, Settings, StreamEnd};
use crate::{
    h1::Refusal,
    head::{RequestHead, ResponseHead},
};

/// A stream of a [`Mux`], until [`Mux::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    slot: u32,
    id: u32,
}

impl StreamKey {
    /// The stream's identifier on the wire.
    pub fn id(self) -> u32 {
        self.id
    }
}

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

/// One connection.
#[derive(Debug)]
pub struct Mux {
    settings: Settings,
}

/// What the driver needs.
impl Mux {
    /// The server's side, before the first byte.
    pub fn server(settings: Settings) -> Self {
        Self { settings }
    }

    /// The server's side, when somebody else has already read `preface_read` bytes of the client's preface (24 in all).
    pub fn server_after_preface(settings: Settings, preface_read: usize) -> Self {
        let _ = preface_read;
        Self { settings }
    }

    /// The client's side.
    pub fn client(settings: Settings) -> Self {
        Self { settings }
    }

    /// Takes what has arrived and says how much of it: whole frames, except for DATA, which is taken as it comes. The
    /// rest comes again with more behind it. No frame is longer than 16,393 bytes.
    ///
    /// Afterwards a server calls [`Mux::accept`] until it gives nothing. `now_ms` never goes back.
    pub fn handle_input(&mut self, input: &[u8], now_ms: u64) -> Result<usize, Fatal> {
        let _ = (input, now_ms);
        Ok(0)
    }

    /// The peer sends no more, or the socket has failed: all streams end.
    pub fn handle_eof(&mut self) {}

    /// Bytes for the socket.
    pub fn output(&self) -> &[u8] {
        &[]
    }

    /// So many bytes of [`Mux::output`] have been written. Afterwards a server calls [`Mux::accept`] again.
    pub fn wrote(&mut self, n: usize) {
        let _ = n;
    }

    /// Wakes this once when the tasks of streams have produced output, or when [`Mux::is_finished`] has become true.
    pub fn set_driver_waker(&mut self, waker: &Waker) {
        let _ = waker;
    }

    /// Streams that somebody holds.
    pub fn streams_open(&self) -> usize {
        0
    }

    /// No stream is open and nothing is to be written.
    pub fn is_idle(&self) -> bool {
        true
    }

    /// Begins a graceful end (RFC 9113 section 6.8): GOAWAY without a bound and a PING; when the PING is answered,
    /// [`Mux::drain_bound`].
    pub fn drain_begin(&mut self) {}

    /// The second GOAWAY, with the last stream that is still served. For the driver if the PING is not answered in time.
    pub fn drain_bound(&mut self) {}

    /// No new streams, by our or the peer's will.
    pub fn is_draining(&self) -> bool {
        false
    }

    /// Draining, and the last stream and the last byte of output have gone: close.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// Ends the connection at once: GOAWAY with this code, and all streams are lost.
    pub fn abort(&mut self, code: ErrorCode, reason: &'static str) {
        let _ = (code, reason);
    }
}

/// Server.
impl Mux {
    /// The next request whose head is complete. The caller holds its stream until [`Mux::release`].
    pub fn accept(&mut self) -> Option<StreamKey> {
        None
    }

    /// The head of an accepted request, by swapping: what `head` and `text` held is kept for reuse. With a refusal, the
    /// request is beyond a limit and to be answered so; of its head only the method is sure, and may be empty.
    pub fn take_request(
        &mut self,
        key: StreamKey,
        head: &mut RequestHead,
        text: &mut Vec<u8>,
    ) -> Option<Refusal> {
        let _ = (key, head, text);
        None
    }
}

/// Client.
impl Mux {
    /// [`Mux::open`] would succeed.
    pub fn can_open(&self) -> bool {
        false
    }

    /// The server takes extended CONNECT (RFC 8441). Known once its SETTINGS have come.
    pub fn takes_extended_connect(&self) -> bool {
        false
    }

    /// The server's SETTINGS have come.
    pub fn is_settled(&self) -> bool {
        false
    }

    /// Sends a request, whose whole head is `text` in the form of HTTP/1.
    pub fn open(&mut self, text: &[u8], opening: &Opening<'_>) -> Result<StreamKey, Full> {
        let _ = (text, opening);
        Err(Full)
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
        let _ = (cx, key, head, text);
        Poll::Pending
    }
}

/// Both: sending.
impl Mux {
    /// Ready when the output has room: for those who could send many heads, before each.
    pub fn poll_send_ready(&mut self, cx: &mut Context<'_>, key: StreamKey) -> Poll<Result<(), StreamEnd>> {
        let _ = (cx, key);
        Poll::Pending
    }

    /// Server: sends a response head, whose text has the form of HTTP/1; interim ones (1xx) may go before.
    pub fn send_head(&mut self, key: StreamKey, text: &[u8], end_stream: bool) -> Result<(), StreamEnd> {
        let _ = (key, text, end_stream);
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
        let _ = (cx, key, bytes);
        Poll::Pending
    }

    /// Does not want to send after all, for now.
    pub fn forgo_send(&mut self, key: StreamKey) {
        let _ = key;
    }

    /// Ends our direction: END_STREAM, on trailers (lines in the form of HTTP/1) if there are some.
    pub fn finish(&mut self, key: StreamKey, trailers: Option<&[u8]>) -> Result<(), StreamEnd> {
        let _ = (key, trailers);
        Ok(())
    }
}

/// Both: receiving and ending.
impl Mux {
    /// Takes what has arrived of the body into `room`, which is not empty. 0: the body has ended, and
    /// [`Mux::take_trailers`] has the trailers. What is taken is given back to the peer's windows.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        key: StreamKey,
        room: &mut [u8],
    ) -> Poll<Result<usize, StreamEnd>> {
        let _ = (cx, key, room);
        Poll::Pending
    }

    /// The body has been read to its end, or there is none.
    pub fn is_recv_done(&self, key: StreamKey) -> bool {
        let _ = key;
        true
    }

    /// The trailers, `name: value\r\n` each, once the body has ended.
    pub fn take_trailers(&mut self, key: StreamKey) -> Option<Vec<u8>> {
        let _ = key;
        None
    }

    /// Ready when the peer has reset the stream or the connection is lost.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>, key: StreamKey) -> Poll<StreamEnd> {
        let _ = (cx, key);
        Poll::Pending
    }

    /// Resets the stream with RST_STREAM. It stays held until [`Mux::release`].
    pub fn reset(&mut self, key: StreamKey, code: ErrorCode) {
        let _ = (key, code);
    }

    /// The holder is done with the stream. If it has not ended: after a complete answer, NO_ERROR tells the client to
    /// stop sending (RFC 9113 section 8.1), otherwise it is reset with `code` (CANCEL for an abandoned request,
    /// INTERNAL_ERROR for an answer that broke off).
    pub fn release(&mut self, key: StreamKey, code: ErrorCode) {
        let _ = (key, code);
    }
}
