//! One message, one head: through the gate of HTTP/1, and through a block.

use proptest::prelude::*;

use super::*;

const LARGE: HeadLimits = HeadLimits { bytes_max: 32 << 10, fields_max: 100, uri_bytes_max: 8192 };

/// Lines that both versions have. Names are in lower case, as blocks have them.
fn lines() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "accept", "user-agent", "expect", "forwarded", "x-forwarded-for", "x_forwarded_for", "x-forwarded-proto",
            "accept-encoding", "authorization", "content-type", "date", "server", "set-cookie", "via",
        ]).prop_map(str::to_owned),
        1 => "x-[a-z0-9!#$%&'*+.^_`|~-]{0,70}",
    ];
    let value = prop_oneof![
        3 => prop::sample::select(vec!["", "100-continue", "a, b", "gzip, deflate", "text/html"]).prop_map(str::to_owned),
        2 => "[!-~]([ -~\té]{0,60}[!-~])?",
        1 => "[!-~]{100,1500}",
    ];
    prop::collection::vec((name, value), 0..12)
}

fn http_1(first: &str, lines: &[(String, String)]) -> String {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{first}\r\n{lines}\r\n")
}

proptest! {
    #[test]
    fn requests(
        requests in prop::collection::vec((
            prop::sample::select(vec!["GET", "POST", "HEAD", "M-SEARCH"]),
            "/[!\"$->@-~]{0,30}([?][!-\"$-~]{0,20})?",
            prop::sample::select(vec!["a.example", "[::1]:80", "127.0.0.1"]),
            prop::option::of("[!-~]{1,9}"),
            prop::option::of(0_u64..1000),
            lines(),
        ), 1..6),
    ) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(TABLE_BYTES_MAX));
        let (mut scratch, mut text, mut head) = (Scratch::default(), Vec::new(), RequestHead::default());
        for (method, path, host, cookie, length, mut lines) in requests {
            lines.insert(0, ("host".to_owned(), host.to_owned()));
            lines.extend(cookie.map(|cookie| ("cookie".to_owned(), cookie)));
            lines.extend(length.map(|length| ("content-length".to_owned(), length.to_string())));
            let one = http_1(&format!("{method} {path} HTTP/1.1"), &lines);
            let one = one.as_bytes();
            let mut expected = RequestHead::default();
            prop_assert_eq!(RequestParser::default().parse(one, &mut expected, &LARGE), Ok(Progress::Whole));

            let mut block = Vec::new();
            encode_request(&mut encoder, one, b"https", None, &mut block);
            let rules = RequestRules {
                limits: &LARGE,
                end_stream: expected.body == BodyLength::None,
                extended_connect: true,
            };
            let result = decode_request(&mut decoder, &block, &rules, &mut scratch, &mut text, &mut head);
            prop_assert_eq!(result, Ok(()));

            let bytes = |head: &RequestHead, text: &[u8]| {
                [Some(head.method), Some(head.target), Some(head.path), head.query, head.host]
                    .map(|span| span.map(|span| span.of(text).to_vec()))
            };
            prop_assert_eq!(bytes(&head, &text), bytes(&expected, one));
            prop_assert_eq!(lines_of(&text, &head.fields), lines_of(&one[..one.len() - 2], &expected.fields));
            prop_assert_eq!(
                (head.has_host_field, head.body, head.connection, head.expects_continue, head.upgrade),
                (expected.has_host_field, expected.body, expected.connection, expected.expects_continue, None)
            );
        }
    }

    #[test]
    fn responses(
        responses in prop::collection::vec((200_u16..600, prop::option::of(0_u64..1000), any::<bool>(), lines()), 1..6),
    ) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(TABLE_BYTES_MAX));
        let (mut scratch, mut text, mut head) = (Scratch::default(), Vec::new(), ResponseHead::default());
        for (status, length, to_head, mut lines) in responses {
            let length = length.filter(|_| status != 204);
            lines.extend(length.map(|length| ("content-length".to_owned(), length.to_string())));
            let one = http_1(&format!("HTTP/1.1 {status} Reason"), &lines);
            let one = one.as_bytes();
            let mut expected = ResponseHead::default();
            let result = ResponseParser::default().parse(one, &mut expected, &LARGE, to_head);
            prop_assert_eq!(result, Ok(Progress::Whole));

            let mut block = Vec::new();
            encode_response(&mut encoder, one, &mut block);
            let rules = ResponseRules { limits: &LARGE, end_stream: expected.body == BodyLength::None, to_head };
            let result = decode_response(&mut decoder, &block, &rules, &mut scratch, &mut text, &mut head);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!((head.status, head.body), (status, expected.body));
            prop_assert_eq!(lines_of(&text, &head.fields), lines_of(&one[..one.len() - 2], &expected.fields));
        }
    }

    /// Whatever a block says, its head is whole or refused.
    #[test]
    fn any_fields(
        fields in prop::collection::vec((
            prop_oneof![
                prop::sample::select(vec![
                    ":method", ":scheme", ":path", ":authority", ":protocol", ":status", "host", "cookie", "te",
                    "content-length", "x",
                ]).prop_map(|name| name.as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..4),
            ],
            prop_oneof![
                prop::sample::select(vec!["GET", "CONNECT", "http", "/", "*", "a", "websocket", "trailers", "7"])
                    .prop_map(|value| value.as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..200),
            ],
        ), 0..20),
        end_stream: bool,
    ) {
        let mut block = Vec::new();
        fields.iter().for_each(|(name, value)| literal(name, value, &mut block));
        let (mut decoder, mut scratch) = (Decoder::new(TABLE_BYTES_MAX), Scratch::default());
        let (mut text, mut head) = (Vec::new(), RequestHead::default());
        let rules = RequestRules { limits: &LIMITS, end_stream, extended_connect: true };
        if decode_request(&mut decoder, &block, &rules, &mut scratch, &mut text, &mut head).is_ok() {
            lines_of(&text, &head.fields);
            prop_assert!(head.host.is_some() && !head.method.is_empty());
        }
        prop_assert!(text.len() <= LIMITS.bytes_max && head.fields.len() <= LIMITS.fields_max);
        let _ = head.target.of(&text);
        let (mut head, rules) = (ResponseHead::default(), ResponseRules { limits: &LIMITS, end_stream, to_head: false });
        if decode_response(&mut decoder, &block, &rules, &mut scratch, &mut text, &mut head).is_ok() {
            lines_of(&text, &head.fields);
        }
        let _ = decode_trailers(&mut decoder, &block, &LIMITS, &mut scratch, &mut text);
        prop_assert!(text.len() <= LIMITS.bytes_max);
    }
}
