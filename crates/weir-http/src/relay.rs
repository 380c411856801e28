//! One attempt at one server: the request goes out, the answer comes back.
//!
//! Both directions run at once, for a server may answer while the request's body is still on its way. Each is a
//! [`Pump`]; this module decides what the end of one means for the other.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use weir_config::Route;
use weir_net::{Buffer, deadline::milliseconds};

use crate::{
    attempt::{Attempts, Failure},
    connection::{Connection, Next},
    counters::Limit,
    deadline,
    exchange::{Desk, End, Record},
    forward::{self, Forwarding, Handshake},
    grpc,
    h1::Body,
    head::BodyLength,
    pump::{Coding, Pump},
    site::{ListenerSite, RouteSite},
    upstream::Upstream,
    wire::Wire,
};

mod answer;
mod head;
mod hedge;
mod upgrade;
mod wait;

pub(crate) use answer::Plan;
use head::{More, write_head};
use hedge::Hedge;
use upgrade::Wish;
pub(crate) use wait::{Into, poll_response};

/// Interim (1xx) responses that one request may get.
pub(crate) const INTERIM_RESPONSES_MAX: u32 = 16;

/// What came of an attempt.
pub(crate) enum Outcome {
    /// The answer has been passed on whole.
    Answered {
        /// What comes after it for the client's connection.
        next: Next,
        /// The server's connection is between two exchanges.
        reusable: bool,
    },
    /// Nothing of an answer has gone to the client, and the request is to be tried again.
    Failed {
        failure: Failure,
        /// The server's connection is between two exchanges.
        reusable: bool,
    },
}

/// Sends the request to `upstream` and passes its answer on.
pub(crate) async fn relay(
    connection: &mut Connection,
    desk: &mut Desk,
    listener: &ListenerSite,
    mut upstream: Upstream,
    attempts: &Attempts<'_>,
    record: &mut Record,
) -> Result<Outcome, End> {
    let worker = Rc::clone(&connection.worker);
    let mut relay = Relay::new(connection, desk, listener, &mut upstream, attempts);
    let result = relay.run(record).await;
    // What a further attempt sends again has come once.
    record.request_bytes = record.request_bytes.max(relay.upload.moved);
    drop(relay);
    attempts.has_ended(&worker, &result);
    if matches!(result, Err(End::Gone) | Ok(Outcome::Failed { failure: Failure::Timeout, .. })) {
        // Nobody waits for what it does, and it can stop working: a plain close could be half of one.
        upstream.wire.reset_when_closed();
    }
    let failed = match &result {
        Ok(Outcome::Failed { failure, .. }) => matches!(failure, Failure::Reset | Failure::Timeout),
        Err(End::Cut(_)) => true,
        // Below 500 it was the client's fault.
        Err(End::Answer(answer)) => answer.status >= 500,
        _ => false,
    };
    if failed {
        upstream.link().counters.failures.add(1);
        // Where a head had come, that has been told already.
        upstream.answered(&worker.deadlines, true);
    }
    if let Ok(Outcome::Answered { reusable: true, .. } | Outcome::Failed { reusable: true, .. }) = &result {
        upstream.keep(&attempts.site.keep_alive, &worker.counters, worker.deadlines.recent_ms());
    }
    result
}

struct Relay<'a> {
    connection: &'a mut Connection,
    desk: &'a mut Desk,
    listener: &'a ListenerSite,
    route: &'a RouteSite,
    upstream: &'a mut Upstream,
    attempts: &'a Attempts<'a>,
    hedge: Option<Box<Hedge<'a>>>,
    /// The server that answers is the second.
    second_won: bool,
    /// When `per_try_timeout` ends.
    give_up_ms: Option<u64>,
    /// The request's body.
    upload: Pump,
    /// The server takes no more of it; it may have answered all the same.
    upload_broke: bool,
    /// Bytes from the server that are not consumed.
    reply: Option<Buffer>,
    client: ClientWatch,
    to_head: bool,
    wish: Wish,
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
        upstream: &'a mut Upstream,
        attempts: &'a Attempts<'a>,
    ) -> Self {
        let to_head = desk.to_head;
        let (length, bytes_max) = (desk.request.body, listener.settings.max_body_bytes);
        let body = Body::of(length, connection.wire.is_http2(), bytes_max, listener.head_limits());
        let coding = match length {
            BodyLength::Chunked if upstream.wire.is_http2() => Coding::Decode,
            BodyLength::UntilEnd if !upstream.wire.is_http2() => Coding::Encode,
            _ => Coding::AsIs,
        };
        Self {
            connection,
            desk,
            listener,
            route: attempts.route,
            upstream,
            attempts,
            hedge: None,
            second_won: false,
            give_up_ms: None,
            upload: Pump::new(body, coding),
            upload_broke: false,
            reply: None,
            client: ClientWatch::Waiting,
            to_head,
            wish: Wish::None,
            answering: false,
        }
    }

    async fn run(&mut self, record: &mut Record) -> Result<Outcome, End> {
        if self.send_request().await?.is_err() && self.desk.request.body == BodyLength::None {
            // Nothing of it went out on a connection of HTTP/2 that takes no more.
            let untouched = self.upstream.wire.is_http2();
            return self.give_up(if untouched { Failure::Untouched } else { Failure::Reset });
        }
        self.upstream.sent(&self.connection.worker.deadlines);
        self.attempts.has_sent(&self.connection.worker);
        self.begin_hedge();
        self.arm();
        for interim in 0..=INTERIM_RESPONSES_MAX {
            let mut came = self.await_head().await;
            let mut failure = match &came {
                Ok(unanswered) => unanswered.or_else(|| self.failure_of_answer()),
                Err(_) => None,
            };
            let failed = failure.is_some() || matches!(came, Err(End::Answer(_)));
            if failed && self.second_is_under_way() {
                let is_fault = !matches!(failure, Some(Failure::Status(status)) if status < 500);
                self.upstream.answered(&self.connection.worker.deadlines, is_fault);
                if self.second_answers().await {
                    (came, failure) = (Ok(None), None);
                }
            }
            if self.second_won {
                record.server = Some(Rc::clone(self.upstream.link()));
            }
            if let Some(failure) = came? {
                return match failure {
                    Failure::Timeout => self.give_up(failure),
                    // It had begun to answer: whether the request was carried out is not ours to guess.
                    _ if interim > 0 => Err(bad_gateway("it ends after an interim response")),
                    _ => self.give_up(failure),
                };
            }
            let status = self.desk.response.status;
            let is_interim = (102..200).contains(&status) || status == 100;
            if !is_interim {
                self.take_time();
                self.attempts.has_head(&self.connection.worker, status);
                let deadlines = &self.connection.worker.deadlines;
                self.upstream.link().listen(&self.desk.response, self.reply_text(), deadlines);
                self.upstream.answered(deadlines, status >= 500);
            }
            if let Some(failure) = failure
                && self.attempts.permits(self.connection, self.desk, failure)
            {
                return Ok(self.discard(failure));
            }
            if !is_interim {
                self.attempts.give_place();
            }
            match self.desk.response.status {
                101 => return Box::pin(self.upgrade(record)).await,
                100..=199 => {
                    self.pass_interim().await?;
                    self.arm();
                }
                200..=299 if matches!(self.wish, Wish::Connect { .. }) => {
                    return Box::pin(self.upgrade(record)).await;
                }
                200..=299 if matches!(self.wish, Wish::Upgrade { .. }) => {
                    // To the client it would mean that it was granted.
                    return Err(bad_gateway("it does not switch to the protocol that was asked for"));
                }
                _ => return self.pass_answer(record).await,
            }
        }
        self.reached(Limit::InterimResponses);
        Err(End::answer(502, "the server sent more interim responses than are allowed"))
    }

    /// No answer comes: the request is tried again, or the client is told.
    fn give_up(&mut self, failure: Failure) -> Result<Outcome, End> {
        let failure = match failure {
            Failure::Reset if self.upstream.is_reused => Failure::Stale,
            failure => failure,
        };
        if self.attempts.permits(self.connection, self.desk, failure) {
            return Ok(Outcome::Failed { failure, reusable: false });
        }
        Err(match failure {
            Failure::Timeout => {
                End::answer(504, "the server did not begin its answer within per_try_timeout")
            }
            _ => End::answer(502, "the server closed the connection without an answer"),
        })
    }

    /// What the route takes for a failure although it is an answer.
    fn failure_of_answer(&self) -> Option<Failure> {
        let (response, retry) = (&self.desk.response, &self.route.route.retry);
        if response.status >= 400 {
            return Some(Failure::Status(response.status)).filter(|failure| failure.is_in(retry));
        }
        // Only an answer without a message has its status in the head.
        let status = self.desk.is_grpc.then(|| grpc::status_of(response, self.reply_text())).flatten()?;
        Some(Failure::Grpc(status)).filter(|failure| failure.is_in(retry))
    }

    /// An answer that nobody is to see. The connection can be used again if nothing of it is still to come.
    fn discard(&mut self, failure: Failure) -> Outcome {
        let response = &self.desk.response;
        let came = self.reply.as_ref().map_or(0, Buffer::len).saturating_sub(response.len);
        let is_whole = match response.body {
            BodyLength::None => came == 0,
            BodyLength::Sized(bytes) => came as u64 == bytes,
            BodyLength::Chunked | BodyLength::UntilEnd => false,
        };
        self.upstream.link().counters.answers.count(response.status);
        let uploaded = self.upload.is_done() && !self.upload_broke;
        let reusable = is_whole && uploaded && response.keeps_alive();
        self.reply = None;
        Outcome::Failed { failure, reusable }
    }

    /// Writes the head and what has arrived of the body. The inner error: the server took nothing.
    async fn send_request(&mut self) -> Result<io::Result<()>, End> {
        let settings = &self.listener.settings;
        if self.desk.request.upgrade.is_some() {
            // In a box, as what comes of it: few requests need the room.
            self.wish = Box::pin(self.find_wish()).await?;
        }
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        self.write_request(&mut head, self.upstream.link().address());
        let request = &self.desk.request;
        if request.body != BodyLength::None {
            // From here on the buffer holds the body. If the request may be sent twice, its head is kept elsewhere, or it
            // is no part of the buffer.
            if !(self.desk.kept.is_whole() && self.connection.wire.is_http2()) {
                self.connection.consume(request.len);
            }
            if let Some(buffer) = &mut self.connection.buffer {
                self.upload.prepare(buffer).map_err(|refusal| End::Answer(refusal.into()))?;
            }
        }
        self.connection.deadline.set(settings.body_timeout);
        let buffer = &mut self.connection.buffer;
        let written = write_head(
            &mut self.upstream.wire,
            &mut head,
            self.wish.protocol(),
            &mut self.upload,
            buffer.as_mut(),
            if self.wish.protocol().is_some() { More::Messages } else { More::Body },
            || self.connection.deadline.expired(),
        )
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

    /// The head of the request, as the server at this address gets it.
    #[inline]
    fn write_request(&self, head: &mut Vec<u8>, host_default: SocketAddr) {
        let (connection, listener) = (&*self.connection, self.listener);
        let handshake = self.wish.handshake();
        let forwarding = Forwarding {
            handshake,
            deadline: self.attempts.told(self.connection),
            ..forwarding(connection, self.desk, listener, &self.route.route, host_default)
        };
        forward::request(head, &self.desk.request, &forwarding);
    }

    /// Sets the deadline anew: for the progress of bodies while there are any on their way, else for the answer.
    fn arm(&mut self) {
        let settings = &self.listener.settings;
        let uploading = !self.upload.is_done() && !self.upload_broke;
        self.connection.deadline.set(if self.answering {
            settings.body_timeout
        } else if uploading {
            self.attempts.within(self.connection, settings.body_timeout)
        } else {
            if let (None, Some(timeout)) = (self.give_up_ms, self.route.route.retry.per_try_timeout) {
                self.give_up_ms = Some(self.connection.worker.deadlines.recent_ms() + milliseconds(timeout));
            }
            self.time_left().0
        });
    }

    /// How long the head of the answer may still take, and whether that is a matter of this attempt alone.
    fn time_left(&self) -> (Duration, bool) {
        let all = self.attempts.left_ms(self.connection);
        let now_ms = self.connection.worker.deadlines.recent_ms();
        let own = self.give_up_ms.map_or(u64::MAX, |end_ms| end_ms.saturating_sub(now_ms));
        (Duration::from_millis(all.min(own)), own < all)
    }

    /// What the response's head points into.
    fn reply_text(&self) -> &[u8] {
        match &self.upstream.wire {
            Wire::Http1(_) => self.reply.as_ref().map_or(&[], Buffer::filled),
            Wire::Http2(stream) => stream.text(),
        }
    }

    fn reached(&self, limit: Limit) {
        self.connection.worker.counters.reached(limit);
    }
}

/// What the head of a request to a server at this address needs besides what came.
// Filled in where it is used: moved about, it costs more than what it says.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(crate) fn forwarding<'a>(
    connection: &'a Connection,
    desk: &'a Desk,
    listener: &ListenerSite,
    route: &'a Route,
    host_default: SocketAddr,
) -> Forwarding<'a> {
    let (settings, client) = (&listener.settings, connection.client);
    Forwarding {
        route,
        text: connection.text(),
        client,
        scheme: connection.scheme(),
        trusted: settings.trusted_proxies.iter().any(|network| network.contains(&client)),
        asks_clients: listener.tls.as_ref().is_some_and(|tls| tls.asks_clients),
        identity: connection.identity().map(|identity| &**identity),
        fields: settings.forwarded,
        host_default,
        handshake: Handshake::AsItCame,
        cuts: &desk.sticky.cuts,
        deadline: deadline::Told::default(),
    }
}

fn bad_gateway(why: &str) -> End {
    End::answer(502, format!("the server's response is not acceptable: {why}"))
}
