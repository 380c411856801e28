//! The answer: its head, its body, and what becomes of both connections behind it.

use std::{borrow::Cow, future::poll_fn, rc::Rc, task::Poll};

use weir_config::HeaderEdits;

use super::{
    Outcome, Relay, bad_gateway,
    head::{More, write_head},
    upgrade::upgrade_field,
};
use crate::{
    connection::Next,
    counters::Limit,
    exchange::{End, Record},
    forward::{self, Answering},
    grpc,
    h1::Body,
    head::{BodyLength, FieldKind, Version},
    pump::{Coding, Pump, Stop},
    wire::Wire,
};

impl Relay<'_> {
    /// 1xx: passed on to clients that know them (RFC 9110 section 15.2).
    pub(super) async fn pass_interim(&mut self) -> Result<(), End> {
        if self.desk.request.version != Version::Http10 {
            self.await_room().await?;
            let answering = Answering::plain(&self.route.route.response_headers);
            return self.write_response(&answering, &mut Pump::nothing(), More::Messages).await;
        }
        if let Some(reply) = &mut self.reply {
            reply.consume(self.desk.response.len);
        }
        Ok(())
    }

    /// Waits until the client takes one more head. On a stream nothing else would hold up a server that sends many.
    async fn await_room(&mut self) -> Result<(), End> {
        let Wire::Http2(stream) = &mut self.connection.wire else { return Ok(()) };
        let deadline = &self.connection.deadline;
        deadline.set(self.listener.settings.body_timeout);
        poll_fn(|context| match stream.poll_send_ready(context) {
            Poll::Pending if deadline.expired() => Poll::Ready(Err(End::Gone)),
            polled => polled.map_err(|_| End::Gone),
        })
        .await
    }

    /// The final answer: its head, then its body, then what becomes of both connections.
    pub(super) async fn pass_answer(&mut self, record: &mut Record) -> Result<Outcome, End> {
        let may_keep =
            self.upload.is_done() && self.desk.request.keeps_alive() && !self.connection.is_unwanted();
        let plan = Plan::new(self.desk.response.body, self.desk.request.version, may_keep);
        let on_stream = self.upstream.wire.is_http2();
        let body = if on_stream && self.is_said_to_be_empty() {
            // Its stream ends with a frame of its own, perhaps with trailers: who left before would reset it.
            Body::UntilEnd(u64::MAX)
        } else {
            Body::of(self.desk.response.body, on_stream, u64::MAX, self.listener.head_limits())
        };
        let mut download = Pump::new(body, plan.coding).watching(self.desk.is_grpc);
        let mut answering = plan.answering(&self.route.route.response_headers);
        if self.desk.response.status == 426 {
            // RFC 9110 section 15.5.22: it must say which protocol is wanted.
            answering.upgrade = upgrade_field(&self.desk.response, self.reply_text());
        }
        // The head is gone when its body has come.
        let status_in_head =
            self.desk.is_grpc.then(|| grpc::status_of(&self.desk.response, self.reply_text())).flatten();
        answering.hsts = self.listener.hsts(&self.route.route.response_headers);
        answering.says_empty = self.is_silently_empty();
        self.answering = true;
        self.learn();
        answering.is_final = true;
        self.write_response(&answering, &mut download, More::Body).await?;
        record.status = self.desk.response.status;
        let result = self.pump_both(&mut download).await;
        record.response_bytes += download.moved;
        if self.desk.is_grpc {
            let status = match &result {
                Ok(()) => status_in_head
                    .or(download.grpc_status)
                    .unwrap_or_else(|| grpc::status_without(self.desk.response.status)),
                Err(End::Cut(_)) => grpc::INTERNAL,
                Err(_) => grpc::CANCELLED,
            };
            self.upstream.link().counters.grpc_answers.count(status);
            record.grpc_status = Some(status);
        }
        if matches!(result, Err(End::Cut(_))) && plan.ends_by_close {
            // Only a reset tells this client. It costs whatever of earlier answers the kernel has not sent yet, so those
            // that see from the framing that the end is missing get a plain close.
            self.connection.wire.reset_when_closed();
        }
        result?;
        let left_over = self.reply.take().is_some_and(|reply| !reply.is_empty());
        let uploaded = self.upload.is_done() && !self.upload_broke;
        let reusable =
            uploaded && !left_over && download.source_is_done() && self.desk.response.keeps_alive();
        if self.desk.request.body == BodyLength::None {
            self.connection.consume(self.desk.request.len);
        }
        let uploaded = uploaded && self.desk.kept.give_back(self.connection);
        let next = match (uploaded, plan.keeps_client) {
            (true, true) => Next::Request,
            // The client expects it to go on, and may have sent the next request already.
            (true, false) if self.desk.request.keeps_alive() => Next::Linger,
            (true, false) => Next::Close,
            (false, _) => Next::Linger,
        };
        Ok(Outcome::Answered { next, reusable })
    }

    /// Looks for a cookie of the application, where that says to whom the client belongs.
    pub(super) fn learn(&self) {
        if let Some(sticky) = &self.attempts.sticky {
            let pool = &self.attempts.site.pool;
            sticky.learn(self.connection, pool, &self.desk.response, self.reply_text());
        }
    }

    /// The head has said that there is no body.
    fn is_said_to_be_empty(&self) -> bool {
        let response = &self.desk.response;
        response.body == BodyLength::None
            && !self.to_head
            && !matches!(response.status, 204 | 304)
            && response.fields.iter().any(|field| field.kind == FieldKind::ContentLength)
    }

    /// The end of the stream has said that there is no body. On a connection of HTTP/1 the head must.
    fn is_silently_empty(&self) -> bool {
        let response = &self.desk.response;
        self.upstream.wire.is_http2()
            && response.body == BodyLength::None
            && !self.to_head
            && !matches!(response.status, 204 | 304)
            && !response.fields.iter().any(|field| field.kind == FieldKind::ContentLength)
    }

    /// Writes the head of the response that lies in `reply`, with the edits of `answering`, and what has come of `body`.
    pub(super) async fn write_response(
        &mut self,
        answering: &Answering<'_>,
        body: &mut Pump,
        more: More,
    ) -> Result<(), End> {
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        let own_lines: &[u8] = if answering.is_final { &self.desk.sticky.lines } else { &[] };
        forward::response(&mut head, &self.desk.response, self.reply_text(), answering, own_lines);
        let connection = &mut *self.connection;
        // Before the head goes out: a body that is wrong from its first byte can still become a 502.
        if let Some(reply) = &mut self.reply {
            reply.consume(self.desk.response.len);
            if let Err(refusal) = body.prepare(reply) {
                connection.worker.head_room.set(head);
                return Err(bad_gateway(refusal.words()));
            }
        }
        connection.deadline.set(self.listener.settings.body_timeout);
        let reply = self.reply.as_mut();
        let deadline = &connection.deadline;
        let written =
            write_head(&mut connection.wire, &mut head, None, body, reply, more, || deadline.expired()).await;
        connection.worker.head_room.set(head);
        written.map_err(|_| End::Gone)
    }

    /// Runs both bodies until the answer's has been passed on.
    async fn pump_both(&mut self, download: &mut Pump) -> Result<(), End> {
        if download.is_done() {
            return Ok(());
        }
        let buffers = Rc::clone(&self.connection.worker.buffers);
        poll_fn(|context| {
            match self.poll_upload(context) {
                Ok(()) => {}
                // It went away in the middle of its request. With a refusal under way it may only have lost interest in
                // sending the rest.
                Err(End::Gone) if self.desk.response.status < 400 => return Poll::Ready(Err(End::Gone)),
                // The client may be cut off by its own fault in sending, but not before its answer is whole.
                Err(_) => self.upload_broke = true,
            }
            let mut progress = false;
            let polled = download.poll(
                context,
                &mut self.upstream.wire,
                &mut self.reply,
                &buffers,
                &mut self.connection.wire,
                &mut progress,
            );
            if progress {
                self.arm();
            }
            match polled {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                Poll::Ready(Err(Stop::Sink)) => Poll::Ready(Err(End::Gone)),
                Poll::Ready(Err(Stop::Source(error))) => {
                    Poll::Ready(Err(cut(format!("the server's body: {error}"))))
                }
                Poll::Ready(Err(Stop::Refused(refusal))) => Poll::Ready(Err(cut(refusal.words()))),
                Poll::Pending if self.connection.deadline.expired() => {
                    self.reached(Limit::BodyTimeout);
                    if download.waits_for_sink() {
                        // It does not read: a plain close would leave the kernel with what it did not take.
                        self.connection.wire.reset_when_closed();
                    }
                    Poll::Ready(Err(cut("the answer's body made no progress within body_timeout")))
                }
                // While the server is quiet, no write would tell that the client is gone.
                Poll::Pending => match self.poll_client(context) {
                    Ok(()) => Poll::Pending,
                    Err(gone) => Poll::Ready(Err(gone)),
                },
            }
        })
        .await
    }
}

/// How the answer goes to the client, given what it can take.
pub(crate) struct Plan {
    pub(crate) coding: Coding,
    /// The head announces chunks for a body that is not sent, to a client that would not know them.
    hides_chunked: bool,
    /// The end of the connection is the end of the body.
    ends_by_close: bool,
    pub(crate) keeps_client: bool,
    connection: Option<&'static str>,
}

impl Plan {
    /// For a body of this length, towards a client of this version, whose connection may stay open if the answer's
    /// end can be seen.
    pub(crate) fn new(body: BodyLength, client: Version, may_keep: bool) -> Self {
        let (coding, has_end) = match (body, client) {
            (BodyLength::None | BodyLength::Sized(_), _) => (Coding::AsIs, true),
            (BodyLength::Chunked, Version::Http10) => (Coding::Decode, false),
            (BodyLength::Chunked, Version::Http11) => (Coding::AsIs, true),
            (BodyLength::Chunked, Version::Http2) => (Coding::Decode, true),
            (BodyLength::UntilEnd, Version::Http10) => (Coding::AsIs, false),
            (BodyLength::UntilEnd, Version::Http11) => (Coding::Encode, true),
            (BodyLength::UntilEnd, Version::Http2) => (Coding::AsIs, true),
        };
        let keeps_client = may_keep && has_end;
        let connection = match (client, keeps_client) {
            (Version::Http2, _) | (Version::Http11, true) => None,
            (Version::Http10 | Version::Http11, false) => Some("close"),
            (Version::Http10, true) => Some("keep-alive"),
        };
        let hides_chunked = client != Version::Http11;
        Self { coding, hides_chunked, ends_by_close: !has_end, keeps_client, connection }
    }

    /// What this means for the head.
    pub(crate) fn answering<'a>(&self, edits: &'a HeaderEdits) -> Answering<'a> {
        Answering {
            encode: self.coding == Coding::Encode,
            decode: self.coding == Coding::Decode || self.hides_chunked,
            connection: self.connection,
            ..Answering::plain(edits)
        }
    }
}

fn cut(why: impl Into<Cow<'static, str>>) -> End {
    End::Cut(why.into())
}
