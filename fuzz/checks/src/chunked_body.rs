//! A chunked body: it ends where everybody behind us sees it end, or it does not go on.

use weir_http::head::BodyLength;

use crate::{
    body::{self, Read},
    pieces::Pieces,
    readers::hyper_server::{self, Seen},
};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Panics when hyper and we disagree, or when it matters how the body was cut on its way.
pub fn check(data: &[u8]) {
    let whole = read(data, &mut Pieces::whole());
    let single = read(data, &mut Pieces::single());
    let pieces = read(data, &mut Pieces::of(data));
    for other in [&single, &pieces] {
        assert_eq!(whole.is_done, other.is_done, "in pieces");
        assert_eq!(whole.refusal.is_some(), other.refusal.is_some(), "in pieces");
        if whole.refusal.is_none() {
            assert_eq!(whole.data, other.data, "in pieces: the data");
            assert_eq!(
                whole.is_done.then_some(whole.consumed),
                other.is_done.then_some(other.consumed),
                "in pieces"
            );
        }
    }
    if whole.is_done {
        done(&data[..whole.consumed], &whole.data);
        let theirs = hyper_sees(data);
        assert!(theirs.is_whole && theirs.body == whole.data, "with what follows: {theirs:?}");
    } else {
        // All that was sent on before more was needed, or before the fault was seen.
        for sent in [&data[..single.consumed], &data[..pieces.consumed]] {
            let theirs = hyper_sees(sent);
            assert!(!theirs.is_whole, "hyper takes for whole what is not: {theirs:?}");
        }
    }
}

/// A request with as much of this body as goes upstream, and how much data that is, if it came to its end: for peers that
/// cannot be run in memory.
pub fn upstream(data: &[u8]) -> (Vec<u8>, Option<usize>) {
    // A byte at a time, so that nothing is held back because of a fault behind it.
    let read = read(data, &mut Pieces::single());
    ([HEAD, &data[..read.consumed]].concat(), read.is_done.then_some(read.data.len()))
}

fn read(data: &[u8], pieces: &mut Pieces) -> Read {
    body::read(BodyLength::Chunked, data, pieces)
}

/// What we take for a whole body, hyper takes for the same, and sees the next request right behind it.
fn done(framed: &[u8], data: &[u8]) {
    let theirs = hyper_server::read([HEAD, framed, crate::request_head::MARKER].concat());
    let first = theirs.first().expect("hyper takes the head");
    assert!(first.is_whole, "hyper refuses the body, or waits for more: {first:?}");
    assert_eq!(first.body, data, "the data");
    assert_eq!(theirs.len(), 2, "hyper sees another number of requests: {theirs:?}");
    assert_eq!(theirs[1].target, "/marker", "hyper sees the next request elsewhere");
}

fn hyper_sees(body: &[u8]) -> Seen {
    hyper_server::read([HEAD, body].concat()).into_iter().next().expect("hyper takes the head")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(framed: &[u8], data: &[u8]) -> bool {
        std::panic::catch_unwind(|| done(framed, data)).is_ok()
    }

    #[test]
    fn another_end_or_other_data_is_noticed() {
        assert!(passes(b"3\r\nabc\r\n0\r\n\r\n", b"abc"));
        assert!(!passes(b"3\r\nabc\r\n0\r\n\r\n", b"abx"));
        assert!(!passes(b"3\r\nabc\r\n0\r\n", b"abc"));
        assert!(!passes(b"3\r\nabc\r\n0\r\n\r\n0\r\n\r\n", b"abc"));
        assert!(!passes(b"3\nabc\r\n0\r\n\r\n", b"abc"));
        assert!(hyper_sees(b"0\r\n\r\n").is_whole && !hyper_sees(b"0\r\n").is_whole);
    }
}
