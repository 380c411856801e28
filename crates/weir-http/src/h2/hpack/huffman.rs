//! The Huffman code (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: symbols of one length have consecutive codes in the order of their values. So the lengths say
//! it all, and the tables for both directions are made of them when this is compiled. Decoding looks at ten bits at
//! once, which is a whole symbol for everything but rare punctuation and bytes above ASCII; two symbols per look would
//! need a table of half the first-level cache.

use super::Error;

/// How many bits each symbol has; the last is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const EOS: u16 = 256;

const BITS_MAX: usize = 30;

/// The bits of one look.
const LOOK: u32 = 10;

/// What the canonical order gives.
struct Code {
    /// The bits of each symbol.
    codes: [u32; 257],
    /// The first code of each length.
    first: [u32; BITS_MAX + 1],
    /// Where the symbols of each length begin in `symbols`.
    offset: [u16; BITS_MAX + 1],
    /// The first value beyond the codes of each length, as the upper bits of 32.
    limit: [u64; BITS_MAX + 1],
    /// All symbols, by length and value.
    symbols: [u16; 257],
}

const CODE: Code = code();

static CODES: [u32; 257] = CODE.codes;
static FIRST: [u32; BITS_MAX + 1] = CODE.first;
static OFFSET: [u16; BITS_MAX + 1] = CODE.offset;
static LIMIT: [u64; BITS_MAX + 1] = CODE.limit;
static SYMBOLS: [u16; 257] = CODE.symbols;

/// For each value of `LOOK` bits, the symbol in the upper byte and its length in the lower; 0 where they are not enough.
static LOOKED: [u16; 1 << LOOK] = looked();

/// Appends the `bytes` that `encoded` stands for.
pub(super) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    // The shortest code has five bits.
    out.resize(start + encoded.len() * 8 / 5, 0);
    let room = &mut out[start..];
    let mut done = 0;
    let mut rest = encoded;
    // The next bits, from the top, and how many of them there are.
    let (mut bits, mut count) = (0_u64, 0_u32);
    loop {
        if count <= 32 {
            if let Some((word, behind)) = rest.split_first_chunk::<4>() {
                bits |= u64::from(u32::from_be_bytes(*word)) << (32 - count);
                count += 32;
                rest = behind;
            } else {
                for byte in rest {
                    bits |= u64::from(*byte) << (56 - count);
                    count += 8;
                }
                rest = &[];
            }
        }
        // Three looks take at most 30 of the bits, and there are more than 32 of them but at the end.
        for _ in 0..3 {
            let looked = LOOKED[(bits >> (64 - LOOK)) as usize];
            let (symbol, length) = match looked {
                0 => long(bits),
                _ => (looked >> 8, u32::from(looked & 0xff)),
            };
            if length > count {
                if count > 32 || !rest.is_empty() {
                    break;
                }
                out.truncate(start + done);
                return padding(bits, count);
            }
            if symbol == EOS {
                return Err(Error::Huffman);
            }
            room[done] = symbol as u8;
            done += 1;
            bits <<= length;
            count -= length;
        }
    }
}

/// The symbol at the top of `bits` and its length, where it is longer than a look.
#[cold]
fn long(bits: u64) -> (u16, u32) {
    let top = bits >> 32;
    let length = (LOOK as usize + 1..BITS_MAX).find(|length| top < LIMIT[*length]).unwrap_or(BITS_MAX);
    let index = (top >> (32 - length)) as u32 - FIRST[length];
    (SYMBOLS[usize::from(OFFSET[length]) + index as usize], length as u32)
}

/// What is left at the end is less than a byte of ones.
fn padding(bits: u64, count: u32) -> Result<(), Error> {
    match count < 8 && bits == !(u64::MAX >> count) {
        true => Ok(()),
        false => Err(Error::Huffman),
    }
}

/// How many bytes [`encode`] makes of `bytes`.
pub(super) fn encoded_len(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum::<usize>().div_ceil(8)
}

/// Appends the code of `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0_u32);
    for byte in bytes {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        bits = (bits << length) | u64::from(CODES[usize::from(*byte)]);
        count += length;
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&((bits >> count) as u32).to_be_bytes());
        }
    }
    // The rest, filled up with ones.
    let missing = (8 - count % 8) % 8;
    bits = (bits << missing) | ((1 << missing) - 1);
    count += missing;
    while count > 0 {
        count -= 8;
        out.push((bits >> count) as u8);
    }
}

const fn code() -> Code {
    let mut code = Code {
        codes: [0; 257],
        first: [0; BITS_MAX + 1],
        offset: [0; BITS_MAX + 1],
        limit: [0; BITS_MAX + 1],
        symbols: [0; 257],
    };
    let (mut next, mut placed, mut length) = (0_u32, 0, 1);
    while length <= BITS_MAX {
        next <<= 1;
        code.first[length] = next;
        code.offset[length] = placed as u16;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                code.codes[symbol] = next;
                code.symbols[placed] = symbol as u16;
                next += 1;
                placed += 1;
            }
            symbol += 1;
        }
        code.limit[length] = (next as u64) << (32 - length);
        length += 1;
    }
    code
}

const fn looked() -> [u16; 1 << LOOK] {
    let mut looked = [0; 1 << LOOK];
    let mut symbol = 0;
    while symbol < 256 {
        let length = LENGTHS[symbol] as u32;
        if length <= LOOK {
            let from = CODE.codes[symbol] << (LOOK - length);
            let mut at = from;
            while at < from + (1 << (LOOK - length)) {
                looked[at as usize] = ((symbol as u16) << 8) | length as u16;
                at += 1;
            }
        }
        symbol += 1;
    }
    looked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = b"before".to_vec();
        decode(encoded, &mut out).map(|()| out.split_off(6))
    }

    /// Appendix B, at the ends of some of its lengths.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (symbol, code) in [
            (b'0', 0x0),
            (b't', 0x9),
            (b' ', 0x14),
            (b'u', 0x2d),
            (b':', 0x5c),
            (b'z', 0x7b),
            (b'&', 0xf8),
            (b'Z', 0xfd),
            (b'!', 0x3f8),
            (b'?', 0x3fc),
            (b'|', 0x7fc),
            (b'#', 0xffa),
            (b'~', 0x1ffd),
            (b'}', 0x3ffd),
            (b'{', 0x7ffe),
            (b'\\', 0x7fff0),
            (0x80, 0xfffe6),
            (0xff, 0x03ff_ffee),
            (b'\n', 0x3fff_fffc),
            (0x16, 0x3fff_fffe),
        ] {
            assert_eq!(CODES[usize::from(symbol)], code, "{symbol:#x}");
        }
        assert_eq!(CODES[256], 0x3fff_ffff);
    }

    #[test]
    fn every_pair_of_bytes_comes_back() {
        for first in 0..=0xff {
            for second in 0..=0xff {
                let bytes = [first, second, b'a', second];
                let mut encoded = Vec::new();
                encode(&bytes, &mut encoded);
                assert_eq!(encoded.len(), encoded_len(&bytes));
                assert_eq!(decoded(&encoded), Ok(bytes.to_vec()));
            }
        }
        assert_eq!(decoded(b""), Ok(Vec::new()));
    }

    #[test]
    fn wrong_endings_are_errors() {
        // "0" has five bits, "a" too, "&" has eight.
        assert_eq!(decoded(&[0b0000_0111]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0b0000_0110]), Err(Error::Huffman), "padding with a zero");
        assert_eq!(decoded(&[0b0000_0111, 0xff]), Err(Error::Huffman), "padding of more than a byte");
        assert_eq!(decoded(&[0xff]), Err(Error::Huffman), "a whole byte of padding");
        assert_eq!(decoded(&[0xf8]), Ok(b"&".to_vec()));
        assert_eq!(decoded(&[0xf8, 0xff, 0xff, 0xff]), Err(Error::Huffman), "the beginning of EOS");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Error::Huffman), "EOS");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0]), Err(Error::Huffman), "EOS within");
        assert_eq!(decoded(&[0xff, 0xff, 0xff]), Err(Error::Huffman), "the beginning of a long code");
    }
}
