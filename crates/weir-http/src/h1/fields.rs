//! Lines and field lines, shared by requests, responses and trailers.
//!
//! Each byte is looked at once: the run that finds where a value ends also proves that no control character is in it.
//! What runs for each line is always inlined: as calls, they cost as much again for what they return through memory.

use super::{HeadLimits, Progress, Refusal, tokens};
use crate::head::{BodyLength, ConnectionOptions, Field, FieldKind, Span, list};

/// What stands at a place where a line begins.
#[derive(Debug)]
pub(super) enum Line {
    /// More bytes are needed; those that are there could be the beginning of a line.
    Partial,
    /// The empty line that ends the fields, and where the text goes on.
    Empty { end: usize },
    /// A field, whose `line_end` says where the text goes on.
    Field(Field),
}

/// Where the line that begins at `start` has its CR, if that is followed by LF. Whatever can never become a right line
/// is refused now, not when the time is up: each byte is judged as it is passed.
#[inline(always)]
pub(super) fn line_end(text: &[u8], start: usize) -> Result<Option<usize>, Refusal> {
    let mut at = start;
    loop {
        at += tokens::plain_run(&text[at..]);
        match (text.get(at), text.get(at + 1)) {
            (None, _) | (Some(b'\r'), None) => return Ok(None),
            (Some(b'\t'), _) => at += 1,
            (Some(b'\r'), Some(b'\n')) => return Ok(Some(at)),
            (Some(b'\n'), _) => return Err(Refusal::BareLineFeed),
            (Some(_), _) => return Err(Refusal::ControlCharacter),
        }
    }
}

/// The field line at `start` (RFC 9112 section 5), in one pass over its bytes.
#[inline(always)]
pub(super) fn line(text: &[u8], start: usize) -> Result<Line, Refusal> {
    let rest = &text[start..];
    let name_len = tokens::token_run(rest);
    match (rest.get(name_len), name_len) {
        (None, _) => return Ok(Line::Partial),
        (Some(b':'), 1..) => {}
        (Some(b'\r'), 0) => {
            return match rest.get(1) {
                None => Ok(Line::Partial),
                Some(b'\n') => Ok(Line::Empty { end: start + 2 }),
                Some(_) => Err(Refusal::ControlCharacter),
            };
        }
        (Some(b'\n'), _) => return Err(Refusal::BareLineFeed),
        // RFC 9112 section 5.2: a server must refuse folding, or unfold it. No reader must guess here.
        (Some(b' ' | b'\t'), 0) => return Err(Refusal::FieldFolded),
        _ => return Err(Refusal::FieldName),
    }
    let colon = start + name_len;
    let end = match line_end(text, colon + 1) {
        Ok(Some(end)) => end,
        Ok(None) => return Ok(Line::Partial),
        Err(Refusal::ControlCharacter) => return Err(Refusal::FieldValue),
        Err(refusal) => return Err(refusal),
    };
    let (mut from, mut to) = (colon + 1, end);
    while from < to && is_space(text[from]) {
        from += 1;
    }
    while from < to && is_space(text[to - 1]) {
        to -= 1;
    }
    // Text beyond what a place can reach is beyond every limit too.
    if end + 2 > usize::from(u16::MAX) {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(Line::Field(Field {
        kind: FieldKind::of(&text[start..colon]),
        name: Span::new(start..colon),
        value: Span::new(from..to),
        line_end: (end + 2) as u16,
    }))
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The fields of one head while it is parsed, and what they say about framing.
#[derive(Debug, Default)]
pub(crate) struct FieldSums {
    pub(crate) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(crate) host: Option<Span>,
    pub(super) upgrade: Option<Span>,
    pub(crate) expects_continue: bool,
    pub(crate) te_trailers: bool,
    pub(super) connection: ConnectionOptions,
}

impl FieldSums {
    /// Parses field lines from `next` on into `fields`, and moves `next` behind the last whole line. Whole means that the
    /// empty line has been passed too.
    pub(super) fn parse(
        &mut self,
        text: &[u8],
        next: &mut usize,
        fields: &mut Vec<Field>,
        limits: &HeadLimits,
    ) -> Result<Progress, Refusal> {
        loop {
            match line(text, *next)? {
                Line::Partial if text.len() >= limits.bytes_max => return Err(Refusal::HeadTooLarge),
                Line::Partial => return Ok(Progress::Partial),
                Line::Empty { end } => {
                    *next = end;
                    return if end > limits.bytes_max {
                        Err(Refusal::HeadTooLarge)
                    } else {
                        Ok(Progress::Whole)
                    };
                }
                Line::Field(field) => {
                    *next = field.line_end.into();
                    if *next > limits.bytes_max {
                        return Err(Refusal::HeadTooLarge);
                    }
                    if fields.len() == limits.fields_max {
                        return Err(Refusal::TooManyFields);
                    }
                    if field.kind != FieldKind::Other {
                        self.add(text, &field)?;
                    }
                    fields.push(field);
                }
            }
        }
    }

    /// Takes in what a field whose kind is known says.
    #[inline(always)] // Two callers would otherwise be one too many: a call for nearly each field.
    pub(crate) fn add(&mut self, text: &[u8], field: &Field) -> Result<(), Refusal> {
        let value = field.value.of(text);
        match field.kind {
            FieldKind::Host if self.host.is_some() => return Err(Refusal::HostRepeated),
            FieldKind::Host => self.host = Some(field.value),
            FieldKind::ContentLength if self.content_length.is_some() => {
                return Err(Refusal::ContentLengthRepeated);
            }
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

/// `Content-Length = 1*DIGIT` (RFC 9110 section 8.6), below 2^63.
fn decimal(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLengthInvalid);
    }
    // Nineteen digits are below 2^64: nothing overflows.
    let number = value.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    if number <= i64::MAX as u64 { Ok(number) } else { Err(Refusal::ContentLengthInvalid) }
}
