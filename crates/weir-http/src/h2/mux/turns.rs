//! Whose turn it is to send DATA, when the connection's window or the output does not take all that there is.
//!
//! Streams queue up, first come first served, and one turn is one frame: so all get the same share however much each has.
//! Turns are given for what there is room for now, which wakes few of many. Rejected: waking all who wait (a hundred
//! tasks for every four frames); DATA kept in each stream and sent by the connection (a copy more, and memory).

use std::collections::VecDeque;

use super::{Mux, StreamKey};
use crate::h2::{frame::PAYLOAD_BYTES_MAX, stream};

/// Who waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// For windows and output both, with DATA.
    queue: VecDeque<StreamKey>,
    /// Given, and not used yet.
    given: usize,
    /// For output alone, with heads.
    for_room: Vec<StreamKey>,
}

impl Turns {
    pub(super) fn await_room(&mut self, key: StreamKey) {
        if !self.for_room.contains(&key) {
            self.for_room.push(key);
        }
    }
}

impl Mux {
    /// Bytes of DATA that could be added to the output now.
    fn room(&self) -> usize {
        let room = self.settings.output_bytes_max.saturating_sub(self.output.len());
        room.min(self.send_window.open())
    }

    /// Whether this stream may send now; if not, it is in the queue.
    pub(super) fn takes_turn(&mut self, key: StreamKey) -> bool {
        let has_room = self.room() > 0;
        let others_wait = !self.turns.queue.is_empty();
        let Some(stream) = self.streams.get(key) else { return false };
        if has_room && (stream.send.has_turn || !others_wait) {
            return true;
        }
        if !stream.send.is_queued {
            stream.send.is_queued = true;
            if std::mem::take(&mut stream.send.has_turn) {
                // The room has gone to somebody else: it keeps its place.
                self.turns.given = self.turns.given.saturating_sub(1);
                self.turns.queue.push_front(key);
            } else {
                self.turns.queue.push_back(key);
            }
        }
        // Others may wait for a turn that somebody did not use, while there is room.
        self.grant_turns();
        self.streams.peek(key).is_some_and(|stream| stream.send.has_turn) && self.room() > 0
    }

    /// Something has been written: there is room again.
    pub(super) fn turn_over(&mut self) {
        // Turns that nobody has used by now are not waited for.
        self.turns.given = 0;
        self.grant_turns();
        if self.output.len() <= self.settings.output_bytes_max {
            while let Some(key) = self.turns.for_room.pop() {
                if let Some(stream) = self.streams.get(key) {
                    stream::wake(&mut stream.send.waker);
                }
            }
        }
    }

    /// Gives turns for what there is room for.
    pub(super) fn grant_turns(&mut self) {
        let turns = self.room().div_ceil(PAYLOAD_BYTES_MAX);
        while self.turns.given < turns {
            let Some(key) = self.turns.queue.pop_front() else { return };
            let Some(stream) = self.streams.get(key) else { continue };
            stream.send.is_queued = false;
            stream.send.has_turn = true;
            self.turns.given += 1;
            stream::wake(&mut stream.send.waker);
        }
    }

    /// Does not want to send after all, for now.
    pub fn forgo_send(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else { return };
        if std::mem::take(&mut stream.send.is_queued) {
            self.turns.queue.retain(|waiting| *waiting != key);
        }
        if std::mem::take(&mut stream.send.has_turn) {
            self.turns.given = self.turns.given.saturating_sub(1);
        }
        self.grant_turns();
    }
}
