//! One request and its answer, from top to bottom.
//!
//! Read [`run`] first: it is the way of an exchange. What differs between versions of HTTP lies in the codec (`h1`);
//! what differs between servers lies in `attempt`; bytes are moved by `relay`.

use std::{borrow::Cow, future::poll_fn, rc::Rc, task::Poll, time::Duration};

use weir_balance::ServerIndex;
use weir_config::{Action, HeaderEdits, PoolIndex};
use weir_net::Buffer;

use crate::{
    access_log::Line,
    answer::{self, Also, Answer},
    attempt::{Attempts, Kept},
    challenge,
    connection::{Connection, Next},
    counters::Limit,
    faults, grpc,
    h1::{Body, Progress, Refusal, RequestParser},
    head::{BodyLength, RequestHead, ResponseHead, Version},
    mirror, relay,
    site::{ListenerSite, RouteSite},
    sticky,
    upstream::{RouteLink, ServerLink, World},
    view::View,
    wire::Wire,
};

/// What an exchange works with, reused from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) request: RequestHead,
    pub(crate) response: ResponseHead,
    /// The request is HEAD: kept here, since the head's text goes on before the answer comes.
    pub(crate) to_head: bool,
    /// The request is a call of gRPC.
    pub(crate) is_grpc: bool,
    /// Servers that this request has been tried on.
    pub(crate) tried: Vec<ServerIndex>,
    /// What stickiness does to the heads.
    pub(crate) sticky: sticky::Notes,
    /// A request that may be sent again although it has a body.
    pub(crate) kept: Kept,
    /// The request's part of its line in the access log.
    log: Vec<u8>,
}

/// How an exchange ends when it does not end well.
#[derive(Debug)]
pub(crate) enum End {
    /// No request has begun: the connection is as idle as before.
    Idle,
    /// The client speaks HTTP/2: nothing of it has been consumed.
    Http2,
    /// The client is gone, or said nothing in time: there is nobody to answer.
    Gone,
    /// Nothing of an answer has been sent: this is it.
    Answer(Answer),
    /// The answer broke off: closing the connection tells the client.
    Cut(Cow<'static, str>),
}

impl End {
    /// 503, because there is no room at the moment.
    pub(crate) fn busy(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Answer(Answer { retry_after_s: Some(RETRY_AFTER_S), ..Answer::new(503, reason) })
    }

    pub(crate) fn answer(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Answer(Answer::new(status, reason))
    }
}

/// What is known of an exchange, for metrics and the access log.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// On the worker's clock.
    started: Option<Duration>,
    route: Option<usize>,
    pool: Option<PoolIndex>,
    pub(crate) server: Option<Rc<ServerLink>>,
    /// The status that went to the client; 0 while none did.
    pub(crate) status: u16,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// What followed was a tunnel.
    pub(crate) is_tunnel: bool,
    /// What the answer said of a call of gRPC.
    pub(crate) grpc_status: Option<u8>,
    reason: Option<Cow<'static, str>>,
}

/// Said with a 503 that is one of this moment.
const RETRY_AFTER_S: u64 = 1;

/// Serves one request. The connection has bytes to read, or has one waiting in its buffer.
pub(crate) async fn exchange(connection: &mut Connection, desk: &mut Desk) -> Next {
    let world = Rc::clone(&connection.worker.world());
    // It went since the last answer, which must arrive though more has come.
    let Some(listener) = world.listener(connection.listener) else { return Next::Linger };
    let mut record = Record::default();
    desk.is_grpc = false;
    desk.sticky.clear();
    let next = match run(connection, desk, &world, listener, &mut record).await {
        Ok(next) => next,
        Err(End::Idle) => return Next::Request,
        Err(End::Http2) => return Next::Http2,
        Err(End::Gone) => Next::Close,
        Err(End::Answer(answer)) => refuse(connection, desk, listener, &mut record, answer).await,
        Err(End::Cut(reason)) => {
            record.reason = Some(reason);
            Next::Close
        }
    };
    desk.kept.clear();
    account(connection, desk, &world, listener, &record);
    next
}

/// How the preface of an HTTP/2 client begins that knows what it is talking to (RFC 9113 section 3.4): a request line
/// that HTTP/1 refuses.
const HTTP2_FIRST_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Whether a first line whose version is none of HTTP/1 names HTTP at all, in whatever case. Where HTTP/2 may be spoken, a
/// wrong preface of it can look like such a line, and an answer in the form of HTTP/1 would mean nothing to its client,
/// which expects the end of the connection (RFC 9113 section 3.4).
fn names_http(buffer: &Buffer) -> bool {
    let text = buffer.filled();
    let line =
        text.strip_prefix(b"\r\n").unwrap_or(text).split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.windows(5).any(|word| word.eq_ignore_ascii_case(b"HTTP/"))
}

/// The way of a request: decode, route, balance, relay.
async fn run(
    connection: &mut Connection,
    desk: &mut Desk,
    world: &Rc<World>,
    listener: &ListenerSite,
    record: &mut Record,
) -> Result<Next, End> {
    read_head(connection, desk, listener, record).await?;
    desk.is_grpc = grpc::is_asked(&desk.request, connection.text());
    begin_log_line(connection, desk, world);
    check_body(connection, &desk.request, listener)?;
    if let Some(answer) = challenge::answer(&connection.view(&desk.request), &world.site.challenges) {
        record.status = answer.status;
        let edits = HeaderEdits::default();
        return answer_own(connection, desk, listener, record, &edits, |out, _, also| {
            answer::respond(out, &answer, &edits, !desk.to_head, also)
        })
        .await;
    }
    let route = find_route(connection, desk, world, listener, record)?;
    let pool = match &route.0.route.action {
        Action::Pool(pool) => *pool,
        Action::Split(shares) => sticky::draw(connection, desk, listener, route.0, shares),
        Action::Redirect(_) | Action::Respond(_) => {
            return answer_by_route(connection, desk, listener, route.0, record).await;
        }
    };
    record.pool = Some(pool);
    if route.0.route.faults.is_some() {
        faults::inject(connection, route).await?;
    }
    sticky::hide(connection, desk, route.0, &world.site.pools[pool.0]);
    mirror::begin(connection, desk, world, listener, route);
    let mut attempts = Attempts::new(connection, desk, world, pool, route);
    loop {
        let upstream = attempts.connect(connection, desk, record).await?;
        if let Some(sticky) = &mut attempts.sticky {
            sticky.settle(connection, listener, desk, &attempts.site.pool);
        }
        match relay::relay(connection, desk, listener, upstream, &attempts, record).await? {
            relay::Outcome::Answered { next, .. } => return Ok(next),
            relay::Outcome::Failed { failure, .. } => attempts.again(connection, desk, record, failure),
        }
    }
}

/// Reads until the head is whole, and refuses what the gate does not let pass.
async fn read_head(
    connection: &mut Connection,
    desk: &mut Desk,
    listener: &ListenerSite,
    record: &mut Record,
) -> Result<(), End> {
    if let Wire::Http2(stream) = &mut connection.wire {
        record.started = Some(connection.worker.deadlines.now());
        let taken = stream.take_request(&mut desk.request);
        desk.to_head = desk.request.method.of(connection.text()) == b"HEAD";
        return taken.map_err(|refusal| {
            count_refusal(connection, refusal);
            End::Answer(refusal.into())
        });
    }
    let head = &mut desk.request;
    let limits = listener.head_limits();
    let worker = Rc::clone(&connection.worker);
    let mut parser = RequestParser::default();
    // On a new connection the time runs since the accept.
    let is_first = !std::mem::replace(&mut connection.has_begun, true);
    let mut is_timed = is_first;
    let may_be_http2 = is_first && listener.takes_prior_knowledge();
    // A connection that has begun with HTTP/1 goes on with it, whatever a reload says.
    let is_http2 = is_first && listener.takes_http2_alone() && !connection.has_agreed_on_http1();
    let mut buffer = connection.buffer.take().unwrap_or_else(|| worker.buffers.take());
    let result = poll_fn(|context| {
        loop {
            if !buffer.is_empty() {
                if is_http2 || (may_be_http2 && buffer.filled().starts_with(HTTP2_FIRST_LINE)) {
                    return Poll::Ready(Err(End::Http2));
                }
                match parser.parse(buffer.filled(), head, &limits) {
                    Ok(Progress::Whole) => return Poll::Ready(Ok(())),
                    Ok(Progress::Partial) => {}
                    Err(refusal) => {
                        count_refusal(connection, refusal);
                        let is_other = may_be_http2 && refusal == Refusal::Version && !names_http(&buffer);
                        return Poll::Ready(Err(if is_other {
                            End::Gone
                        } else {
                            End::Answer(refusal.into())
                        }));
                    }
                }
            }
            if buffer.is_full() {
                buffer.compact();
            }
            match connection.wire.poll_read(context, &mut buffer) {
                Poll::Ready(Ok(n)) if n > 0 => continue,
                Poll::Ready(_) => return Poll::Ready(Err(End::Gone)),
                Poll::Pending if buffer.is_empty() => {
                    connection.has_begun = !is_timed;
                    return Poll::Ready(Err(End::Idle));
                }
                Poll::Pending => {}
            }
            if !is_timed {
                is_timed = true;
                connection.deadline.set(listener.settings.header_timeout);
            }
            if connection.deadline.expired() {
                worker.counters.reached(Limit::HeaderTimeout);
                return Poll::Ready(Err(End::answer(
                    408,
                    "the request's head was not whole within header_timeout",
                )));
            }
            return Poll::Pending;
        }
    })
    .await;
    record.started = Some(worker.deadlines.now());
    if result.is_err() {
        // What the parser holds of a head that it refused is not to be used.
        *head = RequestHead { fields: std::mem::take(&mut head.fields), ..RequestHead::default() };
        head.fields.clear();
    }
    desk.to_head = head.method.of(buffer.filled()) == b"HEAD";
    if !buffer.is_empty() {
        connection.buffer = Some(buffer);
    }
    result
}

/// Takes what the access log shall say of the request: later its head's text may have gone on.
fn begin_log_line(connection: &Connection, desk: &mut Desk, world: &World) {
    if let Some(log) = &world.site.access_log {
        desk.log.clear();
        log.request_part(&mut desk.log, connection.client, Some((&desk.request, connection.text())));
    }
}

/// What can be said of a body before anything goes upstream: its announced size, and the part that came with the head.
fn check_body(connection: &Connection, head: &RequestHead, listener: &ListenerSite) -> Result<(), End> {
    let bytes_max = listener.settings.max_body_bytes;
    let result = match head.body {
        BodyLength::Sized(bytes) if bytes > bytes_max => Err(Refusal::BodyTooLarge),
        BodyLength::Chunked => {
            let arrived = &connection.text()[head.len..];
            Body::new(head.body, bytes_max, listener.head_limits()).pass(arrived).map(|_| ())
        }
        _ => Ok(()),
    };
    result.map_err(|refusal| {
        count_refusal(connection, refusal);
        End::Answer(refusal.into())
    })
}

/// First match in the written order.
fn find_route<'a>(
    connection: &Connection,
    desk: &Desk,
    world: &'a World,
    listener: &'a ListenerSite,
    record: &mut Record,
) -> Result<(&'a RouteSite, &'a RouteLink), End> {
    let view = connection.view(&desk.request);
    match desk.request.method.of(view.text) {
        // It would show to a script what was added on the way (RFC 9110 section 9.3.8), and nobody else needs it.
        b"TRACE" => return Err(End::answer(501, "TRACE is not supported")),
        b"CONNECT" => return Err(End::answer(501, "CONNECT is not supported: this is not a forward proxy")),
        _ => {}
    }
    let (link, mut room) = (world.link(connection.listener), connection.worker.path_room.borrow_mut());
    if link.table.is_contested(&view, &mut room) {
        return Err(End::answer(400, "the path has dot segments that servers read differently"));
    }
    match link.table.find(&view, &mut room) {
        Some(index) => {
            record.route = Some(index);
            Ok((&listener.routes[index], &link.routes[index]))
        }
        None => {
            connection.count(|counters| counters.unrouted.add(1));
            Err(End::answer(404, "no route of this listener matches the request"))
        }
    }
}

/// Redirects and fixed answers.
async fn answer_by_route(
    connection: &mut Connection,
    desk: &Desk,
    listener: &ListenerSite,
    route: &RouteSite,
    record: &mut Record,
) -> Result<Next, End> {
    let edits = &route.route.response_headers;
    match &route.route.action {
        Action::Redirect(redirect) => {
            record.status = redirect.status;
            answer_own(connection, desk, listener, record, edits, |out, view, also| {
                answer::redirect(out, redirect, &view, edits, also);
                0
            })
            .await
        }
        Action::Respond(respond) if desk.request.extended_connect && respond.status < 300 => {
            // It would mean that the protocol was granted.
            Err(End::answer(501, "this route answers by itself and carries no other protocol"))
        }
        Action::Respond(respond) => {
            record.status = respond.status;
            answer_own(connection, desk, listener, record, edits, |out, _, also| {
                answer::respond(out, respond, edits, !desk.to_head, also)
            })
            .await
        }
        Action::Pool(_) | Action::Split(_) => unreachable!("these go to a server"),
    }
}

/// Sends what `write` puts together, which says how long its body is.
async fn answer_own(
    connection: &mut Connection,
    desk: &Desk,
    listener: &ListenerSite,
    record: &mut Record,
    edits: &HeaderEdits,
    write: impl FnOnce(&mut Vec<u8>, View<'_>, Also<'_>) -> usize,
) -> Result<Next, End> {
    let (next, option) = after_own_answer(connection, desk);
    let worker = Rc::clone(&connection.worker);
    let mut out = worker.head_room.take();
    out.clear();
    let also = Also { connection: option, hsts: listener.hsts(edits) };
    let body = write(&mut out, connection.view(&desk.request), also);
    record.response_bytes = body as u64;
    let written = write_out(connection, &out, body, listener.settings.body_timeout).await;
    worker.head_room.set(out);
    written?;
    finish_own(connection, desk, next);
    Ok(next)
}

/// Tells the client why not.
async fn refuse(
    connection: &mut Connection,
    desk: &Desk,
    listener: &ListenerSite,
    record: &mut Record,
    answer: Answer,
) -> Next {
    // A head that the gate refused leaves no place at which the next request could begin.
    let (next, option) = if desk.request.len == 0 && !connection.wire.is_http2() {
        (Next::Linger, Some("close"))
    } else {
        after_own_answer(connection, desk)
    };
    let mut out = connection.worker.head_room.take();
    out.clear();
    let also = Also { connection: option, hsts: listener.hsts(&HeaderEdits::default()) };
    let body = if desk.is_grpc {
        let status = grpc::status_for(answer.status);
        answer.write_grpc(&mut out, status, also, connection.wire.is_http2());
        (record.status, record.grpc_status) = (200, Some(status));
        0
    } else {
        record.status = answer.status;
        answer.write(&mut out, !desk.to_head, also)
    };
    record.response_bytes += body as u64;
    record.reason = Some(answer.reason);
    let written = write_out(connection, &out, body, listener.settings.body_timeout).await;
    connection.worker.head_room.set(out);
    if written.is_err() {
        return Next::Close;
    }
    finish_own(connection, desk, next);
    next
}

/// Counts a request that the gate refused, and the limit if it was one that did.
pub(crate) fn count_refusal(connection: &Connection, refusal: Refusal) {
    connection.count(|counters| counters.refused.add(1));
    let limit = match refusal {
        Refusal::BodyTooLarge => Limit::MaxBodyBytes,
        Refusal::UriTooLong => Limit::MaxUriBytes,
        Refusal::HeadTooLarge => Limit::MaxHeaderBytes,
        Refusal::TooManyFields => Limit::MaxHeaders,
        _ => return,
    };
    connection.worker.counters.reached(limit);
}

/// What an answer of our own means for the connection: it goes on if the request is known to have ended.
fn after_own_answer(connection: &Connection, desk: &Desk) -> (Next, Option<&'static str>) {
    let head = &desk.request;
    if connection.wire.is_http2() {
        // It ends with its stream, and the connection has nothing to do with it.
        return (Next::Close, None);
    }
    if head.body != BodyLength::None || head.len == 0 {
        return (Next::Linger, Some("close"));
    }
    if !head.keeps_alive() {
        return (Next::Close, Some("close"));
    }
    if connection.is_unwanted() {
        // The client expects it to go on, and may have sent the next request already.
        return (Next::Linger, Some("close"));
    }
    (Next::Request, (head.version == Version::Http10).then_some("keep-alive"))
}

/// Takes the request out of the buffer, which may hold the next one already.
fn finish_own(connection: &mut Connection, desk: &Desk, next: Next) {
    if next == Next::Request {
        connection.consume(desk.request.len);
    }
}

/// Writes a whole answer, the last `body` bytes of which are its body.
async fn write_out(
    connection: &mut Connection,
    bytes: &[u8],
    body: usize,
    timeout: Duration,
) -> Result<(), End> {
    connection.deadline.set(timeout);
    let mut left = bytes;
    if let Wire::Http2(stream) = &mut connection.wire {
        let (head, content) = bytes.split_at(bytes.len() - body);
        stream.send_head(head, None, body > 0).map_err(|_| End::Gone)?;
        left = content;
    }
    poll_fn(|context| {
        while !left.is_empty() {
            match connection.wire.poll_write(context, left) {
                Poll::Ready(Ok(n)) if n > 0 => left = &left[n..],
                Poll::Ready(_) => return Poll::Ready(Err(End::Gone)),
                Poll::Pending if connection.deadline.expired() => return Poll::Ready(Err(End::Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    if body > 0 {
        connection.wire.finish(&[]);
    }
    Ok(())
}

/// Metrics and the access log.
fn account(connection: &Connection, desk: &Desk, world: &World, listener: &ListenerSite, record: &Record) {
    let worker = &connection.worker;
    let Some(started) = record.started else { return };
    if record.status == 0 && record.route.is_none() {
        return; // a connection that closed without a request
    }
    let duration = worker.deadlines.now() - started;
    if let Some(route) = record.route {
        let counters = &listener.routes[route].counters[worker.index];
        if record.status == 0 {
            counters.abandoned.add(1);
        } else {
            counters.answers.count(record.status);
            // How long a tunnel was open says nothing of how fast anybody answered.
            if !record.is_tunnel {
                counters.latency.observe(duration);
            }
        }
        if let Some(status) = record.grpc_status {
            counters.grpc_answers.count(status);
        }
        counters.request_bytes.add(record.request_bytes);
        counters.response_bytes.add(record.response_bytes);
    }
    if let (Some(server), None, true) = (&record.server, &record.reason, record.status > 0) {
        server.counters.answers.count(record.status);
        if !record.is_tunnel {
            server.counters.latency.observe(duration);
        }
    }
    if let Some(log) = &world.site.access_log {
        let mut fallback = Vec::new();
        let request = if desk.request.len == 0 {
            log.request_part(&mut fallback, connection.client, None);
            &fallback
        } else {
            &desk.log
        };
        let line = Line {
            request,
            status: if record.status == 0 { STATUS_CLIENT_GONE } else { record.status },
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            duration,
            listener: &listener.name,
            route: record.route.map(|route| listener.routes[route].route.name.as_str()),
            pool: record.pool.map(|pool| world.site.pools[pool.0].pool.name()),
            server: record.server.as_ref().map(|server| server.address()),
            reason: record.reason.as_deref(),
        };
        worker.log(|out| log.line(out, &line));
    }
}

/// In the access log: the client went away before any answer. The number that nginx made known for it.
const STATUS_CLIENT_GONE: u16 = 499;
