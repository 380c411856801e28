use super::*;
use crate::h1::Refusal as R;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 1024, fields_max: 8, uri_bytes_max: 100 };

fn outcome(text: &str, to_head: bool) -> (Result<Progress, Refusal>, ResponseHead) {
    let mut head = ResponseHead::default();
    (ResponseParser::default().parse(text.as_bytes(), &mut head, &LIMITS, to_head), head)
}

fn length(text: &str, to_head: bool) -> Result<BodyLength, Refusal> {
    let (result, head) = outcome(text, to_head);
    result.map(|progress| {
        assert_eq!(progress, Progress::Whole, "{text:?}");
        head.body
    })
}

#[test]
fn lengths_follow_status_and_request() {
    let check = |text: &str, expected| assert_eq!(length(text, false), expected, "{text:?}");
    check("HTTP/1.1 200 OK\r\n\r\n", Ok(BodyLength::UntilEnd));
    check("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", Ok(BodyLength::Sized(3)));
    check("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", Ok(BodyLength::Chunked));
    check("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Ok(BodyLength::None));
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", Ok(BodyLength::None));
    check("HTTP/1.1 100 Continue\r\n\r\n", Ok(BodyLength::None));
    check("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", Err(R::ContentLengthForbidden));
    check("HTTP/1.1 101 Up\r\nTransfer-Encoding: chunked\r\n\r\n", Err(R::TransferEncoding));
    assert_eq!(length("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true), Ok(BodyLength::None));
}

#[test]
fn the_gate_is_as_strict_towards_servers() {
    let line =
        |line: &str, why| assert_eq!(outcome(&format!("{line}\r\n\r\n"), false).0, Err(why), "{line:?}");
    for text in ["HTTP/1.1  200 OK", "HTTP/1.1", "HTTP/1.1 2", ""] {
        let result = outcome(&format!("{text}\r\n\r\n"), false).0;
        assert!(matches!(result, Err(R::FirstLine | R::Status)), "{text:?}: {result:?}");
    }
    line("HTTP/1.1 2000 OK", R::Status);
    line("HTTP/1.1 099 OK", R::Status);
    line("HTTP/1.1 600 OK", R::Status);
    line("HTTP/1.1 2x0 OK", R::Status);
    line("HTTP/2.0 200 OK", R::Version);
    line("HTTP/1.1 200 O\x01K", R::ControlCharacter);
    let with = |fields: &str, why| {
        assert_eq!(outcome(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), false).0, Err(why), "{fields:?}");
    };
    with("A: b\nC: d\r\n", R::BareLineFeed);
    with("A : b\r\n", R::FieldName);
    with("A: b\r\n c\r\n", R::FieldFolded);
    with("A: b\0\r\n", R::FieldValue);
    with("Content-Length: 5\r\nContent-Length: 5\r\n", R::ContentLengthRepeated);
    with("Content-Length: 5, 5\r\n", R::ContentLengthInvalid);
    with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", R::LengthAmbiguous);
    with("Transfer-Encoding: gzip, chunked\r\n", R::TransferEncoding);
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(outcome(old, false).0, Err(R::TransferEncodingIn10));
}
