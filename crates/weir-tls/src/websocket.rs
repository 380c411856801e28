//! The two values of a WebSocket's handshake in HTTP/1.1 (RFC 6455 section 4).
//!
//! They are no protection: they show that a server understood the request, and did not just answer it. They stand here
//! since this crate has the library that draws and digests.

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The length of a key, in bytes.
pub const WEBSOCKET_KEY_LEN: usize = 24;

/// The length of what accepts it, in bytes.
pub const WEBSOCKET_ACCEPT_LEN: usize = 28;

/// What every server knows that speaks WebSocket (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A value for `Sec-WebSocket-Key`.
pub fn websocket_key() -> [u8; WEBSOCKET_KEY_LEN] {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).expect("the generator has been seeded when TLS was set up, or is now");
    let mut key = [0; WEBSOCKET_KEY_LEN];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 letters");
    key
}

/// The value of `Sec-WebSocket-Accept` for `key`.
pub fn websocket_accept(key: &[u8]) -> [u8; WEBSOCKET_ACCEPT_LEN] {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    assert_eq!(digest.as_ref().len(), SHA1_OUTPUT_LEN);
    let mut accept = [0; WEBSOCKET_ACCEPT_LEN];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes are 28 letters");
    accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_accepted_as_the_standard_says() {
        // The example of RFC 6455 section 1.3.
        let accept = websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_sixteen_random_bytes() {
        let (one, other) = (websocket_key(), websocket_key());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(one).unwrap().len(), 16);
    }
}
