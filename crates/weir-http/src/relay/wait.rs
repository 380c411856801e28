//! Until the answer begins: the request's body goes on, the server is read, and the client is watched.

use std::{
    future::poll_fn,
    io::ErrorKind,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use weir_net::Buffer;

use super::{ClientWatch, Outcome, Relay, bad_gateway};
use crate::{
    counters::Limit,
    exchange::{End, count_refusal},
    h1::{HeadLimits, Progress, Refusal, ResponseParser},
    h2::StreamEnd,
    head::{BodyLength, Version},
    pump::Stop,
    wire::Wire,
};

/// After the client has said that it sends no more: how long the answer may take before it is asked, with an interim
/// response, whether it is still there at all.
pub(crate) const HALF_CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How long a client that is gone may take to let us know, once asked.
const HALF_CLOSE_ECHO: Duration = Duration::from_millis(200);

/// Whether the server has seen the request is not known.
const DIED: Outcome = Outcome::Died { untouched: false };

impl Relay<'_> {
    /// Waits for the head of a response, passing the request's body on meanwhile; or says how the connection died before
    /// a byte of it.
    pub(super) async fn await_head(&mut self) -> Result<Option<Outcome>, End> {
        let limits = self.listener.head_limits();
        let mut parser = ResponseParser::default();
        poll_fn(|context| {
            if let Err(end) = self.poll_upload(context) {
                return Poll::Ready(Err(end));
            }
            match self.poll_head(context, &mut parser, &limits) {
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
            let was_waiting = self.client == ClientWatch::Waiting;
            if let Err(end) = self.poll_client(context) {
                return Poll::Ready(Err(end));
            }
            if was_waiting && self.client == ClientWatch::HalfClosed {
                self.connection.deadline.set(HALF_CLOSE_PATIENCE.min(self.route.route.timeout));
            }
            if self.connection.deadline.expired()
                && let Err(end) = self.overdue(context)
            {
                return Poll::Ready(Err(end));
            }
            Poll::Pending
        })
        .await
    }

    /// Moves the request's body on. Pending and done are the same here: the answer is what is waited for.
    pub(super) fn poll_upload(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        if self.upload_broke || self.upload.is_done() {
            return Ok(());
        }
        let connection = &mut *self.connection;
        let mut progress = false;
        let buffers = Rc::clone(&connection.worker.buffers);
        let polled = self.upload.poll(
            context,
            &mut connection.wire,
            &mut connection.buffer,
            &buffers,
            &mut self.upstream.wire,
            &mut progress,
        );
        match polled {
            Poll::Ready(Ok(())) => {
                if connection.buffer.as_ref().is_some_and(Buffer::is_empty) {
                    connection.buffer = None;
                }
                self.arm();
            }
            Poll::Ready(Err(Stop::Sink)) => {
                // It may have answered before it closed: what it sent is still to be read.
                self.upload_broke = true;
                self.arm();
            }
            // A stream's codec notices before the pump.
            Poll::Ready(Err(Stop::Source(error))) if error.kind() == ErrorKind::FileTooLarge => {
                count_refusal(connection, Refusal::BodyTooLarge);
                return Err(End::Answer(Refusal::BodyTooLarge.into()));
            }
            Poll::Ready(Err(Stop::Source(_))) => return Err(End::Gone),
            Poll::Ready(Err(Stop::Refused(refusal))) => {
                count_refusal(connection, refusal);
                return Err(End::Answer(refusal.into()));
            }
            Poll::Pending if progress => self.arm(),
            Poll::Pending => {}
        }
        Ok(())
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        parser: &mut ResponseParser,
        limits: &HeadLimits,
    ) -> Poll<Result<Option<Outcome>, End>> {
        if let Wire::Http2(stream) = &mut self.upstream.wire {
            return match ready!(stream.poll_response(context, &mut self.desk.response)) {
                Ok(()) => Poll::Ready(Ok(None)),
                Err(StreamEnd::Refused) => Poll::Ready(Ok(Some(Outcome::Died { untouched: true }))),
                Err(StreamEnd::ConnectionLost) => Poll::Ready(Ok(Some(DIED))),
                Err(StreamEnd::Reset(_)) => Poll::Ready(Err(bad_gateway("the server reset the stream"))),
                Err(_) => Poll::Ready(Err(bad_gateway("it is malformed"))),
            };
        }
        let mut space = self.reply.take().unwrap_or_else(|| self.connection.worker.buffers.take());
        loop {
            if !space.is_empty() {
                match parser.parse(space.filled(), &mut self.desk.response, limits, self.to_head) {
                    Ok(Progress::Whole) => {
                        self.reply = Some(space);
                        return Poll::Ready(Ok(None));
                    }
                    Ok(Progress::Partial) => {}
                    Err(refusal) => return Poll::Ready(Err(bad_gateway(refusal.words()))),
                }
            }
            if space.is_full() {
                space.compact();
            }
            match self.upstream.wire.poll_read(context, &mut space) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) if space.is_empty() => return Poll::Ready(Ok(Some(DIED))),
                Poll::Ready(_) => return Poll::Ready(Err(bad_gateway("it ends in the middle of its head"))),
                Poll::Pending => {
                    self.reply = Some(space).filter(|space| !space.is_empty());
                    return Poll::Pending;
                }
            }
        }
    }

    /// Notices a client that goes away while it waits: its request is then cancelled at the server.
    ///
    /// A client that is gone and one that has only closed its sending half look the same, until something is sent:
    /// the kernel of one that is gone refuses it. So after some patience an HTTP/1.1 client, which must take any number
    /// of interim responses (RFC 9110 section 15.2), is sent one.
    pub(super) fn poll_client(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let uploading = !self.upload.is_done() && !self.upload_broke;
        if self.client != ClientWatch::Waiting || uploading {
            return Ok(());
        }
        let connection = &mut *self.connection;
        let in_use = if self.desk.request.body == BodyLength::None { self.desk.request.len } else { 0 };
        if connection.buffered() > in_use {
            self.client = ClientWatch::Pipelining;
            return Ok(());
        }
        let stream = match &mut connection.wire {
            Wire::Http1(stream) => stream,
            Wire::Http2(stream) => {
                return match stream.poll_gone(context) {
                    Poll::Ready(()) => Err(End::Gone),
                    Poll::Pending => Ok(()),
                };
            }
        };
        if stream.poll_readable(context).is_pending() {
            return Ok(());
        }
        // A read, not a look: only a read that finds nothing makes sure that the next event wakes this task.
        let mut space = connection.buffer.take().unwrap_or_else(|| connection.worker.buffers.take());
        if space.is_full() {
            self.client = ClientWatch::Pipelining;
        } else {
            match stream.poll_read(context, &mut space) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => self.client = ClientWatch::HalfClosed,
                Poll::Ready(Ok(_)) => self.client = ClientWatch::Pipelining,
                Poll::Ready(Err(_)) => return Err(End::Gone),
            }
        }
        connection.buffer = Some(space).filter(|space| !space.is_empty());
        Ok(())
    }

    /// The deadline has come: for a client that may be gone, for the body, or for the answer.
    fn overdue(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        match self.client {
            ClientWatch::HalfClosed if self.desk.request.version == Version::Http11 => {
                self.client = ClientWatch::Asked;
                self.connection.deadline.set(HALF_CLOSE_ECHO);
                match self.connection.wire.poll_write(context, b"HTTP/1.1 100 Continue\r\n\r\n") {
                    Poll::Ready(Ok(25)) => Ok(()),
                    // A client that takes not even this has been silent for long and has a full window.
                    _ => Err(End::Gone),
                }
            }
            ClientWatch::HalfClosed | ClientWatch::Asked => {
                if matches!(&self.connection.wire, Wire::Http1(stream) if stream.is_broken()) {
                    return Err(End::Gone);
                }
                self.client = ClientWatch::Listening;
                self.connection.deadline.set(self.route.route.timeout);
                Ok(())
            }
            _ if !self.upload.is_done() && !self.upload_broke => {
                self.reached(Limit::BodyTimeout);
                Err(if self.upload.waits_for_sink() {
                    End::answer(504, "the server did not take the request's body within body_timeout")
                } else {
                    End::answer(408, "the request's body made no progress within body_timeout")
                })
            }
            _ => {
                self.reached(Limit::ResponseTimeout);
                if let Wire::Http2(stream) = &self.upstream.wire {
                    // Whether the server is slow or the connection is dead cannot be told: others had better not try.
                    stream.retire_connection();
                }
                Err(End::answer(504, "the server did not begin its answer within the route's timeout"))
            }
        }
    }
}
