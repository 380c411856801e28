use proptest::prelude::*;

use super::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Error> {
    let mut fields = Vec::new();
    decoder
        .decode(block, &mut Scratch::default(), |name, value| fields.push((name.to_vec(), value.to_vec())))
        .map(|()| fields)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Decodes `hex` and compares its fields, one a line, and the size that the table then has.
fn check(decoder: &mut Decoder, hex: &str, expected: &str, size: usize) {
    let fields = decoded(decoder, &bytes(hex)).unwrap();
    let lines: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
        .collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected);
    assert_eq!(decoder.table().size(), size);
}

/// RFC 7541 appendix C.2.
#[test]
fn single_fields_of_the_standard() {
    let new = || Decoder::new(TABLE_BYTES_MAX);
    check(
        &mut new(),
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key: custom-header",
        55,
    );
    check(&mut new(), "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0);
    check(&mut new(), "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0);
    check(&mut new(), "82", ":method: GET", 0);
}

const REQUESTS: [&str; 3] = [
    ":method: GET
     :scheme: http
     :path: /
     :authority: www.example.com",
    ":method: GET
     :scheme: http
     :path: /
     :authority: www.example.com
     cache-control: no-cache",
    ":method: GET
     :scheme: https
     :path: /index.html
     :authority: www.example.com
     custom-key: custom-value",
];

/// RFC 7541 appendices C.3 and C.4: plain, and in the Huffman code.
#[test]
fn requests_of_the_standard() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(TABLE_BYTES_MAX);
        for ((block, fields), size) in blocks.iter().zip(REQUESTS).zip([57, 110, 164]) {
            check(&mut decoder, block, fields, size);
        }
    }
}

const RESPONSES: [&str; 3] = [
    ":status: 302
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:21 GMT
     location: https://www.example.com",
    ":status: 307
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:21 GMT
     location: https://www.example.com",
    ":status: 200
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:22 GMT
     location: https://www.example.com
     content-encoding: gzip
     set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

/// RFC 7541 appendices C.5 and C.6: a table of 256 bytes, from which the oldest go.
#[test]
fn responses_of_the_standard() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(256);
        for ((block, fields), size) in blocks.iter().zip(RESPONSES).zip([222, 222, 215]) {
            check(&mut decoder, block, fields, size);
        }
    }
}

#[test]
fn broken_blocks_are_refused() {
    let refused = |hex: &str, why| {
        assert_eq!(decoded(&mut Decoder::new(256), &bytes(hex)), Err(why), "{hex}");
    };
    refused("80", Error::Index);
    refused("be", Error::Index);
    refused("7e 01 61", Error::Index);
    refused("0f 2f 01 61", Error::Index);
    refused("ff 80 80 80 80 00", Error::Integer);
    refused("ff", Error::Truncated);
    refused("40", Error::Truncated);
    refused("40 01", Error::Truncated);
    refused("40 01 61", Error::Truncated);
    refused("40 01 61 7f ff ff 7f 61", Error::Truncated);
    refused("41 81 00", Error::Huffman);
    // RFC 7541 section 4.2: not behind a field, and not above what was announced.
    refused("82 20", Error::SizeUpdateLate);
    refused("3f e2 01", Error::SizeUpdateTooLarge);
    let mut decoder = Decoder::new(256);
    check(&mut decoder, "20 3f e1 01 41 01 61", ":authority: a", 43);
    check(&mut decoder, "20", "", 0);
}

#[test]
fn bombs_are_told_from_what_is_merely_well_compressed() {
    // An entry of 4000 bytes, in its own block.
    let mut entered = b"\x40\x01x\x7f\xa1\x1e".to_vec();
    entered.extend_from_slice(&[b'y'; 4000]);
    let bomb = |block: &[u8]| {
        let mut decoder = Decoder::new(4096);
        assert_eq!(decoded(&mut decoder, &entered).map(|fields| fields.len()), Ok(1));
        decoded(&mut decoder, block).map(|fields| fields.len())
    };
    assert_eq!(bomb(&[0xbe; 2]), Ok(2));
    assert_eq!(bomb(&[0xbe; 3]), Err(Error::Bomb));
    // The same with a name that is large.
    let mut entered = b"\x40\x7f\xa1\x1e".to_vec();
    entered.extend_from_slice(&[b'x'; 4000]);
    entered.extend_from_slice(b"\x01y");
    for named in [&b"\x0f\x2f\x00"[..], b"\x7e\x00"] {
        let mut decoder = Decoder::new(4096);
        assert_eq!(decoded(&mut decoder, &entered).map(|fields| fields.len()), Ok(1));
        assert_eq!(decoded(&mut decoder, &named.repeat(2)).map(|fields| fields.len()), Ok(2));
    }
    let mut decoder = Decoder::new(4096);
    assert_eq!(decoded(&mut decoder, &entered).map(|fields| fields.len()), Ok(1));
    assert_eq!(decoded(&mut decoder, &b"\x0f\x2f\x00".repeat(3)), Err(Error::Bomb));
    // What a block brings itself may be named as often as it is long.
    let block = [&entered[..], &[0xbe; 3]].concat();
    assert_eq!(decoded(&mut Decoder::new(4096), &block).map(|fields| fields.len()), Ok(4));
}

fn encode(encoder: &mut Encoder, fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in fields {
        encoder.field(name, value, &mut block);
    }
    block
}

fn fields(lines: &str) -> Fields {
    let split = |line: &str| {
        let (name, value) = line.trim().split_once(": ").unwrap();
        (name.as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    lines.lines().map(split).collect()
}

#[test]
fn what_comes_again_is_a_byte_each() {
    let mut encoder = Encoder::default();
    let lines = fields(
        "server: weir
         content-type: text/html; charset=utf-8
         accept-encoding: gzip, deflate
         x-forwarded-proto: https
         x-forwarded-proto: http",
    );
    let first = encode(&mut encoder, &lines);
    let again = encode(&mut encoder, &lines);
    assert!(first.len() > 40);
    assert_eq!(again, [0xc1, 0xc0, 0x90, 0xbf, 0xbe]);
    let mut decoder = Decoder::new(TABLE_BYTES_MAX);
    assert_eq!(decoded(&mut decoder, &first).unwrap(), lines);
    assert_eq!(decoded(&mut decoder, &again).unwrap(), lines);
}

#[test]
fn secrets_and_the_unknown_are_never_entered() {
    let mut encoder = Encoder::default();
    for (line, first) in [
        ("authorization: Basic eDp5", "1f 08"),
        ("proxy-authorization: Basic eDp5", "1f 22"),
        ("cookie: a=b", "1f 11"),
        ("set-cookie: a=b", "1f 28"),
        ("x-own: a", "10 05"),
        ("etag: \"a\"", "0f 13"),
        ("content-length: 7", "0f 0d"),
        ("x-forwarded-for: 192.0.2.1", "00 0f"),
    ] {
        let block = encode(&mut encoder, &fields(line));
        assert_eq!(block[..2], bytes(first)[..], "{line}");
    }
    assert_eq!(encode(&mut encoder, &fields("vary: a"))[0], 0x40 | 59);
    assert_eq!(encode(&mut encoder, &fields("vary: a")), [0xbe], "it is the first entry of all");
}

/// RFC 7541 section 4.2: the smallest size since the last block, and then the last one.
#[test]
fn sizes_are_announced_at_the_next_block() {
    let begun = |sizes: &[u32]| {
        let mut encoder = Encoder::default();
        sizes.iter().for_each(|size| encoder.set_table_bytes_max(*size));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        encoder.begin(&mut first);
        encoder.begin(&mut second);
        assert!(second.is_empty());
        first
    };
    assert!(begun(&[]).is_empty());
    assert!(begun(&[4096]).is_empty() && begun(&[65_536]).is_empty() && begun(&[u32::MAX]).is_empty());
    assert_eq!(begun(&[0]), bytes("20"));
    assert_eq!(begun(&[256]), bytes("3f e1 01"));
    assert_eq!(begun(&[0, 256]), bytes("20 3f e1 01"));
    assert_eq!(begun(&[0, 4096]), bytes("20 3f e1 1f"));
    assert_eq!(begun(&[0, 100_000]), bytes("20 3f e1 1f"));
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "server",
            "content-type",
            "date",
            "x-forwarded-proto",
            "cookie",
            "etag",
            ":status",
            "te"
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        prop::collection::vec(prop::sample::select(b"abc-xyz".to_vec()), 0..40),
    ];
    let value = prop_oneof![
        prop::sample::select(vec!["", "a", "text/html", "gzip, deflate", "no-cache"])
            .prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(any::<u8>(), 900..1200),
    ];
    prop::collection::vec((name, value), 0..30)
}

proptest! {
    #[test]
    fn everything_comes_back(
        blocks in prop::collection::vec((any_fields(), prop::option::of(0_u32..6000)), 1..12),
    ) {
        let mut encoder = Encoder::default();
        let mut decoder = Decoder::new(TABLE_BYTES_MAX);
        for (fields, size) in blocks {
            if let Some(size) = size {
                encoder.set_table_bytes_max(size);
            }
            let block = encode(&mut encoder, &fields);
            prop_assert_eq!(decoded(&mut decoder, &block), Ok(fields));
            if let Some(size) = size {
                prop_assert!(decoder.table().size() <= size as usize);
            }
        }
    }

    #[test]
    fn nothing_makes_the_decoder_panic(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
    ) {
        let mut decoder = Decoder::new(TABLE_BYTES_MAX);
        for block in blocks {
            let mut count = 0;
            let _ = decoder.decode(&block, &mut Scratch::default(), |_, _| count += 1);
            prop_assert!(count <= block.len());
            prop_assert!(decoder.table().size() <= TABLE_BYTES_MAX);
        }
    }
}
