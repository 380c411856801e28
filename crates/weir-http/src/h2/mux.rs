//! One HTTP/2 connection as a state machine, in either role (RFC 9113).
//!
//! A `Mux` does no I/O and reads no clock. It lives in a `Rc<RefCell<_>>` that one driver and the tasks of its streams
//! share: the driver feeds it what the socket brings ([`Mux::handle_input`]) and writes what it has to say
//! ([`Mux::output`]); the tasks poll for heads and bodies. It is our own, rather than the h2 crate, because heads are
//! spans over HTTP/1-like text here, because a worker has one thread and needs neither locks nor `Send`, and because
//! each thing that a stranger can overdo is to have a bound with a name (`abuse`).
//!
//! The code is split by direction and kind: `input` cuts frames, `headers`, `data` and `control` take them, `recv` and
//! `server`/`client` hand on what they brought; `send` and `turns` are the other direction; `close` and `drain` end streams
//! and the connection.
//!
//! # Memory
//!
//! With `S = streams_max` and `H = head.bytes_max`, a connection holds at most
//!
//! ```text
//! bodies    connection_window + 2 * 2S * 4 KiB + 64 KiB     unread DATA in blocks, and spare blocks
//! heads     heads_bytes_max + H                             heads of requests, from their first byte to their end
//!           5 * 2S * (H + 32 bytes * head.fields_max)       client: heads of responses that nobody has taken
//! block     max(block_bytes_factor * H, 16 KiB) + 16 KiB    a header block in the making
//! tables    2 * 4 KiB                                       HPACK
//! output    output_bytes_max + 16 KiB + control_bytes_max   and what heads the holders of 2S streams add at once
//! streams   2S * 800 bytes + 4 KiB                          a free one keeps up to 1 KiB of text, and no blocks
//! ```
//!
//! `2S` and not `S`, since a stream that its peer has reset is held until its task has noticed. With the defaults that is
//! below 4 MiB for a server. What the exchanges hold that work on the streams comes on top of it. An idle connection
//! after [`Mux::shed`] holds below 2 KiB and the HPACK tables.

mod client;
mod close;
mod control;
mod data;
mod drain;
mod headers;
mod input;
mod recv;
mod send;
mod server;
mod turns;

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, task::Waker};

use self::{data::OpenData, drain::Drain, headers::OpenBlock, turns::Turns};
use super::{
    Abuse, ErrorCode, Fatal, Settings,
    abuse::Guard,
    flow::{RecvWindow, SendWindow, WINDOW_INITIAL},
    frame::{self, PREFACE, U31_MAX},
    head::Scratch,
    hpack::{Decoder, Encoder, TABLE_BYTES_MAX},
    output::Output,
    queue::Spares,
    settings::{PeerSettings, Role},
    streams::Streams,
};
use crate::head::RequestHead;

pub use client::{Full, Opening};

/// A stream of a [`Mux`], until [`Mux::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub(super) slot: u32,
    pub(super) id: u32,
}

impl StreamKey {
    /// The stream's identifier on the wire.
    pub fn id(self) -> u32 {
        self.id
    }
}

/// Requests that were refused with REFUSED_STREAM, by the limit that they reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// [`Settings::streams_max`].
    pub streams: u64,
    /// [`Settings::heads_bytes_max`].
    pub heads: u64,
}

/// One connection.
#[derive(Debug)]
pub struct Mux {
    role: Role,
    settings: Settings,
    peer: PeerSettings,
    /// The peer's first SETTINGS have come.
    is_settled: bool,
    /// The peer has acknowledged ours.
    is_acknowledged: bool,
    /// What of the client's preface is still to come.
    preface_left: usize,
    /// A header block of which CONTINUATION is still to come, and what there is of it.
    block: Option<OpenBlock>,
    block_bytes: Vec<u8>,
    /// A DATA frame of which payload is still to come.
    data: Option<OpenData>,
    output: Output,
    streams: Streams,
    spares: Spares,
    send_window: SendWindow,
    recv_window: RecvWindow,
    /// How much all streams' windows may still be widened by.
    window_reserve: u32,
    decoder: Decoder,
    encoder: Encoder,
    /// Room in which heads are decoded before they go to their streams.
    scratch: Scratch,
    request: RequestHead,
    text: Vec<u8>,
    guard: Guard,
    /// In this go, in bytes.
    work: usize,
    /// Since somebody has asked.
    refusals: Refusals,
    /// Server: streams whose requests wait for `accept`.
    accepts: VecDeque<StreamKey>,
    turns: Turns,
    /// The greatest identifier that the peer has used.
    peer_last: u32,
    /// Client: the next identifier of ours.
    own_next: u32,
    drain: Drain,
    /// The last stream that the peer's GOAWAY leaves to us.
    goaway: Option<u32>,
    /// The connection is over, for this reason if it was an error.
    is_lost: bool,
    fatal: Option<Fatal>,
    driver: Option<Waker>,
    driver_is_woken: bool,
}

impl Mux {
    /// The server's side, before the first byte.
    pub fn server(settings: Settings) -> Self {
        Self::server_after_preface(settings, 0)
    }

    /// The server's side, when somebody else has already read `preface_read` bytes of the client's preface (24 in all).
    pub fn server_after_preface(settings: Settings, preface_read: usize) -> Self {
        assert!(preface_read <= PREFACE.len(), "the preface has 24 bytes");
        let mut mux = Self::new(settings, Role::Server);
        mux.preface_left = PREFACE.len() - preface_read;
        mux.begin();
        mux
    }

    /// The client's side.
    pub fn client(settings: Settings) -> Self {
        let mut mux = Self::new(settings, Role::Client);
        mux.output.push(PREFACE);
        mux.begin();
        mux
    }

    fn new(mut settings: Settings, role: Role) -> Self {
        settings.connection_window = settings.connection_window.clamp(WINDOW_INITIAL, U31_MAX);
        settings.stream_window = settings.stream_window.min(U31_MAX);
        settings.stream_window_max = settings.stream_window_max.min(U31_MAX);
        let streams = settings.streams_max.saturating_mul(2);
        let window_reserve =
            settings.connection_window.saturating_sub(settings.stream_window.saturating_mul(streams));
        Self {
            role,
            peer: PeerSettings::default(),
            is_settled: false,
            is_acknowledged: false,
            preface_left: 0,
            block: None,
            block_bytes: Vec::new(),
            data: None,
            output: Output::default(),
            streams: Streams::default(),
            spares: Spares::default(),
            send_window: SendWindow::new(WINDOW_INITIAL),
            recv_window: RecvWindow::new(settings.connection_window, settings.connection_window),
            window_reserve,
            decoder: Decoder::new(TABLE_BYTES_MAX),
            encoder: Encoder::default(),
            scratch: Scratch::default(),
            request: RequestHead::default(),
            text: Vec::new(),
            guard: Guard::new(&settings.budgets),
            work: 0,
            refusals: Refusals::default(),
            accepts: VecDeque::new(),
            turns: Turns::default(),
            peer_last: 0,
            own_next: 1,
            drain: Drain::No,
            goaway: None,
            is_lost: false,
            fatal: None,
            driver: None,
            driver_is_woken: false,
            settings,
        }
    }

    /// SETTINGS come first (section 3.4); then the connection's window, which SETTINGS do not touch (section 6.9.2).
    fn begin(&mut self) {
        self.output.push(&self.settings.frame(self.role));
        let more = self.settings.connection_window - WINDOW_INITIAL;
        if more > 0 {
            self.output.push(&frame::window_update(0, more));
        }
    }
}

/// What the driver needs beside `handle_input`.
impl Mux {
    /// Bytes for the socket. Those that are not reported as written may still change.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// So many bytes of [`Mux::output`] have been written. Afterwards a server calls [`Mux::accept`] again.
    pub fn wrote(&mut self, n: usize) {
        self.output.wrote(n);
        self.turn_over();
    }

    /// Wakes this once when the tasks of streams have produced output, or when [`Mux::is_finished`] has become true.
    pub fn set_driver_waker(&mut self, waker: &Waker) {
        super::stream::wait(&mut self.driver, waker);
        self.driver_is_woken = false;
    }

    /// Requests that were refused since the last call.
    pub fn take_refusals(&mut self) -> Refusals {
        std::mem::take(&mut self.refusals)
    }

    /// Streams that somebody holds, or will.
    pub fn streams_open(&self) -> usize {
        self.streams.held()
    }

    /// No stream is open and nothing is to be written.
    pub fn is_idle(&self) -> bool {
        self.streams_open() == 0 && self.output.len() == 0
    }

    /// Gives memory back that an idle connection does not need, and asks the client to end what it has left open.
    pub fn shed(&mut self) {
        self.end_lingering();
        self.output.shed();
        self.streams.shed();
        if self.streams.len() == 0 {
            self.spares = Spares::default();
            self.scratch = Scratch::default();
            (self.request, self.text) = Default::default();
            self.accepts = VecDeque::new();
            self.turns = Turns::default();
        }
        if self.block.is_none() {
            self.block_bytes = Vec::new();
        }
    }

    /// The peer sends no more, or the socket has failed: all streams end.
    pub fn handle_eof(&mut self) {
        self.lose();
    }

    /// Ends the connection at once: GOAWAY with this code, and all streams are lost.
    pub fn abort(&mut self, code: ErrorCode, reason: &'static str) {
        if !self.is_lost {
            self.die(Fatal::new(code, reason));
        }
    }

    /// Something is to be written that the driver does not know of.
    fn poke(&mut self) {
        if let Some(driver) = &self.driver
            && !std::mem::replace(&mut self.driver_is_woken, true)
        {
            driver.wake_by_ref();
        }
    }

    /// One more of these.
    fn draw(&mut self, abuse: Abuse) -> Result<(), Fatal> {
        self.guard.draw(abuse).map_err(Fatal::from)
    }
}
