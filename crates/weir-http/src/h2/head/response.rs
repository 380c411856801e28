//! Response heads (RFC 9113 section 8.3.2).

use super::{HeadError, Malformed, Scratch, lines::Lines};
use crate::{
    h1::{HeadLimits, Refusal, response::length},
    h2::hpack::Decoder,
    head::{BodyLength, ResponseHead, Version},
};

/// What the meaning of a response's block depends on.
#[derive(Debug, Clone, Copy)]
pub struct ResponseRules<'a> {
    /// For responses.
    pub limits: &'a HeadLimits,
    /// The block came with END_STREAM.
    pub end_stream: bool,
    /// It answers a HEAD request.
    pub to_head: bool,
}

/// Decodes a response's block. `text` and `head` are overwritten; `head` points into `text`, which has the lines of the
/// fields and nothing else.
pub fn decode_response(
    decoder: &mut Decoder,
    block: &[u8],
    rules: &ResponseRules<'_>,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
    head: &mut ResponseHead,
) -> Result<(), HeadError> {
    let mut lines = Lines::new(text, &mut scratch.crumbs, std::mem::take(&mut head.fields), rules.limits);
    let mut status = None;
    let mut result = Ok(());
    let decoded = decoder.decode(block, &mut scratch.strings, |name, value| {
        if result.is_ok() {
            result = match name.first() {
                Some(b':') => pseudo(&mut status, name, value, &lines),
                _ => lines.field(name, value),
            };
        }
    });
    lines.gather_crumbs();
    *head = ResponseHead { version: Version::Http2, ..ResponseHead::default() };
    let result = match (decoded, result) {
        (Err(error), _) => Err(HeadError::Compression(error)),
        (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(())) => finish(head, status, &lines, rules),
    };
    head.fields = lines.fields;
    head.len = text.len();
    result
}

fn pseudo(status: &mut Option<u16>, name: &[u8], value: &[u8], lines: &Lines<'_>) -> Result<(), HeadError> {
    if !lines.fields.is_empty() {
        return Err(Malformed::PseudoLate.into());
    }
    if name != b":status" {
        return Err(Malformed::PseudoUnknown.into());
    }
    if status.is_some() {
        return Err(Malformed::PseudoRepeated.into());
    }
    if value.len() != 3 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Status.into());
    }
    let number = value.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    // RFC 9113 section 8.6: there is no 101.
    if !(100..=599).contains(&number) || number == 101 {
        return Err(Refusal::Status.into());
    }
    *status = Some(number);
    Ok(())
}

fn finish(
    head: &mut ResponseHead,
    status: Option<u16>,
    lines: &Lines<'_>,
    rules: &ResponseRules<'_>,
) -> Result<(), HeadError> {
    head.status = status.ok_or(Malformed::PseudoMissing)?;
    if rules.end_stream && head.status < 200 {
        return Err(Malformed::InterimEnds.into());
    }
    head.body = match length(&lines.sums, head, rules.to_head)? {
        BodyLength::Sized(_) if rules.end_stream => return Err(Malformed::LengthContradicted.into()),
        _ if rules.end_stream => BodyLength::None,
        length => length,
    };
    Ok(())
}
