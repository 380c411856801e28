//! One attempt at one server: the request goes out, the answer comes back.
//!
//! Both directions run at once, for a server may answer while the request's body is still on its way. Each is a
//! [`Pump`]; this module decides what the end of one means for the other.

use std::{io, rc::Rc};

use weir_net::Buffer;

use crate::{
    attempt::Attempts,
    connection::{Connection, Next},
    counters::Limit,
    exchange::{Desk, End, Record},
    forward::{self, Forwarding},
    h1::Body,
    head::BodyLength,
    pump::{Coding, Pump},
    site::{ListenerSite, RouteSite},
    upstream::Upstream,
    wire::Wire,
};

mod answer;
mod head;
mod upgrade;
mod wait;

pub(crate) use answer::Plan;
use head::{More, write_head};
use upgrade::Wish;

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
    /// The connection died before a byte of the answer.
    Died {
        /// The server has said that it did nothing with the request.
        untouched: bool,
    },
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
    let mut relay = Relay::new(connection, desk, listener, route, &mut upstream, attempts);
    let result = relay.run(record).await;
    record.request_bytes += relay.upload.moved;
    if matches!(result, Err(End::Gone)) {
        // Whose client is gone can stop working for it: a plain close could be half of one.
        upstream.wire.reset_when_closed();
    }
    let failed = match &result {
        Ok(Outcome::Died { .. }) | Err(End::Cut(_)) => true,
        // Below 500 it was the client's fault.
        Err(End::Answer(answer)) => answer.status >= 500,
        _ => false,
    };
    if failed {
        upstream.link().counters.failures.add(1);
        // Where a head had come, that has been told already.
        upstream.answered(&worker.deadlines, true);
    }
    if let Ok(Outcome::Answered { reusable: true, .. }) = &result {
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
        route: &'a RouteSite,
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
            route,
            upstream,
            attempts,
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
            return Ok(Outcome::Died { untouched: self.upstream.wire.is_http2() });
        }
        self.upstream.sent(&self.connection.worker.deadlines);
        self.arm();
        for interim in 0..=INTERIM_RESPONSES_MAX {
            if let Some(died) = self.await_head().await? {
                return match interim {
                    0 => Ok(died),
                    // It had begun to answer: whether the request was carried out is not ours to guess.
                    _ => Err(bad_gateway("it ends after an interim response")),
                };
            }
            if !(102..200).contains(&self.desk.response.status) && self.desk.response.status != 100 {
                let deadlines = &self.connection.worker.deadlines;
                self.upstream.link().listen(&self.desk.response, self.reply_text(), deadlines);
                self.upstream.answered(&self.connection.worker.deadlines, self.desk.response.status >= 500);
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

    /// Writes the head and what has arrived of the body. The inner error: the server took nothing.
    async fn send_request(&mut self) -> Result<io::Result<()>, End> {
        let settings = &self.listener.settings;
        if self.desk.request.upgrade.is_some() {
            // In a box, as what comes of it: few requests need the room.
            self.wish = Box::pin(self.find_wish()).await?;
        }
        let mut head = self.connection.worker.head_room.take();
        head.clear();
        let request = &self.desk.request;
        {
            let client = self.connection.client;
            let forwarding = Forwarding {
                route: &self.route.route,
                text: self.connection.text(),
                client,
                scheme: self.connection.scheme(),
                trusted: settings.trusted_proxies.iter().any(|network| network.contains(&client)),
                asks_clients: self.listener.tls.as_ref().is_some_and(|tls| tls.asks_clients),
                identity: self.connection.identity().map(|identity| &**identity),
                fields: settings.forwarded,
                host_default: self.upstream.link().address(),
                handshake: self.wish.handshake(),
                cuts: &self.desk.sticky.cuts,
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

fn bad_gateway(why: &str) -> End {
    End::answer(502, format!("the server's response is not acceptable: {why}"))
}
