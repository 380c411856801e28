//! A request with a body that may be sent again: all that has been read of it is kept, up to `retry.max_body_bytes`, and given out
//! once more before the client is read on. A copy for a mirror reads along.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use weir_net::{BUFFER_BYTES, Buffer};

use crate::{
    connection::Connection,
    counters::Limit,
    engine::Worker,
    head::{BodyLength, RequestHead},
    mirror::Waiting,
    pump::Source,
    wire::Wire,
};

/// What one worker keeps of all bodies, in bytes. Requests beyond it are sent once.
pub(crate) const KEPT_BYTES_PER_WORKER_MAX: usize = 32 << 20;

/// A longer room is given back after its request.
const ROOM_BYTES_MAX: usize = 16 << 10;

/// What is kept of one request; in a box, since few have any.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Box<Bytes>>);

/// What has been read of a request, from its head on where the head is among the bytes.
#[derive(Debug, Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// The longest that is kept.
    bytes_max: usize,
    /// So much has been given out, in this attempt.
    at: usize,
    /// The client has sent all, with these trailers.
    end: Option<Option<Vec<u8>>>,
    share: Option<Share>,
    /// A copy of it that waits for the body.
    copy: Option<Box<Waiting>>,
}

/// A part of what a worker may keep.
#[derive(Debug)]
struct Share {
    worker: Rc<Worker>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let kept: &Cell<usize> = &self.worker.kept_bytes;
        kept.set(kept.get() - self.bytes);
    }
}

impl Kept {
    /// Begins to keep a request whose head has just been read, if its body may be short enough.
    pub(crate) fn begin(&mut self, connection: &Connection, request: &RequestHead, body_max: usize) {
        let announced = match request.body {
            BodyLength::None => return,
            BodyLength::Sized(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            BodyLength::Chunked | BodyLength::UntilEnd => body_max,
        };
        let worker = &connection.worker;
        if body_max == 0 || announced > body_max || request.upgrade.is_some() {
            return;
        }
        let came = connection.buffer.as_ref().map_or(&[][..], Buffer::filled);
        let head = if connection.wire.is_http2() { 0 } else { request.len };
        // What comes behind the body in the same bytes is kept too; at most a buffer of it, since no more is read then.
        let behind = if matches!(request.body, BodyLength::Sized(_)) { BUFFER_BYTES } else { 0 };
        let bytes_max = (head + announced + behind).max(came.len());
        let sum = worker.kept_bytes.get() + bytes_max;
        if sum > KEPT_BYTES_PER_WORKER_MAX {
            worker.counters.reached(Limit::KeptBodies);
            return;
        }
        worker.kept_bytes.set(sum);
        let kept = self.0.get_or_insert_default();
        kept.share = Some(Share { worker: Rc::clone(worker), bytes: bytes_max });
        kept.bytes.extend_from_slice(came);
        kept.bytes_max = bytes_max;
        kept.at = kept.bytes.len();
    }

    /// Forgets the request.
    pub(crate) fn clear(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.clear();
            kept.copy = None;
        }
    }

    /// Gives what is read of the body to a copy too, until that has it whole.
    pub(crate) fn copy_to(&mut self, copy: Box<Waiting>) {
        self.0.get_or_insert_default().copy = Some(copy);
    }

    /// What is read of the body is to go through here.
    pub(crate) fn listens(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.share.is_some() || kept.copy.is_some())
    }

    /// Everything that has been read of the request can be given out again.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.share.is_some())
    }

    /// Some of what was read has not been given out, in this attempt.
    pub(crate) fn has_more(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.at < kept.bytes.len())
    }

    /// Reads what comes next from the client, kept or new.
    pub(crate) fn read(
        &mut self,
        context: &mut Context<'_>,
        wire: &mut Wire,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(kept) => kept.read(context, wire, buffer),
            None => wire.poll_read(context, buffer),
        }
    }

    /// From the beginning: puts the head, and what fits of the body behind it, where it was when it came.
    pub(crate) fn rewind(&mut self, connection: &mut Connection) {
        let Some(kept) = self.0.as_mut().filter(|kept| kept.share.is_some()) else { return };
        let mut buffer = connection.worker.buffers.take();
        kept.at = copy(&kept.bytes, &mut buffer);
        // All of it was read through this, so nothing is lost with the old one.
        connection.buffer = Some(buffer).filter(|buffer| !buffer.is_empty());
    }

    /// The exchange has ended well: what came behind the request is the beginning of the next. False if it has no place.
    pub(crate) fn give_back(&mut self, connection: &mut Connection) -> bool {
        let rest = self.0.as_ref().map_or(&[][..], |kept| &kept.bytes[kept.at..]);
        if rest.is_empty() {
            return true;
        }
        let mut buffer = connection.buffer.take().unwrap_or_else(|| connection.worker.buffers.take());
        buffer.compact();
        let copied = copy(rest, &mut buffer);
        connection.buffer = Some(buffer);
        copied == rest.len()
    }
}

impl Bytes {
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(ROOM_BYTES_MAX);
        (self.at, self.end, self.share) = (0, None, None);
    }

    fn read(
        &mut self,
        context: &mut Context<'_>,
        wire: &mut Wire,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        let again = &self.bytes[self.at..];
        if !again.is_empty() {
            let copied = copy(again, buffer);
            self.at += copied;
            return Poll::Ready(Ok(copied));
        }
        if self.end.is_some() {
            return Poll::Ready(Ok(0));
        }
        let before = buffer.len();
        let n = ready!(wire.poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        self.copy = self.copy.take().and_then(|copy| copy.came(came));
        if n == 0 {
            self.end = Some(None);
        } else if self.share.is_none() {
            // Only the copy wanted it.
        } else if self.bytes.len() + n > self.bytes_max {
            // Too long after all.
            self.clear();
        } else {
            self.bytes.extend_from_slice(came);
            self.at = self.bytes.len();
        }
        Poll::Ready(Ok(n))
    }
}

fn copy(bytes: &[u8], buffer: &mut Buffer) -> usize {
    let room = buffer.room();
    let n = bytes.len().min(room.len());
    room[..n].copy_from_slice(&bytes[..n]);
    buffer.fill(n);
    n
}

/// The client, whose bytes are kept or copied as they are read.
pub(crate) struct Keeping<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) kept: &'a mut Kept,
}

impl Source for Keeping<'_> {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        self.kept.read(context, self.wire, buffer)
    }

    fn take_trailers(&mut self) -> Option<Vec<u8>> {
        match self.kept.0.as_mut().map(|kept| &mut kept.end) {
            Some(Some(Some(trailers))) => Some(trailers.clone()),
            Some(Some(end)) => {
                *end = self.wire.take_trailers();
                end.clone()
            }
            _ => self.wire.take_trailers(),
        }
    }
}
