//! The client's side.

use std::task::Poll;

use super::wire::*;
use crate::{
    h2::{ErrorCode as E, Full, Mux, Opening, StreamEnd, StreamKey},
    head::ResponseHead,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";
const WHOLE_REQUEST: Opening<'_> = Opening { scheme: b"http", protocol: None, end_stream: true };
const WITH_BODY: Opening<'_> = Opening { end_stream: false, ..WHOLE_REQUEST };

fn head(stream: u32, flags: u8, status: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(k::HEADERS, flags, stream, &block(&[&[(":status", status)], more].concat()))
}

/// A client that has sent a GET.
fn asked() -> (Mux, StreamKey) {
    let mut mux = client_with(&[]);
    let key = mux.open(GET, &WHOLE_REQUEST).expect("the first stream");
    output(&mut mux);
    (mux, key)
}

#[test]
fn responses_come_one_after_the_other() {
    let (mut mux, key) = asked();
    let trailers = frame(k::HEADERS, WHOLE, 1, &block(&[("grpc-status", "0")]));
    feed(&mut mux, &[head(1, 4, "103", &[]), head(1, 4, "200", &[]), data(1, 0, b"abc"), trailers].concat());
    assert_eq!(response(&mut mux, key), 103);
    assert_eq!(response(&mut mux, key), 200);
    let mut room = [0; 9];
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut room)), Poll::Ready(Ok(3)));
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut room)), Poll::Ready(Ok(0)));
    assert_eq!(mux.take_trailers(key).as_deref(), Some(&b"grpc-status: 0\r\n"[..]));
    mux.release(key, E::CANCEL);
    assert!(mux.is_idle(), "nothing is to be reset");
}

#[test]
fn malformed_responses() {
    // RFC 9113 section 8.1.1: a stream error PROTOCOL_ERROR.
    let cases: [(&str, Vec<Vec<u8>>); 7] = [
        ("DATA before the head", vec![data(1, 1, b"x")]),
        ("an interim response ends", vec![head(1, WHOLE, "103", &[])]),
        ("no status", vec![frame(k::HEADERS, WHOLE, 1, &block(&[("a", "b")]))]),
        ("more than announced", vec![head(1, 4, "200", &[("content-length", "1")]), data(1, 1, b"xy")]),
        ("less than announced", vec![head(1, 4, "200", &[("content-length", "3")]), data(1, 1, b"xy")]),
        ("nothing of what was announced", vec![head(1, WHOLE, "200", &[("content-length", "3")])]),
        ("a second head", vec![head(1, 4, "200", &[]), head(1, WHOLE, "200", &[])]),
    ];
    for (what, frames) in cases {
        check(|| asked().0, what, &frames, Expected::Reset(1, E::PROTOCOL_ERROR));
        let (mut mux, key) = asked();
        feed(&mut mux, &frames.concat());
        assert_eq!(poll(|cx| mux.poll_reset(cx, key)), Poll::Ready(StreamEnd::Malformed), "{what}");
    }
    let bare = [head(1, 4, "304", &[("content-length", "3")]), data(1, 1, b"")];
    check(|| asked().0, "304 with a length", &bare, Expected::Fine);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut mux = client_with(&[]);
    let key = mux.open(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", &WHOLE_REQUEST).expect("open");
    feed(&mut mux, &head(1, WHOLE, "200", &[("content-length", "300")]));
    assert_eq!(response(&mut mux, key), 200);
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 9])), Poll::Ready(Ok(0)));
}

#[test]
fn a_complete_response_survives_the_reset_behind_it() {
    // RFC 9113 section 8.1: clients MUST NOT discard responses as a result of receiving such a RST_STREAM.
    let mut mux = client_with(&[]);
    let key = mux.open(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n", &WITH_BODY).expect("open");
    feed(&mut mux, &[head(1, 4, "413", &[]), data(1, 1, b"no"), rst(1, E::NO_ERROR)].concat());
    assert_eq!(response(&mut mux, key), 413);
    assert_eq!(poll(|cx| mux.poll_send(cx, key, b"x")), Poll::Ready(Err(StreamEnd::Reset(E::NO_ERROR))));
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 9])), Poll::Ready(Ok(2)));
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 9])), Poll::Ready(Ok(0)));
}

#[test]
fn refused_is_safe_to_send_again() {
    let mut mux = client_with(&[]);
    let keys: Vec<_> = (0..3).map(|_| mux.open(GET, &WHOLE_REQUEST).expect("open")).collect();
    // RFC 9113 section 8.7.
    feed(&mut mux, &rst(1, E::REFUSED_STREAM));
    assert_eq!(poll(|cx| mux.poll_reset(cx, keys[0])), Poll::Ready(StreamEnd::Refused));
    // RFC 9113 section 6.8: streams above the last one were not processed.
    feed(&mut mux, &frame(k::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
    assert!(!mux.can_open());
    assert_eq!(mux.open(GET, &WHOLE_REQUEST), Err(Full));
    assert_eq!(poll(|cx| mux.poll_reset(cx, keys[2])), Poll::Ready(StreamEnd::Refused));
    feed(&mut mux, &head(3, WHOLE, "200", &[]));
    assert_eq!(response(&mut mux, keys[1]), 200);
    assert!(!mux.is_finished());
    keys.into_iter().for_each(|key| mux.release(key, E::CANCEL));
    assert!(mux.is_finished());
    let later = frame(k::GOAWAY, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 0]);
    // RFC 9113 section 6.8: endpoints MUST NOT increase the value.
    assert_eq!(mux.handle_input(&later, 0).map_err(|fatal| fatal.code), Err(E::PROTOCOL_ERROR));
}

#[test]
fn no_more_streams_than_the_server_allows() {
    let mut mux = client_with(&[(3, 2)]);
    let key = mux.open(GET, &WHOLE_REQUEST).expect("open");
    mux.open(GET, &WHOLE_REQUEST).expect("open");
    assert!(!mux.can_open());
    feed(&mut mux, &head(1, WHOLE, "200", &[]));
    assert!(mux.can_open(), "what has ended does not count, held or not");
    mux.release(key, E::CANCEL);
    let third = mux.open(GET, &WHOLE_REQUEST).expect("open");
    assert_eq!(third.id(), 5);
}

#[test]
fn an_abandoned_request_is_cancelled() {
    let (mut mux, key) = asked();
    mux.release(key, E::CANCEL);
    assert_eq!(
        output(&mut mux),
        [Seen { kind: k::RST_STREAM, flags: 0, stream: 1, payload: vec![0, 0, 0, 8] }]
    );
    // What was under way is ignored, and its head decoded.
    feed(&mut mux, &[head(1, 4, "200", &[]), data(1, 1, b"abc")].concat());
}

#[test]
fn endless_interim_responses_end_the_stream() {
    let (mut mux, key) = asked();
    for _ in 0..5 {
        feed(&mut mux, &head(1, 4, "103", &[]));
    }
    let (mut response, mut text) = (ResponseHead::default(), Vec::new());
    while let Poll::Ready(Ok(())) = poll(|cx| mux.poll_response(cx, key, &mut response, &mut text)) {}
    assert_eq!(poll(|cx| mux.poll_reset(cx, key)), Poll::Ready(StreamEnd::Malformed));
}

#[test]
fn heads_that_nobody_took_are_not_taken_for_the_next_stream_s() {
    let (mut mux, key) = asked();
    feed(
        &mut mux,
        &[head(1, 4, "103", &[]), head(1, WHOLE, "418", &[("set-cookie", "of=another")])].concat(),
    );
    assert_eq!(response(&mut mux, key), 103);
    mux.release(key, E::CANCEL);
    // It gets the place of the first one.
    let key = mux.open(GET, &WHOLE_REQUEST).expect("open");
    let (mut head_seen, mut text) = (ResponseHead::default(), Vec::new());
    assert_eq!(poll(|cx| mux.poll_response(cx, key, &mut head_seen, &mut text)), Poll::Pending);
    feed(&mut mux, &head(3, WHOLE, "200", &[]));
    assert_eq!(response(&mut mux, key), 200);
}

#[test]
fn clients_that_go_away_do_not_end_the_connection_of_all() {
    let mut mux = client_with(&[]);
    for n in 0..500 {
        let key = mux.open(GET, &WHOLE_REQUEST).expect("open");
        mux.release(key, E::CANCEL);
        // A download that was under way.
        let stream = 2 * n + 1;
        feed(&mut mux, &head(stream, 4, "200", &[]));
        (0..60).for_each(|_| feed(&mut mux, &data(stream, 0, &[7; 1000])));
        feed(&mut mux, &rst(stream, E::CANCEL));
        output(&mut mux);
    }
    assert!(mux.can_open());
}
