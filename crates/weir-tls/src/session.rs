//! TLS over a connection: records in, bytes out, and the other way round.
//!
//! rustls does the protocol, through its interface without buffers: it would otherwise keep some for every connection,
//! idle ones too. Here records are read into a buffer of the worker's pool, and encrypted into a room of the worker,
//! which both go back when they are empty, so that an idle connection holds keys and a few words.

use std::{
    cell::Cell,
    fmt,
    io::{self, ErrorKind},
    mem,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::SystemTime,
};

use rustls::{
    CertificateError, CommonState, Error, HandshakeKind, ProtocolVersion,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use weir_config::TlsVersion;
use weir_net::{Buffer, Buffers, Spares};

use crate::{Handshake, Identity, identity::has_ended};

/// The most that is encrypted at a time, in bytes: two full records. What a body's buffer holds goes out in one call.
const WRITE_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// The most that one record carries, in bytes (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Room in which records are made at first, in bytes: two full ones and what encryption adds to them.
const OUT_BYTES: usize = WRITE_BYTES_MAX + 1024;

/// What the sessions of a worker share: room to read and to write records in.
pub struct Rooms {
    buffers: Rc<Buffers>,
    out: Spares<Vec<u8>>,
    /// Taken out while in use.
    joined: Cell<Vec<u8>>,
}

impl Rooms {
    /// Reads into buffers of this pool.
    pub fn new(buffers: &Rc<Buffers>) -> Rc<Self> {
        Rc::new(Self { buffers: Rc::clone(buffers), out: Spares::default(), joined: Cell::default() })
    }

    /// Gives up rooms that were not needed lately.
    pub fn trim(&self) {
        self.out.trim();
    }
}

/// TLS with one peer.
pub struct Session {
    side: Side,
    rooms: Rc<Rooms>,
    /// Records that have arrived and are not processed.
    arrived: Option<Buffer>,
    /// rustls has seen all of `arrived`, and may remember places in it: a part of a handshake's message.
    seen: bool,
    /// Decrypted bytes for which the reader had no room.
    rest: Option<Buffer>,
    out: Out,
    /// How many bytes of the writer are in `out`.
    accepted: u32,
    end: End,
    /// What the peer's certificate says, once somebody has asked for it.
    identity: Option<Rc<Identity>>,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// How far the session has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The peer has said that it sends no more.
    PeerClosed,
    /// We have said so, or shall not.
    Closed,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("end", &self.end).finish_non_exhaustive()
    }
}

/// Whether an idle connection still is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiet {
    Yes,
    No,
}

/// What is to be done when the handshake has been, and nothing else is left to do.
#[derive(Clone, Copy)]
enum Wish<'a> {
    /// Process what arrived.
    Read,
    /// Encrypt these bytes behind what waits to be sent.
    Write(&'a [u8]),
    /// Say that no more will be sent.
    Close,
}

/// What one step of rustls came to.
enum Step {
    /// There may be more to do.
    Again,
    /// The wish is granted.
    Done,
    /// Bytes for the reader were decrypted.
    Data,
    PeerClosed,
    /// Nothing to do until more arrives.
    Blocked,
}

impl Session {
    pub(crate) fn server(connection: UnbufferedServerConnection, rooms: &Rc<Rooms>) -> Self {
        Self::new(Side::Server(connection), rooms)
    }

    pub(crate) fn client(connection: UnbufferedClientConnection, rooms: &Rc<Rooms>) -> Self {
        Self::new(Side::Client(connection), rooms)
    }

    fn new(side: Side, rooms: &Rc<Rooms>) -> Self {
        Self {
            side,
            rooms: Rc::clone(rooms),
            arrived: None,
            seen: false,
            rest: None,
            out: Out::default(),
            accepted: 0,
            end: End::Open,
            identity: None,
        }
    }

    /// The protocol that both sides agreed upon (ALPN).
    pub fn protocol(&self) -> Option<&[u8]> {
        match &self.side {
            Side::Server(connection) => connection.alpn_protocol(),
            Side::Client(connection) => connection.alpn_protocol(),
        }
    }

    /// How the handshake has ended; `None` before it has.
    pub fn handshake(&self) -> Option<Handshake> {
        if self.is_handshaking() {
            return None;
        }
        let state = self.state();
        let version = match state.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        Some(Handshake { version, resumed: state.handshake_kind() == Some(HandshakeKind::Resumed) })
    }

    /// Who the peer is, if it has shown a certificate, which has been verified.
    ///
    /// # Errors
    /// The certificate is larger than [`crate::CLIENT_CERTIFICATE_BYTES_MAX`], cannot be read, or has expired since it
    /// was verified.
    pub fn read_identity(&mut self) -> Result<(), io::Error> {
        let state = self.state();
        let chain = state.peer_certificates().unwrap_or_default();
        let Some(leaf) = chain.first() else { return Ok(()) };
        let wrong = |what: CertificateError| io::Error::new(ErrorKind::InvalidData, Error::from(what));
        // A ticket brings the chain back without a look at it, and gives a new ticket: a client that comes often enough
        // would never be asked again.
        if state.handshake_kind() == Some(HandshakeKind::Resumed) {
            // The leaf alone: what else a client sends may be more than its path needs.
            if has_ended(leaf, SystemTime::now()) {
                return Err(wrong(CertificateError::Expired));
            }
        }
        let identity = Identity::of(leaf).ok_or_else(|| wrong(CertificateError::BadEncoding))?;
        self.identity = Some(Rc::new(identity));
        Ok(())
    }

    /// What [`Session::read_identity`] has found.
    pub fn identity(&self) -> Option<&Rc<Identity>> {
        self.identity.as_ref()
    }

    fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Server(connection) => connection.is_handshaking(),
            Side::Client(connection) => connection.is_handshaking(),
        }
    }

    /// Bytes for the reader are here, or may be: what arrived was not processed to its end.
    pub(crate) fn holds_more(&self) -> bool {
        self.rest.is_some()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn poll_handshake(
        &mut self,
        context: &mut Context<'_>,
        tcp: &mut weir_net::Stream,
    ) -> Poll<io::Result<()>> {
        loop {
            self.process(tcp, None)?;
            if !self.is_handshaking() {
                // A client's last flight must go out. A server's tickets can go with its first answer.
                return match self.side {
                    Side::Client(_) => self.poll_flush(context, tcp),
                    Side::Server(_) => Poll::Ready(Ok(())),
                };
            }
            if self.end == End::PeerClosed {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.poll_fill(context, tcp))?;
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        tcp: &mut weir_net::Stream,
        target: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        let before = target.len();
        loop {
            if let Some(rest) = &mut self.rest {
                let n = put(target, rest.filled());
                rest.consume(n);
                if rest.is_empty() {
                    self.rest = None;
                }
            } else {
                self.process(tcp, Some(target))?;
            }
            let n = target.len() - before;
            if n > 0 || self.end != End::Open {
                return Poll::Ready(Ok(n));
            }
            ready!(self.poll_fill(context, tcp))?;
        }
    }

    /// Reads records. Sends what waits to be sent before it waits: the peer may wait for that.
    fn poll_fill(&mut self, context: &mut Context<'_>, tcp: &mut weir_net::Stream) -> Poll<io::Result<()>> {
        let space = self.arrived.get_or_insert_with(|| self.rooms.buffers.take());
        if space.is_full() {
            // A record is at most 16 KiB and a little, so a buffer of twice that has room for what is missing of it.
            space.compact();
        }
        match tcp.poll_read(context, space) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
            Poll::Ready(result) => Poll::Ready(result.map(|_| ())),
            Poll::Pending => {
                if space.is_empty() {
                    self.arrived = None;
                }
                if let Poll::Ready(Err(error)) = self.poll_flush(context, tcp) {
                    return Poll::Ready(Err(error));
                }
                Poll::Pending
            }
        }
    }

    /// Processes what has arrived until it is used up, or there is something for the reader who has no room left.
    fn process(&mut self, tcp: &mut weir_net::Stream, mut target: Option<&mut Buffer>) -> io::Result<()> {
        while self.rest.is_none() && self.end != End::Closed {
            match self.step(Wish::Read, target.as_deref_mut()) {
                Ok(Step::Again) => {}
                Ok(Step::Data) if target.as_ref().is_some_and(|target| !target.is_full()) => {}
                Ok(Step::Data | Step::Blocked | Step::Done) => break,
                Ok(Step::PeerClosed) => self.end = End::PeerClosed,
                Err(error) => return Err(self.fail(tcp, error)),
            }
        }
        Ok(())
    }

    /// Takes one step of rustls.
    fn step(&mut self, wish: Wish<'_>, target: Option<&mut Buffer>) -> Result<Step, Error> {
        let input = match (&mut self.arrived, wish) {
            (Some(arrived), Wish::Read) => arrived.filled_mut(),
            // It must see what it remembers. There is nothing in it that it could act upon.
            (Some(arrived), _) if self.seen => arrived.filled_mut(),
            _ => &mut [],
        };
        let mut sink = Sink { target, rest: &mut self.rest, rooms: &self.rooms };
        let (discard, step) = match &mut self.side {
            Side::Server(connection) => {
                step(connection.process_tls_records(input), wish, &mut self.out, &mut sink)
            }
            Side::Client(connection) => {
                step(connection.process_tls_records(input), wish, &mut self.out, &mut sink)
            }
        };
        if matches!(wish, Wish::Read) {
            self.seen = matches!(step, Ok(Step::Blocked));
        }
        if let Some(arrived) = &mut self.arrived {
            arrived.consume(discard);
            if arrived.is_empty() {
                self.arrived = None;
            }
        }
        step
    }

    /// Takes steps until `wish` is granted.
    fn grant(&mut self, wish: Wish<'_>) -> Result<(), Error> {
        loop {
            match self.step(wish, None)? {
                Step::Done => return Ok(()),
                Step::Blocked => return Err(Error::HandshakeNotComplete),
                Step::Again | Step::Data => {}
                Step::PeerClosed => self.end = End::PeerClosed,
            }
        }
    }

    /// Tells the peer what was wrong, if it takes it at once.
    fn fail(&mut self, tcp: &mut weir_net::Stream, error: Error) -> io::Error {
        self.end = End::Closed;
        // rustls has an alert for the peer, unless what it sent was one. No step more than that takes: it would look
        // again at what was wrong.
        while self.state().wants_write() && matches!(self.step(Wish::Read, None), Ok(Step::Again)) {}
        self.arrived = None;
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()), tcp);
        io::Error::new(ErrorKind::InvalidData, error)
    }

    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        tcp: &mut weir_net::Stream,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.accepted == 0 {
            self.accepted = if first.is_empty() || second.is_empty() {
                let bytes = if first.is_empty() { second } else { first };
                self.encrypt(tcp, &bytes[..bytes.len().min(WRITE_BYTES_MAX)])?
            } else {
                let mut joined = self.rooms.joined.take();
                joined.clear();
                joined.extend_from_slice(&first[..first.len().min(RECORD_BYTES_MAX)]);
                joined.extend_from_slice(&second[..second.len().min(RECORD_BYTES_MAX - joined.len())]);
                let encrypted = self.encrypt(tcp, &joined);
                self.rooms.joined.set(joined);
                encrypted?
            };
        }
        ready!(self.poll_flush(context, tcp))?;
        Poll::Ready(Ok(mem::take(&mut self.accepted) as usize))
    }

    /// Encrypts `bytes` behind what waits to be sent.
    fn encrypt(&mut self, tcp: &mut weir_net::Stream, bytes: &[u8]) -> io::Result<u32> {
        if self.end == End::Closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        match self.grant(Wish::Write(bytes)) {
            Ok(()) => Ok(bytes.len() as u32),
            Err(error) => Err(self.fail(tcp, error)),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>, tcp: &mut weir_net::Stream) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match ready!(tcp.poll_write(context, self.out.filled()))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                n => self.out.wrote(n, &self.rooms),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what has arrived on a connection that nobody uses.
    pub(crate) fn drain(&mut self, tcp: &mut weir_net::Stream) -> Quiet {
        // Nobody waits on such a connection, so whom an event wakes does not matter.
        let context = &mut Context::from_waker(Waker::noop());
        loop {
            match self.poll_fill(context, tcp) {
                Poll::Pending => return Quiet::Yes,
                Poll::Ready(Err(_)) => return Quiet::No,
                Poll::Ready(Ok(())) => {}
            }
            if self.process(tcp, None).is_err() || self.rest.is_some() || self.end != End::Open {
                return Quiet::No;
            }
        }
    }

    /// Says that no more will be sent, if the peer takes it at once.
    pub(crate) fn close(&mut self, tcp: &mut weir_net::Stream) {
        let was = mem::replace(&mut self.end, End::Closed);
        if was == End::Closed || self.accepted > 0 || self.is_handshaking() {
            return;
        }
        if self.grant(Wish::Close).is_ok() {
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()), tcp);
        }
    }

    /// Nothing more is to be sent, not even the word that it is the end.
    pub(crate) fn abandon(&mut self) {
        self.end = End::Closed;
    }
}

/// Where decrypted bytes go.
struct Sink<'a> {
    target: Option<&'a mut Buffer>,
    rest: &'a mut Option<Buffer>,
    rooms: &'a Rooms,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let n = match &mut self.target {
            Some(target) if self.rest.is_none() => put(target, bytes),
            _ => 0,
        };
        if n < bytes.len() {
            let rest = self.rest.get_or_insert_with(|| self.rooms.buffers.take());
            let kept = put(rest, &bytes[n..]);
            assert_eq!(
                n + kept,
                bytes.len(),
                "a record is smaller than a buffer, and rest holds one at most"
            );
        }
    }
}

fn put(target: &mut Buffer, bytes: &[u8]) -> usize {
    let room = target.room();
    let n = bytes.len().min(room.len());
    room[..n].copy_from_slice(&bytes[..n]);
    target.fill(n);
    n
}

/// Takes one step of rustls; also says how many bytes of the input it has used.
fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: Wish<'_>,
    out: &mut Out,
    sink: &mut Sink<'_>,
) -> (usize, Result<Step, Error>) {
    let discard = status.discard;
    let step = status.state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            // One at most: rustls stops at each record.
            while let Some(Ok(record)) = traffic.next_record() {
                sink.put(record.payload);
            }
            Ok(Step::Data)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let written = out.write(sink.rooms, |room| match data.encode(room) {
                Err(EncodeError::InsufficientSize(size)) => Err(size.required_size),
                // The other error is that it has been written before.
                result => Ok(result.unwrap_or(0)),
            });
            Ok(written.map_or(Step::Blocked, |()| Step::Again))
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::PeerClosed => Ok(Step::PeerClosed),
        ConnectionState::WriteTraffic(mut traffic) => {
            let written = match wish {
                Wish::Read => return Ok(Step::Blocked),
                Wish::Write(bytes) => out.write(sink.rooms, |room| required(traffic.encrypt(bytes, room))),
                Wish::Close => out.write(sink.rooms, |room| required(traffic.queue_close_notify(room))),
            };
            written.map(|()| Step::Done).ok_or(Error::EncryptError)
        }
        // Early data is never accepted. More states may come with a newer rustls: they wait for input at worst.
        _ => Ok(Step::Blocked),
    });
    (discard, step)
}

/// The error is the room that is needed; 0 if no room would do, since the keys have been used too often.
fn required(result: Result<usize, EncryptError>) -> Result<usize, usize> {
    result.map_err(|error| match error {
        EncryptError::InsufficientSize(size) => size.required_size,
        EncryptError::EncryptExhausted => 0,
    })
}

/// Records that the kernel has not taken. Holds no room while it is empty.
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
    start: u32,
    end: u32,
}

impl Out {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    /// Has `write` write behind what is there. It fails with how much room it needs; `None` if none is enough.
    fn write(
        &mut self,
        rooms: &Rooms,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>,
    ) -> Option<()> {
        if self.bytes.is_empty() {
            self.bytes = rooms.out.take().unwrap_or_else(|| vec![0; OUT_BYTES]);
        }
        let end = self.end as usize;
        let written = write(&mut self.bytes[end..]).or_else(|needed| {
            // Such as for a long chain of certificates.
            self.bytes.resize(end + needed, 0);
            write(&mut self.bytes[end..])
        });
        self.end += written.ok()? as u32;
        Some(())
    }

    fn wrote(&mut self, n: usize, rooms: &Rooms) {
        self.start += n as u32;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            let bytes = mem::take(&mut self.bytes);
            if bytes.len() == OUT_BYTES {
                rooms.out.give(bytes);
            }
        }
    }
}
