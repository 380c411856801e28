//! A second request to another server, when the first takes longer than most do. Whose head of an answer comes first is
//! heard, and the other request is cancelled. An error does not win: a server that fails at once would turn slow answers into
//! failures.
//!
//! The second request has a future of its own, polled beside the first one's wait. It is made only when its time has come.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;
use weir_config::HedgeAfter;
use weir_net::Buffer;

use super::{
    INTERIM_RESPONSES_MAX, Relay,
    head::{More, write_head},
    wait::{Into, poll_response},
};
use crate::{
    attempt::Attempts,
    engine::Worker,
    h1::{HeadLimits, ResponseParser},
    head::ResponseHead,
    pump::Pump,
    upstream::{Lease, Upstream},
};

/// The second request of an exchange.
pub(super) struct Hedge<'a> {
    /// When the first one went out, on the worker's clock.
    began: Duration,
    stage: Stage<'a>,
}

enum Stage<'a> {
    /// It is sent when this is over.
    Later(Pin<Box<Sleep>>),
    UnderWay(Pin<Box<dyn Future<Output = Option<Second>> + 'a>>),
    /// There is none, and will be none.
    Over,
}

impl fmt::Debug for Hedge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("began", &self.began).finish_non_exhaustive()
    }
}

/// The answer of the second server, as far as its head.
pub(super) struct Second {
    upstream: Upstream,
    response: ResponseHead,
    reply: Option<Buffer>,
}

impl<'a> Relay<'a> {
    /// The request has gone out: from here on the time runs after which a second one is worth it.
    #[inline]
    pub(super) fn begin_hedge(&mut self) {
        if self.route.route.hedge.is_some() {
            self.begin_hedge_if_allowed();
        }
    }

    fn begin_hedge_if_allowed(&mut self) {
        let (Some(settings), Some(memory)) = (self.route.route.hedge, &self.attempts.route_link.hedging)
        else {
            return;
        };
        if !self.attempts.may_hedge(self.desk) {
            return;
        }
        let after = match settings.after {
            HedgeAfter::Time(after) => Some(after),
            HedgeAfter::Percentile(_) => {
                let known = memory.latency.as_ref().and_then(|latency| latency.borrow().value_us());
                known.map(|us| Duration::from_micros(us.into()))
            }
        };
        let now = self.connection.worker.deadlines.now();
        let sleep = Box::pin(tokio::time::sleep(after.unwrap_or(Duration::MAX)));
        self.hedge = Some(Box::new(Hedge { began: now, stage: Stage::Later(sleep) }));
    }

    /// The head of an answer is there: how long it took tells when the next request gets a second one.
    pub(super) fn take_time(&mut self) {
        let Some(hedge) = self.hedge.take() else { return };
        let took = self.connection.worker.deadlines.now().saturating_sub(hedge.began);
        let memory = self.attempts.route_link.hedging.as_ref();
        if let Some(latency) = memory.and_then(|memory| memory.latency.as_ref()) {
            latency.borrow_mut().add(took.as_micros().min(u32::MAX.into()) as u32);
        }
    }

    /// Goes on with the second request. True: its answer has begun, and is the answer.
    pub(super) fn poll_hedge(&mut self, context: &mut Context<'_>) -> bool {
        // Taken out while it is looked at, since it is part of what it looks at.
        let Some(mut hedge) = self.hedge.take() else { return false };
        if let Stage::Later(sleep) = &mut hedge.stage
            && sleep.as_mut().poll(context).is_ready()
        {
            hedge.stage = match self.attempts.second(self.connection, self.desk) {
                Some(lease) => Stage::UnderWay(self.second(lease)),
                // None later either: the next request may have more luck.
                None => Stage::Over,
            };
        }
        let mut won = false;
        if let Stage::UnderWay(second) = &mut hedge.stage
            && let Poll::Ready(answer) = second.as_mut().poll(context)
        {
            hedge.stage = Stage::Over;
            won = answer.is_some();
            answer.into_iter().for_each(|second| self.win(second));
        }
        self.hedge = Some(hedge);
        won
    }

    pub(super) fn second_is_under_way(&self) -> bool {
        self.hedge.as_ref().is_some_and(|hedge| matches!(hedge.stage, Stage::UnderWay(_)))
    }

    /// The first request has failed: waits for the answer of the second. True: it has come.
    pub(super) async fn second_answers(&mut self) -> bool {
        // What was this attempt's time is over; all of the request's is not.
        let left = Duration::from_millis(self.attempts.left_ms(self.connection));
        self.connection.deadline.set(left);
        poll_fn(|context| {
            let won = self.poll_hedge(context);
            let waits = self.second_is_under_way() && !self.connection.deadline.expired();
            if won || !waits { Poll::Ready(won) } else { Poll::Pending }
        })
        .await
    }

    /// The second server answers: the first one's work is not needed.
    fn win(&mut self, second: Second) {
        let mut first = mem::replace(self.upstream, second.upstream);
        // So long it has taken at least.
        first.outrun(&self.connection.worker.deadlines);
        first.wire.reset_when_closed();
        self.upstream.link().counters.hedges_won.add(1);
        self.desk.response = second.response;
        self.reply = second.reply;
        self.second_won = true;
    }

    /// What the second request is.
    fn second(&self, lease: Lease) -> Pin<Box<dyn Future<Output = Option<Second>> + 'a>> {
        lease.link.counters.hedges.add(1);
        let mut head = Vec::new();
        self.write_request(&mut head, lease.link.address());
        let worker = Rc::clone(&self.connection.worker);
        Box::pin(ask(self.attempts, worker, lease, head, (self.listener.head_limits(), self.to_head)))
    }
}

/// A second request that nobody waits for any more, unless its answer was taken.
struct Asked {
    upstream: Option<Upstream>,
    worker: Rc<Worker>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(upstream) = &mut self.upstream {
            upstream.outrun(&self.worker.deadlines);
            upstream.wire.reset_when_closed();
        }
    }
}

/// Sends a request without a body, and waits for the head of an answer that is no error.
async fn ask(
    attempts: &Attempts<'_>,
    worker: Rc<Worker>,
    lease: Lease,
    mut head: Vec<u8>,
    (limits, to_head): (HeadLimits, bool),
) -> Option<Second> {
    let deadline = worker.deadlines.register();
    deadline.belongs_to(poll_fn(|context| Poll::Ready(context.waker().clone())).await);
    let upstream = attempts.reach_second(&worker, &deadline, lease).await;
    let mut asked = Asked { upstream, worker };
    let worker = Rc::clone(&asked.worker);
    let upstream = asked.upstream.as_mut()?;
    let mut nothing = Pump::nothing();
    // Its time is that of the first, beside which it is polled.
    let never = || false;
    write_head(&mut upstream.wire, &mut head, None, &mut nothing, None, More::Body, never).await.ok()?;
    upstream.sent(&worker.deadlines);
    let (mut response, mut reply) = (ResponseHead::default(), None::<Buffer>);
    for _ in 0..=INTERIM_RESPONSES_MAX {
        let mut parser = ResponseParser::default();
        let came = poll_fn(|context| {
            let into = &mut Into { reply: &mut reply, response: &mut response, to_head, limits };
            poll_response(context, &mut upstream.wire, &worker.buffers, &mut parser, into)
        });
        let came = came.await;
        let failed = !matches!(came, Ok(None)) || response.status >= 500;
        if failed || response.status == 101 {
            upstream.answered(&worker.deadlines, failed);
            return None;
        }
        if response.status >= 200 {
            return Some(Second { upstream: asked.upstream.take()?, response, reply });
        }
        // Who waits for the first server's answer is not told of what the second one's may be.
        if let Some(reply) = &mut reply {
            reply.consume(response.len);
        }
    }
    None
}
