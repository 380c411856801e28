//! One exchange's end of a stream.

use std::{
    io::{self, ErrorKind},
    mem,
    rc::Rc,
    task::{Context, Poll, ready},
};

use weir_net::Buffer;
use weir_tls::Identity;

use super::Multiplex;
use crate::{
    h1::Refusal,
    h2::{ErrorCode, Opening, StreamEnd, StreamKey},
    head::{RequestHead, ResponseHead},
};

/// A stream, from its first to its last frame. Dropping it before the end resets it.
#[derive(Debug)]
pub(crate) struct Stream {
    home: Rc<Multiplex>,
    /// `None`: towards a server, before the request's head has gone.
    key: Option<StreamKey>,
    /// The text of the last head that came.
    text: Vec<u8>,
    /// What the peer is told if this is dropped before its end.
    code: ErrorCode,
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut mux = self.home.mux.borrow_mut();
            mux.give_back(key, mem::take(&mut self.text));
            mux.release(key, self.code);
        }
    }
}

impl Stream {
    /// A stream that the client has opened.
    pub(super) fn accepted(home: &Rc<Multiplex>, key: StreamKey) -> Self {
        // Whoever drops it before its end could not make an answer, or not all of it.
        Self { home: Rc::clone(home), key: Some(key), text: Vec::new(), code: ErrorCode::INTERNAL_ERROR }
    }

    /// A stream that is to be opened to a server.
    pub(super) fn to_open(home: &Rc<Multiplex>) -> Self {
        Self { home: Rc::clone(home), key: None, text: Vec::new(), code: ErrorCode::CANCEL }
    }

    /// The scheme of the URL that is asked for on it.
    pub(crate) fn scheme(&self) -> &'static str {
        self.home.scheme
    }

    /// What the certificate of the client says.
    pub(crate) fn identity(&self) -> Option<&Rc<Identity>> {
        self.home.identity.as_ref()
    }

    /// What the last head that came points into.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The head of the request that came on it. The error is how it is to be answered at once.
    pub(crate) fn take_request(&mut self, head: &mut RequestHead) -> Result<(), Refusal> {
        let key = self.key.expect("it has been accepted");
        self.home.mux.borrow_mut().take_request(key, head, &mut self.text).map_or(Ok(()), Err)
    }

    /// Sends a head, behind which `more` follows or not. That of a request opens the stream, for another `protocol` if
    /// there is one (RFC 8441); an error then means that the connection takes no streams any more.
    pub(crate) fn send_head(&mut self, text: &[u8], protocol: Option<&[u8]>, more: bool) -> io::Result<()> {
        if let Some(key) = self.key {
            return self.home.mux.borrow_mut().send_head(key, text, !more).map_err(broken);
        }
        let opening = Opening { scheme: self.home.scheme.as_bytes(), protocol, end_stream: !more };
        let opened = self.home.mux.borrow_mut().open(text, &opening);
        self.key = Some(opened.map_err(|_| io::Error::from(ErrorKind::NotConnected))?);
        Ok(())
    }

    /// Whether the server takes extended CONNECT, which its SETTINGS tell (RFC 8441 section 3). On a connection that is
    /// at its end it is supposed to: nothing can be sent there anyhow.
    pub(crate) fn poll_takes_connect(&self, context: &mut Context<'_>) -> Poll<bool> {
        if self.home.is_settled() {
            let mux = self.home.mux.borrow();
            return Poll::Ready(mux.takes_extended_connect() || mux.is_draining());
        }
        let mut waiting = self.home.unsettled.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// The head of the next response, interim ones first.
    pub(crate) fn poll_response(
        &mut self,
        context: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<(), StreamEnd>> {
        let Some(key) = self.key else { return Poll::Ready(Err(StreamEnd::Refused)) };
        self.home.mux.borrow_mut().poll_response(context, key, head, &mut self.text)
    }

    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        let key = self.key.ok_or(ErrorKind::NotConnected)?;
        let received = self.home.mux.borrow_mut().poll_recv(context, key, buffer.room());
        let n = ready!(received).map_err(broken)?;
        buffer.fill(n);
        Poll::Ready(Ok(n))
    }

    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let key = self.key.ok_or(ErrorKind::NotConnected)?;
        self.home.mux.borrow_mut().poll_send(context, key, bytes).map_err(broken)
    }

    /// Ready when there is room for one more head.
    pub(crate) fn poll_send_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let key = self.key.ok_or(ErrorKind::NotConnected)?;
        self.home.mux.borrow_mut().poll_send_ready(context, key).map_err(broken)
    }

    /// Ends what is sent, with trailers if there are any.
    pub(crate) fn finish(&mut self, trailers: &[u8]) {
        if let Some(key) = self.key {
            let trailers = Some(trailers).filter(|lines| !lines.is_empty());
            // A stream that has ended shows it to the next who reads.
            let _ = self.home.mux.borrow_mut().finish(key, trailers);
        }
    }

    /// The trailers of what has been read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<Vec<u8>> {
        self.home.mux.borrow_mut().take_trailers(self.key?)
    }

    /// Ready when nobody is there any more at the other end.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.key {
            Some(key) => self.home.mux.borrow_mut().poll_reset(context, key).map(|_| ()),
            None => Poll::Pending,
        }
    }

    /// From here on it is a tunnel: if it is dropped before its end, that stands for a connection that was reset
    /// (RFC 8441 section 5).
    pub(crate) fn becomes_tunnel(&mut self) {
        self.code = ErrorCode::CANCEL;
    }

    /// Ends it at once, whatever of it has ended.
    pub(crate) fn reset(&mut self) {
        if let Some(key) = self.key {
            self.home.mux.borrow_mut().reset(key, self.code);
        }
    }

    /// The connection is not to be used for further streams.
    pub(crate) fn retire_connection(&self) {
        self.home.retired.set(true);
    }

    /// Forgets the text of the last head.
    pub(crate) fn forget_text(&mut self) {
        let text = mem::take(&mut self.text);
        if let Some(key) = self.key {
            let mut mux = self.home.mux.borrow_mut();
            mux.give_back(key, text);
            mux.forget_head(key);
        }
    }
}

fn broken(end: StreamEnd) -> io::Error {
    match end {
        StreamEnd::BodyTooLarge => {
            io::Error::new(ErrorKind::FileTooLarge, "the body is larger than max_body_bytes")
        }
        StreamEnd::Reset(_) => io::Error::new(ErrorKind::ConnectionReset, "the stream was reset"),
        StreamEnd::Refused => io::Error::new(ErrorKind::ConnectionRefused, "the stream was refused"),
        StreamEnd::ConnectionLost => io::Error::new(ErrorKind::ConnectionAborted, "the connection is gone"),
        StreamEnd::Malformed => io::Error::new(ErrorKind::InvalidData, "a frame of the stream is not right"),
    }
}
