use super::*;
use crate::{
    forward,
    h1::{HeadLimits, Progress, Refusal as R, RequestParser, ResponseParser},
    h2::hpack::{Decoder, Encoder, TABLE_BYTES_MAX},
    head::{BodyLength, Field, FieldKind, RequestHead, ResponseHead, Version},
};

mod agreement;
mod request;
mod response;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 1024, fields_max: 8, uri_bytes_max: 100 };

/// The block of fields as they are written: one a line, with the first colon and space behind the name.
fn block(lines: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.trim_start();
        let colon = line[1..].find(": ").unwrap() + 1;
        literal(&line.as_bytes()[..colon], &line.as_bytes()[colon + 2..], &mut block);
    }
    block
}

/// A field as no encoder of ours would write it: whatever its bytes are.
fn literal(name: &[u8], value: &[u8], block: &mut Vec<u8>) {
    block.push(0);
    for string in [name, value] {
        assert!(string.len() < 127 + 128);
        match string.len() {
            len @ ..127 => block.push(len as u8),
            len => block.extend_from_slice(&[127, (len - 127) as u8]),
        }
        block.extend_from_slice(string);
    }
}

/// Name, value and kind of each field, and that their lines lie one behind the other, to the end of the text.
fn lines_of(text: &[u8], fields: &[Field]) -> Vec<(Vec<u8>, Vec<u8>, FieldKind)> {
    let mut next = fields.first().map_or(text.len(), |field| field.name.start());
    let mut lines = Vec::new();
    for field in fields {
        assert_eq!(field.name.start(), next);
        let (name, value) = (field.name.of(text), field.value.of(text));
        let mut line = Vec::new();
        forward::line(&mut line, name, value);
        assert_eq!(line, text[next..field.line_end.into()]);
        next = field.line_end.into();
        lines.push((name.to_vec(), value.to_vec(), field.kind));
    }
    assert_eq!(next, text.len());
    lines
}
