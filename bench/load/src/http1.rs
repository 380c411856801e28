//! One HTTP/1 connection: a request, its answer, the next request.

use std::time::Instant;

use crate::answer::Answer;
use crate::plan::Plan;
use crate::run::State;
use crate::tally::Tally;
use crate::wire::{Piece, Received, Wire};

/// How far a connection has come.
pub(crate) struct Talk {
    /// Bytes of the request that are on their way.
    sent: usize,
    began: Instant,
    answer: Answer,
    /// The answer is whole and the request said `close`: the other side has to close.
    closing: bool,
}

impl Talk {
    pub(crate) fn new(began: Instant, tally: &mut Tally) -> Talk {
        tally.start();
        Talk { sent: 0, began, answer: Answer::default(), closing: false }
    }

    /// Whether there is something to send for which there was no room.
    pub(crate) fn waits(&self, request: &[u8]) -> bool {
        self.sent < request.len()
    }

    /// Sends what can be sent of the request.
    pub(crate) fn send(&mut self, wire: &mut Wire, request: &[u8]) -> Result<(), String> {
        if self.waits(request) {
            self.sent += wire.write(&request[self.sent..])?;
        }
        Ok(())
    }

    /// Reads once, and goes on as far as that allows.
    pub(crate) fn advance(
        &mut self,
        wire: &mut Wire,
        buffer: &mut [u8],
        plan: &Plan,
        request: &[u8],
        tally: &mut Tally,
    ) -> Result<State, String> {
        let mut whole = false;
        let (answer, closing) = (&mut self.answer, self.closing);
        let left = answer.body_left();
        let received = wire.receive(buffer, left, tally, |piece, _| {
            if closing || whole {
                return Err("bytes after the answer".into());
            }
            whole = match piece {
                Piece::Bytes(bytes) if answer.body_left() == 0 => answer.take(bytes, plan.expect_bytes)?,
                Piece::Bytes(bytes) => answer.discard(bytes.len())?,
                Piece::Skipped(count) => answer.discard(count)?,
            };
            Ok(())
        })?;
        match received {
            Received::End if closing => return Ok(State::Over),
            Received::End => return Err("closed before the answer was whole".into()),
            Received::Nothing | Received::Some => {}
        }
        if whole {
            if self.waits(request) {
                return Err("answered before the request was sent whole".into());
            }
            tally.answered(self.began);
            if plan.close {
                self.closing = true;
                return Ok(State::Busy);
            }
            if plan.idle {
                return Ok(State::Idle);
            }
            if !tally.may_start() {
                return Ok(State::Over);
            }
            *self = Talk::new(Instant::now(), tally);
        }
        self.send(wire, request)?;
        Ok(State::Busy)
    }
}

/// The bytes of one request, body included.
pub(crate) fn request(plan: &Plan) -> Vec<u8> {
    let connection = if plan.close { "Connection: close\r\n" } else { "" };
    let (path, host) = (&plan.path, plan.authority());
    let mut request = match plan.upload_bytes {
        None => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{connection}"),
        Some(bytes) => {
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {bytes}\r\n{connection}")
        }
    }
    .into_bytes();
    request.extend_from_slice(b"User-Agent: weir-bench/1\r\nAccept: */*\r\n\r\n");
    request.resize(request.len() + plan.upload_bytes.unwrap_or(0), b'u');
    request
}
