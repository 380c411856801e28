//! Request heads (RFC 9112 sections 2 to 7).

use super::{
    HeadLimits, Progress, Refusal,
    fields::{FieldSums, Lines},
    tokens,
};
use crate::head::{BodyLength, RequestHead, Span, Version};

/// Parses one request head from a text that may grow between calls.
#[derive(Debug, Default)]
pub struct RequestParser {
    lines: Lines,
    sums: FieldSums,
    has_first_line: bool,
    skipped_empty_line: bool,
    authority: Option<Span>,
}

impl RequestParser {
    /// Goes on where the last call stopped. `text` begins with the head's first byte and holds at least what it held
    /// before. When the result is [`Progress::Whole`], `head` is right and `head.len` says where it ends.
    pub fn parse(
        &mut self,
        text: &[u8],
        head: &mut RequestHead,
        limits: &HeadLimits,
    ) -> Result<Progress, Refusal> {
        if !self.has_first_line {
            match self.first_line(text, head, limits)? {
                Progress::Partial => return Ok(Progress::Partial),
                Progress::Whole => self.has_first_line = true,
            }
        }
        match self.sums.parse(text, &mut self.lines, &mut head.fields, limits)? {
            Progress::Partial => Ok(Progress::Partial),
            Progress::Whole => {
                head.len = self.lines.position();
                self.finish(text, head)?;
                Ok(Progress::Whole)
            }
        }
    }

    /// Nothing of a head has arrived, at most the empty line that may precede it.
    pub fn is_untouched(&self, text: &[u8]) -> bool {
        !self.has_first_line && self.lines.position() == text.len()
    }

    fn first_line(
        &mut self,
        text: &[u8],
        head: &mut RequestHead,
        limits: &HeadLimits,
    ) -> Result<Progress, Refusal> {
        head.fields.clear();
        let line = match self.lines.next(text)? {
            // RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
            Some(line) if line.is_empty() && !self.skipped_empty_line => {
                self.skipped_empty_line = true;
                return self.first_line(text, head, limits);
            }
            Some(line) => line,
            None => return early(&text[self.lines.position()..], limits),
        };
        let bytes = &text[line.clone()];
        let mut parts = bytes.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::FirstLine);
        };
        if !tokens::is_token(method) {
            return Err(Refusal::Method);
        }
        if target.len() > limits.uri_bytes_max {
            return Err(Refusal::UriTooLong);
        }
        if !tokens::is_target(target) {
            return Err(Refusal::Target);
        }
        head.version = version_of(version)?;
        let target_start = line.start + method.len() + 1;
        head.method = Span::new(line.start..line.start + method.len());
        self.target(text, head, target_start..target_start + target.len())?;
        Ok(Progress::Whole)
    }

    /// The four forms of RFC 9112 section 3.2, of which a gateway is sent three.
    fn target(
        &mut self,
        text: &[u8],
        head: &mut RequestHead,
        range: std::ops::Range<usize>,
    ) -> Result<(), Refusal> {
        let target = &text[range.clone()];
        self.authority = None;
        let origin = match target[0] {
            b'/' => range,
            b'*' if target.len() == 1 && head.method.of(text) == b"OPTIONS" => range,
            _ => {
                let scheme = ["http://", "https://"]
                    .into_iter()
                    .find(|scheme| {
                        target
                            .get(..scheme.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
                    })
                    .ok_or(Refusal::Target)?;
                let start = range.start + scheme.len();
                let rest = &text[start..range.end];
                let end =
                    start + rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                self.authority = Some(Span::new(start..end));
                if text.get(end) == Some(&b'?') && end < range.end {
                    // `http://host?query` has an empty path, which origin-form cannot say without a byte more.
                    return Err(Refusal::Target);
                }
                end..range.end
            }
        };
        head.target = Span::new(origin.clone());
        let mark = memchr::memchr(b'?', &text[origin.clone()]).map(|at| origin.start + at);
        head.path = Span::new(origin.start..mark.unwrap_or(origin.end));
        head.query = mark.map(|mark| Span::new(mark + 1..origin.end));
        Ok(())
    }

    fn finish(&mut self, text: &[u8], head: &mut RequestHead) -> Result<(), Refusal> {
        let sums = std::mem::take(&mut self.sums);
        head.host = sums.host;
        match (sums.host.map(|host| host.of(text)), self.authority.map(|authority| authority.of(text))) {
            // RFC 9112 section 3.2: an HTTP/1.1 request without Host is refused.
            (None, _) if head.version == Version::Http11 => return Err(Refusal::HostMissing),
            (None, None) => {}
            (None, Some(authority)) if tokens::is_host(authority) => head.host = self.authority,
            (Some(host), _) if !tokens::is_host(host) => return Err(Refusal::HostInvalid),
            (Some(_), None) => {}
            (Some(host), Some(authority)) if host.eq_ignore_ascii_case(authority) => {}
            _ => return Err(Refusal::HostContradicted),
        }
        if sums.chunked && head.version == Version::Http10 {
            return Err(Refusal::TransferEncodingIn10);
        }
        head.body = sums.length()?.unwrap_or(BodyLength::None);
        head.connection = sums.connection;
        head.expects_continue = sums.expects_continue && head.version == Version::Http11;
        let upgrades =
            sums.connection.upgrade && head.version == Version::Http11 && head.body == BodyLength::None;
        head.upgrade = sums.upgrade.filter(|_| upgrades);
        head.takes_trailers = sums.te_trailers && sums.connection.te;
        Ok(())
    }
}

/// A first line that is not whole: refuses at once what can never become one.
fn early(line: &[u8], limits: &HeadLimits) -> Result<Progress, Refusal> {
    let method_len = line.iter().position(|byte| *byte == b' ');
    let method = &line[..method_len.unwrap_or(line.len())];
    let method = method.strip_suffix(b"\r").unwrap_or(method);
    if !method.iter().all(|byte| tokens::is_token_byte(*byte)) {
        return Err(Refusal::Method);
    }
    // The room that method and version may take beside the target is small.
    if line.len() > limits.uri_bytes_max + 64 {
        return Err(Refusal::UriTooLong);
    }
    if line.len() >= limits.bytes_max { Err(Refusal::HeadTooLarge) } else { Ok(Progress::Partial) }
}

pub(super) fn version_of(version: &[u8]) -> Result<Version, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Refusal::Version),
    }
}

#[cfg(test)]
mod tests;
