//! One stream: what it may still do in each direction (RFC 9113 section 5.1), and who waits for it.
//!
//! The states of the RFC are the two directions taken together: "open" is neither ended, "half-closed" is one of them,
//! "closed" is both, or `closed_by`. "Idle" streams are those whose identifiers nobody has used yet.

use std::{collections::VecDeque, task::Waker};

use super::{
    ErrorCode, StreamEnd,
    flow::{RecvWindow, SendWindow},
    queue::Queue,
};
use crate::{
    h1::Refusal,
    head::{RequestHead, ResponseHead},
};

/// Room for the text of a head that is kept for the next one, in bytes at most: few heads need more.
pub(super) const TEXT_BYTES_KEPT: usize = 1024;

/// How a stream came to its end, which decides what frames for it mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    /// END_STREAM in both directions.
    Ends,
    /// RST_STREAM from the peer.
    Peer,
    /// RST_STREAM from us; the peer may not know it yet.
    Us,
}

/// How far our direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sending {
    /// Before the final head.
    #[default]
    Head,
    /// Behind it.
    Body,
    /// END_STREAM has been sent.
    Ended,
}

/// A response head that has arrived.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) text: Vec<u8>,
}

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Somebody has its key, or will get it.
    pub(super) is_held: bool,
    /// Server: answered, and held by nobody; what is left is how its client ends it.
    pub(super) is_lingering: bool,
    /// It counts against SETTINGS_MAX_CONCURRENT_STREAMS.
    pub(super) is_counted: bool,
    /// Bytes of its request's head, as long as somebody holds it.
    pub(super) head_bytes: usize,
    /// What its holder is told.
    pub(super) end: Option<StreamEnd>,
    pub(super) closed_by: Option<ClosedBy>,
    /// HEAD: the answer has no body, whatever it announces.
    pub(super) is_to_head: bool,
    pub(super) recv: Recv,
    pub(super) send: Send,
    pub(super) reset_waker: Option<Waker>,
}

/// The peer's direction.
#[derive(Debug, Default)]
pub(super) struct Recv {
    /// The final head has come.
    pub(super) has_head: bool,
    /// END_STREAM has come.
    pub(super) is_ended: bool,
    pub(super) window: RecvWindow,
    pub(super) queue: Queue,
    /// Its reader has kept up with it: all was read at some time since the window was last given back.
    pub(super) was_emptied: bool,
    /// What the announced content-length leaves.
    pub(super) left: Option<u64>,
    /// Bytes of body so far.
    pub(super) total: u64,
    /// More than `body_bytes_max`.
    pub(super) is_too_large: bool,
    /// Behind CONNECT: no body, so that no limit of bodies holds.
    pub(super) is_tunnel: bool,
    /// Interim responses so far.
    pub(super) interims: u32,
    pub(super) trailers: Option<Vec<u8>>,
    /// Server: the request, until it is taken.
    pub(super) request: RequestHead,
    /// Its text; or room for one.
    pub(super) text: Vec<u8>,
    pub(super) refusal: Option<Refusal>,
    /// Client: heads that were not taken yet.
    pub(super) responses: VecDeque<Response>,
    pub(super) waker: Option<Waker>,
}

/// Our direction.
#[derive(Debug, Default)]
pub(super) struct Send {
    pub(super) state: Sending,
    pub(super) window: SendWindow,
    /// What the announced content-length leaves.
    pub(super) left: Option<u64>,
    /// Where its latest frame is in the output.
    pub(super) place: u64,
    /// Waits for a turn.
    pub(super) is_queued: bool,
    /// May send though others wait.
    pub(super) has_turn: bool,
    pub(super) waker: Option<Waker>,
}

impl Stream {
    /// Neither side may send on it any more (section 5.1, "closed").
    pub(super) fn is_closed(&self) -> bool {
        self.closed_by.is_some()
    }

    /// The stream ends without its ends having been reached.
    pub(super) fn break_off(&mut self, end: StreamEnd, by: ClosedBy) {
        self.end.get_or_insert(end);
        self.closed_by.get_or_insert(by);
        self.wake_all();
    }

    pub(super) fn wake_all(&mut self) {
        let wakers = [self.recv.waker.take(), self.send.waker.take(), self.reset_waker.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ready to be another one. Small allocations stay for it.
    pub(super) fn clear(&mut self) {
        let Recv { request, text, queue, mut responses, .. } = std::mem::take(&mut self.recv);
        // Heads that nobody took: whoever comes next must not take them for its own.
        responses.clear();
        let mut kept = Recv { request, text, queue, responses, ..Recv::default() };
        if kept.text.capacity() > TEXT_BYTES_KEPT {
            kept.text = Vec::new();
        }
        *self = Self { recv: kept, ..Self::default() };
    }
}

/// Remembers who waits.
pub(super) fn wait(waker: &mut Option<Waker>, new: &Waker) {
    if !waker.as_ref().is_some_and(|old| old.will_wake(new)) {
        *waker = Some(new.clone());
    }
}

/// Wakes who waits.
pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// What the holder is told of the peer's RST_STREAM.
pub(super) fn end_of(code: ErrorCode) -> StreamEnd {
    if code == ErrorCode::REFUSED_STREAM { StreamEnd::Refused } else { StreamEnd::Reset(code) }
}
