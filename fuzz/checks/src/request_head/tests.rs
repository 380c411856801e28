//! The check sees what it is there to see.

use super::*;

const TEXT: &[u8] = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

/// Whether the check lets a head pass that goes upstream in place of that of [`TEXT`].
fn passes(upstream: &str) -> bool {
    let head = accepted(TEXT).expect("the gate takes it");
    std::panic::catch_unwind(|| as_it_goes_on(&head, TEXT, upstream.as_bytes())).is_ok()
}

#[test]
fn a_head_that_goes_on_as_another_is_noticed() {
    assert!(passes("POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\n"));
    for wrong in [
        "POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 4\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 6\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nhost: b\r\nContent-Length: 5\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\nContent-Length: 5\r\n\r\n",
    ] {
        assert!(!passes(wrong), "{wrong:?}");
    }
}

#[test]
fn hyper_sees_every_request_of_a_connection() {
    let seen = hyper_server::read([TEXT, MARKER].concat());
    assert_eq!(seen.len(), 2);
    assert_eq!((&seen[0].target[..], &seen[0].body[..], seen[0].is_whole), ("/x", &b"hello"[..], true));
    assert_eq!(&seen[1].target, "/marker");
    let cut = hyper_server::read(TEXT[..TEXT.len() - 1].to_vec());
    assert_eq!((cut.len(), cut[0].announced, cut[0].is_whole), (1, Some(5), false));
}

#[test]
fn bodies_fit_their_heads() {
    let fitting = |text: &[u8]| fitting_body(&accepted(text).expect("the gate takes it"), text);
    assert_eq!(fitting(TEXT), Some((b"hello".to_vec(), b"hello".to_vec())));
    assert_eq!(fitting(&TEXT[..TEXT.len() - 2]), Some((b"helxx".to_vec(), b"helxx".to_vec())));
    let chunked = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nmore";
    assert_eq!(fitting(chunked), Some((b"1\r\na\r\n0\r\n\r\n".to_vec(), b"a".to_vec())));
    let (framed, data) = fitting(&chunked[..chunked.len() - 10]).expect("one is made up");
    assert!(framed.ends_with(b"\r\n0\r\n\r\n") && data == b"GET /");
    assert_eq!(fitting(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n"), None);
}
