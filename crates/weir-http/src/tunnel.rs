//! Bytes of a protocol that is not ours, both ways, until both ends have finished or nothing comes for long.
//!
//! A tunnel is idle most of its life: it holds a buffer only while bytes are in it.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use weir_net::{Buffer, Buffers};

use crate::{
    connection::Connection,
    counters::Limit,
    h1::Body,
    pump::{Coding, Pump},
    wire::Wire,
};

/// One direction.
struct Way {
    pump: Pump,
    buffer: Option<Buffer>,
    ended: bool,
}

impl Way {
    fn new(buffer: Option<Buffer>) -> Self {
        Self { pump: Pump::new(Body::UntilEnd(u64::MAX), Coding::AsIs), buffer, ended: false }
    }

    /// Moves what can be moved. The end of the source becomes the end of the sink; an error ends the tunnel.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut Wire,
        buffers: &Rc<Buffers>,
        to: &mut Wire,
    ) -> Result<bool, ()> {
        let mut progress = false;
        if !self.ended {
            match self.pump.poll(context, from, &mut self.buffer, buffers, to, &mut progress) {
                Poll::Ready(Ok(())) => {
                    self.ended = true;
                    progress = true;
                    self.buffer = None;
                    to.shutdown_write().map_err(|_| ())?;
                }
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Pending => {}
            }
        }
        Ok(progress)
    }
}

/// Runs a tunnel to its end; returns how many bytes went up and down. `reply` has come from the server already.
pub(crate) async fn tunnel(
    connection: &mut Connection,
    upstream: &mut Wire,
    reply: Option<Buffer>,
    timeout: Duration,
) -> (u64, u64) {
    let mut up = Way::new(connection.buffer.take());
    let mut down = Way::new(reply);
    let buffers = Rc::clone(&connection.worker.buffers);
    connection.deadline.set(timeout);
    connection.wire.becomes_tunnel();
    upstream.becomes_tunnel();
    poll_fn(|context| {
        let moved_up = up.poll(context, &mut connection.wire, &buffers, upstream);
        let moved_down = down.poll(context, upstream, &buffers, &mut connection.wire);
        let (Ok(moved_up), Ok(moved_down)) = (moved_up, moved_down) else {
            // What broke on one side breaks on the other: an end would say that all has come.
            connection.wire.break_off();
            upstream.break_off();
            return Poll::Ready(());
        };
        if up.ended && down.ended {
            return Poll::Ready(());
        }
        // Whoever has ended its direction is not read any more, but may still give up.
        let gone = (up.ended && connection.wire.poll_gone(context).is_ready())
            || (down.ended && upstream.poll_gone(context).is_ready());
        if gone {
            connection.wire.break_off();
            upstream.break_off();
            return Poll::Ready(());
        }
        if moved_up || moved_down {
            connection.deadline.set(timeout);
        } else if connection.deadline.expired() {
            connection.worker.counters.reached(Limit::TunnelTimeout);
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    (up.pump.moved, down.pump.moved)
}
