//! The Huffman code of RFC 7541 appendix B.
//!
//! It is canonical: within a length, codes rise with the symbols, and each length goes on where the one before ended.
//! So the lengths say everything.

use std::{collections::HashMap, sync::OnceLock};

/// The symbol that ends a string and must never come (RFC 7541 section 5.2).
pub const EOS: usize = 256;

/// How many bits each symbol has, EOS last.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

struct Code {
    of_symbol: Vec<u32>,
    symbols: HashMap<(u8, u32), u16>,
}

fn code() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| {
        let mut order: Vec<u16> = (0..=EOS as u16).collect();
        order.sort_by_key(|&symbol| (LENGTHS[usize::from(symbol)], symbol));
        let mut code = Code { of_symbol: vec![0; EOS + 1], symbols: HashMap::new() };
        let (mut next, mut length) = (0, 0);
        for symbol in order {
            let longer = LENGTHS[usize::from(symbol)];
            next <<= longer - length;
            length = longer;
            code.of_symbol[usize::from(symbol)] = next;
            code.symbols.insert((length, next), symbol);
            next += 1;
        }
        code
    })
}

/// The octets of these symbols, filled up with ones.
pub fn encode(octets: &[u8]) -> Vec<u8> {
    let mut bits: Vec<bool> = octets.iter().flat_map(|&octet| bits_of(usize::from(octet))).collect();
    while !bits.len().is_multiple_of(8) {
        bits.push(true);
    }
    pack(&bits)
}

/// The bits of a symbol, for strings that are not as they should be.
pub fn bits_of(symbol: usize) -> Vec<bool> {
    let code = code().of_symbol[symbol];
    (0..LENGTHS[symbol]).rev().map(|bit| code >> bit & 1 == 1).collect()
}

/// Bits as octets; there must be whole ones.
pub fn pack(bits: &[bool]) -> Vec<u8> {
    assert_eq!(bits.len() % 8, 0, "whole octets");
    bits.chunks(8).map(|octet| octet.iter().fold(0, |octet, &bit| octet << 1 | u8::from(bit))).collect()
}

/// The octets that `encoded` stands for, or what is wrong with it (RFC 7541 section 5.2).
pub fn decode(encoded: &[u8]) -> Result<Vec<u8>, String> {
    let (mut code, mut length, mut octets) = (0u32, 0u8, Vec::new());
    for bit in encoded.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        match self::code().symbols.get(&(length, code)) {
            Some(&symbol) if usize::from(symbol) == EOS => return Err("EOS in a Huffman string".into()),
            Some(&symbol) => {
                octets.push(symbol as u8);
                (code, length) = (0, 0);
            }
            None if length > 30 => return Err("no Huffman code".into()),
            None => {}
        }
    }
    if length > 7 || code != (1 << length) - 1 {
        return Err(format!("{length} bits of padding, {code:b}"));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.4.1 and C.6.1.
    #[test]
    fn examples() {
        let www = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(encode(b"www.example.com"), www);
        assert_eq!(decode(www).as_deref(), Ok(&b"www.example.com"[..]));
        assert_eq!(encode(b"302"), b"\x64\x02");
        assert_eq!(bits_of(EOS), [true; 30]);
    }

    #[test]
    fn all_octets() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Ok(all));
    }
}
