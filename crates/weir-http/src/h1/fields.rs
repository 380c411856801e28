//! Lines and field lines, shared by requests, responses and trailers.

use memchr::memchr;

use super::{HeadLimits, Progress, Refusal, tokens};
use crate::head::{BodyLength, ConnectionOptions, Field, FieldKind, Span, list};

/// Finds lines in a text that grows, never looking at a byte of a finished line again.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Lines {
    /// Where the next line begins.
    next: usize,
}

impl Lines {
    /// The next line's range without CR LF, or `None` when it is not whole yet.
    pub(super) fn next(&mut self, text: &[u8]) -> Result<Option<std::ops::Range<usize>>, Refusal> {
        let start = self.next;
        match memchr(b'\n', &text[start..]) {
            Some(at) if at > 0 && text[start + at - 1] == b'\r' => {
                self.next = start + at + 1;
                Ok(Some(start..start + at - 1))
            }
            Some(_) => Err(Refusal::BareLineFeed),
            None => {
                // What can never become right is refused now, not when the time is up.
                let line = &text[start..];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if tokens::is_field_value(line) { Ok(None) } else { Err(Refusal::ControlCharacter) }
            }
        }
    }

    /// Where the line after the last one begins.
    pub(super) fn position(&self) -> usize {
        self.next
    }
}

/// The fields of one head while it is parsed, and what they say about framing.
#[derive(Debug, Default)]
pub(super) struct FieldSums {
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) host: Option<Span>,
    pub(super) upgrade: Option<Span>,
    pub(super) expects_continue: bool,
    pub(super) te_trailers: bool,
    pub(super) connection: ConnectionOptions,
}

impl FieldSums {
    /// Parses field lines into `fields` up to the empty line.
    pub(super) fn parse(
        &mut self,
        text: &[u8],
        lines: &mut Lines,
        fields: &mut Vec<Field>,
        limits: &HeadLimits,
    ) -> Result<Progress, Refusal> {
        while let Some(line) = lines.next(text)? {
            if lines.position() > limits.bytes_max {
                return Err(Refusal::HeadTooLarge);
            }
            if line.is_empty() {
                return Ok(Progress::Whole);
            }
            if fields.len() == limits.fields_max {
                return Err(Refusal::TooManyFields);
            }
            let field = field(text, line, lines.position())?;
            self.add(text, &field)?;
            fields.push(field);
        }
        if text.len() >= limits.bytes_max { Err(Refusal::HeadTooLarge) } else { Ok(Progress::Partial) }
    }

    fn add(&mut self, text: &[u8], field: &Field) -> Result<(), Refusal> {
        let value = field.value.of(text);
        match field.kind {
            FieldKind::Host if self.host.is_some() => return Err(Refusal::HostRepeated),
            FieldKind::Host => self.host = Some(field.value),
            FieldKind::ContentLength if self.content_length.is_some() => return Err(Refusal::ContentLengthRepeated),
            FieldKind::ContentLength => self.content_length = Some(decimal(value)?),
            // RFC 9112 section 6.1 lets codings be listed and applied; with one that every reader knows, once and
            // alone, no reader can take the body for another.
            FieldKind::TransferEncoding => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::TransferEncoding);
                }
                self.chunked = true;
            }
            FieldKind::Connection => self.add_options(value)?,
            FieldKind::Upgrade => self.upgrade = Some(field.value),
            FieldKind::Expect => self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            FieldKind::Te => {
                self.te_trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            _ => {}
        }
        Ok(())
    }

    fn add_options(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in list(value) {
            let options = &mut self.connection;
            match option.len() {
                5 if option.eq_ignore_ascii_case(b"close") => options.close = true,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => options.keep_alive = true,
                7 if option.eq_ignore_ascii_case(b"upgrade") => options.upgrade = true,
                2 if option.eq_ignore_ascii_case(b"te") => options.te = true,
                _ if tokens::is_token(option) => options.names = true,
                _ => return Err(Refusal::ConnectionOption),
            }
        }
        Ok(())
    }

    /// The length that both framing fields give together; `None` when neither is there.
    pub(super) fn length(&self) -> Result<Option<BodyLength>, Refusal> {
        match (self.chunked, self.content_length) {
            (true, Some(_)) => Err(Refusal::LengthAmbiguous),
            (true, None) => Ok(Some(BodyLength::Chunked)),
            (false, Some(0)) => Ok(Some(BodyLength::None)),
            (false, Some(bytes)) => Ok(Some(BodyLength::Sized(bytes))),
            (false, None) => Ok(None),
        }
    }
}

/// One field line (RFC 9112 section 5); `line_end` lies behind its CR LF.
pub(super) fn field(text: &[u8], line: std::ops::Range<usize>, line_end: usize) -> Result<Field, Refusal> {
    let bytes = &text[line.clone()];
    let colon = bytes.iter().position(|byte| !tokens::is_token_byte(*byte)).unwrap_or(bytes.len());
    match bytes.get(colon) {
        Some(b':') if colon > 0 => {}
        // RFC 9112 section 5.2: a server must refuse folding, or unfold it. No reader must guess here.
        Some(b' ' | b'\t') if colon == 0 => return Err(Refusal::FieldFolded),
        _ => return Err(Refusal::FieldName),
    }
    let raw = &bytes[colon + 1..];
    if !tokens::is_field_value(raw) {
        return Err(Refusal::FieldValue);
    }
    let leading = raw.iter().take_while(|byte| is_space(**byte)).count();
    let trailing = raw[leading..].iter().rev().take_while(|byte| is_space(**byte)).count();
    let name = line.start..line.start + colon;
    Ok(Field {
        kind: FieldKind::of(&text[name.clone()]),
        value: Span::new(name.end + 1 + leading..line.end - trailing),
        name: Span::new(name),
        line_end: line_end as u16,
    })
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `Content-Length = 1*DIGIT` (RFC 9110 section 8.6), below 2^63.
fn decimal(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLengthInvalid);
    }
    // Nineteen digits are below 2^64: nothing overflows.
    let number = value.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    if number <= i64::MAX as u64 { Ok(number) } else { Err(Refusal::ContentLengthInvalid) }
}
