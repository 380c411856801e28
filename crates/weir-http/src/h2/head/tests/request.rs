use super::*;

fn decode(block: &[u8], end_stream: bool) -> (Result<(), HeadError>, RequestHead, Vec<u8>) {
    let rules = RequestRules { limits: &LIMITS, end_stream, extended_connect: true };
    let (mut text, mut head) = (b"left over".to_vec(), RequestHead::default());
    let mut decoder = Decoder::new(TABLE_BYTES_MAX);
    let result = decode_request(&mut decoder, block, &rules, &mut Scratch::default(), &mut text, &mut head);
    (result, head, text)
}

fn accepted(lines: &str) -> (RequestHead, Vec<u8>) {
    let (result, head, text) = decode(&block(lines), false);
    assert_eq!(result, Ok(()), "{lines}");
    lines_of(&text, &head.fields);
    (head, text)
}

fn refused(lines: &str, why: impl Into<HeadError>) {
    assert_eq!(decode(&block(lines), false).0, Err(why.into()), "{lines}");
}

const GET: &str = ":method: GET\n:scheme: https\n:path: /\n:authority: a.example\n";

#[test]
fn places_are_right() {
    let (head, text) = accepted(
        ":authority: a.example:8080
         :path: /a/b?c=d
         :scheme: https
         :method: PUT
         x-one: two words
         content-length: 12
         expect: 100-continue
         te: trailers",
    );
    assert_eq!(head.method.of(&text), b"PUT");
    assert_eq!(head.target.of(&text), b"/a/b?c=d");
    assert_eq!(head.path.of(&text), b"/a/b");
    assert_eq!(head.query.unwrap().of(&text), b"c=d");
    assert_eq!(head.host.unwrap().of(&text), b"a.example:8080");
    assert_eq!((head.version, head.body), (Version::Http2, BodyLength::Sized(12)));
    assert!(head.has_host_field && head.expects_continue && head.takes_trailers && head.keeps_alive());
    assert!(!head.extended_connect && head.upgrade.is_none());
    let names: Vec<&[u8]> = head.fields.iter().map(|field| field.name.of(&text)).collect();
    assert_eq!(names, [&b"host"[..], b"x-one", b"content-length", b"expect", b"te"]);
}

#[test]
fn the_host_is_one_line() {
    let hosts = |lines: &str| {
        let (head, text) = accepted(&format!(":method: GET\n:scheme: http\n:path: /\n{lines}"));
        assert_eq!(head.host.unwrap().of(&text), b"a.example");
        head.fields.iter().filter(|field| field.kind == FieldKind::Host).count()
    };
    assert_eq!(hosts(":authority: a.example"), 1);
    assert_eq!(hosts(":authority: a.example\nx: y\nhost: A.example"), 1);
    assert_eq!(hosts("x: y\nhost: a.example"), 1);
    refused(&format!("{GET}host: b.example"), R::HostContradicted);
    refused(&format!("{GET}host: a.example\nhost: a.example"), R::HostRepeated);
    refused(":method: GET\n:scheme: http\n:path: /", R::HostMissing);
    refused(":method: GET\n:scheme: http\n:path: /\nhost: a\nhost: a", R::HostRepeated);
    for host in ["", "user@a", "a,b", "a b", "[::1", "a:99999"] {
        for name in [":authority", "host"] {
            refused(&format!(":method: GET\n:scheme: http\n:path: /\n{name}: {host}"), R::HostInvalid);
        }
    }
}

#[test]
fn pseudo_fields_have_their_place() {
    use Malformed as M;
    refused("", M::PseudoMissing);
    refused(":method: GET\n:path: /\n:authority: a", M::PseudoMissing);
    refused(":method: GET\n:scheme: http\n:authority: a", M::PseudoMissing);
    refused(":scheme: http\n:path: /\n:authority: a", M::PseudoMissing);
    for line in GET.lines() {
        refused(&format!("{GET}{line}"), M::PseudoRepeated);
        refused(&format!("{GET}x: y\n{line}"), M::PseudoLate);
    }
    refused(&format!("{GET}:status: 200"), M::PseudoUnknown);
    refused(&format!("{GET}:Path: /"), M::PseudoUnknown);
    refused(":method: GET\n:scheme: ftp\n:path: /\n:authority: a", M::Scheme);
    refused(":method: G T\n:scheme: http\n:path: /\n:authority: a", R::Method);
    for path in ["", "*", "a", "http://a/", "/a b", "/a#b", "/\u{e9}"] {
        refused(&format!(":method: GET\n:scheme: http\n:authority: a\n:path: {path}"), R::Target);
    }
    let (head, text) = accepted(":method: OPTIONS\n:scheme: http\n:path: *\n:authority: a");
    assert_eq!(head.target.of(&text), b"*");
}

#[test]
fn fields_are_those_of_http_2() {
    use Malformed as M;
    let field = |line: &str, why: HeadError| refused(&format!("{GET}{line}"), why);
    for line in
        ["connection: x", "keep-alive: 5", "proxy-connection: x", "transfer-encoding: chunked", "upgrade: x"]
    {
        field(line, M::ConnectionField.into());
    }
    field("X-One: y", M::Uppercase.into());
    field("x one: y", R::FieldName.into());
    field("te: gzip", M::Te.into());
    field("te: trailers, gzip", M::Te.into());
    field("x:  y", M::SpaceAroundValue.into());
    field("x: y\t", M::SpaceAroundValue.into());
    field("content-length: +1", R::ContentLengthInvalid.into());
    field("content-length: 1\ncontent-length: 1", R::ContentLengthRepeated.into());
    for (name, value, why) in [
        (&b""[..], &b"x"[..], R::FieldName),
        (b"x", b"a\rb", R::FieldValue),
        (b"x", b"a\nb", R::FieldValue),
        (b"x", b"a\0b", R::FieldValue),
        (b"x\xe9", b"", R::FieldName),
    ] {
        let mut block = block(GET);
        literal(name, value, &mut block);
        assert_eq!(decode(&block, false).0, Err(why.into()), "{name:?} {value:?}");
    }
}

#[test]
fn cookies_are_joined_where_the_first_was() {
    let check = |lines: &str, expected: &[&str]| {
        let (head, text) = accepted(&format!("{GET}{lines}"));
        let shown: Vec<String> = lines_of(&text, &head.fields)[1..]
            .iter()
            .map(|(name, value, _)| {
                format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            })
            .collect();
        assert_eq!(shown, expected);
        head
    };
    check("cookie: a=b", &["cookie: a=b"]);
    check("cookie: a=b\ncookie: c=d\nx: y", &["cookie: a=b; c=d", "x: y"]);
    check("cookie: a=b\ncookie: \nx: y\ncookie: c\ncookie: d", &["cookie: a=b; c; d", "x: y"]);
    check("cookie: \nx: y\ncookie: c\nz: \ncookie: d", &["cookie: c; d", "x: y", "z: "]);
    check("cookie: \ncookie: c", &["cookie: c"]);
    let lines = ":method: GET\n:scheme: http\n:path: /\ncookie: a\nhost: b\nx: y\ncookie: c";
    let (head, text) = accepted(lines);
    assert_eq!(head.host.unwrap().of(&text), b"b");
}

#[test]
fn bodies_end_as_the_stream_does() {
    let check = |fields: &str, end_stream: bool, expected: Result<BodyLength, HeadError>| {
        let (result, head, _) = decode(&block(&format!("{GET}{fields}")), end_stream);
        assert_eq!(result.map(|()| head.body), expected, "{fields} {end_stream}");
    };
    check("", true, Ok(BodyLength::None));
    check("", false, Ok(BodyLength::UntilEnd));
    check("content-length: 0", true, Ok(BodyLength::None));
    check("content-length: 0", false, Ok(BodyLength::None));
    check("content-length: 7", false, Ok(BodyLength::Sized(7)));
    check("content-length: 7", true, Err(Malformed::LengthContradicted.into()));
}

#[test]
fn connect_is_plain_or_extended() {
    use Malformed as M;
    let (head, text) = accepted(":method: CONNECT\n:authority: a:443");
    assert_eq!((head.method.of(&text), head.host.unwrap().of(&text)), (&b"CONNECT"[..], &b"a:443"[..]));
    assert!(head.target.is_empty() && !head.extended_connect);
    refused(":method: CONNECT\n:authority: a:443\n:path: /", M::PseudoForbidden);
    refused(":method: CONNECT\n:authority: a:443\n:scheme: http", M::PseudoForbidden);
    refused(":method: CONNECT\nhost: a", M::PseudoMissing);

    let extended = ":method: CONNECT\n:scheme: https\n:path: /chat?x\n:authority: a\n";
    let (head, text) = accepted(&format!("{extended}:protocol: websocket\nsec-websocket-version: 13"));
    assert_eq!((head.method.of(&text), head.target.of(&text)), (&b"GET"[..], &b"/chat?x"[..]));
    assert_eq!((head.upgrade.unwrap().of(&text), head.body), (&b"websocket"[..], BodyLength::None));
    assert!(head.extended_connect);
    for protocol in ["", "h2c", "H2C", "a b", "a,h2c"] {
        refused(&format!("{extended}:protocol: {protocol}"), M::Protocol);
    }
    refused(&format!("{extended}:protocol: x\ncontent-length: 0"), R::ContentLengthForbidden);
    refused(":method: CONNECT\n:authority: a\n:protocol: x", M::PseudoMissing);
    refused(&format!("{GET}:protocol: x"), M::PseudoForbidden);
    let rules = RequestRules { limits: &LIMITS, end_stream: false, extended_connect: false };
    let result = decode_request(
        &mut Decoder::new(TABLE_BYTES_MAX),
        &block(&format!("{extended}:protocol: websocket")),
        &rules,
        &mut Scratch::default(),
        &mut Vec::new(),
        &mut RequestHead::default(),
    );
    assert_eq!(result, Err(M::PseudoUnknown.into()));
}

/// What is too large is answered, so its method is told; and the table has seen all of it.
#[test]
fn limits_stop_the_text_but_not_the_table() {
    let path = format!(":method: HEAD\n:path: /{}\n:scheme: http\n:authority: a", "x".repeat(100));
    let (result, head, text) = decode(&block(&path), true);
    assert_eq!((result, head.method.of(&text)), (Err(R::UriTooLong.into()), &b"HEAD"[..]));

    let (result, head, text) = decode(&block(&format!("{GET}{}", "x: y\n".repeat(8))), true);
    assert_eq!((result, head.method.of(&text)), (Err(R::TooManyFields.into()), &b"GET"[..]));
    assert_eq!(decode(&block(&format!("{GET}{}", "x: y\n".repeat(7))), true).0, Ok(()));

    // An entry of some 200 bytes that is named again and again, and then one that must be in the table.
    let mut bomb = block(GET);
    bomb.extend_from_slice(b"\x40\x01x\x7f\x4a");
    bomb.extend_from_slice(&[b'y'; 201]);
    bomb.extend_from_slice(&[0xbe; 40]);
    bomb.extend_from_slice(b"\x40\x01z\x01z");
    let rules = RequestRules { limits: &LIMITS, end_stream: true, extended_connect: false };
    let (mut decoder, mut scratch) = (Decoder::new(TABLE_BYTES_MAX), Scratch::default());
    let (mut text, mut head) = (Vec::new(), RequestHead::default());
    let result = decode_request(&mut decoder, &bomb, &rules, &mut scratch, &mut text, &mut head);
    assert_eq!(result, Err(R::HeadTooLarge.into()));
    assert_eq!((head.method.of(&text), head.target.of(&text)), (&b"GET"[..], &b"/"[..]));
    assert!(text.len() <= LIMITS.bytes_max && text.capacity() <= 2 * LIMITS.bytes_max);
    let mut next = block(GET);
    next.push(0xbe);
    let result = decode_request(&mut decoder, &next, &rules, &mut scratch, &mut text, &mut head);
    assert_eq!((result, head.fields[1].value.of(&text)), (Ok(()), &b"z"[..]));

    for crumbs in ["cookie: abc\n".repeat(300), "cookie: a\nx: y\n".to_owned() + &"cookie: abc\n".repeat(300)]
    {
        assert_eq!(decode(&block(&format!("{GET}{crumbs}")), true).0, Err(R::HeadTooLarge.into()));
    }
}

#[test]
fn a_block_that_cannot_be_decoded_is_another_fault() {
    let mut broken = block(&format!("{GET}X: y"));
    broken.push(0xff);
    assert_eq!(decode(&broken, true).0, Err(HeadError::Compression(crate::h2::hpack::Error::Truncated)));
}
