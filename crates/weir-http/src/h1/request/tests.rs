use super::*;
use crate::{h1::Refusal as R, head::connection_names};

const LIMITS: HeadLimits = HeadLimits { bytes_max: 1024, fields_max: 8, uri_bytes_max: 100 };

fn parse(text: &[u8], head: &mut RequestHead) -> Result<Progress, Refusal> {
    RequestParser::default().parse(text, head, &LIMITS)
}

/// Parses `text` whole and in every split into two pieces; both ways must agree.
fn outcome(text: &[u8]) -> (Result<Progress, Refusal>, RequestHead) {
    let mut head = RequestHead::default();
    let whole = parse(text, &mut head);
    for split in 0..text.len() {
        let mut parser = RequestParser::default();
        let mut pieces = RequestHead::default();
        let result = match parser.parse(&text[..split], &mut pieces, &LIMITS) {
            Ok(Progress::Partial) => parser.parse(text, &mut pieces, &LIMITS),
            early => early,
        };
        if result.is_err() && whole.is_err() {
            continue; // the same fault may have another name when seen early
        }
        assert_eq!(result, whole, "split at {split}");
    }
    (whole, head)
}

fn refused(text: &str, why: Refusal) {
    assert_eq!(outcome(text.as_bytes()).0, Err(why), "{text:?}");
}

fn accepted(text: &str) -> RequestHead {
    let (result, head) = outcome(text.as_bytes());
    assert_eq!(result, Ok(Progress::Whole), "{text:?}");
    head
}

#[test]
fn places_are_right() {
    let text = "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nX-One:\t two words \r\nConnection: x-one, close\r\n\r\nrest";
    let head = accepted(text);
    let text = text.as_bytes();
    assert_eq!(head.method.of(text), b"GET");
    assert_eq!(head.target.of(text), b"/a/b?c=d");
    assert_eq!(head.path.of(text), b"/a/b");
    assert_eq!(head.query.unwrap().of(text), b"c=d");
    assert_eq!(head.host.unwrap().of(text), b"example.com:80");
    assert_eq!(head.fields[1].name.of(text), b"X-One");
    assert_eq!(head.fields[1].value.of(text), b"two words");
    assert_eq!(&text[head.len..], b"rest");
    let names = |name| connection_names(&head.fields, head.connection, text, name);
    assert!(names(b"X-ONE") && !names(b"host"));
    assert!(!head.keeps_alive());
}

#[test]
fn absolute_form_becomes_origin_form() {
    let text = "GET http://example.com/x?y HTTP/1.1\r\nHost: EXAMPLE.com\r\n\r\n";
    let head = accepted(text);
    assert_eq!(head.target.of(text.as_bytes()), b"/x?y");
    let text = "GET http://example.com HTTP/1.0\r\n\r\n";
    let head = accepted(text);
    assert!(head.target.is_empty());
    assert_eq!(head.host.unwrap().of(text.as_bytes()), b"example.com");
}

#[test]
fn bodies_and_versions() {
    let length = |fields: &str| accepted(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).body;
    assert_eq!(length(""), BodyLength::None);
    assert_eq!(length("Content-Length: 0\r\n"), BodyLength::None);
    assert_eq!(length("content-length:   12  \r\n"), BodyLength::Sized(12));
    assert_eq!(length("Content-Length: 9223372036854775807\r\n"), BodyLength::Sized(i64::MAX as u64));
    assert_eq!(length("Transfer-Encoding: Chunked\r\n"), BodyLength::Chunked);
    assert!(!accepted("GET / HTTP/1.0\r\n\r\n").keeps_alive());
    assert!(accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keeps_alive());
    assert!(accepted("\r\nGET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n").keeps_alive());
    let head = accepted("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(head.upgrade.is_some());
    let head = accepted("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo, H2C\r\n\r\n");
    assert!(head.upgrade.is_none(), "h2c would be a tunnel past all routes");
    let head = accepted(
        "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    );
    assert!(head.upgrade.is_none() && head.expects_continue);
}

#[test]
fn partial_heads_wait() {
    for text in [
        "",
        "\r\n",
        "G",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHo",
    ] {
        assert_eq!(outcome(text.as_bytes()).0, Ok(Progress::Partial), "{text:?}");
    }
}

#[test]
fn framing_that_two_readers_could_read_differently_is_refused() {
    let with = |fields: &str, why| refused(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), why);
    with("A: b\nC: d\r\n", R::BareLineFeed);
    with("A: b\rC: d\r\n", R::FieldValue);
    with("A: b\r\n c\r\n", R::FieldFolded);
    with("A: b\r\n\tc\r\n", R::FieldFolded);
    with("A : b\r\n", R::FieldName);
    with("A\t: b\r\n", R::FieldName);
    with(": b\r\n", R::FieldName);
    with("A\r\n", R::FieldName);
    with("A\0: b\r\n", R::FieldName);
    with("A\u{e9}: b\r\n", R::FieldName);
    with("A: b\0c\r\n", R::FieldValue);
    with("A: b\x7f\r\n", R::FieldValue);
    with("A: \x0bb\r\n", R::FieldValue);
    for value in [
        "+5",
        "-1",
        "5,5",
        "5, 5",
        "0x5",
        "5 5",
        "",
        " ",
        "5a",
        "9223372036854775808",
        "18446744073709551621",
        "99999999999999999999",
        "5;",
        "٣",
    ] {
        with(&format!("Content-Length: {value}\r\n"), R::ContentLengthInvalid);
    }
    with("Content-Length: 5\r\nContent-Length: 5\r\n", R::ContentLengthRepeated);
    with("Content-Length: 5\r\nContent-Length: 6\r\n", R::ContentLengthRepeated);
    with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", R::LengthAmbiguous);
    with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", R::LengthAmbiguous);
    for value in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ", chunked",
        "chunked;q=1",
        "xchunked",
        "\"chunked\"",
        "chunked\x0b",
    ] {
        let why = if value.contains('\x0b') { R::FieldValue } else { R::TransferEncoding };
        with(&format!("Transfer-Encoding: {value}\r\n"), why);
    }
    with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", R::TransferEncoding);
    with("Transfer-Encoding : chunked\r\n", R::FieldName);
    with("Host: a\r\n", R::HostRepeated);
    with("Connection: a b\r\n", R::ConnectionOption);
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", R::TransferEncodingIn10);
}

#[test]
fn first_lines_and_hosts() {
    let line = |line: &str, why| refused(&format!("{line}\r\nHost: a\r\n\r\n"), why);
    line("GET / HTTP/1.1 ", R::FirstLine);
    line("GET  / HTTP/1.1", R::FirstLine);
    line(" GET / HTTP/1.1", R::FirstLine);
    line("GET /", R::FirstLine);
    line("GET / a HTTP/1.1", R::FirstLine);
    line("GET\t/ HTTP/1.1", R::FirstLine);
    line("G(T / HTTP/1.1", R::Method);
    line("GET: / HTTP/1.1", R::Method);
    for version in
        ["HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1,1", "HTTP/1", "HTTPS/1.1"]
    {
        line(&format!("GET / {version}"), R::Version);
    }
    for target in ["a", "*", "/a#b", "/\u{e9}", "ftp://a/", "http://a?b", "a:80"] {
        line(&format!("GET {target} HTTP/1.1"), R::Target);
    }
    line("GET http://b/ HTTP/1.1", R::HostContradicted);
    line("GET http://a@b/ HTTP/1.1", R::HostContradicted);
    line("GET http:///x HTTP/1.1", R::HostContradicted);
    line("CONNECT a:80 HTTP/1.1", R::Target);
    line("\n", R::BareLineFeed);
    line("\r\n\r\n", R::FirstLine);
    refused("GET / HTTP/1.1\r\n\r\n", R::HostMissing);
    for host in [
        "", "a b", "a,b", "a/b", "a@b", "a:", "a:b", "a:65536", "a:123456", ":80", "[::1", "[::1]x", "[zz]",
        "a\\b", "a%41", "a:80:80",
    ] {
        refused(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), R::HostInvalid);
    }
}

#[test]
fn limits_are_kept() {
    let long = "x".repeat(200);
    refused(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), R::UriTooLong);
    // Found by fuzzing: a method that was taken in one piece and refused in two.
    let method = "M".repeat(METHOD_BYTES_MAX);
    accepted(&format!("{method} /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(LIMITS.uri_bytes_max - 1)));
    refused(&format!("{method}M / HTTP/1.1\r\nHost: a\r\n\r\n"), R::Method);
    refused(&format!("{method}M"), R::Method);
    let large = "x".repeat(2000);
    refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {large}\r\n\r\n"), R::HeadTooLarge);
    refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {large}"), R::HeadTooLarge);
    refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(8)), R::TooManyFields);
}

#[test]
fn what_can_never_become_a_request_is_refused_at_once() {
    refused("\x16\x03\x01\x02", R::ControlCharacter);
    refused("GET / HTTP/1.1\rHost", R::ControlCharacter);
    refused("{\"json\"", R::Method);
    refused("GET / HTTP/1.1\r\nHost: a\r\nA: b\rc", R::FieldValue);
    refused("GET / HTTP/1.1\x0b", R::ControlCharacter);
}
