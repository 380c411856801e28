//! Trailers (RFC 9113 section 8.1).

use super::{HeadError, Malformed, Scratch, lines::Lines};
use crate::{
    h1::{HeadLimits, Refusal},
    h2::hpack::Decoder,
    head::FieldKind,
};

/// Decodes the block of trailers. `text` is overwritten with their lines, `name: value\r\n` each, with no empty line
/// behind them.
pub fn decode_trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &HeadLimits,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
) -> Result<(), HeadError> {
    let mut lines = Lines::new(text, &mut scratch.crumbs, std::mem::take(&mut scratch.fields), limits);
    let mut result = Ok(());
    let decoded = decoder.decode(block, &mut scratch.strings, |name, value| {
        if result.is_ok() {
            result = if name.first() == Some(&b':') {
                Err(Malformed::PseudoForbidden.into())
            } else if !FieldKind::of(name).may_trail() {
                Err(Refusal::Trailer.into())
            } else {
                lines.field(name, value)
            };
        }
    });
    lines.gather_crumbs();
    scratch.fields = lines.fields;
    decoded.map_err(HeadError::Compression).and(result)
}
