//! A request's head: what passes the gate is read by everybody behind it as it was read here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use weir_config::{ForwardedFields, Route};
use weir_http::{
    fuzzing,
    h1::{HeadLimits, Progress, Refusal, RequestParser},
    head::{BodyLength, RequestHead},
};

use crate::{
    body, lossy,
    pieces::Pieces,
    readers::{
        hyper_server::{self, Seen},
        tokenizer,
    },
};

/// Small, so that the edges of the limits are within reach.
pub const LIMITS: HeadLimits = HeadLimits { bytes_max: 2048, fields_max: 24, uri_bytes_max: 128 };

/// The largest body that is made up to go with a head, in bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// What comes behind a request on its connection; whoever reads the request's body right sees this next.
pub const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: marker\r\nConnection: close\r\n\r\n";

/// Ways on which heads differ as they go upstream.
const ROUTES: &str = r#"
listeners:
  - bind: 127.0.0.1:80
    routes:
      - match: { path: /a/* }
        rewrite: { strip_prefix: /a, host: in.example }
        request_headers: { set: { x-set: one }, add: { x-add: two }, remove: [cookie, accept] }
        pool: p
      - pool: p
pools:
  p: { servers: [127.0.0.1:81] }
"#;

static ROUTES_CHECKED: LazyLock<Vec<Route>> = LazyLock::new(|| crate::routes(ROUTES));

/// Panics when two readers disagree.
pub fn check(data: &[u8]) {
    let mut head = RequestHead::default();
    let result = parse(data, &mut Pieces::whole(), &mut head);
    pieces_agree(data, result, &head);
    as_it_came(data);
    if result == Ok(Progress::Whole) && goes_upstream(&head, data) {
        let [plain, trusted, rewritten] = upstream_forms(&head, data);
        for upstream in [&plain, &trusted] {
            same_place(&head, data, upstream);
        }
        for upstream in [&plain, &trusted, &rewritten] {
            as_it_goes_on(&head, data, upstream);
        }
    }
}

/// Forms in which a head goes upstream: with nothing changed, for a trusted client, and through a route with edits.
pub fn upstream_forms(head: &RequestHead, text: &[u8]) -> [Vec<u8>; 3] {
    let strangers = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), false);
    let trusted = (IpAddr::V6(Ipv6Addr::LOCALHOST), true);
    let routes = &ROUTES_CHECKED;
    [
        fuzzing::request(head, text, &routes[1], strangers, ForwardedFields::None),
        fuzzing::request(head, text, &routes[1], trusted, ForwardedFields::All),
        fuzzing::request(head, text, &routes[0], strangers, ForwardedFields::All),
    ]
}

/// Reads a head, up to [`LIMITS`], and tells whether Weir would send it on: for peers that cannot be run in memory.
pub fn accepted(data: &[u8]) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    let result = parse(data, &mut Pieces::whole(), &mut head);
    (result == Ok(Progress::Whole) && goes_upstream(&head, data)).then_some(head)
}

/// A body that fits the head, framed: what came behind it as far as that is right, otherwise one that is made up.
/// `None` for bodies too large to be made up. The second part is its data.
pub fn fitting_body(head: &RequestHead, text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = &text[head.len..];
    match head.body {
        BodyLength::None => Some((Vec::new(), Vec::new())),
        BodyLength::Sized(bytes) if bytes > BODY_BYTES_MAX => None,
        BodyLength::Sized(bytes) => {
            let mut body = rest[..rest.len().min(bytes as usize)].to_vec();
            body.resize(bytes as usize, b'x');
            Some((body.clone(), body))
        }
        BodyLength::Chunked => {
            let read = body::read(head.body, rest, &mut Pieces::whole());
            if read.is_done {
                return Some((rest[..read.consumed].to_vec(), read.data));
            }
            Some((b"3\r\nGET\r\n2\r\n /\r\n0\r\n\r\n".to_vec(), b"GET /".to_vec()))
        }
        BodyLength::UntilEnd => panic!("a request's body does not end with its connection"),
    }
}

fn parse(data: &[u8], pieces: &mut Pieces, head: &mut RequestHead) -> Result<Progress, Refusal> {
    let mut parser = RequestParser::default();
    let mut result = parser.parse(&[], head, &LIMITS);
    for end in pieces.ends(data.len()) {
        result = parser.parse(&data[..end], head, &LIMITS);
        if result != Ok(Progress::Partial) {
            break;
        }
    }
    result
}

/// How a head is cut on its way must not matter.
fn pieces_agree(data: &[u8], whole: Result<Progress, Refusal>, head: &RequestHead) {
    for mut pieces in [Pieces::single(), Pieces::of(data)] {
        let mut other = RequestHead::default();
        let result = parse(data, &mut pieces, &mut other);
        match (whole, result) {
            // The same fault may have another name when it is seen early.
            (Err(_), Err(_)) => {}
            (Ok(Progress::Whole), Ok(Progress::Whole)) => assert_eq!(*head, other, "in pieces"),
            _ => assert_eq!(whole, result, "in pieces"),
        }
    }
}

/// These two methods are answered here.
fn goes_upstream(head: &RequestHead, text: &[u8]) -> bool {
    let arrived = body::read(head.body, &text[head.len..], &mut Pieces::whole());
    !matches!(head.method.of(text), b"CONNECT" | b"TRACE") && arrived.refusal.is_none()
}

/// Every request on a connection that both take, ours and hyper, both take for the same.
fn as_it_came(data: &[u8]) {
    let theirs = hyper_server::read(data.to_vec());
    let mut rest = data;
    for (index, their) in theirs.iter().enumerate() {
        let mut head = RequestHead::default();
        match RequestParser::default().parse(rest, &mut head, &body::WIDE) {
            Err(_) => return,
            Ok(Progress::Partial) => panic!("request {index}: hyper does not wait for more: {their:?}"),
            Ok(Progress::Whole) => {}
        }
        // What a CONNECT is followed by is not HTTP.
        if head.method.of(rest) == b"CONNECT" {
            return;
        }
        assert_same_request(&head, rest, head.target.of(rest), their);
        let body = body::read(head.body, &rest[head.len..], &mut Pieces::whole());
        if body.refusal.is_some() {
            return;
        }
        if !body.is_done {
            assert!(!their.is_whole, "request {index}: hyper ends a body early: {their:?}");
            return;
        }
        if their.is_whole {
            assert_eq!(their.body, body.data, "request {index}: the body");
        }
        rest = &rest[head.len + body.consumed..];
    }
}

fn assert_same_request(head: &RequestHead, text: &[u8], target: &[u8], their: &Seen) {
    assert_eq!(head.method.of(text), their.method.as_bytes(), "the method");
    let target = if target.is_empty() { b"/" } else { target };
    assert_eq!(lossy(target), lossy(their.target.as_bytes()), "the target");
    assert_eq!(body::announced(head.body), their.announced, "the body's length");
}

/// Without edits, host and target stay.
fn same_place(head: &RequestHead, text: &[u8], upstream: &[u8]) {
    let split = tokenizer::request(upstream);
    let Some(split) = split else { return };
    let target = match (head.target.of(text), head.method.of(text)) {
        (b"", b"OPTIONS") => b"*",
        (b"", _) => &b"/"[..],
        (target, _) => target,
    };
    assert_eq!(split.target, lossy(target), "another target");
    if let Some(host) = head.host {
        assert_eq!(split.values("host"), [host.of(text)], "another host");
    }
}

/// The head that goes upstream is read as we read it: by ourselves, by httparse, and by hyper with its body.
fn as_it_goes_on(head: &RequestHead, text: &[u8], upstream: &[u8]) {
    let mut again = RequestHead::default();
    let result = RequestParser::default().parse(upstream, &mut again, &body::WIDE);
    assert_eq!(result, Ok(Progress::Whole), "our own gate refuses {:?}", lossy(upstream));
    assert_eq!(again.len, upstream.len(), "the head ends early: {:?}", lossy(upstream));
    assert_eq!(again.method.of(upstream), head.method.of(text), "the method");
    assert_eq!(again.body, head.body, "the body's length in {:?}", lossy(upstream));
    assert!(!again.connection.close && !again.connection.keep_alive, "hop-by-hop options go on");
    assert_eq!(again.upgrade.is_some(), head.upgrade.is_some(), "an upgrade");

    if let Some(split) = tokenizer::request(upstream) {
        assert_eq!(split.len, upstream.len(), "httparse ends the head early: {:?}", lossy(upstream));
        assert_eq!(split.method.as_bytes(), head.method.of(text), "httparse: the method");
        assert_eq!(split.target.as_bytes(), again.target.of(upstream), "httparse: the target");
        assert_eq!(split.values("host").len(), 1, "httparse: hosts in {:?}", lossy(upstream));
        let length = split.length().expect("httparse: the framing can be read in two ways");
        assert_eq!(length.unwrap_or(BodyLength::None), head.body, "httparse: the body's length");
    }

    match fitting_body(head, text) {
        Some((framed, body)) => {
            let theirs = hyper_server::read([upstream, &framed, MARKER].concat());
            // Refusing is anybody's right; what it takes, it must take for the same.
            let Some(first) = theirs.first() else { return };
            assert_same_request(head, text, again.target.of(upstream), first);
            assert!(first.is_whole, "hyper waits for more of a body, or refuses it: {first:?}");
            assert_eq!(first.body, body, "the body");
            assert_eq!(theirs.len(), 2, "hyper sees another number of requests: {theirs:?}");
            assert_eq!(theirs[1].target, "/marker", "hyper sees the next request elsewhere");
        }
        None => {
            let theirs = hyper_server::read(upstream.to_vec());
            let Some(first) = theirs.first() else { return };
            assert_same_request(head, text, again.target.of(upstream), first);
            assert!(!first.is_whole);
        }
    }
}

#[cfg(test)]
mod tests;
