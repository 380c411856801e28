//! `faults`: requests that are made to wait, or answered with an error, on purpose.
//!
//! Both are drawn for each request by itself, before anything is asked of a pool: a delay is the client's alone and takes no
//! room from anybody, an error reaches no server. A request may get both, and waits first then.

use std::{cell::Cell, future::poll_fn, pin::pin, task::Poll};

use weir_config::Delay;

use crate::{
    attempt::is_gone, connection::Connection, counters::Limit, exchange::End, site::RouteSite,
    upstream::RouteLink,
};

/// What the route wants to happen to this request.
pub(crate) async fn inject(
    connection: &mut Connection,
    (route, link): (&RouteSite, &RouteLink),
) -> Result<(), End> {
    let Some(faults) = &route.route.faults else { return Ok(()) };
    let counters = &route.counters[connection.worker.index];
    if let Some(delay) = &faults.delay
        && connection.worker.draws(delay.share)
    {
        match Waits::begin(&link.delayed, delay) {
            Some(waits) => {
                counters.delayed.add(1);
                // In a box: few requests need the room.
                Box::pin(wait(connection, delay)).await?;
                drop(waits);
            }
            None => connection.worker.counters.reached(Limit::FaultsMax),
        }
    }
    match &faults.abort {
        Some(abort) if connection.worker.draws(abort.share) => {
            counters.aborted.add(1);
            Err(End::answer(abort.status, "this fault is made on purpose, by the route's `faults.abort`"))
        }
        _ => Ok(()),
    }
}

/// One of the requests that wait, until it is dropped.
struct Waits<'a>(&'a Cell<u32>);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a Cell<u32>, delay: &Delay) -> Option<Self> {
        if waiting.get() >= delay.requests_max {
            return None;
        }
        waiting.update(|requests| requests + 1);
        Some(Self(waiting))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.update(|requests| requests - 1);
    }
}

/// Waits, unless the client is known to have gone.
async fn wait(connection: &mut Connection, delay: &Delay) -> Result<(), End> {
    let mut sleep = pin!(tokio::time::sleep(delay.time));
    poll_fn(|context| {
        if sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if is_gone(&mut connection.wire, context) {
            return Poll::Ready(Err(End::Gone));
        }
        Poll::Pending
    })
    .await
}
