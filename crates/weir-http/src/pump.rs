//! Moves a body from one stream to another, a buffer at a time. A full sink stops the reading: backpressure goes from
//! end to end, and no body is ever held whole.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use weir_net::{Buffer, Buffers};

use crate::{
    grpc,
    h1::{Body, Refusal, body::piece_is_empty, chunked::Piece},
    wire::Wire,
};

/// Reads in one turn. A task may do some hundred things before it must let others run; a body whose both ends are faster
/// than we are would otherwise leave nothing for the other direction of its own connection.
///
/// Few in tests, since a sink that takes no more ends a turn too.
const READS_PER_TURN_MAX: usize = if cfg!(test) { 2 } else { 16 };

/// The length of the line that ends a section of fields, CR LF, in bytes.
const EMPTY_LINE: usize = 2;

/// Where a body comes from.
pub(crate) trait Source {
    /// Reads into the room of `buffer`, which must not be full. `Ok(0)`: there is no more.
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>>;

    /// The trailers of a message whose end has been read, where they are not part of the bytes.
    fn take_trailers(&mut self) -> Option<Vec<u8>>;
}

impl Source for Wire {
    #[inline]
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        Wire::poll_read(self, context, buffer)
    }

    fn take_trailers(&mut self) -> Option<Vec<u8>> {
        Wire::take_trailers(self)
    }
}

/// What happens to the framing on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Bytes go on as they came.
    AsIs,
    /// Chunks in, data out: for who ends a body otherwise.
    Decode,
    /// Data in, chunks out: for bodies that end with their source.
    Encode,
}

/// Why a body stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The source cannot be read, or ended early (`UnexpectedEof`).
    Source(io::Error),
    /// The sink takes no more.
    Sink,
    /// The framing is wrong.
    Refused(Refusal),
}

/// One body on its way.
#[derive(Debug)]
pub(crate) struct Pump {
    body: Body,
    coding: Coding,
    /// Bytes at the front of the buffer that are to be written.
    ready: usize,
    /// Bytes that go before them, of [`Coding::Encode`].
    prefix: Prefix,
    source_ended: bool,
    /// Lines of fields that came behind the body and are not part of what is written.
    trailers: Vec<u8>,
    /// The sink knows that it has all.
    finished: bool,
    /// Trailers are read on their way.
    watches: bool,
    /// What they said of a call of gRPC.
    pub(crate) grpc_status: Option<u8>,
    /// Bytes of the body that have been taken from the source, with their framing.
    pub(crate) moved: u64,
}

impl Pump {
    pub(crate) fn new(body: Body, coding: Coding) -> Self {
        Self {
            body,
            coding,
            ready: 0,
            prefix: Prefix::default(),
            source_ended: false,
            trailers: Vec::new(),
            finished: false,
            watches: false,
            grpc_status: None,
            moved: 0,
        }
    }

    /// The same, which reads what trailers say of a call of gRPC, if `it_is` one.
    pub(crate) fn watching(self, it_is: bool) -> Self {
        Self { watches: it_is, ..self }
    }

    /// No body at all.
    pub(crate) fn nothing() -> Self {
        Self::new(Body::Sized(0), Coding::AsIs)
    }

    /// All bytes have been taken and written, and the sink knows of trailers that go beside them.
    pub(crate) fn is_done(&self) -> bool {
        self.all_moved() && (self.trailers.is_empty() || self.finished)
    }

    fn all_moved(&self) -> bool {
        self.ready == 0 && self.prefix.is_empty() && (self.body.is_done() || self.source_ended)
    }

    /// Something is to be written that the sink has not taken.
    pub(crate) fn waits_for_sink(&self) -> bool {
        self.ready > 0 || !self.prefix.is_empty()
    }

    /// The source's last byte has been taken.
    pub(crate) fn source_is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Finds out what at the front of `buffer` can be written: [`Pump::ready`] of it. For bytes that came with a head.
    pub(crate) fn prepare(&mut self, buffer: &mut Buffer) -> Result<(), Refusal> {
        if self.ready > 0 || !self.prefix.is_empty() || buffer.is_empty() {
            return Ok(());
        }
        match self.coding {
            Coding::AsIs => self.ready = self.pass(buffer.filled())?,
            Coding::Decode => {
                let mut piece = self.body.next(buffer.filled())?;
                while piece.data == 0 && !piece_is_empty(piece) {
                    self.take_framing(buffer, piece);
                    piece = self.body.next(buffer.filled())?;
                }
                self.take_framing(buffer, piece);
                self.ready = piece.data;
            }
            Coding::Encode => {
                self.ready = self.body.next(buffer.filled())?.data;
                self.prefix.begin_chunk(self.ready);
            }
        }
        self.moved += self.ready as u64;
        Ok(())
    }

    /// How many bytes at the front of `arrived` go on as they are.
    fn pass(&mut self, arrived: &[u8]) -> Result<usize, Refusal> {
        if !self.watches {
            return self.body.pass(arrived);
        }
        let mut passed = 0;
        loop {
            let piece = self.body.next(&arrived[passed..])?;
            if piece_is_empty(piece) {
                return Ok(passed);
            }
            let framing_end = passed + piece.framing;
            if piece.trailers > EMPTY_LINE {
                self.grpc_status =
                    grpc::status_in(&arrived[framing_end - piece.trailers..framing_end - EMPTY_LINE]);
            }
            passed = framing_end + piece.data;
        }
    }

    /// Takes the framing of `piece` from the front of `buffer`, and keeps what it holds of trailers.
    fn take_framing(&mut self, buffer: &mut Buffer, piece: Piece) {
        if piece.trailers > EMPTY_LINE {
            let lines = &buffer.filled()[piece.framing - piece.trailers..piece.framing - EMPTY_LINE];
            self.trailers.extend_from_slice(lines);
            if self.watches {
                self.grpc_status = grpc::status_in(lines);
            }
        }
        buffer.consume(piece.framing);
        self.moved += piece.framing as u64;
    }

    /// The bytes that can be written now: what goes before, and what lies in `buffer`.
    pub(crate) fn writable<'a>(&'a self, buffer: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        (self.prefix.bytes(), &buffer[..self.ready])
    }

    /// Counts `n` bytes of [`Pump::writable`] as written.
    pub(crate) fn wrote(&mut self, n: usize, buffer: Option<&mut Buffer>) {
        let rest = self.prefix.wrote(n);
        self.ready -= rest;
        if let Some(buffer) = buffer {
            buffer.consume(rest);
        }
    }

    /// Moves what can be moved now. `buffer` holds what has been read and is given back whenever it is empty and
    /// nothing comes. Sets `progress` whenever a byte was moved.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut impl Source,
        buffer: &mut Option<Buffer>,
        buffers: &Rc<Buffers>,
        to: &mut Wire,
        progress: &mut bool,
    ) -> Poll<Result<(), Stop>> {
        let mut reads = 0;
        loop {
            while self.ready > 0 || !self.prefix.is_empty() {
                let filled = buffer.as_ref().map_or(&[][..], Buffer::filled);
                let (before, data) = self.writable(filled);
                let written = match (before.is_empty(), data.is_empty()) {
                    (true, _) => to.poll_write(context, data),
                    (false, true) => to.poll_write(context, before),
                    (false, false) => to.poll_write_both(context, before, data),
                };
                match ready!(written) {
                    Ok(n) if n > 0 => self.wrote(n, buffer.as_mut()),
                    Ok(_) | Err(_) => return Poll::Ready(Err(Stop::Sink)),
                }
                *progress = true;
            }
            if self.all_moved() {
                if !std::mem::replace(&mut self.finished, true) {
                    to.finish(&self.trailers);
                }
                return Poll::Ready(Ok(()));
            }
            let space = buffer.get_or_insert_with(|| buffers.take());
            self.prepare(space).map_err(Stop::Refused)?;
            if self.ready > 0 || self.all_moved() {
                continue;
            }
            if space.is_full() {
                space.compact();
            }
            let read = if reads < READS_PER_TURN_MAX {
                from.poll_read(context, space)
            } else {
                context.waker().wake_by_ref();
                Poll::Pending
            };
            reads += 1;
            match read {
                Poll::Pending => {
                    if space.is_empty() {
                        *buffer = None;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => self.source_end(from.take_trailers(), space)?,
                Poll::Ready(Ok(_)) => *progress = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Stop::Source(error))),
            }
        }
    }

    /// The source has ended: right for a body that ends so, a fault otherwise. `space` is empty.
    pub(crate) fn source_end(&mut self, trailers: Option<Vec<u8>>, space: &mut Buffer) -> Result<(), Stop> {
        if !matches!(self.body, Body::UntilEnd(_)) {
            return Err(Stop::Source(io::ErrorKind::UnexpectedEof.into()));
        }
        self.source_ended = true;
        if let Some(lines) = trailers.as_ref().filter(|_| self.watches) {
            self.grpc_status = grpc::status_in(lines);
        }
        match (self.coding, trailers) {
            (Coding::Encode, None) => self.prefix.end(),
            (Coding::Encode, Some(lines)) => {
                self.prefix.end_before_trailers();
                self.ready = lines.len() + EMPTY_LINE;
                let room = space.room();
                if self.ready > room.len() {
                    return Err(Stop::Refused(Refusal::HeadTooLarge));
                }
                room[..lines.len()].copy_from_slice(&lines);
                room[lines.len()..self.ready].copy_from_slice(b"\r\n");
                space.fill(self.ready);
                self.moved += self.ready as u64;
            }
            (_, trailers) => self.trailers = trailers.unwrap_or_default(),
        }
        Ok(())
    }
}

/// What goes before the data of a chunk: the end of the last one, and the size of this one.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; 24],
    start: u8,
    end: u8,
    chunks: bool,
}

impl Prefix {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start.into()..self.end.into()]
    }

    /// Returns how many of `n` written bytes were not of the prefix.
    fn wrote(&mut self, n: usize) -> usize {
        let own = n.min(usize::from(self.end - self.start));
        self.start += own as u8;
        n - own
    }

    fn begin_chunk(&mut self, size: usize) {
        if size > 0 {
            self.write(|bytes| write!(bytes, "{size:x}\r\n"));
        }
    }

    fn end(&mut self) {
        self.write(|bytes| write!(bytes, "0\r\n\r\n"));
    }

    fn end_before_trailers(&mut self) {
        self.write(|bytes| write!(bytes, "0\r\n"));
    }

    fn write(&mut self, text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) {
        let mut room = &mut self.bytes[..];
        let result = if self.chunks { io::Write::write_all(&mut room, b"\r\n") } else { Ok(()) };
        result.and_then(|()| text(&mut room)).expect("a size has at most 16 digits");
        let left = room.len();
        self.chunks = true;
        self.start = 0;
        self.end = (self.bytes.len() - left) as u8;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A stream, and its other end.
    async fn pair() -> (Wire, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = weir_net::Stream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Wire::Http1(stream.into()), listener.accept().unwrap().0)
    }

    #[test]
    fn one_turn_leaves_time_for_others() {
        let turn = (READS_PER_TURN_MAX * weir_net::BUFFER_BYTES) as u64;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (mut from, mut source) = pair().await;
            let (mut to, mut sink) = pair().await;
            source.set_nonblocking(true).unwrap();
            let mut waiting = 0;
            while let Ok(n) = source.write(&[0; 65536]) {
                waiting += n as u64;
            }
            assert!(waiting > turn, "the kernel holds only {waiting} bytes");
            let reader = std::thread::spawn(move || while sink.read(&mut [0; 65536]).is_ok_and(|n| n > 0) {});
            let buffers = Rc::default();
            let mut pump = Pump::new(Body::UntilEnd(u64::MAX), Coding::AsIs);
            let (mut buffer, mut polls) = (None, 0);
            std::future::poll_fn(|context| {
                let before = pump.moved;
                let polled = pump.poll(context, &mut from, &mut buffer, &buffers, &mut to, &mut false);
                assert!(polled.is_pending() && pump.moved - before <= turn);
                polls += 1;
                if pump.moved < waiting { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            assert!(polls > 1, "woken until all is moved");
            drop(to);
            reader.join().unwrap();
        });
    }
}
