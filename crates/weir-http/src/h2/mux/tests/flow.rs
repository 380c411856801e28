//! Flow control (RFC 9113 sections 5.2 and 6.9), and turns.

use std::task::Poll;

use super::wire::*;
use crate::h2::{ErrorCode as E, Mux, Settings, StreamEnd, StreamKey};

/// A server that answers so many requests, with heads sent and nothing to write.
fn answering(theirs: &[(u16, u32)], streams: u32) -> (Mux, Vec<StreamKey>) {
    let mut mux = server_with(Settings::default(), theirs);
    let mut keys = Vec::new();
    for n in 0..streams {
        feed(&mut mux, &get(2 * n + 1));
        keys.push(accept(&mut mux));
        mux.send_head(keys[n as usize], b"HTTP/1.1 200 OK\r\n\r\n", false).expect("open");
    }
    output(&mut mux);
    (mux, keys)
}

fn send(mux: &mut Mux, key: StreamKey, bytes: usize) -> Option<usize> {
    match poll(|cx| mux.poll_send(cx, key, &vec![b'x'; bytes])) {
        Poll::Ready(result) => Some(result.expect("open")),
        Poll::Pending => None,
    }
}

#[test]
fn data_is_sent_as_windows_allow() {
    // RFC 9113 section 6.9.1: no frame longer than either window.
    let (mut mux, keys) = answering(&[(4, 10)], 1);
    assert_eq!(send(&mut mux, keys[0], 20), Some(10));
    assert_eq!(send(&mut mux, keys[0], 10), None);
    feed(&mut mux, &window(1, 3));
    assert_eq!(send(&mut mux, keys[0], 10), Some(3));
    // RFC 9113 section 6.9.2: SETTINGS changes the windows of open streams, below zero too.
    feed(&mut mux, &settings(&[(4, 5)]));
    feed(&mut mux, &window(1, 5));
    assert_eq!(send(&mut mux, keys[0], 10), None, "10 - 13 + 3, - 5, + 5");
    feed(&mut mux, &settings(&[(4, 9)]));
    assert_eq!(send(&mut mux, keys[0], 10), Some(4));
    // RFC 9113 section 6.9.2: beyond 2^31-1 is a connection error FLOW_CONTROL_ERROR.
    feed(&mut mux, &window(1, 100));
    let error = mux.handle_input(&settings(&[(4, 0x7fff_ffff)]), 0);
    assert_eq!(error.map_err(|fatal| fatal.code), Err(E::FLOW_CONTROL_ERROR));
}

#[test]
fn the_connection_s_window_is_shared_in_turns() {
    let (mut mux, keys) = answering(&[(4, 1 << 20)], 3);
    let mut sent = 0;
    while let Some(n) = send(&mut mux, keys[0], 1 << 20) {
        sent += n;
        output(&mut mux);
    }
    assert_eq!(sent, 65_535);
    assert_eq!((send(&mut mux, keys[1], 1 << 20), send(&mut mux, keys[2], 1 << 20)), (None, None));
    // First come, first served; one frame each.
    feed(&mut mux, &window(0, 16_384));
    assert_eq!(send(&mut mux, keys[2], 1 << 20), None, "not its turn");
    assert_eq!(send(&mut mux, keys[0], 1 << 20), Some(16_384));
    assert_eq!(send(&mut mux, keys[0], 1 << 20), None, "at the end of the queue");
    feed(&mut mux, &window(0, 2 * 16_384));
    assert_eq!(send(&mut mux, keys[0], 1 << 20), None, "the others are before it");
    assert_eq!(send(&mut mux, keys[1], 1 << 20), Some(16_384));
    assert_eq!(send(&mut mux, keys[2], 1 << 20), Some(16_384));
}

#[test]
fn a_full_output_makes_senders_wait() {
    let (mut mux, keys) = answering(&[(4, 1 << 30)], 2);
    feed(&mut mux, &window(0, 1 << 30));
    while send(&mut mux, keys[0], 1 << 20).is_some() {}
    assert!(mux.output().len() <= 64 * 1024 + 16_393 * 2);
    assert_eq!(send(&mut mux, keys[1], 1), None);
    assert_eq!(poll(|cx| mux.poll_send_ready(cx, keys[1])), Poll::Pending);
    // Nor are requests accepted.
    feed(&mut mux, &get(101));
    assert_eq!(mux.accept(), None);
    output(&mut mux);
    assert!(mux.accept().is_some());
    assert_eq!(poll(|cx| mux.poll_send_ready(cx, keys[1])), Poll::Ready(Ok(())));
    assert_eq!(send(&mut mux, keys[1], 1), Some(1));
}

#[test]
fn who_goes_away_leaves_its_turn() {
    let (mut mux, keys) = answering(&[(4, 1 << 30)], 3);
    while send(&mut mux, keys[0], 1 << 20).is_some() {
        output(&mut mux);
    }
    assert_eq!((send(&mut mux, keys[1], 9), send(&mut mux, keys[2], 9)), (None, None));
    feed(&mut mux, &window(0, 9));
    mux.release(keys[0], E::INTERNAL_ERROR);
    mux.forgo_send(keys[1]);
    assert_eq!(send(&mut mux, keys[2], 9), Some(9));
}

#[test]
fn what_nobody_reads_holds_the_windows() {
    let settings = Settings { stream_window: 65_535, ..Settings::default() };
    let mut mux = server_with(settings, &[]);
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    for _ in 0..3 {
        feed(&mut mux, &data(1, 0, &[7; 16_384]));
    }
    assert_eq!(output(&mut mux), [], "no window is given back for what was not read");
    feed(&mut mux, &data(1, 0, &[7; 16_383]));
    // RFC 9113 section 6.9.1: a stream error FLOW_CONTROL_ERROR.
    feed(&mut mux, &data(1, 0, b"x"));
    let sent = output(&mut mux);
    assert_eq!((sent[0].kind, sent[0].u32(0)), (k::RST_STREAM, E::FLOW_CONTROL_ERROR.0));
    let end = StreamEnd::Reset(E::FLOW_CONTROL_ERROR);
    assert_eq!(poll(|cx| mux.poll_recv(cx, key, &mut [0; 9])), Poll::Ready(Err(end)));
}

#[test]
fn what_is_read_is_given_back_in_few_frames() {
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    let (mut room, mut updates) = (vec![0; 1000], Vec::new());
    for _ in 0..100 {
        feed(&mut mux, &data(1, 0, &[7; 10_000]));
        while let Poll::Ready(Ok(_)) = poll(|cx| mux.poll_recv(cx, key, &mut room)) {}
        updates.extend(output(&mut mux));
    }
    let of = |stream| updates.iter().filter(|u| u.stream == stream).map(|u| u.u32(0)).collect::<Vec<_>>();
    assert!(of(1).iter().all(|increment| *increment >= 64 * 1024), "{:?}", of(1));
    assert!((900_000..=1_000_000).contains(&of(1).iter().sum::<u32>()));
    assert_eq!(of(0).len(), 1);
}

#[test]
fn what_comes_for_closed_streams_is_given_back() {
    // RFC 9113 section 5.1: DATA counts to the connection's window, whatever its stream is.
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    mux.release(key, E::CANCEL);
    let mut given = 0;
    for _ in 0..200 {
        feed(&mut mux, &data(1, 8, &[&[9][..], &[0; 10_000]].concat()));
        given +=
            output(&mut mux).iter().filter(|u| u.kind == k::WINDOW_UPDATE).map(|u| u.u32(0)).sum::<u32>();
    }
    assert!(given > 1_400_000, "{given}");
}

#[test]
fn data_beyond_the_connection_s_window_is_fatal() {
    // RFC 9113 section 6.9.1.
    let settings = Settings { connection_window: 65_535, stream_window: 1 << 20, ..Settings::default() };
    let make = || server_with(settings, &[]);
    let five = (0..5).map(|_| data(1, 0, &[0; 16_384]));
    let input: Vec<_> = [post(1)].into_iter().chain(five).collect();
    check(make, "five frames", &input, Expected::Fatal(E::FLOW_CONTROL_ERROR));
}

#[test]
fn what_one_stream_does_not_read_keeps_no_window_from_others() {
    let settings = Settings { connection_window: 100_000, stream_window: 65_535, ..Settings::default() };
    let mut mux = server_with(settings, &[]);
    feed(&mut mux, &[post(1), post(3)].concat());
    let (_unread, read) = (accept(&mut mux), accept(&mut mux));
    (0..6).for_each(|_| feed(&mut mux, &data(1, 0, &[7; 10_000])));
    let (mut came, mut open) = (0, 40_000);
    while came < 1_000_000 {
        assert!(open >= 10_000, "{open} bytes are left, of 40,000 that nobody uses");
        feed(&mut mux, &data(3, 0, &[7; 10_000]));
        let mut room = [0; 10_000];
        assert_eq!(poll(|cx| mux.poll_recv(cx, read, &mut room)), Poll::Ready(Ok(10_000)));
        let updates = output(&mut mux);
        open += updates.iter().filter(|u| u.stream == 0).map(|u| u.u32(0)).sum::<u32>();
        (came, open) = (came + 10_000, open - 10_000);
    }
}
