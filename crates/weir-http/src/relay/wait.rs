//! Until the answer begins: the request's body goes on, the server is read, and the client is watched.

use std::{
    future::poll_fn,
    io::ErrorKind,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use weir_net::{Buffer, Buffers};

use super::{ClientWatch, Relay, bad_gateway};
use crate::{
    attempt::{Failure, Keeping},
    counters::Limit,
    deadline,
    exchange::{End, count_refusal},
    h1::{HeadLimits, Progress, Refusal, ResponseParser},
    h2::StreamEnd,
    head::{BodyLength, ResponseHead, Version},
    pump::Stop,
    wire::Wire,
};

/// After the client has said that it sends no more: how long the answer may take before it is asked, with an interim
/// response, whether it is still there at all.
pub(crate) const HALF_CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How long a client that is gone may take to let us know, once asked.
const HALF_CLOSE_ECHO: Duration = Duration::from_millis(200);

impl Relay<'_> {
    /// Waits for the head of a response, passing the request's body on meanwhile; or says why there is none.
    pub(super) async fn await_head(&mut self) -> Result<Option<Failure>, End> {
        let mut parser = ResponseParser::default();
        poll_fn(|context| {
            if let Err(end) = self.poll_upload(context) {
                return Poll::Ready(Err(end));
            }
            match self.poll_head(context, &mut parser) {
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
            if self.poll_hedge(context) {
                return Poll::Ready(Ok(None));
            }
            let was_waiting = self.client == ClientWatch::Waiting;
            if let Err(end) = self.poll_client(context) {
                return Poll::Ready(Err(end));
            }
            if was_waiting && self.client == ClientWatch::HalfClosed {
                let (left, _) = self.time_left();
                self.connection.deadline.set(HALF_CLOSE_PATIENCE.min(left));
            }
            if self.connection.deadline.expired() {
                match self.overdue(context) {
                    Ok(None) => {}
                    overdue => return Poll::Ready(overdue),
                }
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
        let (upload, to) = (&mut self.upload, &mut self.upstream.wire);
        let buffer = &mut connection.buffer;
        let polled = if self.desk.kept.listens() {
            let mut from = Keeping { wire: &mut connection.wire, kept: &mut self.desk.kept };
            upload.poll(context, &mut from, buffer, &buffers, to, &mut progress)
        } else {
            upload.poll(context, &mut connection.wire, buffer, &buffers, to, &mut progress)
        };
        match polled {
            Poll::Ready(Ok(())) => {
                self.attempts.request_is_whole(&connection.worker);
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
    ) -> Poll<Result<Option<Failure>, End>> {
        let into = &mut Into {
            reply: &mut self.reply,
            response: &mut self.desk.response,
            to_head: self.to_head,
            limits: self.listener.head_limits(),
        };
        poll_response(context, &mut self.upstream.wire, &self.connection.worker.buffers, parser, into)
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
        if connection.buffered() > in_use || self.desk.kept.has_more() {
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
            // What comes behind a request that may be sent again must be there again behind it.
            let read = match self.desk.kept.is_whole() {
                true => self.desk.kept.read(context, &mut connection.wire, &mut space),
                false => connection.wire.poll_read(context, &mut space),
            };
            match read {
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
    fn overdue(&mut self, context: &mut Context<'_>) -> Result<Option<Failure>, End> {
        let is_over = self.time_left().0.is_zero();
        match self.client {
            ClientWatch::HalfClosed if !is_over && self.desk.request.version == Version::Http11 => {
                self.client = ClientWatch::Asked;
                self.connection.deadline.set(HALF_CLOSE_ECHO);
                match self.connection.wire.poll_write(context, b"HTTP/1.1 100 Continue\r\n\r\n") {
                    Poll::Ready(Ok(25)) => Ok(None),
                    // A client that takes not even this has been silent for long and has a full window.
                    _ => Err(End::Gone),
                }
            }
            ClientWatch::HalfClosed | ClientWatch::Asked if !is_over => {
                if matches!(&self.connection.wire, Wire::Http1(stream) if stream.is_broken()) {
                    return Err(End::Gone);
                }
                self.client = ClientWatch::Listening;
                self.arm();
                Ok(None)
            }
            _ if self.attempts.is_late(self.connection) => {
                self.reached(Limit::ResponseTimeout);
                if let Wire::Http2(stream) = &self.upstream.wire {
                    // Whether the server is slow or the connection is dead cannot be told: others had better not try.
                    stream.retire_connection();
                }
                Err(deadline::late())
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
                let (_, is_first) = self.time_left();
                self.reached(if is_first { Limit::PerTryTimeout } else { Limit::ResponseTimeout });
                if let Wire::Http2(stream) = &self.upstream.wire {
                    // Whether the server is slow or the connection is dead cannot be told: others had better not try.
                    stream.retire_connection();
                }
                if is_first {
                    return Ok(Some(Failure::Timeout));
                }
                Err(End::answer(504, "the server did not begin its answer within the route's timeout"))
            }
        }
    }
}

/// Where a response's head is read to.
pub(crate) struct Into<'a> {
    /// The text of HTTP/1; that of a stream is its own.
    pub(crate) reply: &'a mut Option<Buffer>,
    pub(crate) response: &'a mut ResponseHead,
    pub(crate) to_head: bool,
    pub(crate) limits: HeadLimits,
}

/// The head of the next response, or why there is none.
// Most callers are one: the exchange.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(crate) fn poll_response(
    context: &mut Context<'_>,
    wire: &mut Wire,
    buffers: &Rc<Buffers>,
    parser: &mut ResponseParser,
    into: &mut Into<'_>,
) -> Poll<Result<Option<Failure>, End>> {
    if let Wire::Http2(stream) = wire {
        return match ready!(stream.poll_response(context, into.response)) {
            Ok(()) => Poll::Ready(Ok(None)),
            Err(StreamEnd::Refused) => Poll::Ready(Ok(Some(Failure::Untouched))),
            Err(StreamEnd::ConnectionLost) => Poll::Ready(Ok(Some(Failure::Reset))),
            Err(StreamEnd::Reset(_)) => Poll::Ready(Err(bad_gateway("the server reset the stream"))),
            Err(_) => Poll::Ready(Err(bad_gateway("it is malformed"))),
        };
    }
    let mut space = into.reply.take().unwrap_or_else(|| buffers.take());
    loop {
        if !space.is_empty() {
            match parser.parse(space.filled(), into.response, &into.limits, into.to_head) {
                Ok(Progress::Whole) => {
                    *into.reply = Some(space);
                    return Poll::Ready(Ok(None));
                }
                Ok(Progress::Partial) => {}
                Err(refusal) => return Poll::Ready(Err(bad_gateway(refusal.words()))),
            }
        }
        if space.is_full() {
            space.compact();
        }
        match wire.poll_read(context, &mut space) {
            Poll::Ready(Ok(n)) if n > 0 => {}
            Poll::Ready(_) if space.is_empty() => return Poll::Ready(Ok(Some(Failure::Reset))),
            Poll::Ready(_) => return Poll::Ready(Err(bad_gateway("it ends in the middle of its head"))),
            Poll::Pending => {
                *into.reply = Some(space).filter(|space| !space.is_empty());
                return Poll::Pending;
            }
        }
    }
}
