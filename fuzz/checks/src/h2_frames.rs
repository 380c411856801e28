//! A connection of HTTP/2 that gets any bytes, in either role: it never panics, and what it keeps and has to say stays
//! bounded.
//!
//! The input is what comes behind the handshake, so that a corpus file can be sent to a real server. The engine around it
//! accepts, reads a part, answers some and forgets some; what it does is drawn from the input too.

use std::task::{Context, Poll, Waker};

use weir_http::{
    h2::{ErrorCode, Fatal, Mux, Opening, Settings, StreamKey},
    head::{RequestHead, ResponseHead},
};

use crate::{body::NARROW, pieces::Pieces};

/// SETTINGS without a setting, and the acknowledgement of ours.
const HANDSHAKE: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

/// A frame, with its header: what may be left over for the next time.
const FRAME_BYTES_MAX: usize = 9 + 16_384;

/// What one call adds to the output at most: control frames up to their bound and those of one piece beyond it, heads and
/// a frame of DATA of each stream, and the GOAWAY.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Small, so that the edges are within reach.
fn settings() -> Settings {
    Settings {
        streams_max: 8,
        stream_window: 70_000,
        connection_window: 100_000,
        head: NARROW,
        body_bytes_max: 200_000,
        extended_connect: true,
        output_bytes_max: 4096,
        ..Settings::default()
    }
}

/// What must hold for any input.
pub fn check(input: &[u8]) {
    run(Mux::server_after_preface(settings(), 24), Vec::new(), input);
    let mut client = Mux::client(settings());
    let heads: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    let opened = heads.map(|head| open(&mut client, head));
    run(client, opened.to_vec(), input);
}

/// Sends a request. Whatever has come before is not its answer.
fn open(mux: &mut Mux, head: &[u8]) -> StreamKey {
    let opening = Opening { scheme: b"http", protocol: None, end_stream: !head.starts_with(b"POST") };
    let key = mux.open(head, &opening).expect("one more stream is allowed");
    let cx = &mut Context::from_waker(Waker::noop());
    let polled = mux.poll_response(cx, key, &mut ResponseHead::default(), &mut Vec::new());
    assert!(polled.is_pending(), "the answer to another request: {polled:?}");
    assert_eq!(mux.unread(key), 0);
    key
}

fn run(mut mux: Mux, mut held: Vec<StreamKey>, input: &[u8]) {
    let is_server = held.is_empty();
    assert_eq!(mux.handle_input(HANDSHAKE, 0), Ok(HANDSHAKE.len()));
    let mut pieces = Pieces::of(input);
    let (mut taken, mut now_ms) = (0, 0);
    for end in pieces.ends(input.len()) {
        now_ms += 1;
        let mut result: Result<usize, Fatal> = mux.handle_input(&input[taken..end], now_ms);
        while let Ok(n) = result
            && mux.is_tired()
        {
            result = mux.handle_input(&input[taken + n..end], now_ms).map(|more| n + more);
        }
        bounds(&mux, &held);
        let Ok(n) = result else { break };
        taken += n;
        assert!(end - taken < FRAME_BYTES_MAX, "whole frames are taken");
        while let Some(key) = mux.accept() {
            let (mut head, mut text) = (RequestHead::default(), Vec::new());
            mux.take_request(key, &mut head, &mut text);
            assert!(head.fields.iter().all(|field| field.value.end() <= text.len()));
            held.push(key);
        }
        let written = mux.output().len() / (1 + (now_ms % 3) as usize);
        mux.wrote(written);
        held.retain(|key| turn(&mut mux, *key, now_ms, is_server));
        if mux.can_open() {
            held.push(open(&mut mux, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        bounds(&mux, &held);
    }
    mux.handle_eof();
    held.into_iter().for_each(|key| mux.release(key, ErrorCode::CANCEL));
    mux.wrote(mux.output().len());
    assert!(mux.is_idle() && mux.is_finished(), "nothing is left behind");
}

/// What the task of a stream does. False: it is done with it.
fn turn(mux: &mut Mux, key: StreamKey, now_ms: u64, is_server: bool) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut head, mut text) = (ResponseHead::default(), Vec::new());
    let _ = mux.poll_response(cx, key, &mut head, &mut text);
    let read = mux.poll_recv(cx, key, &mut [0; 1000]);
    let may_answer = mux.poll_send_ready(cx, key) == Poll::Ready(Ok(()));
    match (u64::from(key.id()) / 2 + now_ms) % 8 {
        0 if may_answer => {
            let _ = if is_server {
                mux.send_head(key, b"HTTP/1.1 204 No Content\r\n\r\n", true)
            } else {
                mux.finish(key, Some(b"a: b\r\n"))
            };
            mux.release(key, ErrorCode::INTERNAL_ERROR);
            false
        }
        1 => {
            mux.release(key, ErrorCode::CANCEL);
            false
        }
        _ => {
            !matches!(read, Poll::Ready(Err(_))) || {
                mux.release(key, ErrorCode::CANCEL);
                false
            }
        }
    }
}

fn bounds(mux: &Mux, held: &[StreamKey]) {
    assert!(mux.output().len() <= OUTPUT_BYTES_MAX, "{} bytes of output", mux.output().len());
    assert!(mux.streams_open() <= 16, "{} streams", mux.streams_open());
    let unread: usize = held.iter().map(|key| mux.unread(*key)).sum();
    assert!(unread <= 100_000, "{unread} bytes unread");
}
