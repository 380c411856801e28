//! Bytes between a socket and a [`Mux`](crate::h2::Mux).

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use weir_net::{Buffer, Buffers};
use weir_tls::Stream as Socket;

use super::Multiplex;
use crate::h2::StreamKey;

/// Reads in one turn: what came is worked on before more is read.
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
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The connection goes on. Bytes were written, or all that there were.
    Moved,
    /// It goes on, but bytes wait to be written, and none could be.
    Stuck,
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
        buffers: &Rc<Buffers>,
        now_ms: u64,
        mut accept: impl FnMut(StreamKey),
    ) -> Turn {
        self.mux.borrow_mut().set_driver_waker(context.waker());
        let mut reads = 0;
        loop {
            self.digest(input, now_ms);
            self.accept_all(&mut accept);
            if !self.wants_input(input) {
                break;
            }
            if reads == READS_PER_TURN_MAX {
                context.waker().wake_by_ref();
                break;
            }
            reads += 1;
            if self.fill(context, socket, input, buffers).is_pending() {
                break;
            }
        }
        loop {
            let turn = self.flush(context, socket, input.ended);
            // What was written made room for requests that waited for it.
            if !self.accept_all(&mut accept) {
                return turn;
            }
        }
    }

    fn wants_input(&self, input: &Input) -> bool {
        !input.ended && self.mux.borrow().output().len() <= UNREAD_OUTPUT_MAX
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

    fn digest(&self, input: &mut Input, now_ms: u64) {
        let Some(space) = input.buffer.as_mut().filter(|_| input.is_new) else { return };
        input.is_new = false;
        match self.mux.borrow_mut().handle_input(space.filled(), now_ms) {
            Ok(n) => space.consume(n),
            Err(fatal) => {
                self.fatal.set(Some(fatal));
                input.ended = true;
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
