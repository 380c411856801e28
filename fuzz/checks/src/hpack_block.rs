//! HPACK: a block has one meaning, and what our encoder makes of that meaning has it too.
//!
//! An input is one block, as HEADERS and CONTINUATION would carry it. It comes twice on the same connection, so that
//! the second time it finds in the table what it has put there.

use weir_http::h2::hpack::{Decoder, Encoder, Error, Scratch, TABLE_BYTES_MAX};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Fields of more than this many bytes together are not kept: a short block can stand for very many.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Panics when a field does not come back as it was.
pub fn check(data: &[u8]) {
    let (mut decoder, mut peer) = (Decoder::new(TABLE_BYTES_MAX), Decoder::new(TABLE_BYTES_MAX));
    let mut encoder = Encoder::default();
    for round in 0..2 {
        let (result, fields) = decode(&mut decoder, data);
        // As the settings of the peer would change on a connection.
        encoder.set_table_bytes_max(data.len() as u32 * 7 % 5000 * round);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in &fields {
            encoder.field(name, value, &mut block);
        }
        let (again, read) = decode(&mut peer, &block);
        assert_eq!(again, Ok(()), "our own block is right");
        // Names go out in lower case; see `h2::head`, which lets no other in.
        let lower: Fields =
            fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        assert_eq!(read, lower, "in round {round}");
        if result.is_err() {
            break;
        }
    }
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> (Result<(), Error>, Fields) {
    let (mut fields, mut count, mut kept) = (Fields::new(), 0, 0);
    let result = decoder.decode(block, &mut Scratch::default(), |name, value| {
        count += 1;
        kept += name.len() + value.len();
        if kept <= KEPT_BYTES_MAX {
            fields.push((name.to_vec(), value.to_vec()));
        }
    });
    assert!(count <= block.len(), "a field has at least a byte");
    (result, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_compared() {
        let (result, fields) = decode(&mut Decoder::new(TABLE_BYTES_MAX), b"\x82\x40\x01a\x01b\xbe");
        assert_eq!(result, Ok(()));
        let field = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(fields, [field(b":method", b"GET"), field(b"a", b"b"), field(b"a", b"b")]);
    }
}
