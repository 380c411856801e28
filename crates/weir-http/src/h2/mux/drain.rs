//! The graceful end of a connection (RFC 9113 section 6.8).

use super::Mux;
use crate::h2::{
    ErrorCode,
    frame::{self, U31_MAX},
};

/// The PING whose answer says that the peer knows of the first GOAWAY.
pub(super) const DRAIN_PING: [u8; 8] = *b"weir:bye";

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    No,
    /// The peer is told, and what it has sent meanwhile is still taken.
    Announced,
    /// Streams above this one are ignored.
    Bound(u32),
}

impl Drain {
    pub(super) fn bound(self) -> Option<u32> {
        if let Self::Bound(last) = self { Some(last) } else { None }
    }
}

impl Mux {
    /// Begins a graceful end: GOAWAY without a bound and a PING; when the PING is answered, [`Mux::drain_bound`]. A client
    /// just opens no more streams, and says so.
    pub fn drain_begin(&mut self) {
        if self.drain != Drain::No || self.is_lost {
            return;
        }
        if self.is_server() {
            self.output.push(&frame::goaway(U31_MAX, ErrorCode::NO_ERROR, ""));
            self.output.push(&frame::ping(0, DRAIN_PING));
            self.drain = Drain::Announced;
        } else {
            self.output.push(&frame::goaway(0, ErrorCode::NO_ERROR, ""));
            self.drain = Drain::Bound(0);
        }
        self.poke();
    }

    /// The second GOAWAY, with the last stream that is still served. For the driver if the PING is not answered in time;
    /// otherwise it comes by itself.
    pub fn drain_bound(&mut self) {
        if self.drain == Drain::Announced && !self.is_lost {
            self.output.push(&frame::goaway(self.peer_last, ErrorCode::NO_ERROR, ""));
            self.drain = Drain::Bound(self.peer_last);
            self.poke();
        }
    }

    /// No new streams, by our or the peer's will.
    pub fn is_draining(&self) -> bool {
        self.drain != Drain::No || self.goaway.is_some() || self.is_lost
    }

    /// Nothing is left to do but to write the output: the connection is lost, or it is draining and its last stream is gone.
    /// Flush and close.
    pub fn is_finished(&self) -> bool {
        let is_bound = self.drain.bound().is_some() || (!self.is_server() && self.goaway.is_some());
        self.is_lost || (is_bound && self.streams_open() == 0)
    }
}
