//! From blocks to heads.

use super::{HeadError, RequestRules, ResponseRules};
use crate::{
    h1::HeadLimits,
    h2::hpack::{self, Decoder},
    head::{RequestHead, ResponseHead},
};

/// Room for decoding, reused for all blocks of a worker.
#[derive(Debug, Default)]
pub struct Scratch {
    strings: hpack::Scratch,
}

/// Decodes a request's block. `text` and `head` are overwritten; `head` points into `text`.
pub fn decode_request(
    decoder: &mut Decoder,
    block: &[u8],
    rules: &RequestRules<'_>,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
    head: &mut RequestHead,
) -> Result<(), HeadError> {
    let _ = (rules, text, head);
    decoder.decode(block, &mut scratch.strings, |_, _| {}).map_err(HeadError::Compression)
}

/// Decodes a response's block. `text` and `head` are overwritten; `head` points into `text`.
pub fn decode_response(
    decoder: &mut Decoder,
    block: &[u8],
    rules: &ResponseRules<'_>,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
    head: &mut ResponseHead,
) -> Result<(), HeadError> {
    let _ = (rules, text, head);
    decoder.decode(block, &mut scratch.strings, |_, _| {}).map_err(HeadError::Compression)
}

/// Decodes the block of trailers. `text` is overwritten with their lines, `name: value\r\n` each, with no empty line
/// behind them.
pub fn decode_trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &HeadLimits,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
) -> Result<(), HeadError> {
    let _ = (limits, text);
    decoder.decode(block, &mut scratch.strings, |_, _| {}).map_err(HeadError::Compression)
}
