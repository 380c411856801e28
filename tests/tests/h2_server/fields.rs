//! RFC 9113 section 8.2: fields.

use weir_tests::h2::{Block, Expect, frame::*, suite::Section};

const NAME: &str = "8.2.1: A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff. A \
                    request or response that contains a field that violates any of these conditions MUST be treated as \
                    malformed.";
const COLON: &str =
    "8.2.1: With the exception of pseudo-header fields, field names MUST NOT include a colon.";
const TOKEN: &str =
    "8.2.1: HTTP/2 implementations SHOULD validate field names according to RFC 9110, section 5.1: a token.";
const VALUE: &str =
    "8.2.1: A field value MUST NOT contain the zero value, line feed, or carriage return at any position.";
const SPACE: &str = "8.2.1: A field value MUST NOT start or end with an ASCII whitespace character.";
const CONTROL: &str =
    "8.2.1: HTTP/2 implementations SHOULD validate field values according to RFC 9110, section 5.5.";
const CONNECTION: &str =
    "8.2.2: Any message containing connection-specific header fields MUST be treated as malformed.";
const TE: &str = "8.2.2: The TE header field MAY be present in an HTTP/2 request; when it is, it MUST NOT contain any \
                  value other than \"trailers\".";
const COOKIE: &str = "8.2.3: If there are multiple Cookie header fields after decompression, these MUST be concatenated \
                      into a single octet string using the two-octet delimiter of 0x3b, 0x20 before being passed into \
                      an HTTP/1.1 connection.";

#[test]
fn names() {
    let mut s = Section::new("8.2.1 field names");
    let mut check = |what: String, cites: &'static str, name: Vec<u8>| {
        s.check(
            what,
            cites,
            move |ask| vec![headers(1, ask.fields("GET").and(&Block::new().octets(&name, b"value"))).end()],
            Expect::malformed(),
        );
    };
    for octet in (0..=0x20).chain(0x41..=0x5a).chain([0x7f, 0x80, 0xa0, 0xc3, 0xff]) {
        check(format!("{octet:#04x} within"), NAME, vec![b'x', b'-', octet, b'a']);
    }
    for octet in [b'\0', b'\n', b'\r', b' ', b'X'] {
        check(format!("{octet:#04x} in front"), NAME, vec![octet, b'a']);
        check(format!("{octet:#04x} at the end"), NAME, vec![b'a', octet]);
    }
    check("a colon within".into(), COLON, b"x:a".to_vec());
    check("a colon at the end".into(), COLON, b"xa:".to_vec());
    check("a field in the name".into(), NAME, b"x-a: b\r\nevil".to_vec());
    check("no octet".into(), TOKEN, Vec::new());
    for octet in *b"\"(),/;<=>?@[\\]{}" {
        check(format!("{:?} within", char::from(octet)), TOKEN, vec![b'x', octet, b'a']);
    }
    s.talk("all octets of a token", TOKEN, |t| {
        let name = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
        t.client.send([t.ask.get_with(1, &[(name, "value")])]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().fields.get(name), Some("value"));
    });
    s.run();
}

#[test]
fn values() {
    let mut s = Section::new("8.2.1 field values");
    let mut check = |what: String, cites: &'static str, value: Vec<u8>| {
        s.check(
            what,
            cites,
            move |ask| vec![headers(1, ask.fields("GET").and(&Block::new().octets(b"x-a", &value))).end()],
            Expect::malformed(),
        );
    };
    for (name, octet) in [("NUL", b'\0'), ("LF", b'\n'), ("CR", b'\r')] {
        check(format!("{name} within"), VALUE, vec![b'a', octet, b'b']);
        check(format!("{name} in front"), VALUE, vec![octet, b'b']);
        check(format!("{name} at the end"), VALUE, vec![b'a', octet]);
    }
    check("a second field in the value".into(), VALUE, b"a\r\nevil: b".to_vec());
    check(
        "a second request in the value".into(),
        VALUE,
        b"a\r\n\r\nGET /evil HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
    );
    for (name, octet) in [("a space", b' '), ("a tab", b'\t')] {
        check(format!("{name} in front"), SPACE, vec![octet, b'a']);
        check(format!("{name} at the end"), SPACE, vec![b'a', octet]);
        check(format!("{name} alone"), SPACE, vec![octet]);
    }
    for octet in [0x01, 0x08, 0x0b, 0x1f, 0x7f] {
        check(format!("{octet:#04x} within"), CONTROL, vec![b'a', octet, b'b']);
    }
    for (name, value) in
        [("empty", &b""[..]), ("spaces within", b"a b\tc"), ("octets above ASCII", b"\xc3\xa4\xff")]
    {
        s.talk(name, "RFC 9110, 5.5: field-value = *field-content", move |t| {
            t.client.send([headers(1, t.ask.fields("GET").and(&Block::new().octets(b"x-a", value))).end()]);
            assert_eq!(t.client.response(1).status, 200);
            let request = t.seen_once();
            // A reader of HTTP/1 here makes one character of each octet.
            let expected: String = value.iter().copied().map(char::from).collect();
            let came = request.fields.get("x-a").expect("it went on");
            assert_eq!(came, expected);
        });
    }
    s.talk(
        "fields of one name stay apart and in order",
        "RFC 9110, 5.3: the order in which field lines with the same \
        name are received is significant.",
        |t| {
            t.client.send([t.ask.get_with(1, &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")])]);
            assert_eq!(t.client.response(1).status, 200);
            let request = t.seen_once();
            let values = request.fields.all("x-a").join(",").replace(", ", ",");
            assert_eq!((&values[..], request.fields.get("x-b")), ("1,3", Some("2")));
        },
    );
    s.run();
}

#[test]
fn connection_specific() {
    let mut s = Section::new("8.2.2 connection-specific fields");
    let fields = [
        ("connection", "close"),
        ("connection", "keep-alive"),
        ("connection", "x-a"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("connection", ""),
    ];
    for (name, value) in fields {
        s.check(
            format!("{name}: {value}"),
            CONNECTION,
            move |ask| vec![ask.get_with(1, &[(name, value)])],
            Expect::malformed(),
        );
        s.check(
            format!("{name}: {value} with a body"),
            CONNECTION,
            move |ask| vec![ask.post_with(1, &[(name, value), ("content-length", "5")]), ask.body(1)],
            Expect::malformed(),
        );
    }
    for value in ["gzip", "trailers, deflate", "trailers;q=0.5", "trailers,deflate;q=0.5", "chunked", ""] {
        s.check(
            format!("te: {value}"),
            TE,
            move |ask| vec![ask.get_with(1, &[("te", value)])],
            Expect::malformed(),
        );
    }
    s.check("te: trailers", TE, |ask| vec![ask.get_with(1, &[("te", "trailers")])], Expect::status(&[200]));
    s.run();
}

#[test]
fn cookies() {
    let mut s = Section::new("8.2.3 cookies");
    type Crumbs = (&'static str, &'static [&'static str], &'static str);
    let cases: &[Crumbs] = &[
        ("one", &["a=1"], "a=1"),
        ("three", &["a=1", "b=2", "c=3"], "a=1; b=2; c=3"),
        ("pairs and more pairs", &["a=1; b=2", "c=3; d=4"], "a=1; b=2; c=3; d=4"),
    ];
    for &(name, crumbs, joined) in cases {
        s.talk(name, COOKIE, move |t| {
            let fields: Vec<_> = crumbs.iter().map(|crumb| ("cookie", *crumb)).collect();
            t.client.send([t.ask.get_with(1, &fields)]);
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().fields.get("cookie"), Some(joined));
        });
    }
    s.talk("with other fields between them", COOKIE, |t| {
        t.client.send([t.ask.get_with(1, &[("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2")])]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        assert_eq!((request.fields.get("cookie"), request.fields.get("x-a")), (Some("a=1; c=2"), Some("b")));
    });
    s.run();
}
