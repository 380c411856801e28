//! gRPC, as far as somebody between its clients and servers must know it: which requests are gRPC, and what their answers
//! say that is said in no status of HTTP.
//!
//! An answer of gRPC has status 200 whatever came of the call; that stands in `grpc-status`, among the trailers or, if
//! there is no message, in the head. It is read for metrics, and passed on untouched. grpc-web is not meant here: it has
//! its trailers in the body.

use crate::head::{RequestHead, ResponseHead};

/// The status codes, by their numbers.
pub const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(crate) const CANCELLED: u8 = 1;
pub(crate) const UNKNOWN: u8 = 2;
pub(crate) const INTERNAL: u8 = 13;

const NAME: &[u8] = b"grpc-status";

/// The request is a call of gRPC. All of these are POST, so that most requests cost one comparison.
pub(crate) fn is_asked(request: &RequestHead, text: &[u8]) -> bool {
    request.method.of(text) == b"POST"
        && request.fields.iter().any(|field| {
            field.name.of(text).eq_ignore_ascii_case(b"content-type") && is_grpc(field.value.of(text))
        })
}

/// `application/grpc`, perhaps with the form of its messages.
fn is_grpc(media_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    media_type.split_at_checked(TYPE.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
    })
}

/// What the head of an answer says, if it is all there is of it.
pub(crate) fn status_of(response: &ResponseHead, text: &[u8]) -> Option<u8> {
    let field = response.fields.iter().find(|field| field.name.of(text).eq_ignore_ascii_case(NAME))?;
    Some(number(field.value.of(text)))
}

/// What trailers say, each on a line.
pub(crate) fn status_in(lines: &[u8]) -> Option<u8> {
    lines.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        let value = value.strip_prefix(b":").filter(|_| name.eq_ignore_ascii_case(NAME))?;
        Some(number(value.trim_ascii()))
    })
}

/// What clients make of an answer without a status of gRPC
/// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
pub(crate) fn status_without(http: u16) -> u8 {
    match http {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => UNKNOWN,
    }
}

/// How an answer of our own is said in gRPC. Nearer to its cause than [`status_without`] where we know that.
pub(crate) fn status_for(http: u16) -> u8 {
    match http {
        408 | 504 => 4,
        413 | 414 | 431 => 8,
        501 => 12,
        http => status_without(http),
    }
}

fn number(value: &[u8]) -> u8 {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.filter(|number| usize::from(*number) < GRPC_STATUSES.len()).unwrap_or(UNKNOWN)
}

/// Appends the value of `grpc-message`: anything but plain ASCII is percent-encoded.
pub(crate) fn message(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                out.extend_from_slice(&[
                    b'%',
                    DIGITS[usize::from(byte >> 4)],
                    DIGITS[usize::from(byte & 15)],
                ]);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_apart() {
        let check = |media_type: &str, expected| {
            assert_eq!(is_grpc(media_type.as_bytes()), expected, "{media_type}");
        };
        check("application/grpc", true);
        check("Application/gRPC+proto", true);
        check("application/grpc;charset=x", true);
        check("application/grpc-web+proto", false);
        check("application/grp", false);
        check("application/json", false);
    }

    #[test]
    fn statuses_are_found_in_trailers() {
        let check = |lines: &str, expected| assert_eq!(status_in(lines.as_bytes()), expected, "{lines:?}");
        check("grpc-status: 0\r\ngrpc-message: fine\r\n", Some(0));
        check("x: y\r\nGRPC-Status:14\r\n", Some(14));
        check("grpc-status: 17\r\n", Some(UNKNOWN));
        check("grpc-status: \r\n", Some(UNKNOWN));
        check("grpc-status-details-bin: 5\r\n", None);
        check("", None);
    }

    #[test]
    fn messages_are_percent_encoded() {
        let mut out = Vec::new();
        message(&mut out, "no 100% `ä`\n");
        assert_eq!(out, b"no 100%25 `%C3%A4`%0A");
    }
}
