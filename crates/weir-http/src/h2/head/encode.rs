//! From heads in HTTP/1 text, as `forward` and `answer` write them, to blocks.

use crate::h2::hpack::Encoder;

/// Appends the block of a request to `out`. `text` is a whole head; with `protocol` it goes as an extended CONNECT
/// (RFC 8441).
pub fn encode_request(
    encoder: &mut Encoder,
    text: &[u8],
    scheme: &[u8],
    protocol: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let _ = (encoder, text, scheme, protocol, out);
}

/// Appends the block of a response to `out`. `text` begins with a whole head; what is behind it is not looked at.
pub fn encode_response(encoder: &mut Encoder, text: &[u8], out: &mut Vec<u8>) {
    let _ = (encoder, text, out);
}

/// Appends the block of trailers to `out`. `lines` may end with the empty line.
pub fn encode_trailers(encoder: &mut Encoder, lines: &[u8], out: &mut Vec<u8>) {
    let _ = (encoder, lines, out);
}
