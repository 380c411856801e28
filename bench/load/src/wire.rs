//! A connection's socket, with TLS on it or without.
//!
//! In the clear, what is sent goes straight from its owner's buffer to the socket, and body bytes that nobody looks at
//! are not even copied (`MSG_TRUNC`), so that bulk cases measure the proxy and not the load.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::tally::Tally;
use crate::tls::{Session, Tls};

/// Room for the largest read.
pub(crate) const READ_BYTES: usize = 1024 * 1024;
/// What is looked at is read in pieces that stay in the cache.
const LOOK_BYTES: usize = 64 * 1024;

/// A socket that is watched.
pub(crate) struct Wire {
    stream: TcpStream,
    token: EventData,
    session: Option<Box<Session>>,
    /// Encrypted bytes that the socket has not taken yet.
    out: Vec<u8>,
    /// Whether we are told when the socket takes bytes again.
    watches_room: bool,
}

/// What was received.
pub(crate) enum Piece<'a> {
    Bytes(&'a [u8]),
    /// So many of those that nobody wants to see.
    Skipped(usize),
}

/// What a read came to.
#[derive(PartialEq, Eq)]
pub(crate) enum Received {
    Some,
    /// A false alarm.
    Nothing,
    /// The other side has closed.
    End,
}

impl Wire {
    /// Connects. Blocking is fine: on loopback a connect that does not overflow the queue of the listener is over at
    /// once, and one that does shall show in the latency.
    pub(crate) fn open(
        target: SocketAddr,
        tls: Option<&Tls>,
        epoll: &OwnedFd,
        index: usize,
    ) -> std::io::Result<Wire> {
        let stream = TcpStream::connect(target)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let token = EventData::new_u64(index as u64);
        epoll::add(epoll, &stream, token, EventFlags::IN)?;
        let mut out = Vec::new();
        let session = tls.map(|tls| tls.session(&mut out)).transpose().map_err(std::io::Error::other)?;
        Ok(Wire { stream, token, session: session.map(Box::new), out, watches_room: false })
    }

    /// Whether the one above may speak: at once in the clear, after the handshake in TLS.
    pub(crate) fn is_open(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.is_open())
    }

    /// One read. In the clear the next `skip` bytes are thrown away unseen.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        skip: u64,
        tally: &mut Tally,
        mut take: impl FnMut(Piece<'_>, &mut Tally) -> Result<(), String>,
    ) -> Result<Received, String> {
        let Some(session) = &mut self.session else {
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let (room, flags) = match skip {
                0 => (LOOK_BYTES, RecvFlags::empty()),
                skip => (skip.min(buffer.len()), RecvFlags::TRUNC),
            };
            return match read(&self.stream, &mut buffer[..room], flags)? {
                Ok(count) if skip > 0 => take(Piece::Skipped(count), tally).map(|()| Received::Some),
                Ok(count) => take(Piece::Bytes(&buffer[..count]), tally).map(|()| Received::Some),
                Err(other) => Ok(other),
            };
        };
        let had = session.restore(buffer);
        let count = match read(&self.stream, &mut buffer[had..had + LOOK_BYTES], RecvFlags::empty())? {
            Ok(count) => count,
            Err(Received::End) if !session.is_open() => return Err("closed during the handshake".into()),
            Err(other) => return Ok(other),
        };
        let was_open = session.is_open();
        session
            .take(&mut buffer[..had + count], &mut self.out, &mut |bytes| take(Piece::Bytes(bytes), tally))?;
        if let (false, Some(kind)) = (was_open, session.handshake_kind()) {
            tally.handshake(kind);
        }
        Ok(Received::Some)
    }

    /// Takes as many of the bytes as can be sent now, and says how many; in TLS all, once the handshake is over.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match &mut self.session {
            Some(session) if session.is_open() => {
                session.encrypt(bytes, &mut self.out)?;
                Ok(bytes.len())
            }
            Some(_) => Ok(0),
            None => send(&self.stream, bytes),
        }
    }

    /// Sends what TLS has to say, and has us told when there is room for more if that, or what is above, waits for it.
    pub(crate) fn flush(&mut self, epoll: &OwnedFd, waits: bool) -> Result<(), String> {
        if !self.out.is_empty() {
            let count = send(&self.stream, &self.out)?;
            self.out.drain(..count);
        }
        // Before the end of the handshake room does not help.
        let wants = !self.out.is_empty() || (waits && self.is_open());
        if wants != self.watches_room {
            self.watches_room = wants;
            let interest = if wants { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.stream, self.token, interest).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn read(stream: &TcpStream, buffer: &mut [u8], flags: RecvFlags) -> Result<Result<usize, Received>, String> {
    match recv(stream, buffer, flags) {
        Ok((_, 0)) => Ok(Err(Received::End)),
        Ok((_, count)) => Ok(Ok(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Err(Received::Nothing)),
        Err(error) => Err(error.to_string()),
    }
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> Result<usize, String> {
    match stream.write(bytes) {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error.to_string()),
    }
}
