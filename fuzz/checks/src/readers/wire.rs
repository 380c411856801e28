//! A connection in memory, and what drives it.

use std::{
    cell::RefCell,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The peer's end of a connection: what it says, and when. After each of the stages it waits for one more request's
/// head, and after the last it closes.
#[derive(Debug, Clone)]
pub(super) struct Wire(Rc<RefCell<Script>>);

#[derive(Debug)]
struct Script {
    stages: Vec<Vec<u8>>,
    stage: usize,
    at: usize,
    written: Vec<u8>,
    /// Stages wait for request heads; otherwise all may be read at once.
    waits: bool,
}

impl Wire {
    /// One that says all of this at once.
    pub(super) fn saying(bytes: Vec<u8>) -> Self {
        Self::new(vec![bytes], false)
    }

    /// One that says each of these when one more request's head has come.
    pub(super) fn answering(stages: Vec<Vec<u8>>) -> Self {
        Self::new(stages, true)
    }

    fn new(stages: Vec<Vec<u8>>, waits: bool) -> Self {
        Self(Rc::new(RefCell::new(Script { stages, stage: 0, at: 0, written: Vec::new(), waits })))
    }
}

impl Script {
    /// What can be read now; `None` when something must be written first.
    fn readable(&mut self) -> Option<&[u8]> {
        while self.stage < self.stages.len() && self.at == self.stages[self.stage].len() {
            self.stage += 1;
            self.at = 0;
        }
        if self.stage == self.stages.len() {
            return Some(&[]);
        }
        let heads = self.written.windows(4).filter(|window| *window == b"\r\n\r\n").count();
        (!self.waits || heads > self.stage).then(|| &self.stages[self.stage][self.at..])
    }
}

impl hyper::rt::Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.0.borrow_mut();
        let Some(bytes) = script.readable() else { return Poll::Pending };
        let n = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..n]);
        script.at += n;
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut script = self.0.borrow_mut();
        if script.waits {
            script.written.extend_from_slice(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Turns of an event loop without any that one connection may take.
const TURNS_MAX: usize = 10_000;

/// Polls until the future is ready. Nothing here waits for the world, so a future that is not ready after many turns
/// never will be: `None`.
pub(super) fn drive<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..TURNS_MAX {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}
