//! Frames in pieces of any size, and what is not to be taken for an answer.

use super::*;
use crate::plan::Plan;

const HEAD: &[u8] = &[0x88, 0x5c, 0x01, b'3'];

fn requests() -> Requests {
    let line = ["127.0.0.1:80", "--h2", "2", "--expect", "3"].map(str::to_owned);
    Requests::new(&Plan::from_args(line.into_iter()).expect("a good line"))
}

fn tally() -> Tally {
    Tally::new(&Plan::from_args(["127.0.0.1:80".to_owned()].into_iter()).expect("a good line"))
}

/// A connection with requests on streams 1 and 3.
fn asked(requests: &Requests, tally: &mut Tally) -> Talk {
    let mut talk = Talk::new(requests);
    for _ in 0..2 {
        talk.start(requests, tally).expect("ids are left");
    }
    talk
}

fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, kind, flags, stream, payload);
    out
}

fn check(frames: &[Vec<u8>], expected: Result<usize, &str>) {
    let bytes = frames.concat();
    for size in 1..=bytes.len() {
        let (requests, mut tally) = (requests(), tally());
        let mut talk = asked(&requests, &mut tally);
        let taken = bytes.chunks(size).try_for_each(|piece| talk.take(piece, &requests, &mut tally));
        match (taken, expected) {
            (Ok(()), Ok(open)) => assert_eq!(talk.streams.len(), open, "pieces of {size}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "`{message}`, not `{part}`"),
            (taken, _) => panic!("{taken:?}, not {expected:?}, in pieces of {size}"),
        }
    }
}

#[test]
fn answers_in_pieces_of_any_size_and_order() {
    check(
        &[
            frame(Kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 128]),
            frame(Kind::HEADERS, flags::END_HEADERS, 3, HEAD),
            frame(Kind::HEADERS, flags::END_HEADERS, 1, HEAD),
            frame(Kind::DATA, 0, 1, b"ab"),
            frame(Kind::DATA, flags::END_STREAM, 3, b"abc"),
            frame(Kind::DATA, flags::PADDED, 1, b"\x02c\0\0"),
            frame(Kind::DATA, flags::END_STREAM, 1, b""),
        ],
        Ok(0),
    );
    // Padding, priority, and two new sizes of the table before the status; trailers behind the body.
    let head = [&[1, 0, 0, 0, 0, 16, 0x20, 0x3f, 0xe1, 0x1f], HEAD, &[0]].concat();
    let flags = flags::END_HEADERS | flags::PADDED | flags::PRIORITY;
    check(
        &[
            frame(Kind::HEADERS, flags, 1, &head),
            frame(Kind::DATA, 0, 1, b"abc"),
            frame(Kind::HEADERS, flags::END_HEADERS | flags::END_STREAM, 1, &[0xbe]),
        ],
        Ok(1),
    );
}

#[test]
fn what_is_not_expected_is_an_error() {
    let head = frame(Kind::HEADERS, flags::END_HEADERS, 1, HEAD);
    let body = |text: &[u8]| frame(Kind::DATA, flags::END_STREAM, 1, text);
    check(&[frame(Kind::HEADERS, flags::END_HEADERS, 1, &[0x8d])], Err("not 200"));
    check(&[head.clone(), body(b"ab")], Err("a body of 2 bytes"));
    check(&[head.clone(), body(b"abcd")], Err("more than 3"));
    check(&[body(b"abc")], Err("before its head"));
    check(&[head, body(b"abc"), body(b"abc")], Err("not open"));
    check(&[frame(Kind::RST_STREAM, 0, 3, &[0, 0, 0, 7])], Err("stream 3 was reset: error 0x7"));
    check(&[frame(Kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 11])], Err("goes away: error 0xb"));
    check(&[frame(Kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1])], Err("allows 1 streams"));
    check(&[vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1]], Err("a frame of 16385 bytes"));
}

#[test]
fn pings_and_settings_are_acknowledged() {
    let (requests, mut tally) = (requests(), tally());
    let mut talk = asked(&requests, &mut tally);
    talk.out.clear();
    let said = [frame(Kind::SETTINGS, 0, 0, &[]), frame(Kind::PING, 0, 0, b"12345678")].concat();
    talk.take(&said, &requests, &mut tally).expect("both are fine");
    let expected = [frame(Kind::SETTINGS, flags::ACK, 0, &[]), frame(Kind::PING, flags::ACK, 0, b"12345678")];
    assert_eq!(talk.out, expected.concat());
}
