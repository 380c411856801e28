//! Query parameters, read as HTML forms write them (WHATWG URL, section 5.1): pairs between `&`, with `%XX` and
//! `+` for a space. Most applications read them so; whoever routes by a parameter must see what they see.

use memchr::{memchr, memchr2};

use crate::{Request, cookie::pieces, path::hex_pair};

/// The most parameters of one request that are looked at; those after them are not there for a route.
const PARAMETERS_MAX: usize = 256;

/// Calls `found` with the decoded value of each query parameter of this name. Stops and returns true at the
/// first for which `found` does. One without `=` has an empty value. Looks at the first 256 parameters.
/// `scratch` is only used when something must be decoded.
pub fn query_parameter<R: Request + ?Sized>(
    request: &R,
    name: &str,
    scratch: &mut Vec<u8>,
    found: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let Some(query) = request.query() else { return false };
    scratch.clear();
    scratch.resize(room_for(query), 0);
    parameter(query, name, scratch, found)
}

/// The room that decoding any value of a query needs.
pub(crate) fn room_for(query: &[u8]) -> usize {
    if is_plain(query) { 0 } else { query.len() }
}

pub(crate) fn parameter(
    query: &[u8],
    name: &str,
    room: &mut [u8],
    found: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let pairs = pieces(query, b'&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX);
    pairs.into_iter().any(|pair| {
        let equals = memchr(b'=', pair).unwrap_or(pair.len());
        if !decoded(&pair[..equals]).eq(name.bytes()) {
            return false;
        }
        let value = pair.get(equals + 1..).unwrap_or_default();
        if is_plain(value) {
            return found(value);
        }
        let mut length = 0;
        for (byte, place) in decoded(value).zip(room.iter_mut()) {
            *place = byte;
            length += 1;
        }
        found(&room[..length])
    })
}

fn is_plain(text: &[u8]) -> bool {
    memchr2(b'%', b'+', text).is_none()
}

/// What the text stands for. A `%` that escapes nothing stands for itself.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        let byte = match byte {
            b'+' => b' ',
            b'%' => match hex_pair(after) {
                Some(octet) => {
                    rest = &after[2..];
                    octet
                }
                None => b'%',
            },
            other => other,
        };
        Some(byte)
    })
}
