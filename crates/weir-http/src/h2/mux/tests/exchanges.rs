//! Whole exchanges, on the server's side.

use std::task::Poll;

use super::wire::*;
use crate::{
    h1::{HeadLimits, Refusal},
    h2::{ErrorCode as E, Mux, Settings, StreamEnd},
    head::RequestHead,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

#[test]
fn a_request_is_read_and_answered() {
    let mut mux = server();
    feed(&mut mux, &[post_sized(1, "5"), data(1, 0, b"he"), data(1, 1, b"llo")].concat());
    let key = mux.accept().expect("a request waits");
    let (mut head, mut text) = (RequestHead::default(), Vec::new());
    assert_eq!(mux.take_request(key, &mut head, &mut text), None);
    assert_eq!((head.method.of(&text), head.path.of(&text)), (&b"POST"[..], &b"/"[..]));
    let mut room = [0; 4];
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut room)), Poll::Ready(Ok(4)));
    assert_eq!(&room, b"hell");
    assert!(!mux.is_recv_done(key));
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut room)), Poll::Ready(Ok(1)));
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut room)), Poll::Ready(Ok(0)));
    mux.send_head(key, OK, false).expect("open");
    assert_eq!(poll(|cx| mux.poll_send(cx, key, b"bye")), Poll::Ready(Ok(3)));
    mux.finish(key, None).expect("open");
    mux.release(key, E::INTERNAL_ERROR);
    let sent = output(&mut mux);
    // The end goes with the last DATA frame, since that was still here.
    assert_eq!(
        sent.iter().map(|frame| (frame.kind, frame.flags)).collect::<Vec<_>>(),
        [(k::HEADERS, 4), (k::DATA, 1)]
    );
    assert!(mux.is_idle());
}

#[test]
fn an_end_behind_what_is_written_is_a_frame_of_its_own() {
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.send_head(key, OK, false).expect("open");
    output(&mut mux);
    mux.finish(key, None).expect("open");
    assert_eq!(output(&mut mux), [Seen { kind: k::DATA, flags: 1, stream: 1, payload: Vec::new() }]);
}

#[test]
fn trailers_go_both_ways() {
    let mut mux = server();
    let trailers = frame(k::HEADERS, WHOLE, 1, &block(&[("x-sum", "1")]));
    feed(&mut mux, &[post(1), trailers].concat());
    let key = accept(&mut mux);
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 4])), Poll::Ready(Ok(0)));
    assert_eq!(mux.take_trailers(key).as_deref(), Some(&b"x-sum: 1\r\n"[..]));
    mux.send_head(key, OK, false).expect("open");
    mux.finish(key, Some(b"grpc-status: 0\r\n")).expect("open");
    let sent = output(&mut mux);
    assert_eq!((sent[1].kind, sent[1].flags), (k::HEADERS, WHOLE));
}

#[test]
fn an_early_answer_stops_the_upload_without_an_error() {
    // RFC 9113 section 8.1: RST_STREAM with NO_ERROR after a complete response.
    let stopped = |mux: &mut Mux| {
        let sent = output(mux);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!((sent[0].kind, sent[0].stream, sent[0].u32(0)), (k::RST_STREAM, 1, E::NO_ERROR.0));
        feed(mux, &data(1, 0, b"crosses it on the wire"));
        assert!(mux.is_idle());
    };
    // When much more comes.
    let mut mux = answered_early(b"abc");
    assert!(mux.is_idle(), "it waits for its client alone");
    let half_window = usize::try_from(mux.settings.stream_window / 2).expect("small");
    for _ in 0..=half_window / 10_000 {
        feed(&mut mux, &data(1, 0, &[b'x'; 10_000]));
    }
    stopped(&mut mux);
    // When another request comes.
    let mut mux = answered_early(b"abc");
    feed(&mut mux, &get(3));
    let sent = output(&mut mux);
    assert_eq!((sent[0].kind, sent[0].stream, sent[0].u32(0)), (k::RST_STREAM, 1, E::NO_ERROR.0));
    // When nothing more comes.
    let mut mux = answered_early(b"abc");
    mux.shed();
    stopped(&mut mux);
    mux.shed();
    assert_eq!(output(&mut mux), []);
}

#[test]
fn an_upload_that_waits_for_window_is_stopped_at_once() {
    let mut mux = server();
    let window = usize::try_from(mux.settings.stream_window).expect("small");
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    for _ in 0..window / 10_000 {
        feed(&mut mux, &data(1, 0, &[b'x'; 10_000]));
    }
    mux.send_head(key, OK, true).expect("open");
    mux.release(key, E::INTERNAL_ERROR);
    let sent = output(&mut mux);
    assert!(sent.iter().any(|seen| (seen.kind, seen.stream) == (k::RST_STREAM, 1)), "{sent:?}");
    assert!(mux.is_idle());
}

#[test]
fn an_upload_that_ends_behind_its_answer_is_not_reset() {
    let mut mux = answered_early(b"abc");
    feed(&mut mux, &data(1, 1, b"def"));
    assert_eq!(output(&mut mux), []);
    let mut mux = answered_early(b"abc");
    feed(&mut mux, &[rst(1, E::CANCEL), get(3)].concat());
    assert_eq!(output(&mut mux), []);
    assert_eq!(accept(&mut mux).id(), 3);
}

/// A request of which `body` has come, and whose answer has been sent.
fn answered_early(body: &[u8]) -> Mux {
    let mut mux = server();
    feed(&mut mux, &[post(1), data(1, 0, body)].concat());
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 413 Content Too Large\r\n\r\n", true).expect("open");
    mux.release(key, E::INTERNAL_ERROR);
    assert_eq!(output(&mut mux).len(), 1);
    mux
}

#[test]
fn an_answer_that_breaks_off_is_reset() {
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.send_head(key, OK, false).expect("open");
    mux.release(key, E::INTERNAL_ERROR);
    assert_eq!(output(&mut mux)[1].u32(0), E::INTERNAL_ERROR.0);
    assert!(mux.is_idle());
}

#[test]
fn our_own_length_is_held_to() {
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let broken = Err(StreamEnd::Reset(E::INTERNAL_ERROR));
    for (bytes, what) in [(&b"ab"[..], "less"), (b"abcd", "more")] {
        let mut mux = server();
        feed(&mut mux, &get(1));
        let key = accept(&mut mux);
        mux.send_head(key, sized, false).expect("open");
        let result = match poll(|cx| mux.poll_send(cx, key, bytes)) {
            Poll::Ready(Ok(_)) => mux.finish(key, None),
            Poll::Ready(Err(end)) => Err(end),
            Poll::Pending => panic!("the windows are open"),
        };
        assert_eq!(result, broken, "{what}");
        let sent = output(&mut mux);
        assert_eq!(sent.last().map(|frame| (frame.kind, frame.u32(0))), Some((k::RST_STREAM, 2)), "{what}");
    }
    // HEAD announces what is not sent (RFC 9110 section 9.3.2).
    let mut mux = server();
    feed(&mut mux, &frame(k::HEADERS, WHOLE, 1, &request_block("HEAD", &[])));
    let key = accept(&mut mux);
    assert_eq!(mux.send_head(key, sized, true), Ok(()));
}

#[test]
fn interim_responses_precede() {
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", false).expect("open");
    mux.send_head(key, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("open");
    let sent = output(&mut mux);
    assert_eq!(sent.iter().map(|frame| frame.flags).collect::<Vec<_>>(), [4, 5]);
}

#[test]
fn beyond_the_limits_is_for_the_caller_to_answer() {
    let head = HeadLimits { bytes_max: 200, fields_max: 5, uri_bytes_max: 20 };
    let make = || server_with(Settings { head, body_bytes_max: 10, ..Settings::default() }, &[]);
    let long = "x".repeat(120);
    let target = [(":method", "GET"), (":scheme", "http"), (":path", &long[..25]), (":authority", "a")];
    let cases = [
        (request_block("GET", &[("a", &long), ("b", &long)]), Refusal::HeadTooLarge),
        (request_block("GET", &[("a", "1"); 9]), Refusal::TooManyFields),
        (block(&target), Refusal::UriTooLong),
        (request_block("POST", &[("content-length", "11")]), Refusal::BodyTooLarge),
    ];
    for (block, refusal) in cases {
        let mut mux = make();
        feed(&mut mux, &frame(k::HEADERS, flag::END_HEADERS, 1, &block));
        let key = mux.accept().expect("it is yielded");
        let taken = mux.take_request(key, &mut RequestHead::default(), &mut Vec::new());
        assert_eq!(taken, Some(refusal));
        mux.send_head(key, b"HTTP/1.1 431 Too Large\r\n\r\n", true).expect("it can be answered");
    }
    // A body that did not say so.
    let mut mux = make();
    feed(&mut mux, &[post(1), data(1, 0, b"0123456789"), data(1, 1, b"0")].concat());
    let key = accept(&mut mux);
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 4])), Poll::Ready(Err(StreamEnd::BodyTooLarge)));
    mux.send_head(key, b"HTTP/1.1 413 Too Large\r\n\r\n", true).expect("it can be answered");
}

#[test]
fn resets_are_told() {
    let mut mux = server();
    feed(&mut mux, &[get(1), post(3)].concat());
    let (one, three) = (accept(&mut mux), accept(&mut mux));
    assert_eq!(poll(|cx| mux.poll_reset(cx, one)), Poll::Pending);
    feed(&mut mux, &rst(1, E::CANCEL));
    assert_eq!(poll(|cx| mux.poll_reset(cx, one)), Poll::Ready(StreamEnd::Reset(E::CANCEL)));
    assert_eq!(mux.send_head(one, OK, true), Err(StreamEnd::Reset(E::CANCEL)));
    mux.handle_eof();
    assert_eq!(poll(|cx| mux.poll_recv(cx, three, &mut [0; 4])), Poll::Ready(Err(StreamEnd::ConnectionLost)));
    mux.release(one, E::CANCEL);
    mux.release(three, E::CANCEL);
    assert_eq!(mux.streams_open(), 0);
    // A key that is not in use any more does no harm.
    mux.release(three, E::CANCEL);
    assert_eq!(poll(|cx| mux.poll_send(cx, three, b"x")), Poll::Ready(Err(StreamEnd::ConnectionLost)));
}

#[test]
fn what_is_reset_before_it_was_accepted_is_never_seen() {
    let mut mux = server();
    feed(&mut mux, &[get(1), get(3), rst(1, E::CANCEL)].concat());
    assert_eq!(accept(&mut mux).id(), 3);
    assert_eq!(mux.accept(), None);
    assert_eq!(mux.streams_open(), 1);
}

#[test]
fn heads_are_decoded_into_the_room_of_those_before() {
    let mut mux = server();
    let mut rooms = Vec::new();
    for n in 0..4 {
        feed(&mut mux, &get(2 * n + 1));
        let key = mux.accept().expect("a request waits");
        let (mut head, mut text) = (RequestHead::default(), Vec::new());
        mux.take_request(key, &mut head, &mut text);
        rooms.push(text.as_ptr());
        mux.send_head(key, OK, true).expect("open");
        mux.give_back(key, text);
        mux.give_back(key, Vec::new());
        mux.release(key, E::CANCEL);
        output(&mut mux);
    }
    assert_eq!(rooms[2..], rooms[..2], "two take turns: one is decoded into while the other is held");
}
