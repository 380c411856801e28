//! The way of a copy: pick, connect, send, and throw the answer away.
//!
//! It is tried once, on one server. It waits for no room, and what it finds out of a server is told as after any request.

use std::{future::poll_fn, io, rc::Rc};

use tokio::time::{Instant, timeout_at};
use weir_balance::Ask;
use weir_net::{Buffer, Deadline, stream::is_exhaustion};

use super::Duplicate;
use crate::{
    attempt::{InPool, count_unreachable, reach},
    counters::{Limit, MirrorOutcome},
    engine::Worker,
    h1::{Body, ResponseParser},
    head::{BodyLength, ResponseHead},
    relay::{INTERIM_RESPONSES_MAX, Into, poll_response},
    site::PoolSite,
    upstream::{Lease, PoolLink, Upstream},
    wire::Wire,
};

/// Of an answer, so much is read so that its connection can be used again. One that is longer costs its connection.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// After so many bytes others have their turn.
const BYTES_PER_TURN: u64 = 64 << 10;

/// The server gave no answer that is one.
struct NoAnswer;

impl Duplicate {
    /// Sends it, and counts what became of it.
    pub(super) async fn run(mut self: Box<Self>) {
        self.outcome = self.send().await;
    }

    async fn send(&mut self) -> MirrorOutcome {
        let world = Rc::clone(&self.world);
        let worker = Rc::clone(&self.place.worker);
        let pool = self.settings.pool.0;
        let (site, link) = (&world.site.pools[pool], &world.pools[pool]);
        let until = Instant::now() + self.timeout();
        let Ok(_room) = room(site) else { return MirrorOutcome::NoServer };
        let Some(lease) = self.pick(&worker, site, link) else { return MirrorOutcome::NoServer };
        let Ok(connected) = timeout_at(until, connect(&worker, site, lease)).await else {
            return late(&worker);
        };
        let mut upstream = match connected {
            Ok(upstream) => upstream,
            Err(outcome) => return outcome,
        };
        let outcome = match timeout_at(until, self.converse(&worker, &mut upstream)).await {
            Ok(Ok(reusable)) => {
                if reusable {
                    upstream.keep(&site.keep_alive, &worker.counters, worker.deadlines.recent_ms());
                }
                return MirrorOutcome::Answered;
            }
            Ok(Err(NoAnswer)) => MirrorOutcome::Failed,
            Err(_) => {
                if let Wire::Http2(stream) = &upstream.wire {
                    // As after any answer that did not come in time.
                    stream.retire_connection();
                }
                late(&worker)
            }
        };
        upstream.link().counters.failures.add(1);
        upstream.answered(&worker.deadlines, true);
        upstream.wire.reset_when_closed();
        outcome
    }

    fn pick(&self, worker: &Rc<Worker>, site: &PoolSite, link: &PoolLink) -> Option<Lease> {
        if let Some(prequal) = &link.prequal {
            prequal.prepare(link, worker);
        }
        let ask = Ask { key: self.key, tried: &[], now_ms: worker.deadlines.recent_ms(), insists: false };
        let index = link.picker.borrow_mut().pick(&site.pool, &ask, &mut worker.rng.borrow_mut())?;
        let max = site.pool.member(index).in_flight_max;
        Lease::limited(&link.servers[index.get()], worker.index, max)
    }

    /// Whether the connection is between two exchanges afterwards.
    async fn converse(&mut self, worker: &Rc<Worker>, upstream: &mut Upstream) -> Result<bool, NoAnswer> {
        let began = worker.deadlines.now();
        self.write(&mut upstream.wire).await.map_err(|_| NoAnswer)?;
        upstream.sent(&worker.deadlines);
        let (response, mut reply) = self.read_head(worker, upstream).await?;
        let text = match &upstream.wire {
            Wire::Http1(_) => reply.as_ref().map_or(&[][..], Buffer::filled),
            Wire::Http2(stream) => stream.text(),
        };
        upstream.link().listen(&response, text, &worker.deadlines);
        upstream.answered(&worker.deadlines, response.status >= 500);
        if let Some(reply) = &mut reply {
            reply.consume(response.len);
        }
        let mut buffer = reply.unwrap_or_else(|| worker.buffers.take());
        let is_whole = self.throw_away(worker, upstream, &response, &mut buffer).await?;
        let counters = &upstream.link().counters;
        counters.answers.count(response.status);
        counters.latency.observe(worker.deadlines.now().saturating_sub(began));
        Ok(is_whole && buffer.is_empty() && response.keeps_alive())
    }

    /// Writes all of the request.
    async fn write(&mut self, wire: &mut Wire) -> io::Result<()> {
        let body = std::mem::take(&mut self.body);
        if let Wire::Http2(stream) = wire {
            stream.send_head(&self.head, None, !body.is_empty())?;
            write_all(wire, &body).await?;
            if !body.is_empty() {
                wire.finish(&[]);
            }
            return Ok(());
        }
        match self.length {
            BodyLength::None | BodyLength::Sized(_) => self.head.extend_from_slice(&body),
            // However it came, it goes on in one chunk.
            BodyLength::Chunked | BodyLength::UntilEnd => chunk(&mut self.head, &body),
        }
        write_all(wire, &self.head).await
    }

    /// The head of the final answer, and where its text lies in HTTP/1.
    async fn read_head(
        &self,
        worker: &Rc<Worker>,
        upstream: &mut Upstream,
    ) -> Result<(ResponseHead, Option<Buffer>), NoAnswer> {
        let (mut response, mut reply) = (ResponseHead::default(), None::<Buffer>);
        for _ in 0..=INTERIM_RESPONSES_MAX {
            let mut parser = ResponseParser::default();
            let came = poll_fn(|context| {
                let (to_head, limits) = (self.to_head, self.limits);
                let into = &mut Into { reply: &mut reply, response: &mut response, to_head, limits };
                poll_response(context, &mut upstream.wire, &worker.buffers, &mut parser, into)
            });
            match came.await {
                // Nobody has asked for another protocol.
                Ok(None) if response.status == 101 => return Err(NoAnswer),
                Ok(None) if response.status >= 200 => return Ok((response, reply)),
                Ok(None) => {}
                _ => return Err(NoAnswer),
            }
            if let Some(reply) = &mut reply {
                reply.consume(response.len);
            }
        }
        worker.counters.reached(Limit::InterimResponses);
        Err(NoAnswer)
    }

    /// Reads the answer's body, what of it lies in `buffer` first. False: not to its end, which may be as far as it matters.
    async fn throw_away(
        &self,
        worker: &Worker,
        upstream: &mut Upstream,
        response: &ResponseHead,
        buffer: &mut Buffer,
    ) -> Result<bool, NoAnswer> {
        let on_stream = upstream.wire.is_http2();
        let mut body = if on_stream {
            // It ends with its stream, whatever its head says.
            Body::UntilEnd(u64::MAX)
        } else {
            Body::new(response.body, u64::MAX, self.limits)
        };
        let (mut moved, mut in_turn) = (0, 0);
        loop {
            let passed = body.pass(buffer.filled()).map_err(|_| NoAnswer)?;
            buffer.consume(passed);
            moved += passed as u64;
            in_turn += passed as u64;
            if body.is_done() {
                return Ok(true);
            }
            let is_long = matches!(body, Body::Sized(left) if moved + left > ANSWER_BYTES_MAX);
            if is_long || moved > ANSWER_BYTES_MAX {
                worker.counters.reached(Limit::MirrorAnswer);
                return Ok(false);
            }
            if in_turn >= BYTES_PER_TURN {
                in_turn = 0;
                worker.slow_lane.turn().await;
            }
            if buffer.is_full() {
                buffer.compact();
            }
            let n = poll_fn(|context| upstream.wire.poll_read(context, buffer)).await;
            if n.map_err(|_| NoAnswer)? == 0 {
                return if matches!(body, Body::UntilEnd(_)) { Ok(on_stream) } else { Err(NoAnswer) };
            }
        }
    }
}

/// Room in the pool, where that is limited. Who waits for it already comes first.
fn room(site: &PoolSite) -> Result<Option<InPool<'_>>, ()> {
    if site.is_limited && !site.shared.pressure.line.is_empty() {
        return Err(());
    }
    site.breaker.requests_max.map(|max| InPool::enter(&site.shared, max).ok_or(())).transpose()
}

/// A connection to the leased server that stands as far as the kernel knows: the request is not sent twice.
async fn connect(worker: &Rc<Worker>, site: &PoolSite, lease: Lease) -> Result<Upstream, MirrorOutcome> {
    let now_ms = worker.deadlines.recent_ms();
    let lease = match Upstream::reuse(lease, &site.keep_alive, now_ms) {
        Ok(mut upstream) => {
            if upstream.is_alive() {
                return Ok(upstream);
            }
            upstream.into_lease()
        }
        Err(lease) => lease,
    };
    let deadline = own_deadline(worker).await;
    match reach(worker, &deadline, site, &lease.link, site.connect_timeout).await {
        Ok(reached) => Ok(reached.upstream(lease, now_ms)),
        Err(error) if is_exhaustion(&error) => {
            worker.counters.reached(Limit::FileDescriptors);
            Err(MirrorOutcome::Failed)
        }
        Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
            worker.counters.reached(Limit::MaxPending);
            Err(MirrorOutcome::NoServer)
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::TimedOut {
                worker.counters.reached(Limit::ConnectTimeout);
            }
            count_unreachable(worker, &lease.link);
            Err(MirrorOutcome::Failed)
        }
    }
}

/// A deadline that wakes this task.
async fn own_deadline(worker: &Worker) -> Deadline {
    let deadline = worker.deadlines.register();
    deadline.belongs_to(poll_fn(|context| std::task::Poll::Ready(context.waker().clone())).await);
    deadline
}

fn late(worker: &Worker) -> MirrorOutcome {
    worker.counters.reached(Limit::MirrorTimeout);
    MirrorOutcome::Late
}

/// The whole body in one chunk.
fn chunk(out: &mut Vec<u8>, body: &[u8]) {
    if !body.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
}

async fn write_all(wire: &mut Wire, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|context| wire.poll_write(context, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => bytes = &bytes[n..],
        }
    }
    Ok(())
}
