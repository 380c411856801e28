//! Bytes between a socket and a [`Mux`](crate::h2::Mux).

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use weir_net::{Buffer, Buffers, slow_lane::Ticket};
use weir_tls::Stream as Socket;

use super::Multiplex;
use crate::{engine::Worker, h2::StreamKey};

/// Reads in one turn. What wants more goes on in the [`SlowLane`](weir_net::SlowLane).
const READS_PER_TURN_MAX: usize = 4;

/// Output beyond which nothing is read, in bytes: a peer that does not read what it asked for is not asked for more.
const UNREAD_OUTPUT_MAX: usize = 128 * 1024;

/// The socket's side of a connection.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// What has arrived and is not used up.
    pub(super) buffer: Option<Buffer>,
    /// It has not been looked at.
    pub(super) is_new: bool,
    /// Nothing more will be read.
    pub(super) ended: bool,
    /// It goes on when its turn comes.
    pub(super) ticket: Option<Ticket>,
    /// What is to be written waits as well.
    pub(super) held: bool,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The connection goes on. Bytes were written, or all that there were.
    Moved,
    /// It goes on, but bytes wait to be written, and none could be.
    Stuck,
    /// It has overdrawn a budget, and is told so when it has been held long enough.
    Held,
    /// It is over; what could be written has been.
    Over,
}

impl Multiplex {
    /// Moves bytes both ways as far as they go now. `accept` is given the streams that the peer has opened.
    pub(super) fn turn(
        &self,
        context: &mut Context<'_>,
        socket: &mut Socket,
        input: &mut Input,
        worker: &Worker,
        mut accept: impl FnMut(StreamKey),
    ) -> Turn {
        self.mux.borrow_mut().set_driver_waker(context.waker());
        let is_others_turn = input.ticket.is_some_and(|ticket| !worker.slow_lane.has_come(ticket));
        if !is_others_turn {
            input.ticket = None;
            self.take_in(context, socket, input, worker, &mut accept);
        }
        if input.held {
            return Turn::Held;
        }
        let was_full = !self.has_room();
        loop {
            let turn = self.flush(context, socket, input.ended);
            // What was written made room for requests that waited for it. But what has come and is not looked at may take
            // them back: nobody connects to a server for a request that is reset before its turn.
            if input.is_new || !self.accept_all(&mut accept) {
                if was_full && turn != Turn::Over && self.has_room() {
                    // Nothing was read, so nothing would tell that there is something to read.
                    context.waker().wake_by_ref();
                }
                return turn;
            }
        }
    }

    /// Reads and works on what comes, for as long as is fair.
    fn take_in(
        &self,
        context: &mut Context<'_>,
        socket: &mut Socket,
        input: &mut Input,
        worker: &Worker,
        accept: &mut impl FnMut(StreamKey),
    ) {
        let mut reads = 0;
        loop {
            self.digest(input, worker);
            if !input.is_new {
                self.accept_all(accept);
            }
            if !input.is_new && !self.wants_input(input) {
                return;
            }
            if input.is_new || reads == READS_PER_TURN_MAX {
                if self.mux.borrow().is_server() {
                    input.ticket = Some(worker.slow_lane.queue(context.waker()));
                } else {
                    // A connection to a server carries what many clients wait for. There are few of them.
                    context.waker().wake_by_ref();
                }
                return;
            }
            reads += 1;
            if self.fill(context, socket, input, &worker.buffers).is_pending() {
                return;
            }
        }
    }

    fn wants_input(&self, input: &Input) -> bool {
        !input.ended && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.mux.borrow().output().len() <= UNREAD_OUTPUT_MAX
    }

    /// True if there was one.
    fn accept_all(&self, accept: &mut impl FnMut(StreamKey)) -> bool {
        let mut any = false;
        loop {
            let next = self.mux.borrow_mut().accept();
            let Some(key) = next else { return any };
            accept(key);
            any = true;
        }
    }

    /// Reads once.
    fn fill(
        &self,
        context: &mut Context<'_>,
        socket: &mut Socket,
        input: &mut Input,
        buffers: &Rc<Buffers>,
    ) -> Poll<()> {
        let space = input.buffer.get_or_insert_with(|| buffers.take());
        if space.is_full() {
            space.compact();
        }
        match socket.poll_read(context, space) {
            Poll::Ready(Ok(n)) if n > 0 => input.is_new = true,
            Poll::Ready(_) => {
                input.ended = true;
                input.buffer = None;
                self.mux.borrow_mut().handle_eof();
            }
            Poll::Pending => {
                if space.is_empty() {
                    input.buffer = None;
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Works on what has come. It stays new if that is more than a turn's work.
    fn digest(&self, input: &mut Input, worker: &Worker) {
        let Some(space) = input.buffer.as_mut().filter(|_| input.is_new) else { return };
        input.is_new = false;
        let mut mux = self.mux.borrow_mut();
        match mux.handle_input(space.filled(), worker.deadlines.recent_ms()) {
            Ok(n) => {
                space.consume(n);
                input.is_new = mux.is_tired() && !space.is_empty();
            }
            Err(fatal) => {
                self.fatal.set(Some(fatal));
                input.ended = true;
                input.held = fatal.abuse.is_some() && mux.is_server() && worker.hold();
                space.clear();
            }
        }
        if space.is_empty() {
            input.buffer = None;
        }
    }

    fn flush(&self, context: &mut Context<'_>, socket: &mut Socket, input_ended: bool) -> Turn {
        let mut wrote = false;
        loop {
            let mut mux = self.mux.borrow_mut();
            if mux.output().is_empty() {
                let is_over = input_ended || mux.is_finished();
                return if is_over { Turn::Over } else { Turn::Moved };
            }
            match socket.poll_write(context, mux.output()) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    mux.wrote(n);
                    wrote = true;
                }
                Poll::Ready(_) => {
                    mux.handle_eof();
                    return Turn::Over;
                }
                Poll::Pending if wrote => return Turn::Moved,
                Poll::Pending => return Turn::Stuck,
            }
        }
    }
}
