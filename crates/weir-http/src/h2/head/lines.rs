//! Fields as lines of a text (RFC 9113 section 8.2).

use super::{HeadError, Malformed};
use crate::{
    h1::{HeadLimits, Refusal, fields::FieldSums, tokens},
    head::{Field, FieldKind, Span},
};

/// The text of one message while it is decoded.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a mut Vec<u8>,
    /// Pieces of `cookie` that did not follow its line at once. They are put there in the end.
    crumbs: &'a mut Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) sums: FieldSums,
    /// Which of the fields is `cookie`.
    cookie: Option<usize>,
    limits: &'a HeadLimits,
}

impl<'a> Lines<'a> {
    /// Empties `text` and `fields` and begins.
    pub(super) fn new(
        text: &'a mut Vec<u8>,
        crumbs: &'a mut Vec<u8>,
        mut fields: Vec<Field>,
        limits: &'a HeadLimits,
    ) -> Self {
        text.clear();
        crumbs.clear();
        fields.clear();
        Self { text, crumbs, fields, sums: FieldSums::default(), cookie: None, limits }
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text
    }

    /// For what is changed in its place.
    pub(super) fn text_mut(&mut self) -> &mut [u8] {
        self.text
    }

    /// Appends bytes that are no line.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Span, HeadError> {
        self.need(bytes.len())?;
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Ok(Span::new(start..self.text.len()))
    }

    /// Checks a field, and appends its line. For crumbs of a cookie, see RFC 9113 section 8.2.3.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        check_name(name)?;
        check_value(value)?;
        let kind = FieldKind::of(name);
        match kind {
            FieldKind::Other if name == b"cookie" => {
                if let Some(cookie) = self.cookie {
                    return self.crumb(cookie, value);
                }
                self.cookie = Some(self.fields.len());
            }
            FieldKind::Other => {}
            FieldKind::Te if !value.eq_ignore_ascii_case(b"trailers") => return Err(Malformed::Te.into()),
            // RFC 9113 section 8.2.2.
            FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyConnection
            | FieldKind::TransferEncoding
            | FieldKind::Upgrade => return Err(Malformed::ConnectionField.into()),
            _ => {}
        }
        self.line(name, value, kind)
    }

    /// Appends the line of a host that is in the text already.
    pub(super) fn host(&mut self, authority: Span) -> Result<(), HeadError> {
        let name = b"host";
        self.begin(name, authority.range().len())?;
        self.text.extend_from_within(authority.range());
        self.end(name.len(), authority.range().len(), FieldKind::Host)
    }

    /// Appends the line of a field that is right.
    fn line(&mut self, name: &[u8], value: &[u8], kind: FieldKind) -> Result<(), HeadError> {
        self.begin(name, value.len())?;
        self.text.extend_from_slice(value);
        self.end(name.len(), value.len(), kind)
    }

    fn begin(&mut self, name: &[u8], value_len: usize) -> Result<(), HeadError> {
        self.need(name.len() + value_len + LINE_REST)?;
        if self.fields.len() >= self.limits.fields_max {
            return Err(Refusal::TooManyFields.into());
        }
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(b": ");
        Ok(())
    }

    fn end(&mut self, name_len: usize, value_len: usize, kind: FieldKind) -> Result<(), HeadError> {
        let value = self.text.len() - value_len..self.text.len();
        let start = value.start - 2 - name_len;
        self.text.extend_from_slice(b"\r\n");
        let field = Field {
            name: Span::new(start..start + name_len),
            value: Span::new(value),
            line_end: self.text.len() as u16,
            kind,
        };
        self.fields.push(field);
        if kind != FieldKind::Other {
            self.sums.add(self.text, &field)?;
        }
        Ok(())
    }

    /// One more piece of a cookie.
    fn crumb(&mut self, cookie: usize, value: &[u8]) -> Result<(), HeadError> {
        if value.is_empty() {
            return Ok(());
        }
        self.need(value.len() + 2)?;
        let is_last = cookie + 1 == self.fields.len();
        let field = &mut self.fields[cookie];
        let separator: &[u8] = if field.value.is_empty() && self.crumbs.is_empty() { b"" } else { b"; " };
        if !is_last {
            self.crumbs.extend_from_slice(separator);
            self.crumbs.extend_from_slice(value);
            return Ok(());
        }
        self.text.truncate(field.value.end());
        self.text.extend_from_slice(separator);
        self.text.extend_from_slice(value);
        field.value = Span::new(field.value.start()..self.text.len());
        self.text.extend_from_slice(b"\r\n");
        field.line_end = self.text.len() as u16;
        Ok(())
    }

    /// Puts all crumbs into the cookie's line.
    pub(super) fn gather_crumbs(&mut self) {
        let (Some(cookie), added @ 1..) = (self.cookie, self.crumbs.len()) else { return };
        let at = self.fields[cookie].value.end();
        self.text.extend_from_slice(self.crumbs);
        self.text[at..].rotate_right(added);
        let (first, behind) = self.fields[cookie..].split_first_mut().expect("it was entered");
        first.value = Span::new(first.value.start()..at + added);
        first.line_end += added as u16;
        let moved = |span: Span| Span::new(span.start() + added..span.end() + added);
        for field in behind {
            field.name = moved(field.name);
            field.value = moved(field.value);
            field.line_end += added as u16;
            if field.kind == FieldKind::Host {
                self.sums.host = Some(field.value);
            }
        }
    }

    /// There is room for this many bytes more.
    fn need(&self, bytes: usize) -> Result<(), HeadError> {
        // Places reach no further than 16 bits.
        let max = self.limits.bytes_max.min(usize::from(u16::MAX));
        if self.text.len() + self.crumbs.len() + bytes > max {
            return Err(Refusal::HeadTooLarge.into());
        }
        Ok(())
    }
}

/// What a line has beside name and value.
const LINE_REST: usize = ": \r\n".len();

/// A token in lower case (RFC 9113 section 8.2.1).
fn check_name(name: &[u8]) -> Result<(), HeadError> {
    if tokens::is_small_token(name) {
        return Ok(());
    }
    let is_token = tokens::is_token(name);
    Err(if is_token { Malformed::Uppercase.into() } else { Refusal::FieldName.into() })
}

/// RFC 9113 section 8.2.1 forbids NUL, CR, LF and white space at the ends; HTTP/1 has no other control characters either.
fn check_value(value: &[u8]) -> Result<(), HeadError> {
    if !tokens::is_field_value(value) {
        return Err(Refusal::FieldValue.into());
    }
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(value.first()) || is_space(value.last()) {
        return Err(Malformed::SpaceAroundValue.into());
    }
    Ok(())
}
