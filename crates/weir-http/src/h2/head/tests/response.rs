use super::*;

fn decode(lines: &str, end_stream: bool, to_head: bool) -> (Result<(), HeadError>, ResponseHead, Vec<u8>) {
    let rules = ResponseRules { limits: &LIMITS, end_stream, to_head };
    let (mut text, mut head) = (b"left over".to_vec(), ResponseHead::default());
    let mut decoder = Decoder::new(TABLE_BYTES_MAX);
    let block = block(lines);
    let result = decode_response(&mut decoder, &block, &rules, &mut Scratch::default(), &mut text, &mut head);
    (result, head, text)
}

#[test]
fn places_are_right() {
    let (result, head, text) =
        decode(":status: 404\nserver: s\ncontent-length: 7\nset-cookie: a\nset-cookie: b", false, false);
    assert_eq!(result, Ok(()));
    assert_eq!((head.status, head.version, head.body), (404, Version::Http2, BodyLength::Sized(7)));
    assert_eq!(lines_of(&text, &head.fields).len(), 4);
    assert!(head.reason.is_empty() && head.keeps_alive());
}

#[test]
fn bodies_end_as_the_stream_does() {
    use Malformed as M;
    let check = |lines: &str, expected: [Result<BodyLength, HeadError>; 3]| {
        let body = |end_stream, to_head| {
            let (result, head, _) = decode(lines, end_stream, to_head);
            result.map(|()| head.body)
        };
        assert_eq!([body(false, false), body(true, false), body(true, true)], expected, "{lines}");
    };
    let none = Ok(BodyLength::None);
    check(":status: 200", [Ok(BodyLength::UntilEnd), none, none]);
    check(":status: 200\ncontent-length: 0", [none, none, none]);
    check(
        ":status: 200\ncontent-length: 7",
        [Ok(BodyLength::Sized(7)), Err(M::LengthContradicted.into()), none],
    );
    check(":status: 304\ncontent-length: 7", [none, none, none]);
    check(":status: 204", [none, none, none]);
    check(":status: 204\ncontent-length: 7", [Err(R::ContentLengthForbidden.into()); 3]);
    let interim = Err(M::InterimEnds.into());
    check(":status: 103\nlink: x", [none, interim, interim]);
}

#[test]
fn what_is_no_response_is_refused() {
    use Malformed as M;
    let refused =
        |lines: &str, why: HeadError| assert_eq!(decode(lines, false, false).0, Err(why), "{lines}");
    refused("", M::PseudoMissing.into());
    refused("server: s", M::PseudoMissing.into());
    refused(":status: 200\n:status: 200", M::PseudoRepeated.into());
    refused("server: s\n:status: 200", M::PseudoLate.into());
    refused(":status: 200\n:path: /", M::PseudoUnknown.into());
    for status in ["", "20", "2000", "2x0", "099", "600", "101", "+20"] {
        refused(&format!(":status: {status}"), R::Status.into());
    }
    refused(":status: 200\nconnection: close", M::ConnectionField.into());
    refused(":status: 200\nServer: s", M::Uppercase.into());
    refused(&format!(":status: 200\n{}", "x: y\n".repeat(9)), R::TooManyFields.into());
}

#[test]
fn trailers_are_lines() {
    let trailers = |lines: &str| {
        let mut text = b"left over".to_vec();
        let (mut decoder, mut scratch) = (Decoder::new(TABLE_BYTES_MAX), Scratch::default());
        decode_trailers(&mut decoder, &block(lines), &LIMITS, &mut scratch, &mut text)
            .map(|()| String::from_utf8(text).unwrap())
    };
    assert_eq!(trailers("grpc-status: 0\ngrpc-message: ").unwrap(), "grpc-status: 0\r\ngrpc-message: \r\n");
    assert_eq!(trailers("").unwrap(), "");
    assert_eq!(trailers(":status: 200"), Err(Malformed::PseudoForbidden.into()));
    assert_eq!(trailers("X: y"), Err(Malformed::Uppercase.into()));
    for name in ["content-length", "host", "te", "connection", "transfer-encoding", "x-forwarded-for"] {
        assert_eq!(trailers(&format!("{name}: trailers")), Err(R::Trailer.into()), "{name}");
    }
    assert_eq!(trailers(&"x: y\n".repeat(9)), Err(R::TooManyFields.into()));
}

/// Every field of the block, one a line.
fn shown(block: &[u8]) -> String {
    let mut shown = String::new();
    let mut field = |name: &[u8], value: &[u8]| {
        shown += &format!("{}: {}\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    };
    Decoder::new(TABLE_BYTES_MAX).decode(block, &mut Default::default(), &mut field).unwrap();
    shown
}

#[test]
fn texts_become_blocks() {
    let mut out = Vec::new();
    let text =
        b"HTTP/1.1 404 Not Found\r\nServer: \t s \r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
        X-Own-Name: Some Value\r\nempty:\r\n\r\nbody: no\r\n";
    encode_response(&mut Encoder::default(), text, &mut out);
    assert_eq!(shown(&out), ":status: 404\nserver: s\nx-own-name: Some Value\nempty: \n");

    out.clear();
    encode_response(
        &mut Encoder::default(),
        b"HTTP/1.1 101 \r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        &mut out,
    );
    assert_eq!(shown(&out), ":status: 200\n");

    out.clear();
    let text = b"GET /a?b HTTP/1.1\r\naccept: *\r\nHost: a.example\r\nte: trailers\r\nconnection: te\r\n\r\n";
    encode_request(&mut Encoder::default(), text, b"http", None, &mut out);
    let pseudo = ":scheme: http\n:path: /a?b\n:authority: a.example\naccept: *\nte: trailers\n";
    assert_eq!(shown(&out), format!(":method: GET\n{pseudo}"));

    out.clear();
    encode_request(&mut Encoder::default(), text, b"http", Some(b"websocket"), &mut out);
    assert_eq!(shown(&out), format!(":method: CONNECT\n:protocol: websocket\n{pseudo}"));

    for end in ["", "\r\n"] {
        out.clear();
        encode_trailers(
            &mut Encoder::default(),
            format!("grpc-status: 0\r\nA:b\r\n{end}").as_bytes(),
            &mut out,
        );
        assert_eq!(shown(&out), "grpc-status: 0\na: b\n");
    }
    out.clear();
    encode_trailers(&mut Encoder::default(), b"", &mut out);
    assert!(out.is_empty());
}
