//! Heads of HTTP/2: whatever a block says, what goes on in HTTP/1 says no more and nothing else.
//!
//! An input is one block, which is read as the head of a request, as that of a response, and as trailers.

use weir_config::Route;
use weir_http::{
    fuzzing,
    h1::{Progress, RequestParser, ResponseParser},
    h2::{
        head::{
            RequestRules, ResponseRules, Scratch, decode_request, decode_response, decode_trailers,
            encode_request, encode_response,
        },
        hpack::{Decoder, Encoder, TABLE_BYTES_MAX},
    },
    head::{BodyLength, Field, RequestHead, ResponseHead},
};

use crate::{
    lossy,
    request_head::{LIMITS, upstream_forms},
};

/// Panics when a head is not what its text says, or is another one behind Weir.
pub fn check(data: &[u8]) {
    for end_stream in [false, true] {
        let mut text = Vec::new();
        if let Some(head) = request(data, end_stream, &mut text) {
            request_goes_on(&head, &text);
        }
        if let Some(head) = response(data, end_stream, &mut text) {
            response_goes_on(&head, &text);
        }
    }
    trailers(data);
}

fn request(block: &[u8], end_stream: bool, text: &mut Vec<u8>) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    let rules = RequestRules { limits: &LIMITS, end_stream, extended_connect: true };
    let mut decoder = Decoder::new(TABLE_BYTES_MAX);
    let result = decode_request(&mut decoder, block, &rules, &mut Scratch::default(), text, &mut head);
    assert!(text.len() <= LIMITS.bytes_max && head.fields.len() <= LIMITS.fields_max);
    result.ok()?;
    assert_lines(text, &head.fields);
    Some(head)
}

fn response(block: &[u8], end_stream: bool, text: &mut Vec<u8>) -> Option<ResponseHead> {
    let mut head = ResponseHead::default();
    let rules = ResponseRules { limits: &LIMITS, end_stream, to_head: false };
    let mut decoder = Decoder::new(TABLE_BYTES_MAX);
    let result = decode_response(&mut decoder, block, &rules, &mut Scratch::default(), text, &mut head);
    assert!(text.len() <= LIMITS.bytes_max && head.fields.len() <= LIMITS.fields_max);
    result.ok()?;
    assert_lines(text, &head.fields);
    Some(head)
}

/// The fields are the text's lines, one behind the other, up to its end.
fn assert_lines(text: &[u8], fields: &[Field]) {
    let start = fields.first().map_or(text.len(), |field| field.name.start());
    let mut expected = Vec::new();
    for field in fields {
        assert_eq!(start + expected.len(), field.name.start());
        expected.extend_from_slice(field.name.of(text));
        expected.extend_from_slice(b": ");
        expected.extend_from_slice(field.value.of(text));
        expected.extend_from_slice(b"\r\n");
        assert_eq!(start + expected.len(), usize::from(field.line_end));
    }
    assert_eq!(lossy(&text[start..]), lossy(&expected));
}

/// What our own gate of HTTP/1 and httparse make of a request as it goes upstream, and a peer of HTTP/2.
fn request_goes_on(head: &RequestHead, text: &[u8]) {
    if head.method.of(text) == b"CONNECT" {
        return; // it is answered here
    }
    let [plain, trusted, _] = upstream_forms(head, text);
    for upstream in [&plain, &trusted] {
        let mut read = RequestHead::default();
        // What Weir adds is let through here.
        let limits = weir_http::h1::HeadLimits { bytes_max: 8192, fields_max: 64, ..LIMITS };
        let result = RequestParser::default().parse(upstream, &mut read, &limits);
        assert_eq!(result, Ok(Progress::Whole), "{}", lossy(upstream));
        assert_eq!(read.len, upstream.len(), "nothing is behind the head: {}", lossy(upstream));
        assert_eq!(read.method.of(upstream), head.method.of(text));
        assert_eq!(read.target.of(upstream), head.target.of(text));
        assert_eq!(read.host.map(|host| host.of(upstream)), head.host.map(|host| host.of(text)));
        assert_eq!(read.upgrade.map(|name| name.of(upstream)), head.upgrade.map(|name| name.of(text)));
        match head.body {
            BodyLength::UntilEnd => {} // how it is framed is decided with the body
            length => assert_eq!(read.body, length, "{}", lossy(upstream)),
        }
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut other = httparse::Request::new(&mut fields);
        let parsed = other.parse(upstream);
        assert_eq!(parsed, Ok(httparse::Status::Complete(upstream.len())), "{}", lossy(upstream));
        assert_eq!(other.headers.len(), read.fields.len());
    }
    let mut block = Vec::new();
    let protocol = head.upgrade.map(|protocol| protocol.of(text));
    encode_request(&mut Encoder::default(), &plain, b"http", protocol, &mut block);
    let mut other_text = Vec::new();
    let other = request(&block, head.body == BodyLength::None, &mut other_text).expect("it is right");
    assert_eq!(other.method.of(&other_text), head.method.of(text));
    assert_eq!(other.target.of(&other_text), head.target.of(text));
    assert_eq!(other.host.map(|host| host.of(&other_text)), head.host.map(|host| host.of(text)));
    assert_eq!((other.body, other.extended_connect), (head.body, head.extended_connect));
}

fn response_goes_on(head: &ResponseHead, text: &[u8]) {
    let route: &Route = &crate::routes(ROUTE)[0];
    let downstream = fuzzing::interim(head, text, route);
    let mut read = ResponseHead::default();
    let result = ResponseParser::default().parse(&downstream, &mut read, &LIMITS, false);
    // The first line is longer than `:status`.
    if result == Err(weir_http::h1::Refusal::HeadTooLarge) && text.len() + 32 > LIMITS.bytes_max {
        return;
    }
    assert_eq!(result, Ok(Progress::Whole), "{}", lossy(&downstream));
    assert_eq!((read.len, read.status), (downstream.len(), head.status), "{}", lossy(&downstream));
    let mut block = Vec::new();
    encode_response(&mut Encoder::default(), &downstream, &mut block);
    let mut other_text = Vec::new();
    let other = response(&block, false, &mut other_text).expect("it is right");
    assert_eq!((other.status, other.body), (read.status, read.body));
}

const ROUTE: &str = "
listeners:
  - bind: 127.0.0.1:80
    routes:
      - pool: p
pools:
  p: { servers: [127.0.0.1:81] }
";

fn trailers(block: &[u8]) {
    let mut text = Vec::new();
    let (mut decoder, mut scratch) = (Decoder::new(TABLE_BYTES_MAX), Scratch::default());
    let result = decode_trailers(&mut decoder, block, &LIMITS, &mut scratch, &mut text);
    assert!(text.len() <= LIMITS.bytes_max);
    if result.is_err() {
        return;
    }
    // As the end of a chunked body of HTTP/1, they end where they end.
    let body = [b"0\r\n", &text[..], b"\r\n"].concat();
    let limits = weir_http::h1::HeadLimits { bytes_max: 4096, ..LIMITS };
    let mut chunked = weir_http::h1::chunked::Chunked::new(u64::MAX, limits);
    let piece = chunked.next(&body);
    assert!(chunked.is_done(), "{piece:?}: {}", lossy(&text));
    assert_eq!(piece.map(|piece| piece.framing), Ok(body.len()), "{}", lossy(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_goes_on_is_compared() {
        let block = b"\x82\x86\x44\x02/a\x41\x01h\x00\x01x\x01y";
        let mut text = Vec::new();
        let head = request(block, true, &mut text).unwrap();
        assert_eq!((head.target.of(&text), head.fields.len()), (&b"/a"[..], 2));
        check(block);
        let other = request(b"\x83\x86\x84\x41\x01h", true, &mut text).unwrap();
        let result = std::panic::catch_unwind(|| assert_lines(b"x: y\r\nz: a\r\n", &other.fields));
        assert!(result.is_err(), "places that are not the text's lines are noticed");
    }
}
