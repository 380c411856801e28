//! Request heads (RFC 9112 sections 2 to 7).

use super::{
    HeadLimits, Progress, Refusal,
    fields::{FieldSums, line_end},
    tokens,
};
use crate::head::{BodyLength, RequestHead, Span, Version, list};

/// The longest method, in bytes. The longest registered one has 17 (UPDATEREDIRECTREF).
pub const METHOD_BYTES_MAX: usize = 40;

/// Parses one request head from a text that may grow between calls.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Where the next line begins.
    next: usize,
    sums: FieldSums,
    has_first_line: bool,
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
        match self.sums.parse(text, &mut self.next, &mut head.fields, limits)? {
            Progress::Partial => Ok(Progress::Partial),
            Progress::Whole => {
                head.len = self.next;
                self.finish(text, head)?;
                Ok(Progress::Whole)
            }
        }
    }

    fn first_line(
        &mut self,
        text: &[u8],
        head: &mut RequestHead,
        limits: &HeadLimits,
    ) -> Result<Progress, Refusal> {
        head.fields.clear();
        // RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
        if self.next == 0 && text.starts_with(b"\r\n") {
            self.next = 2;
        }
        let start = self.next;
        let line = &text[start..];
        let method = tokens::token_run(line);
        if method > METHOD_BYTES_MAX {
            return Err(Refusal::Method);
        }
        match line.get(method) {
            Some(b' ') if method > 0 => {}
            Some(b'\n') => return Err(Refusal::BareLineFeed),
            Some(b'\r') if method == 0 && start == 0 && line.len() == 1 => return Ok(Progress::Partial),
            Some(_) => return Err(first_fault(line)),
            None => return Ok(Progress::Partial),
        }
        let target = start + method + 1;
        let Some(end) = line_end(text, target)? else {
            if line.len() > limits.uri_bytes_max + FIRST_LINE_REST_MAX {
                return Err(Refusal::UriTooLong);
            }
            return if text.len() >= limits.bytes_max {
                Err(Refusal::HeadTooLarge)
            } else {
                Ok(Progress::Partial)
            };
        };
        if end + 2 > limits.bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        let Some(space) = memchr::memchr(b' ', &text[target..end]).map(|at| target + at) else {
            return Err(Refusal::FirstLine);
        };
        if space - target > limits.uri_bytes_max {
            return Err(Refusal::UriTooLong);
        }
        head.version = match &text[space + 1..end] {
            version if version.contains(&b' ') => return Err(Refusal::FirstLine),
            version => version_of(version)?,
        };
        if !tokens::is_target(&text[target..space]) {
            return Err(if space == target { Refusal::FirstLine } else { Refusal::Target });
        }
        head.method = Span::new(start..target - 1);
        self.next = end + 2;
        self.target(text, head, target..space)?;
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
        place_target(text, head, origin);
        Ok(())
    }

    fn finish(&mut self, text: &[u8], head: &mut RequestHead) -> Result<(), Refusal> {
        let sums = std::mem::take(&mut self.sums);
        head.host = sums.host;
        head.has_host_field = sums.host.is_some();
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
        // The head may be one of HTTP/2 before.
        head.extended_connect = false;
        let upgrades =
            sums.connection.upgrade && head.version == Version::Http11 && head.body == BodyLength::None;
        // h2c would make a tunnel past all routes. RFC 9113 section 3.1 has given it up, and lets it be ignored.
        let is_h2c = |protocol: &Span| list(protocol.of(text)).any(|name| name.eq_ignore_ascii_case(b"h2c"));
        head.upgrade = sums.upgrade.filter(|protocol| upgrades && !is_h2c(protocol));
        head.takes_trailers = sums.te_trailers && sums.connection.te;
        Ok(())
    }
}

/// Enters where target, path and query are, of a target in origin-form.
pub(crate) fn place_target(text: &[u8], head: &mut RequestHead, origin: std::ops::Range<usize>) {
    let mark = memchr::memchr(b'?', &text[origin.clone()]).map(|at| origin.start + at);
    head.path = Span::new(origin.start..mark.unwrap_or(origin.end));
    head.query = mark.map(|mark| Span::new(mark + 1..origin.end));
    head.target = Span::new(origin);
}

/// The room that method and version take at most in a first line beside the target, in bytes: whether a head is taken
/// must not depend on how it was cut on its way.
const FIRST_LINE_REST_MAX: usize = METHOD_BYTES_MAX + "  HTTP/1.1\r".len();

/// What is wrong with a line that does not begin with a method and a space.
fn first_fault(line: &[u8]) -> Refusal {
    match line_end(line, 0) {
        Ok(Some(end)) if line[..end].is_empty() || line[..end].split(|byte| *byte == b' ').count() != 3 => {
            Refusal::FirstLine
        }
        Err(refusal) => refusal,
        _ => Refusal::Method,
    }
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
