use super::*;

#[track_caller]
fn check(decoder: &mut Decoder, block: &[u8], expected: &[(&str, &str)]) {
    let fields = decoder.decode(block).expect("a good block");
    let fields: Vec<(&str, &str)> = fields.0.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    assert_eq!(fields, expected);
}

/// RFC 7541 appendix C.4: three requests, Huffman, dynamic table.
#[test]
fn requests() {
    let mut decoder = Decoder::default();
    let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let start = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
    check(&mut decoder, first, &start);
    let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
    check(&mut decoder, second, &[&start[..], &[("cache-control", "no-cache")]].concat());
    assert_eq!((decoder.size, decoder.table.len()), (110, 2));
}

#[test]
fn what_the_encoder_writes() {
    let block = Block::new()
        .size_update(100)
        .indexed(2)
        .remembered("x-a", "1")
        .literal(Form::Never, Name::Index(4), "/x", true)
        .plain("x-b", &"y".repeat(300))
        .indexed(62);
    let long = "y".repeat(300);
    let expected = [(":method", "GET"), ("x-a", "1"), (":path", "/x"), ("x-b", &long), ("x-a", "1")];
    check(&mut Decoder::default(), &block.0, &expected);
}

#[test]
fn wrong_blocks() {
    let blocks = [
        Block::new().indexed(0),
        Block::new().indexed(62),
        Block::new().indexed(2).size_update(0),
        Block::new().size_update(4097),
        Block::new().raw(b"\x00\x05ab"),
        Block::new().raw(b"\xff\xff\xff\xff\xff\xff"),
    ];
    for block in blocks {
        assert!(Decoder::default().decode(&block.0).is_err(), "{block:?}");
    }
}

#[test]
fn a_smaller_table_has_to_be_confirmed() {
    let mut decoder = Decoder::default();
    decoder.allow(0);
    assert!(decoder.decode(&Block::new().indexed(2).0).is_err());
    check(&mut decoder, &Block::new().size_update(0).indexed(2).0, &[(":method", "GET")]);
    check(&mut decoder, &Block::new().indexed(2).0, &[(":method", "GET")]);
}
