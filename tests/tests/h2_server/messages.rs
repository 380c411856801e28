//! RFC 9113 section 8.1: what a request consists of.

use weir_tests::h2::{Block, Event, Expect, code, frame::*, suite::Section};

const SECOND_HEAD: &str = "8.1: An endpoint that receives a HEADERS frame without the END_STREAM flag set after receiving \
                           the HEADERS frame that opens a request MUST treat the corresponding request as malformed.";
const LENGTH: &str = "8.1.1: A request or response that includes a content-length header field whose value does not equal \
                      the sum of the DATA frame payload lengths that form the content is malformed. Intermediaries MUST \
                      NOT forward a malformed request or response.";
const LENGTH_SYNTAX: &str = "RFC 9110, 8.6: Content-Length = 1*DIGIT. If a message is received with an invalid value, \
                             the recipient MUST treat it as an error.";
const TRAILERS: &str = "8.1: Trailer fields are carried in a field block that also terminates the stream.";

#[test]
fn framing() {
    let mut s = Section::new("8.1 message framing");
    s.check(
        "a second head without END_STREAM",
        SECOND_HEAD,
        |ask| vec![ask.post(1), ask.post(1), ask.body(1)],
        Expect::malformed(),
    );
    s.check(
        "trailers without END_STREAM",
        SECOND_HEAD,
        |ask| vec![ask.post(1), data(1, *b"x"), headers(1, Block::of(&[("x-a", "b")])), ask.body(1)],
        Expect::malformed(),
    );
    s.talk("trailers go on", TRAILERS, |t| {
        t.client.send([t.ask.post(1), data(1, *b"hello"), headers(1, Block::of(&[("x-sum", "7")])).end()]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        assert_eq!((request.body, request.trailers.get("x-sum")), (b"hello".to_vec(), Some("7")));
    });
    s.talk("trailers behind no DATA", TRAILERS, |t| {
        t.client.send([t.ask.post(1), headers(1, Block::of(&[("x-sum", "7")])).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"");
    });
    s.talk("trailers with a content-length", TRAILERS, |t| {
        let head = t.ask.post_with(1, &[("content-length", "5")]);
        t.client.send([head, data(1, *b"hello"), headers(1, Block::of(&[("x-sum", "7")])).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"hello");
    });
    type Trailer = (&'static str, &'static str, &'static str, &'static str);
    let trailers: &[Trailer] = &[
        (
            "a pseudo-header field in trailers",
            "8.3: Pseudo-header fields MUST NOT appear in a trailer section.",
            ":path",
            "/",
        ),
        (
            ":method in trailers",
            "8.3: Pseudo-header fields MUST NOT appear in a trailer section.",
            ":method",
            "GET",
        ),
        (
            ":status in trailers",
            "8.3: Pseudo-header fields MUST NOT appear in a trailer section.",
            ":status",
            "200",
        ),
        (
            "an unknown pseudo-header field in trailers",
            "8.3: Pseudo-header fields MUST NOT appear in a trailer section.",
            ":x",
            "y",
        ),
        (
            "connection in trailers",
            "8.2.2: Any message containing connection-specific header fields MUST be treated as malformed.",
            "connection",
            "close",
        ),
        (
            "transfer-encoding in trailers",
            "8.2.2: Any message containing connection-specific header fields MUST be treated as malformed.",
            "transfer-encoding",
            "chunked",
        ),
        (
            "an uppercase name in trailers",
            "8.2.1: A field name MUST NOT contain characters in the range 0x41-0x5a.",
            "X-A",
            "b",
        ),
        (
            "LF in a value of trailers",
            "8.2.1: A field value MUST NOT contain line feed at any position.",
            "x-a",
            "b\nc: d",
        ),
    ];
    for &(name, cites, field, value) in trailers {
        s.check(
            name,
            cites,
            move |ask| vec![ask.post(1), data(1, *b"hello"), headers(1, Block::of(&[(field, value)])).end()],
            Expect::malformed(),
        );
    }
    s.check(
        "pseudo-header fields behind others in trailers",
        "8.3: Pseudo-header fields MUST NOT appear in a trailer \
        section.",
        |ask| {
            vec![
                ask.post(1),
                data(1, *b"hello"),
                headers(1, Block::of(&[("x-a", "b"), (":path", "/")])).end(),
            ]
        },
        Expect::malformed(),
    );
    s.check(
        "DATA behind trailers",
        "8.1: trailers terminate the stream; 5.1: half-closed (remote)",
        |ask| {
            vec![
                ask.to("hold").post(1),
                data(1, *b"x"),
                headers(1, Block::of(&[("x-a", "b")])).end(),
                data(1, *b"y"),
            ]
        },
        Expect::stream(1, code::STREAM_CLOSED),
    );
    s.talk(
        "a request that ends early in the connection",
        "8.1: A request whose stream ends without END_STREAM is \
        incomplete.",
        |t| {
            t.client.send([t.ask.post_with(1, &[("content-length", "10")]), data(1, *b"hello")]).ping();
            t.client.link.half_close();
            t.client.wait_for("end", |event| matches!(event, Event::Closed).then_some(()));
            t.expect_unseen();
        },
    );
    s.run();
}

#[test]
fn content_length() {
    let mut s = Section::new("8.1.1 content-length");
    type Length = (&'static str, &'static str, &'static [&'static str]);
    let wrong: &[Length] = &[
        ("more than came", "6", &["hello"]),
        ("more than came, in several frames", "11", &["hello", "hello"]),
        ("less than came", "4", &["hello"]),
        ("less than came, in several frames", "1", &["h", "e", "llo"]),
        ("0 and a body", "0", &["hello"]),
        ("1 and none", "1", &[""]),
    ];
    for &(name, length, pieces) in wrong {
        s.check(
            name,
            LENGTH,
            move |ask| {
                let mut frames = vec![ask.post_with(1, &[("content-length", length)])];
                frames.extend(pieces.iter().map(|piece| data(1, *piece)));
                let last = frames.pop().expect("at least one");
                frames.push(last.end());
                frames
            },
            // As many octets as were promised may have gone on before it shows that there are more.
            Expect::malformed().seen(),
        );
    }
    s.check(
        "5 and END_STREAM on HEADERS",
        LENGTH,
        |ask| vec![ask.post_with(1, &[("content-length", "5")]).end()],
        Expect::malformed(),
    );
    s.check(
        "5 and trailers at once",
        LENGTH,
        |ask| {
            vec![ask.post_with(1, &[("content-length", "5")]), headers(1, Block::of(&[("x-a", "b")])).end()]
        },
        Expect::malformed(),
    );
    s.check(
        "5 and trailers behind three octets",
        LENGTH,
        |ask| {
            let head = ask.post_with(1, &[("content-length", "5")]);
            vec![head, data(1, *b"hel"), headers(1, Block::of(&[("x-a", "b")])).end()]
        },
        Expect::malformed(),
    );
    s.check(
        "padding is no content",
        LENGTH,
        |ask| vec![ask.post_with(1, &[("content-length", "6")]), data(1, *b"hello").padded(1).end()],
        Expect::malformed(),
    );
    s.talk("right, with padding", LENGTH, |t| {
        let head = t.ask.post_with(1, &[("content-length", "5")]);
        t.client.send([head, data(1, *b"hel").padded(9), data(1, *b"lo").padded(1).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"hello");
    });
    s.talk("0 and no body", LENGTH, |t| {
        t.client.send([t.ask.post_with(1, &[("content-length", "0")]).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"");
    });
    for value in [
        "",
        " ",
        "+5",
        "-5",
        "0x5",
        "5.0",
        "5,6",
        "five",
        "5 5",
        "18446744073709551621",
        "9999999999999999999999999",
    ] {
        s.check(
            format!("{value:?}"),
            LENGTH_SYNTAX,
            move |ask| vec![ask.post_with(1, &[("content-length", value)]), ask.body(1)],
            Expect::malformed(),
        );
    }
    s.check(
        "two that differ",
        LENGTH_SYNTAX,
        |ask| vec![ask.post_with(1, &[("content-length", "5"), ("content-length", "6")]), ask.body(1)],
        Expect::malformed(),
    );
    s.talk_graded(
        "two that are equal",
        "RFC 9110, 8.6: a recipient MUST either reject the message as invalid or replace \
        the duplicated values with a single valid field.",
        |t| {
            t.client.send([
                t.ask.post_with(1, &[("content-length", "5"), ("content-length", "5")]),
                t.ask.body(1),
            ]);
            let grade = Expect::malformed().or(Expect::status(&[200])).check(&mut t.client);
            for request in t.seen() {
                assert_eq!(
                    (request.fields.all("content-length"), request.body),
                    (vec!["5"], b"hello".to_vec())
                );
            }
            grade
        },
    );
    s.run();
}
