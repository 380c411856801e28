//! One attempt at one server: the request goes out, the answer comes back.
//!
//! Both directions run at once, for a server may answer while the request's body is still on its way. Each is a
//! [`Pump`]; this module decides what the end of one means for the other.

use std::{
    borrow::Cow,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use weir_config::HeaderEdits;
use weir_net::{Buffer, Stream};

use crate::{
    attempt::Attempts,
    connection::{Connection, Next},
    counters::Limit,
    exchange::{Desk, End, Record, count_refusal},
    forward::{self, Answering, Forwarding},
    h1::{Body, HeadLimits, Progress, ResponseParser},
    head::{BodyLength, ResponseHead, Version},
    pump::{Coding, Pump, Stop},
    site::{ListenerSite, RouteSite},
    tunnel,
    upstream::Upstream,
};

/// Interim (1xx) responses that one request may get.
pub(crate) const INTERIM_RESPONSES_MAX: u32 = 16;

/// After the client has said that it sends no more: how long the answer may take before it is asked, with an interim
/// response, whether it is still there at all.
pub(crate) const HALF_CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How long a client that is gone may take to let us know, once asked.
const HALF_CLOSE_ECHO: Duration = Duration::from_millis(200);

/// The first bytes of a body, up to this many, are copied behind the head: that costs less than a second piece in the
/// system call.
const COPIED_BYTES_MAX: usize = 4096;

/// What came of an attempt.
pub(crate) enum Outcome {
    /// The answer has been passed on whole.
    Answered {
        /// What comes after it for the client's connection.
        next: Next,
        /// The server's connection is between two exchanges.
        reusable: bool,
    },
    /// The connection died before a byte of the answer.
    Died,
}

/// Sends the request to `upstream` and passes its answer on.
pub(crate) async fn relay(
    connection: &mut Connection,
    desk: &mut Desk,
    listener: &ListenerSite,
    route: &RouteSite,
    mut upstream: Upstream,
    attempts: &Attempts<'_>,
    record: &mut Record,
) -> Result<Outcome, End> {
    let worker = Rc::clone(&connection.worker);
    let mut relay = Relay::new(connection, desk, listener, route, &mut upstream);
    let result = relay.run(record).await;
    record.request_bytes += relay.upload.moved;
    match &result {
        Ok(Outcome::Answered { reusable: true, .. }) => {
            upstream.keep(&attempts.site.keep_alive, &worker.counters, worker.deadlines.recent_ms());
        }
        Ok(Outcome::Died) | Err(End::Cut(_)) => upstream.link().counters.failures.add(1),
        // Below 500 it was the client's fault.
        Err(End::Answer(answer)) if answer.status >= 500 => upstream.link().counters.failures.add(1),
        _ => {}
    }
    result
}

struct Relay<'a> {
    connection: &'a mut Connection,
    desk: &'a mut Desk,
    listener: &'a ListenerSite,
    route: &'a RouteSite,
    upstream: &'a mut Upstream,
    /// The request's body.
    upload: Pump,
    /// The server takes no more of it; it may have answered all the same.
    upload_broke: bool,
    /// Bytes from the server that are not consumed.
    reply: Option<Buffer>,
    client: ClientWatch,
    to_head: bool,
    /// The answer's head goes to the client, or has gone: what is waited for is its body.
    answering: bool,
}

/// What is known of a client that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientWatch {
    /// It is quiet.
    Waiting,
    /// It has sent the next request already, so its going away could only be seen by reading that.
    Pipelining,
    /// It sends no more: it has closed one half of the connection, or all of it.
    HalfClosed,
    /// It was sent something that only a client that is still there takes.
    Asked,
    /// It is there, and waits.
    Listening,
}

impl<'a> Relay<'a> {
    fn new(
        connection: &'a mut Connection,
        desk: &'a mut Desk,
        listener: &'a ListenerSite,
        route: &'a RouteSite,
        upstream: &'a mut Upstream,
    ) -> Self {
        let to_head = desk.to_head;
        let body = Body::new(desk.request.body, listener.settings.max_body_bytes, listener.head_limits());
        Self {
            connection,
            desk,
            listener,
            route,
            upstream,
            upload: Pump::new(body, Coding::AsIs),
            upload_broke: false,
            reply: None,
            client: ClientWatch::Waiting,
            to_head,
            answering: false,
        }
    }

    async fn run(&mut self, record: &mut Record) -> Result<Outcome, End> {
        if self.send_request().await?.is_err() && self.desk.request.body == BodyLength::None {
            return Ok(Outcome::Died);
        }
        self.arm();
        for interim in 0..=INTERIM_RESPONSES_MAX {
            if self.await_head().await?.is_none() {
                return match interim {
                    0 => Ok(Outcome::Died),
                    // It had begun to answer: whether the request was carried out is not ours to guess.
                    _ => Err(bad_gateway("it ends after an interim response")),
                };
            }
            match self.desk.response.status {
                101 => return self.upgrade(record).await,
                100..=199 => self.pass_interim().await?,
                _ => return self.pass_answer(record).await,
            }
        }
        self.reached(Limit::InterimResponses);
        Err(End::answer(502, "the server sent more interim responses than are allowed"))
    }

    /// Writes the head and what has arrived of the body. The inner error: the server took nothing.
    async fn send_request(&mut self) -> Result<io::Result<()>, End> {
        let settings = &self.listener.settings;
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        let request = &self.desk.request;
        {
            let text = self.connection.buffer.as_ref().map_or(&[][..], |buffer| buffer.filled());
            let client = self.connection.client;
            let forwarding = Forwarding {
                route: &self.route.route,
                text,
                client,
                trusted: settings.trusted_proxies.iter().any(|network| network.contains(&client)),
                fields: settings.forwarded,
                host_default: self.upstream.link().address(),
            };
            forward::request(&mut head, request, &forwarding);
        }
        if request.body != BodyLength::None {
            // From here on the buffer holds the body. Such a request is not sent twice, so its head has had its use.
            self.connection.consume(request.len);
            if let Some(buffer) = &mut self.connection.buffer {
                self.upload.prepare(buffer).map_err(|refusal| End::Answer(refusal.into()))?;
            }
        }
        self.connection.deadline.set(settings.body_timeout);
        let buffer = &mut self.connection.buffer;
        let written =
            write_head(&mut self.upstream.stream, &mut head, &mut self.upload, buffer.as_mut(), || {
                self.connection.deadline.expired()
            })
            .await;
        self.connection.worker.head_room.set(head);
        if self.connection.buffer.as_ref().is_some_and(Buffer::is_empty) {
            self.connection.buffer = None;
        }
        if let Err(error) = &written {
            if error.kind() == io::ErrorKind::TimedOut {
                self.reached(Limit::BodyTimeout);
                return Err(End::answer(504, "the server did not take the request within body_timeout"));
            }
            self.upload_broke = true;
        }
        Ok(written)
    }

    /// Sets the deadline anew: for the progress of bodies while there are any on their way, else for the answer.
    fn arm(&self) {
        let settings = &self.listener.settings;
        let uploading = !self.upload.is_done() && !self.upload_broke;
        self.connection.deadline.set(if uploading || self.answering {
            settings.body_timeout
        } else {
            self.route.route.timeout
        });
    }

    /// Waits for the head of a response, passing the request's body on meanwhile. `None`: the connection died before a
    /// byte of it.
    async fn await_head(&mut self) -> Result<Option<()>, End> {
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
    fn poll_upload(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        if self.upload_broke || self.upload.is_done() {
            return Ok(());
        }
        let connection = &mut *self.connection;
        let mut progress = false;
        let buffers = Rc::clone(&connection.worker.buffers);
        let polled = self.upload.poll(
            context,
            &mut connection.stream,
            &mut connection.buffer,
            &buffers,
            &mut self.upstream.stream,
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
    ) -> Poll<Result<Option<()>, End>> {
        let mut space = self.reply.take().unwrap_or_else(|| self.connection.worker.buffers.take());
        loop {
            if !space.is_empty() {
                match parser.parse(space.filled(), &mut self.desk.response, limits, self.to_head) {
                    Ok(Progress::Whole) => {
                        self.reply = Some(space);
                        return Poll::Ready(Ok(Some(())));
                    }
                    Ok(Progress::Partial) => {}
                    Err(refusal) => return Poll::Ready(Err(bad_gateway(refusal.words()))),
                }
            }
            if space.is_full() {
                space.compact();
            }
            match self.upstream.stream.poll_read(context, &mut space) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) if space.is_empty() => return Poll::Ready(Ok(None)),
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
    fn poll_client(&mut self, context: &mut Context<'_>) -> Result<(), End> {
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
        // A read, not a look: only a read that finds nothing makes sure that the next event wakes this task.
        let mut space = connection.buffer.take().unwrap_or_else(|| connection.worker.buffers.take());
        if space.is_full() {
            self.client = ClientWatch::Pipelining;
        } else {
            match connection.stream.poll_read(context, &mut space) {
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
                match self.connection.stream.poll_write(context, b"HTTP/1.1 100 Continue\r\n\r\n") {
                    Poll::Ready(Ok(25)) => Ok(()),
                    // A client that takes not even this has been silent for long and has a full window.
                    _ => Err(End::Gone),
                }
            }
            ClientWatch::HalfClosed | ClientWatch::Asked => {
                if self.connection.stream.is_broken() {
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
                Err(End::answer(504, "the server did not begin its answer within the route's timeout"))
            }
        }
    }

    /// 1xx: passed on to clients that know them (RFC 9110 section 15.2).
    async fn pass_interim(&mut self) -> Result<(), End> {
        let mut reply = self.reply.take().expect("the head is in it");
        if self.desk.request.version == Version::Http11 {
            let mut head = self.connection.worker.head_room.take();
            head.clear();
            let answering = Answering {
                edits: &self.route.route.response_headers,
                encode: false,
                decode: false,
                connection: None,
                upgrade: None,
            };
            forward::response(&mut head, &self.desk.response, reply.filled(), &answering);
            let mut nothing = Pump::new(Body::Sized(0), Coding::AsIs);
            let written = write_head(&mut self.connection.stream, &mut head, &mut nothing, None, || {
                self.connection.deadline.expired()
            })
            .await;
            self.connection.worker.head_room.set(head);
            written.map_err(|_| End::Gone)?;
        }
        reply.consume(self.desk.response.len);
        self.reply = Some(reply).filter(|reply| !reply.is_empty());
        Ok(())
    }

    /// The final answer: its head, then its body, then what becomes of both connections.
    async fn pass_answer(&mut self, record: &mut Record) -> Result<Outcome, End> {
        let may_keep =
            self.upload.is_done() && self.desk.request.keeps_alive() && !self.connection.worker.is_draining();
        let plan = Plan::new(self.desk.response.body, self.desk.request.version, may_keep);
        let mut download =
            Pump::new(Body::new(self.desk.response.body, u64::MAX, self.listener.head_limits()), plan.coding);
        self.send_answer_head(&plan, &mut download, record).await?;
        let result = self.pump_both(&mut download).await;
        record.response_bytes += download.moved;
        result?;
        let left_over = self.reply.take().is_some_and(|reply| !reply.is_empty());
        let uploaded = self.upload.is_done() && !self.upload_broke;
        let reusable =
            uploaded && !left_over && download.source_is_done() && self.desk.response.keeps_alive();
        if self.desk.request.body == BodyLength::None {
            self.connection.consume(self.desk.request.len);
        }
        let next = match (uploaded, plan.keeps_client) {
            (true, true) => Next::Request,
            (true, false) => Next::Close,
            (false, _) => Next::Linger,
        };
        Ok(Outcome::Answered { next, reusable })
    }

    async fn send_answer_head(
        &mut self,
        plan: &Plan,
        download: &mut Pump,
        record: &mut Record,
    ) -> Result<(), End> {
        self.answering = true;
        self.arm();
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        let reply = self.reply.as_mut().expect("the head is in it");
        let answering = plan.answering(&self.route.route.response_headers);
        forward::response(&mut head, &self.desk.response, reply.filled(), &answering);
        reply.consume(self.desk.response.len);
        // Before the head goes out: a body that is wrong from its first byte can still become a 502.
        download.prepare(reply).map_err(|refusal| bad_gateway(refusal.words()))?;
        let written = write_head(&mut self.connection.stream, &mut head, download, Some(reply), || {
            self.connection.deadline.expired()
        })
        .await;
        self.connection.worker.head_room.set(head);
        if written.is_ok() {
            record.status = self.desk.response.status;
        }
        written.map_err(|_| End::Gone)
    }

    /// Runs both bodies until the answer's has been passed on.
    async fn pump_both(&mut self, download: &mut Pump) -> Result<(), End> {
        if download.is_done() {
            return Ok(());
        }
        let buffers = Rc::clone(&self.connection.worker.buffers);
        poll_fn(|context| {
            // The client may be cut off by its own fault in sending, but not before its answer is whole.
            if self.poll_upload(context).is_err() {
                self.upload_broke = true;
            }
            let mut progress = false;
            let polled = download.poll(
                context,
                &mut self.upstream.stream,
                &mut self.reply,
                &buffers,
                &mut self.connection.stream,
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

    /// 101: from here on the connection belongs to another protocol (RFC 9110 section 7.8).
    async fn upgrade(&mut self, record: &mut Record) -> Result<Outcome, End> {
        let Some(_) = self.desk.request.upgrade else {
            return Err(bad_gateway("it switches protocols, which the request did not ask for"));
        };
        let mut reply = self.reply.take().expect("the head is in it");
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        let protocol = upgrade_field(&self.desk.response, reply.filled());
        let answering = Answering {
            edits: &self.route.route.response_headers,
            encode: false,
            decode: false,
            connection: Some("upgrade"),
            upgrade: protocol,
        };
        forward::response(&mut head, &self.desk.response, reply.filled(), &answering);
        reply.consume(self.desk.response.len);
        let mut nothing = Pump::new(Body::Sized(0), Coding::AsIs);
        let written = write_head(&mut self.connection.stream, &mut head, &mut nothing, None, || {
            self.connection.deadline.expired()
        })
        .await;
        self.connection.worker.head_room.set(head);
        written.map_err(|_| End::Gone)?;
        record.status = 101;
        self.connection.consume(self.desk.request.len);
        let reply = Some(reply).filter(|reply| !reply.is_empty());
        let timeout = self.listener.settings.tunnel_timeout;
        let (up, down) = tunnel::tunnel(self.connection, &mut self.upstream.stream, reply, timeout).await;
        record.request_bytes += up;
        record.response_bytes += down;
        Ok(Outcome::Answered { next: Next::Close, reusable: false })
    }

    fn reached(&self, limit: Limit) {
        self.connection.worker.counters.reached(limit);
    }
}

/// How the answer goes to the client, given what it can take.
pub(crate) struct Plan {
    pub(crate) coding: Coding,
    /// The head announces chunks for a body that is not sent, to a client that would not know them.
    hides_chunked: bool,
    pub(crate) keeps_client: bool,
    connection: Option<&'static str>,
}

impl Plan {
    /// For a body of this length, towards a client of this version, whose connection may stay open if the answer's
    /// end can be seen.
    pub(crate) fn new(body: BodyLength, client: Version, may_keep: bool) -> Self {
        let is_http11 = client == Version::Http11;
        let (coding, has_end) = match (body, is_http11) {
            (BodyLength::None | BodyLength::Sized(_), _) => (Coding::AsIs, true),
            (BodyLength::Chunked, true) => (Coding::AsIs, true),
            (BodyLength::Chunked, false) => (Coding::Decode, false),
            (BodyLength::UntilClose, true) => (Coding::Encode, true),
            (BodyLength::UntilClose, false) => (Coding::AsIs, false),
        };
        let keeps_client = may_keep && has_end;
        let option = match (keeps_client, is_http11) {
            (false, _) => Some("close"),
            (true, true) => None,
            (true, false) => Some("keep-alive"),
        };
        Self { coding, hides_chunked: !is_http11, keeps_client, connection: option }
    }

    /// What this means for the head.
    pub(crate) fn answering<'a>(&self, edits: &'a HeaderEdits) -> Answering<'a> {
        Answering {
            edits,
            encode: self.coding == Coding::Encode,
            decode: self.coding == Coding::Decode || self.hides_chunked,
            connection: self.connection,
            upgrade: None,
        }
    }
}

/// Writes `head`, and what `pump` has ready in `buffer` behind it, in as few calls as the sink allows.
async fn write_head(
    to: &mut Stream,
    head: &mut Vec<u8>,
    pump: &mut Pump,
    mut buffer: Option<&mut Buffer>,
    is_overdue: impl Fn() -> bool,
) -> io::Result<()> {
    if let Some(buffer) = buffer.as_deref_mut() {
        let (before, data) = pump.writable(buffer.filled());
        if !before.is_empty() || data.len() <= COPIED_BYTES_MAX {
            head.extend_from_slice(before);
            head.extend_from_slice(data);
            let n = before.len() + data.len();
            pump.wrote(n, Some(buffer));
        }
    }
    let mut at = 0;
    poll_fn(|context| {
        while at < head.len() {
            let filled = buffer.as_deref().map_or(&[][..], Buffer::filled);
            let (_, data) = pump.writable(filled);
            let written = match data.is_empty() {
                true => to.poll_write(context, &head[at..]),
                false => to.poll_write_both(context, &head[at..], data),
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    let of_head = n.min(head.len() - at);
                    at += of_head;
                    pump.wrote(n - of_head, buffer.as_deref_mut());
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if is_overdue() => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

fn upgrade_field(response: &ResponseHead, text: &[u8]) -> Option<crate::head::Span> {
    response
        .fields
        .iter()
        .find(|field| field.kind == crate::head::FieldKind::Upgrade && !field.value.of(text).is_empty())
        .map(|field| field.value)
}

fn bad_gateway(why: &str) -> End {
    End::answer(502, format!("the server's response is not acceptable: {why}"))
}

fn cut(why: impl Into<Cow<'static, str>>) -> End {
    End::Cut(why.into())
}
