//! RFC 7541 section 5.1: integers.

use weir_tests::h2::{Block, Expect, code, frame::*, suite::Section};

const LIMIT: &str = "RFC 7541, 5.1: Integer encodings that exceed implementation limits -- in value or octet length -- MUST \
                     be treated as decoding errors.";
const TRUNCATED: &str = "RFC 7541, 5.1: an integer representation always finishes at the end of an octet.";

#[test]
fn integers() {
    let mut s = Section::new("RFC 7541 5.1 integers");
    let wrong = || Expect::connection(code::COMPRESSION_ERROR).unseen();
    for (name, rest) in [
        ("an index without its rest", &b"\xff"[..]),
        ("an index that goes on", b"\xff\x80"),
        ("an index that goes on for long", b"\xff\x80\x80\x80\x80"),
        ("an incremental literal's index without its rest", b"\x7f"),
        ("a plain literal's index without its rest", b"\x0f"),
        ("a never indexed literal's index without its rest", b"\x1f"),
        ("a name's length without its rest", b"\x00\x7f"),
        ("a Huffman length without its rest", b"\x00\xff"),
    ] {
        s.check(name, TRUNCATED, move |ask| vec![headers(1, ask.fields("GET").raw(rest)).end()], wrong());
    }
    s.check("a size update without its rest", TRUNCATED, |_| vec![headers(1, *b"\x3f").end()], wrong());
    for (name, rest) in [
        ("an index of 2^32", &b"\xff\x81\xff\xff\xff\x0f"[..]),
        ("an index of 2^63", b"\xff\x81\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("an index that wraps 64 bits", b"\xff\x83\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("an index of forty octets", b"\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        ("a length of 2^32", b"\x00\x7f\x81\xff\xff\xff\x0f"),
    ] {
        s.check(name, LIMIT, move |ask| vec![headers(1, ask.fields("GET").raw(rest)).end()], wrong());
    }
    s.check(
        "a size update of 2^35",
        LIMIT,
        |ask| vec![headers(1, Block::new().raw(b"\x3f\xff\xff\xff\xff\x7f").and(&ask.fields("GET"))).end()],
        wrong(),
    );
    s.check(
        "an index with zeros behind it",
        "RFC 7541, 5.1: the value is decoded by adding each octet shifted. Encodings \
        with needless zeros are not forbidden.",
        |ask| {
            // Index 2 fits its prefix; 127 + 0 does not exist, so the needless octet is in a string's length.
            vec![headers(1, ask.fields("GET").raw(b"\x00\x03x-a\x7f\x81\x80\x00").raw(&[b'v'; 128])).end()]
        },
        Expect::status(&[200]).or(wrong()),
    );
    s.talk(
        "values around the prefixes",
        "RFC 7541, 5.1: If the integer value is small enough, i.e., strictly less than \
        2^N-1, it is encoded within the N-bit prefix.",
        |t| {
            for (n, length) in [126_usize, 127, 128, 254, 255, 256, 382, 383].into_iter().enumerate() {
                let stream = 2 * n as u32 + 1;
                let value = "v".repeat(length);
                t.client.send([t.ask.get_with(stream, &[("x-a", &value)])]);
                assert_eq!(t.client.response(stream).status, 200);
                let seen = t.seen();
                assert_eq!(seen[n].fields.get("x-a"), Some(&value[..]));
            }
        },
    );
    s.run();
}
