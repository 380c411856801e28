//! From heads in HTTP/1 text, as `forward` and `answer` write them, to blocks.
//!
//! The text is Weir's own: its form is not judged again. What HTTP/2 has no place for stays behind: the fields of a
//! connection, the reason phrase.

use crate::{h1::tokens, h2::hpack::Encoder, head::FieldKind};

/// Appends the block of a request to `out`. `text` is a whole head; with `protocol` it goes as an extended CONNECT
/// (RFC 8441).
pub fn encode_request(
    encoder: &mut Encoder,
    text: &[u8],
    scheme: &[u8],
    protocol: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let (first, lines) = first_line(text);
    let method = memchr::memchr(b' ', first).unwrap_or(first.len());
    let rest = first.get(method + 1..).unwrap_or_default();
    let target = &rest[..memchr::memrchr(b' ', rest).unwrap_or(rest.len())];
    encoder.begin(out);
    match protocol {
        None => encoder.method(&first[..method], out),
        Some(protocol) => {
            encoder.method(b"CONNECT", out);
            encoder.protocol(protocol, out);
        }
    }
    encoder.scheme(scheme, out);
    encoder.path(target, out);
    // Pseudo-fields come first (RFC 9113 section 8.3), and so does `host` nearly always.
    if let Some((_, host)) = Fields(lines).find(|(name, _)| FieldKind::of(name) == FieldKind::Host) {
        encoder.authority(host, out);
    }
    fields(encoder, lines, out);
}

/// Appends the block of a response to `out`. `text` begins with a whole head; what is behind it is not looked at. HTTP/2
/// has no 101 (RFC 9113 section 8.6): an extended CONNECT is granted with 200.
pub fn encode_response(encoder: &mut Encoder, text: &[u8], out: &mut Vec<u8>) {
    let (first, lines) = first_line(text);
    let digits = first.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3)).unwrap_or_default();
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit.wrapping_sub(b'0')));
    encoder.begin(out);
    encoder.status(if status == 101 { 200 } else { status }, out);
    fields(encoder, lines, out);
}

/// Appends the block of trailers to `out`. `lines` may end with the empty line.
pub fn encode_trailers(encoder: &mut Encoder, lines: &[u8], out: &mut Vec<u8>) {
    encoder.begin(out);
    fields(encoder, lines, out);
}

fn fields(encoder: &mut Encoder, lines: &[u8], out: &mut Vec<u8>) {
    for (name, value) in Fields(lines) {
        match FieldKind::of(name) {
            FieldKind::Host
            | FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyConnection
            | FieldKind::TransferEncoding
            | FieldKind::Upgrade => {}
            // RFC 9113 section 8.2.2.
            FieldKind::Te if !value.eq_ignore_ascii_case(b"trailers") => {}
            _ => encoder.field(name, value, out),
        }
    }
}

/// The first line, and what is behind it.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    (text[..end].trim_ascii_end(), &text[end..])
}

/// Names and values of lines, up to the empty line or the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let colon = tokens::token_run(self.0);
        if self.0.get(colon) != Some(&b':') {
            return None;
        }
        let (name, rest) = self.0.split_at(colon);
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.0 = rest.get(end + 1..).unwrap_or_default();
        // As it came from HTTP/1, with white space around it.
        Some((name, rest[1..end].trim_ascii()))
    }
}
