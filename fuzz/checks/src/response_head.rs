//! A response: what a client is sent is read by it as the server's answer was read here.

use std::sync::LazyLock;

use weir_config::Route;
use weir_http::{
    fuzzing::{self, Answer},
    h1::{Progress, Refusal, ResponseParser},
    head::{BodyLength, ResponseHead, Version},
};

use crate::{
    body::{self, NARROW, Read, WIDE},
    lossy,
    pieces::Pieces,
    readers::{
        hyper_client::{self, Seen},
        tokenizer,
    },
};

/// What answers the next request on the connection; whoever reads a body right sees this next.
const MARKER: &[u8] = b"HTTP/1.1 299 Marker\r\nContent-Length: 0\r\n\r\n";

/// Interim responses that are followed.
const INTERIM_MAX: usize = 16;

const ROUTES: &str = r#"
listeners:
  - bind: 127.0.0.1:80
    routes:
      - match: { path: /a/* }
        response_headers: { set: { x-set: one }, add: { x-add: two }, remove: [server, set-cookie] }
        pool: p
      - pool: p
pools:
  p: { servers: [127.0.0.1:81] }
"#;

static ROUTES_CHECKED: LazyLock<Vec<Route>> = LazyLock::new(|| crate::routes(ROUTES));

/// Panics when two readers disagree.
pub fn check(data: &[u8]) {
    for to_head in [false, true] {
        let mut head = ResponseHead::default();
        let result = parse(data, &mut Pieces::whole(), &mut head, to_head);
        pieces_agree(data, result, &head, to_head);
        if let Some((head, rest)) = final_response(data, to_head) {
            as_it_came(data, &head, rest, to_head);
        }
        match (result, head.status) {
            (Ok(Progress::Whole), 101) => {}
            (Ok(Progress::Whole), 100..=199) => interim_goes_on(&head, data),
            (Ok(Progress::Whole), _) => {
                goes_on(&head, data, to_head, (Version::Http11, true));
                goes_on(&head, data, to_head, (Version::Http11, false));
                goes_on(&head, data, to_head, (Version::Http10, true));
            }
            _ => {}
        }
    }
}

fn parse(
    data: &[u8],
    pieces: &mut Pieces,
    head: &mut ResponseHead,
    to_head: bool,
) -> Result<Progress, Refusal> {
    let mut parser = ResponseParser::default();
    let mut result = parser.parse(&[], head, &NARROW, to_head);
    for end in pieces.ends(data.len()) {
        result = parser.parse(&data[..end], head, &NARROW, to_head);
        if result != Ok(Progress::Partial) {
            break;
        }
    }
    result
}

/// How a head is cut on its way must not matter.
fn pieces_agree(data: &[u8], whole: Result<Progress, Refusal>, head: &ResponseHead, to_head: bool) {
    for mut pieces in [Pieces::single(), Pieces::of(data)] {
        let mut other = ResponseHead::default();
        let result = parse(data, &mut pieces, &mut other, to_head);
        match (whole, result) {
            // The same fault may have another name when it is seen early.
            (Err(_), Err(_)) => {}
            (Ok(Progress::Whole), Ok(Progress::Whole)) => assert_eq!(*head, other, "in pieces"),
            _ => assert_eq!(whole, result, "in pieces"),
        }
    }
}

/// The first response that is none of the interim ones, and its text.
fn final_response(data: &[u8], to_head: bool) -> Option<(ResponseHead, &[u8])> {
    let mut rest = data;
    for _ in 0..INTERIM_MAX {
        let mut head = ResponseHead::default();
        match ResponseParser::default().parse(rest, &mut head, &WIDE, to_head) {
            Ok(Progress::Whole) if head.status == 101 => return None,
            Ok(Progress::Whole) if head.status < 200 => rest = &rest[head.len..],
            Ok(Progress::Whole) => return Some((head, rest)),
            Ok(Progress::Partial) | Err(_) => return None,
        }
    }
    None
}

/// The server's answer is read by hyper, if it takes it, as it is read by us.
fn as_it_came(data: &[u8], head: &ResponseHead, text: &[u8], to_head: bool) {
    let theirs = hyper_client::read(to_head, vec![data.to_vec()]);
    let Some(their) = theirs.first() else { return };
    assert_eq!(their.status, head.status, "the status");
    assert_eq!(their.announced, body::announced(head.body), "the body's length");
    let ours = body::read(head.body, &text[head.len..], &mut Pieces::whole());
    if their.is_whole && ours.refusal.is_none() {
        assert!(is_whole(head.body, &ours), "hyper ends a body early: {their:?}");
        assert_eq!(their.body, ours.data, "the body");
    }
}

/// At the end of the connection.
fn is_whole(length: BodyLength, read: &Read) -> bool {
    match length {
        BodyLength::None | BodyLength::UntilEnd => true,
        BodyLength::Sized(_) | BodyLength::Chunked => read.is_done,
    }
}

fn interim_goes_on(head: &ResponseHead, text: &[u8]) {
    for route in ROUTES_CHECKED.iter() {
        let sent = fuzzing::interim(head, text, route);
        let again = own(&sent, false);
        assert_eq!((again.status, again.len), (head.status, sent.len()), "{:?}", lossy(&sent));
        let theirs = hyper_client::read(false, vec![[&sent, MARKER].concat()]);
        if let Some(their) = theirs.first() {
            assert_eq!(their.status, 299, "hyper sees another response after {:?}", lossy(&sent));
        }
    }
}

/// What the client is sent is read as the server meant it: by ourselves, by httparse and by hyper.
fn goes_on(head: &ResponseHead, text: &[u8], to_head: bool, client: (Version, bool)) {
    let data = body::read(head.body, &text[head.len..], &mut Pieces::whole()).data;
    for route in ROUTES_CHECKED.iter() {
        let mut pieces = Pieces::of(text);
        let answer = fuzzing::answer(head, text, route, client, NARROW, || pieces.next_len());
        let sent = lossy(&answer.bytes);
        let again = own(&answer.bytes, to_head);
        assert_eq!(again.len, answer.head_len, "the head ends elsewhere: {sent:?}");
        assert_eq!(again.status, head.status, "the status");
        assert_eq!(again.body, length_towards(client.0, head.body), "the body's length: {sent:?}");
        assert_eq!(again.connection.close, !answer.keeps_client, "`close`: {sent:?}");
        httparse_agrees(&answer, &again, client.0, to_head);

        let stages = match answer.keeps_client && answer.is_whole {
            true => vec![answer.bytes.clone(), MARKER.to_vec()],
            false => vec![answer.bytes.clone()],
        };
        // Refusing is anybody's right; what it takes, it must take for the same.
        let theirs = hyper_client::read(to_head, stages);
        if !theirs.is_empty() {
            hyper_agrees(&answer, &theirs, &again, &data);
        }
    }
}

fn own(bytes: &[u8], to_head: bool) -> ResponseHead {
    let mut head = ResponseHead::default();
    let result = ResponseParser::default().parse(bytes, &mut head, &WIDE, to_head);
    assert_eq!(result, Ok(Progress::Whole), "our own gate refuses {:?}", lossy(bytes));
    head
}

/// Clients of HTTP/1.0 know no chunks; to others a body's end is always shown.
fn length_towards(client: Version, length: BodyLength) -> BodyLength {
    match (client, length) {
        (Version::Http11, BodyLength::UntilEnd) => BodyLength::Chunked,
        (Version::Http10, BodyLength::Chunked) => BodyLength::UntilEnd,
        (_, length) => length,
    }
}

fn httparse_agrees(answer: &Answer, head: &ResponseHead, client: Version, to_head: bool) {
    let Some(split) = tokenizer::response(&answer.bytes) else { return };
    assert_eq!(split.len, answer.head_len, "httparse ends the head elsewhere");
    assert_eq!(split.target, head.status.to_string(), "httparse: the status");
    let length = split.length().expect("httparse: the framing can be read in two ways");
    assert!(client == Version::Http11 || split.values("transfer-encoding").is_empty(), "chunks for HTTP/1.0");
    if !to_head && !matches!(head.status, 204 | 304) {
        assert_eq!(length.unwrap_or(BodyLength::UntilEnd), head.body, "httparse: the body's length");
    }
}

fn hyper_agrees(answer: &Answer, theirs: &[Seen], head: &ResponseHead, data: &[u8]) {
    let their = &theirs[0];
    assert_eq!(their.status, head.status, "the status");
    assert_eq!(their.announced, body::announced(head.body), "the body's length");
    // A body that ends with its connection cannot show that it was cut off.
    if head.body != BodyLength::UntilEnd {
        assert_eq!(their.is_whole, answer.is_whole, "hyper sees another end: {their:?}");
    }
    if answer.is_whole {
        assert_eq!(lossy(&their.body), lossy(data), "the body");
    }
    if answer.is_whole && answer.keeps_client {
        assert_eq!(theirs.len(), 2, "hyper does not see the next response: {theirs:?}");
        assert_eq!(theirs[1].status, 299, "hyper sees another next response: {theirs:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the check lets an answer pass that is sent in place of a whole one with the body `hello`.
    fn passes(head: &str, body: &str) -> bool {
        let bytes = format!("{head}\r\n\r\n{body}").into_bytes();
        let answer = Answer { head_len: head.len() + 4, bytes, keeps_client: true, is_whole: true };
        let theirs = hyper_client::read(false, vec![answer.bytes.clone(), MARKER.to_vec()]);
        std::panic::catch_unwind(|| {
            let again = own(&answer.bytes, false);
            httparse_agrees(&answer, &again, Version::Http11, false);
            hyper_agrees(&answer, &theirs, &again, b"hello");
        })
        .is_ok()
    }

    #[test]
    fn an_answer_that_goes_on_as_another_is_noticed() {
        assert!(passes("HTTP/1.1 200 OK\r\nContent-Length: 5", "hello"));
        assert!(passes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"));
        for (head, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 6", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5", "hello!"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5", "other"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "hello"),
            ("HTTP/1.1 204 None", "hello"),
        ] {
            assert!(!passes(head, body), "{head:?} {body:?}");
        }
    }
}
