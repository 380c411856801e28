//! Integers (RFC 7541 section 5.1).

use super::Error;

/// The most bytes behind the first that are read. Four carry 28 bits, more than any string or table here; padding with
/// zeros is allowed by the standard and used by nobody.
const MORE_BYTES_MAX: usize = 4;

/// Reads the integer whose first byte is `block[*at]`, of which the lowest `prefix` bits belong to it, and moves `at`
/// behind it.
pub(super) fn decode(block: &[u8], at: &mut usize, prefix: u32) -> Result<usize, Error> {
    let mask = (1_usize << prefix) - 1;
    let first = usize::from(*block.get(*at).ok_or(Error::Truncated)?) & mask;
    *at += 1;
    if first < mask {
        return Ok(first);
    }
    let mut value = mask;
    for more in 0..MORE_BYTES_MAX {
        let byte = *block.get(*at).ok_or(Error::Truncated)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << (7 * more);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Integer)
}

/// Appends `value`; its first byte carries `flags` above the `prefix` bits.
#[inline]
pub(super) fn encode(out: &mut Vec<u8>, flags: u8, prefix: u32, value: usize) {
    let mask = (1_usize << prefix) - 1;
    if value < mask {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.1, and the edges.
    #[test]
    fn integers_are_read_as_they_are_written() {
        let check = |value: usize, prefix: u32, bytes: &[u8]| {
            let mut out = Vec::new();
            encode(&mut out, 0, prefix, value);
            assert_eq!(out, bytes);
            let mut at = 0;
            assert_eq!(decode(bytes, &mut at, prefix), Ok(value));
            assert_eq!(at, bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut], &mut 0, prefix), Err(Error::Truncated));
            }
        };
        check(10, 5, &[0x0a]);
        check(1337, 5, &[0x1f, 0x9a, 0x0a]);
        check(42, 8, &[0x2a]);
        check(30, 5, &[0x1e]);
        check(31, 5, &[0x1f, 0]);
        check(127 + 127, 7, &[0x7f, 0x7f]);
        check(127 + 128, 7, &[0x7f, 0x80, 1]);
    }

    #[test]
    fn integers_have_an_end() {
        assert_eq!(decode(&[0x1f, 0x80, 0x80, 0x80, 0], &mut 0, 5), Ok(31));
        assert_eq!(decode(&[0x1f, 0xff, 0xff, 0xff, 0x7f], &mut 0, 5), Ok(31 + (1 << 28) - 1));
        assert_eq!(decode(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0], &mut 0, 5), Err(Error::Integer));
    }
}
