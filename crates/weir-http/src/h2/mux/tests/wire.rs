//! Raw frames, written and read by hand, and what a table of cases needs.

use std::task::{Context, Poll, Waker};

use crate::{
    h2::{
        ErrorCode, Fatal, Mux, Settings, StreamKey,
        frame::{FrameHeader, HEADER_BYTES, PREFACE, kind},
    },
    head::{RequestHead, ResponseHead},
};

pub(super) use crate::h2::frame::{flag, kind as k};

/// END_STREAM and END_HEADERS.
pub(super) const WHOLE: u8 = flag::END_STREAM | flag::END_HEADERS;

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&FrameHeader { len: payload.len(), kind, flags, stream }.bytes()[..], payload].concat()
}

/// A header block of literal fields that are not indexed (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        assert!(name.len() < 127 && value.len() < 127);
        block.extend_from_slice(&[0, name.len() as u8]);
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// The block of a request, with more fields behind it.
pub(super) fn request_block(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "a.test")];
    fields.extend_from_slice(more);
    block(&fields)
}

/// A GET, whole.
pub(super) fn get(stream: u32) -> Vec<u8> {
    frame(k::HEADERS, WHOLE, stream, &request_block("GET", &[]))
}

/// A POST whose body is to come.
pub(super) fn post(stream: u32) -> Vec<u8> {
    frame(k::HEADERS, flag::END_HEADERS, stream, &request_block("POST", &[]))
}

/// A POST that announces its length.
pub(super) fn post_sized(stream: u32, bytes: &str) -> Vec<u8> {
    frame(k::HEADERS, flag::END_HEADERS, stream, &request_block("POST", &[("content-length", bytes)]))
}

/// DATA.
pub(super) fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(k::DATA, flags, stream, payload)
}

/// RST_STREAM.
pub(super) fn rst(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(k::RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

/// WINDOW_UPDATE.
pub(super) fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(k::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// SETTINGS.
pub(super) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload = values
        .iter()
        .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()).collect::<Vec<_>>());
    frame(k::SETTINGS, 0, 0, &payload.collect::<Vec<_>>())
}

/// A frame as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Seen {
    /// The 32 bits at `at` of the payload.
    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// Takes the output, which is whole frames.
pub(super) fn output(mux: &mut Mux) -> Vec<Seen> {
    let bytes = mux.output().to_vec();
    mux.wrote(bytes.len());
    let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(&bytes);
    let mut seen = Vec::new();
    while let Some(header) = FrameHeader::parse(rest) {
        let payload = rest[HEADER_BYTES..HEADER_BYTES + header.len].to_vec();
        rest = &rest[HEADER_BYTES + header.len..];
        seen.push(Seen { kind: header.kind, flags: header.flags, stream: header.stream, payload });
    }
    assert!(rest.is_empty(), "the output is whole frames");
    seen
}

/// A server that has shaken hands, with nothing to write.
pub(super) fn server_with(settings_ours: Settings, theirs: &[(u16, u32)]) -> Mux {
    let mut mux = Mux::server(settings_ours);
    feed(&mut mux, &[&PREFACE[..], &settings(theirs), &frame(k::SETTINGS, flag::ACK, 0, b"")].concat());
    output(&mut mux);
    mux
}

/// The same, by default.
pub(super) fn server() -> Mux {
    server_with(Settings::default(), &[])
}

/// A client that has shaken hands, with nothing to write.
pub(super) fn client_with(theirs: &[(u16, u32)]) -> Mux {
    let mut mux = Mux::client(Settings::default());
    feed(&mut mux, &[settings(theirs), frame(k::SETTINGS, flag::ACK, 0, b"")].concat());
    output(&mut mux);
    mux
}

/// Feeds what must be taken whole.
pub(super) fn feed(mux: &mut Mux, bytes: &[u8]) {
    let mut taken = mux.handle_input(bytes, 0).expect("no connection error");
    while mux.is_tired() {
        taken += mux.handle_input(&bytes[taken..], 0).expect("no connection error");
    }
    assert_eq!(taken, bytes.len(), "all is taken");
}

/// Feeds what may be anything, as a driver does: what is left over comes again.
pub(super) fn feed_in_pieces(mux: &mut Mux, bytes: &[u8], piece: usize) -> Result<(), Fatal> {
    let mut taken = 0;
    for end in (0..bytes.len()).step_by(piece).skip(1).chain([bytes.len()]) {
        taken += mux.handle_input(&bytes[taken..end], 0)?;
        while mux.is_tired() {
            taken += mux.handle_input(&bytes[taken..end], 0)?;
        }
    }
    Ok(())
}

/// The request that is accepted next.
pub(super) fn accept(mux: &mut Mux) -> StreamKey {
    let key = mux.accept().expect("a request waits");
    let (mut head, mut text) = (RequestHead::default(), Vec::new());
    assert_eq!(mux.take_request(key, &mut head, &mut text), None);
    key
}

/// The final response's status.
pub(super) fn response(mux: &mut Mux, key: StreamKey) -> u16 {
    let (mut head, mut text) = (ResponseHead::default(), Vec::new());
    let polled = poll(|cx| mux.poll_response(cx, key, &mut head, &mut text));
    assert_eq!(polled, Poll::Ready(Ok(())));
    head.status
}

/// Polls without waiting.
pub(super) fn poll<T>(f: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    f(&mut Context::from_waker(Waker::noop()))
}

/// What an input comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A connection error.
    Fatal(ErrorCode),
    /// A stream error.
    Reset(u32, ErrorCode),
    /// It is taken, without a word against it.
    Fine,
}

/// What `input` comes to, in whatever pieces.
pub(super) fn check(make: impl Fn() -> Mux, what: &str, input: &[Vec<u8>], expected: Expected) {
    let input = input.concat();
    for piece in [input.len().max(1), 1, 7, 10, 100] {
        let mut mux = make();
        let result = feed_in_pieces(&mut mux, &input, piece);
        let out = output(&mut mux);
        let reset = out.iter().find(|frame| frame.kind == kind::RST_STREAM);
        let came = match (result, reset) {
            (Err(fatal), _) => {
                let last = out.last().expect("a GOAWAY");
                assert_eq!((last.kind, last.u32(4)), (k::GOAWAY, fatal.code.0), "{what}: is told the peer");
                Expected::Fatal(fatal.code)
            }
            (Ok(()), Some(reset)) => Expected::Reset(reset.stream, ErrorCode(reset.u32(0))),
            (Ok(()), None) => Expected::Fine,
        };
        assert_eq!(came, expected, "{what} (in pieces of {piece})");
    }
}
