//! Cookies (RFC 6265 section 4.2.1).

use memchr::{memchr, memchr_iter};

use crate::Request;

/// The most cookies of one request that are looked at; those after them are not there for a route.
const COOKIES_MAX: usize = 256;

/// Calls `found` with the value of each cookie of this name (in exactly this case), as sent, quotes included.
/// Stops and returns true at the first for which `found` does. Looks at the first 256 cookies.
pub fn cookie<R: Request + ?Sized>(request: &R, name: &str, found: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut left = COOKIES_MAX;
    // A client sends one field (section 5.4), but HTTP/2 may split it (RFC 9113 section 8.2.3).
    request.field("cookie", &mut |field| {
        pieces(field, b';').any(|pair| {
            if left == 0 {
                return false;
            }
            left -= 1;
            let Some(equals) = memchr(b'=', pair) else { return false };
            pair[..equals].trim_ascii() == name.as_bytes() && found(pair[equals + 1..].trim_ascii())
        })
    })
}

/// The parts of `text` between separators.
pub(crate) fn pieces(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(separator, text).chain([text.len()]);
    ends.map(move |end| {
        let piece = &text[start..end];
        start = end + 1;
        piece
    })
}
