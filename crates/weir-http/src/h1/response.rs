//! Response heads (RFC 9112 sections 4 to 7).

use super::{
    HeadLimits, Progress, Refusal,
    fields::{FieldSums, line_end},
    request::version_of,
};
use crate::head::{BodyLength, ResponseHead, Span, Version};

/// Parses one response head from a text that may grow between calls.
#[derive(Debug, Default)]
pub struct ResponseParser {
    /// Where the next line begins.
    next: usize,
    sums: FieldSums,
    has_first_line: bool,
}

impl ResponseParser {
    /// Goes on where the last call stopped; see `RequestParser::parse`. `to_head`: it answers a HEAD request.
    pub fn parse(
        &mut self,
        text: &[u8],
        head: &mut ResponseHead,
        limits: &HeadLimits,
        to_head: bool,
    ) -> Result<Progress, Refusal> {
        if !self.has_first_line {
            head.fields.clear();
            let Some(end) = line_end(text, 0)? else {
                return if text.len() >= limits.bytes_max {
                    Err(Refusal::HeadTooLarge)
                } else {
                    Ok(Progress::Partial)
                };
            };
            if end + 2 > limits.bytes_max {
                return Err(Refusal::HeadTooLarge);
            }
            first_line(&text[..end], head)?;
            self.next = end + 2;
            self.has_first_line = true;
        }
        match self.sums.parse(text, &mut self.next, &mut head.fields, limits)? {
            Progress::Partial => Ok(Progress::Partial),
            Progress::Whole => {
                head.len = self.next;
                head.connection = self.sums.connection;
                head.body = length(&self.sums, head, to_head)?;
                Ok(Progress::Whole)
            }
        }
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`. The second space may be missing before an empty reason, as many
/// servers send it; nothing can be read into that.
fn first_line(bytes: &[u8], head: &mut ResponseHead) -> Result<(), Refusal> {
    let (Some(version), Some(b' '), Some(status)) = (bytes.get(..8), bytes.get(8), bytes.get(9..12)) else {
        return Err(Refusal::FirstLine);
    };
    head.version = version_of(version)?;
    if !status.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Status);
    }
    head.status = status.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    if !(100..=599).contains(&head.status) {
        return Err(Refusal::Status);
    }
    let reason = match bytes.get(12) {
        None => bytes.len()..bytes.len(),
        Some(b' ') => 13..bytes.len(),
        Some(_) => return Err(Refusal::Status),
    };
    head.reason = Span::new(reason);
    Ok(())
}

/// RFC 9112 section 6.3, in its order.
pub(crate) fn length(sums: &FieldSums, head: &ResponseHead, to_head: bool) -> Result<BodyLength, Refusal> {
    let written = sums.length()?;
    if sums.chunked && head.version == Version::Http10 {
        return Err(Refusal::TransferEncodingIn10);
    }
    if head.status < 200 || head.status == 204 {
        // RFC 9112 section 6.1 and RFC 9110 section 8.6 forbid both fields here. `Content-Length: 0` is common and
        // harmless; any other promises a body that some readers would then wait for.
        return match written {
            None | Some(BodyLength::None) => Ok(BodyLength::None),
            Some(BodyLength::Chunked) => Err(Refusal::TransferEncoding),
            Some(_) => Err(Refusal::ContentLengthForbidden),
        };
    }
    if to_head || head.status == 304 {
        return Ok(BodyLength::None);
    }
    Ok(written.unwrap_or(BodyLength::UntilEnd))
}

#[cfg(test)]
mod tests;
