//! The gRPC check: `grpc.health.v1.Health/Check` on a connection of its own.
//!
//! Both messages are so small that they are written and read by hand, in the wire format of Protocol Buffers: the request
//! is one text, the answer one number. What the answer has beside it is passed over, as the format wants it.

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, TE, USER_AGENT},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Place, Stage,
    http::{AGENT, exchange_reason, send},
};

/// More than this of an answer is not read, in bytes. Those of health services have 7.
const ANSWER_BYTES_MAX: usize = 4096;

/// Compressed or not, and the length.
const PREFIX_LEN: usize = 5;

/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: u64 = 1;

const STATUS: &str = "grpc-status";

/// Asks how `service` is. The error is the reason, for a person.
pub(super) async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: Place,
    service: &str,
    stage: &mut Stage,
) -> Result<(), String> {
    *stage = Stage::Answer;
    let request = Request::post(format!("{}://{}/grpc.health.v1.Health/Check", place.scheme, place.address))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .body(Full::new(Bytes::from(question(service))))
        .map_err(|error| format!("cannot be asked: {error}"))?;
    let answer = send(stream, place, request).await.map_err(|error| exchange_reason(&error))?;
    let (_driver, (head, mut body)) = (answer.driver, answer.response.into_parts());
    if head.status != 200 {
        return Err(format!("answered {}, which is not gRPC", head.status.as_u16()));
    }
    // Without a message, the status is in the head.
    expect_ok(&head.headers, service)?;
    *stage = Stage::Body;
    let (body, trailers) = read(&mut body).await?;
    expect_ok(&trailers, service)?;
    if !trailers.contains_key(STATUS) && !head.headers.contains_key(STATUS) {
        return Err("the answer has no grpc-status".to_owned());
    }
    let message = message(&body).ok_or("the answer is no message of gRPC")?;
    match serving_status(message) {
        Some(SERVING) => Ok(()),
        Some(0) => Err("the service is UNKNOWN".to_owned()),
        Some(2) => Err("the service is NOT_SERVING".to_owned()),
        Some(3) => Err("the service is SERVICE_UNKNOWN".to_owned()),
        Some(other) => Err(format!("the service has status {other}")),
        None => Err("the answer is no HealthCheckResponse".to_owned()),
    }
}

fn expect_ok(fields: &HeaderMap, service: &str) -> Result<(), String> {
    let Some(status) = fields.get(STATUS) else { return Ok(()) };
    match status.to_str().ok().and_then(|status| status.parse::<u8>().ok()) {
        Some(0) => Ok(()),
        Some(5) => Err(format!("the server does not know the service `{service}` (NOT_FOUND)")),
        Some(12) => Err("the server has no grpc.health.v1.Health (UNIMPLEMENTED)".to_owned()),
        Some(status) => Err(format!("answered grpc-status {status}")),
        None => Err("the answer's grpc-status is no number".to_owned()),
    }
}

/// The whole body, and its trailers.
async fn read(body: &mut Incoming) -> Result<(Vec<u8>, HeaderMap), String> {
    let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "the answer broke off".to_owned())?;
        match frame.into_data() {
            Ok(data) if bytes.len() + data.len() > ANSWER_BYTES_MAX => {
                return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok((bytes, trailers))
}

/// `HealthCheckRequest`: field 1 is the service; an empty text is not written.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        put_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The only message of a body, if it is whole and not compressed.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX_LEN)?;
    let len = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    (prefix[0] == 0 && message.len() == len as usize).then_some(message)
}

/// Field 1 of `HealthCheckResponse`; zero is not written.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        let skipped = match tag & 7 {
            0 => {
                let value = take_varint(&mut message)?;
                if tag >> 3 == 1 {
                    status = value;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(take_varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_as_other_encoders_write_them() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("work"), *b"\0\0\0\0\x06\x0a\x04work");
        assert_eq!(question(&"x".repeat(200))[..8], *b"\0\0\0\0\xcb\x0a\xc8\x01");
    }

    #[test]
    fn answers_are_read_with_care() {
        let check = |body: &[u8], expected| {
            assert_eq!(message(body).and_then(serving_status), expected, "{body:?}");
        };
        check(b"\0\0\0\0\x02\x08\x01", Some(1));
        check(b"\0\0\0\0\x02\x08\x02", Some(2));
        check(b"\0\0\0\0\0", Some(0));
        // What is not known is passed over.
        check(b"\0\0\0\0\x05\x12\x01a\x08\x01", Some(1));
        check(b"\0\0\0\0\x07\x25\0\0\0\0\x08\x01", Some(1));
        check(b"\0\0\0\0\x0b\x29\0\0\0\0\0\0\0\0\x08\x01", Some(1));
        for wrong in [
            &b""[..],
            b"\0\0\0\0\x03\x08\x01",
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\0\0\0\x01\x08",
            b"\0\0\0\0\x02\x12\x7f",
            b"\0\0\0\0\x01\x0b",
            b"\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            check(wrong, None);
        }
    }
}
