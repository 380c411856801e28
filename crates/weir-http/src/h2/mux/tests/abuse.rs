//! What a peer overdoes is told it, and ends; what busy honest clients do is not taken for it.

use super::wire::*;
use crate::h2::{Abuse, ErrorCode as E, Mux, Settings};

/// Feeds `frames(n)` for n = 0, 1, … within a second, and reads and answers like an engine, until the connection ends.
fn flood(mut mux: Mux, frames: impl Fn(u32) -> Vec<u8>) -> Abuse {
    let mut most = 0;
    for n in 0..100_000 {
        let result = mux.handle_input(&frames(n), u64::from(n) / 100);
        most = most.max(mux.output().len());
        if let Err(fatal) = result {
            assert_eq!(fatal.code, E::ENHANCE_YOUR_CALM, "{}", fatal.reason);
            assert!(most < 64 * 1024, "{most} bytes of output");
            return fatal.abuse.expect("a budget is named");
        }
        while let Some(key) = mux.accept() {
            mux.release(key, E::INTERNAL_ERROR);
        }
        output(&mut mux);
    }
    panic!("100,000 rounds were taken");
}

#[test]
fn floods_end() {
    let with_post = || {
        let mut mux = server();
        feed(&mut mux, &post(1));
        accept(&mut mux);
        mux
    };
    let settled = |_| settings(&[]);
    assert_eq!(flood(server(), settled), Abuse::Settings);
    assert_eq!(flood(server(), |_| frame(k::SETTINGS, 1, 0, b"")), Abuse::Settings);
    assert_eq!(flood(server(), |_| frame(k::PING, 0, 0, &[0; 8])), Abuse::Pings);
    assert_eq!(flood(server(), |_| frame(k::PING, 1, 0, &[0; 8])), Abuse::Pings);
    assert_eq!(flood(server(), |_| frame(0xbe, 0, 0, b"")), Abuse::UnknownFrames);
    assert_eq!(flood(server(), |n| frame(k::PRIORITY, 0, n * 2 + 1, &[0; 5])), Abuse::Priorities);
    assert_eq!(flood(server(), |_| window(0, 1)), Abuse::WindowUpdates);
    assert_eq!(flood(with_post(), |_| window(1, 1)), Abuse::WindowUpdates);
    assert_eq!(flood(with_post(), |_| data(1, 0, b"")), Abuse::EmptyData);
    assert_eq!(flood(with_post(), |_| data(1, 8, &[3, 0, 0, 0])), Abuse::EmptyData);
    assert_eq!(flood(server(), |_| frame(k::GOAWAY, 0, 0, &[0; 8])), Abuse::Settings);
}

#[test]
fn rapid_reset() {
    // CVE-2023-44487: each stream reset at once.
    let round = |n: u32| [get(2 * n + 1), rst(2 * n + 1, E::CANCEL)].concat();
    assert_eq!(flood(server(), round), Abuse::RapidReset);
}

#[test]
fn made_you_reset() {
    // CVE-2025-8671: the client breaks the rules, and the server resets. Each of the known ways.
    let breaks: [fn(u32) -> Vec<u8>; 6] = [
        |id| [post(id), window(id, 0)].concat(),
        |id| [post(id), window(id, 0x7fff_ffff)].concat(),
        |id| [get(id), data(id, 0, b"x")].concat(),
        |id| [post(id), frame(k::PRIORITY, 0, id, &[0; 4])].concat(),
        |id| [post_sized(id, "1"), data(id, 0, b"xy")].concat(),
        |id| frame(k::HEADERS, WHOLE, id, &block(&[(":method", "GET")])),
    ];
    for break_rules in breaks {
        assert_eq!(flood(server(), |n| break_rules(2 * n + 1)), Abuse::MadeYouReset);
    }
}

#[test]
fn header_blocks_without_an_end() {
    let start = frame(k::HEADERS, 0, 1, b"");
    let endless = |payload: usize| {
        move |n: u32| {
            if n == 0 {
                frame(k::HEADERS, 0, 1, b"")
            } else {
                frame(k::CONTINUATION, 0, 1, &vec![0; payload])
            }
        }
    };
    assert_eq!(flood(server(), endless(0)), Abuse::Continuations);
    assert_eq!(flood(server(), endless(1)), Abuse::Continuations);
    assert_eq!(flood(server(), endless(16_384)), Abuse::BlockBytes);
    // An honest one in a few pieces.
    let block = request_block("GET", &[]);
    let pieces = block.chunks(block.len().div_ceil(15)).map(|piece| frame(k::CONTINUATION, 0, 1, piece));
    let end = frame(k::CONTINUATION, 4, 1, b"");
    check(server, "in pieces", &[&[start][..], &pieces.collect::<Vec<_>>(), &[end]].concat(), Expected::Fine);
}

#[test]
fn answers_that_are_not_read() {
    // 32 KiB of PINGs in one piece are answered with 61 KiB, if nothing is done about it.
    let mut mux = server();
    let budgets = crate::h2::Budgets {
        pings: crate::h2::Budget::per_second(u32::MAX, 0),
        ..crate::h2::Budgets::default()
    };
    let mut unread = server_with(Settings { budgets, ..Settings::default() }, &[]);
    let pings = frame(k::PING, 0, 0, &[0; 8]).repeat(3000);
    let fatal = feed_in_pieces(&mut unread, &pings, pings.len()).expect_err("too much");
    assert_eq!(fatal.abuse, Some(Abuse::UnreadControl));
    assert!(unread.output().len() < 33 * 1024 + 200);
    feed(&mut mux, &pings[..17 * 900]);
}

#[test]
fn late_frames() {
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    mux.release(key, E::CANCEL);
    assert_eq!(flood(mux, |_| data(1, 0, &[0; 100])), Abuse::LateFrames);
}

#[test]
fn tiny_data() {
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    let mut room = [0; 100];
    for n in 0..200_000 {
        if let Err(fatal) = mux.handle_input(&data(1, 0, b"x"), n / 100) {
            assert_eq!(fatal.abuse, Some(Abuse::SmallData));
            return;
        }
        let _ = poll(|cx| mux.poll_recv(cx, key, &mut room));
        output(&mut mux);
    }
    panic!("a hundred thousand tiny frames a second");
}

#[test]
fn requests_whose_answers_are_not_read_wait() {
    // 304s to a client that reads nothing: the output stays bounded, and the client runs out of streams.
    let mut mux = server();
    let mut refused = 0;
    for n in 0..3000 {
        if mux.handle_input(&get(2 * n + 1), 0).is_err() {
            refused += 1;
            break;
        }
        while let Some(key) = mux.accept() {
            mux.send_head(key, &[&b"HTTP/1.1 304 X\r\nx: "[..], &[b'y'; 2000], b"\r\n\r\n"].concat(), true)
                .expect("open");
            mux.release(key, E::CANCEL);
        }
        assert!(mux.output().len() < 80 * 1024);
    }
    assert_eq!(refused, 1, "refused streams end it at last");
}

#[test]
fn a_browser_may_cancel_a_hundred_downloads_at_once() {
    let mut mux = server();
    let ids = || (0..100).map(|n| 2 * n + 1);
    feed(&mut mux, &ids().flat_map(get).collect::<Vec<_>>());
    let keys: Vec<_> = ids().map(|_| accept(&mut mux)).collect();
    feed(&mut mux, &ids().flat_map(|id| rst(id, E::CANCEL)).collect::<Vec<_>>());
    keys.into_iter().for_each(|key| mux.release(key, E::CANCEL));
    assert!(mux.is_idle());
}

#[test]
fn a_busy_client_is_no_flood() {
    // An hour of h2load in one second: each answer is acknowledged with two windows and a PING, one of nine is cancelled.
    let mut mux = server();
    for n in 0..200_000u32 {
        let id = 2 * n + 1;
        feed(&mut mux, &get(id));
        let key = accept(&mut mux);
        if n % 9 == 8 {
            feed(&mut mux, &rst(id, E::CANCEL));
            mux.release(key, E::CANCEL);
            continue;
        }
        mux.send_head(key, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("open");
        let _ = poll(|cx| mux.poll_send(cx, key, &[b'x'; 1000]));
        mux.finish(key, None).expect("open");
        mux.release(key, E::INTERNAL_ERROR);
        output(&mut mux);
        feed(&mut mux, &[window(0, 1000), window(id, 1000), frame(k::PING, 0, 0, &[0; 8])].concat());
        output(&mut mux);
    }
    assert!(mux.is_idle());
}

#[test]
fn a_busy_output_is_not_taken_for_one_that_nobody_reads() {
    // A long download over a slow line: the output never runs empty, and each PING is answered in its turn.
    let mut mux = server_with(Settings::default(), &[(4, 1 << 30)]);
    feed(&mut mux, &[get(1), window(0, 1 << 30)].concat());
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("open");
    for n in 0..10_000 {
        while mux.output().len() < 64 * 1024 {
            assert!(poll(|cx| mux.poll_send(cx, key, &[7; 16_384])).is_ready());
        }
        let taken = mux.handle_input(&frame(k::PING, 0, 0, &[0; 8]), n * 10).expect("honest work");
        assert_eq!(taken, 17);
        mux.wrote(16_384);
    }
}

#[test]
fn windows_in_pieces_are_no_flood() {
    // A client that gives back each frame at once, and whose window has fallen into pieces of 100 bytes between large ones.
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("open");
    let body = [b'x'; 16_384];
    while poll(|cx| mux.poll_send(cx, key, &body)).is_ready() {
        output(&mut mux);
    }
    for n in 0..20_000 {
        let increment = if n % 20 == 0 { 16_000 } else { 100 };
        feed(&mut mux, &[window(0, increment), window(1, increment)].concat());
        assert_eq!(poll(|cx| mux.poll_send(cx, key, &body)), std::task::Poll::Ready(Ok(increment as usize)));
        output(&mut mux);
    }
}
