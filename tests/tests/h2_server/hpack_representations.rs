//! RFC 7541 sections 5.2, 6.1 and 6.2: strings and representations.

use weir_tests::h2::{
    Block, Expect, code,
    frame::*,
    hpack::{Form, Name},
    huffman,
    suite::Section,
};

const HUFFMAN: &str = "RFC 7541, 5.2: H: A one-bit flag indicating whether or not the octets of the string are Huffman \
                       encoded.";
const PADDING: &str =
    "RFC 7541, 5.2: A padding strictly longer than 7 bits MUST be treated as a decoding error.";
const ZEROS: &str = "RFC 7541, 5.2: A padding not corresponding to the most significant bits of the code for the EOS symbol \
                     MUST be treated as a decoding error.";
const EOS: &str = "RFC 7541, 5.2: A Huffman-encoded string literal containing the EOS symbol MUST be treated as a decoding \
                   error.";

#[test]
fn representations() {
    let mut s = Section::new("RFC 7541 6 representations");
    let forms = [
        ("incremental", Form::Incremental),
        ("without indexing", Form::Without),
        ("never indexed", Form::Never),
    ];
    for (form_name, form) in forms {
        for huffman in [false, true] {
            let how = if huffman { "Huffman" } else { "plain" };
            s.talk(
                format!("{form_name}, new name, {how}"),
                "RFC 7541, 6.2: literal representations",
                move |t| {
                    t.client.send([headers(
                        1,
                        t.ask.fields("GET").literal(form, Name::New("x-a"), "value", huffman),
                    )
                    .end()]);
                    assert_eq!(t.client.response(1).status, 200);
                    assert_eq!(t.seen_once().fields.get("x-a"), Some("value"));
                },
            );
            s.talk(
                format!("{form_name}, indexed name, {how}"),
                "RFC 7541, 6.2: literal representations",
                move |t| {
                    t.client.send([headers(
                        1,
                        t.ask.fields("GET").literal(form, Name::Index(58), "value", huffman),
                    )
                    .end()]);
                    assert_eq!(t.client.response(1).status, 200);
                    assert_eq!(t.seen_once().fields.get("user-agent"), Some("value"));
                },
            );
            s.talk(
                format!("{form_name}, pseudo-header fields, {how}"),
                "RFC 7541, 6.2: literal representations",
                move |t| {
                    let block = Block::new()
                        .literal(form, Name::New(":method"), "GET", huffman)
                        .literal(form, Name::Index(6), "http", huffman)
                        .literal(form, Name::Index(4), &t.ask.path, huffman)
                        .literal(form, Name::New(":authority"), "weir.test", huffman);
                    t.client.send([headers(1, block).end()]);
                    assert_eq!(t.client.response(1).status, 200);
                    t.seen_once();
                },
            );
        }
    }
    s.talk(
        "only the incremental form is remembered",
        "RFC 7541, 6.2.2: literal without indexing does not alter the dynamic \
        table.",
        |t| {
            let block = t.ask.fields("GET").literal(Form::Without, Name::New("x-a"), "1", false).literal(
                Form::Never,
                Name::New("x-b"),
                "2",
                false,
            );
            t.client.send([headers(1, block).end()]);
            assert_eq!(t.client.response(1).status, 200);
            t.client.send([headers(3, t.ask.fields("GET").indexed(62)).end()]);
            Expect::connection(code::COMPRESSION_ERROR).check(&mut t.client);
        },
    );
    s.talk("all of them in one block", "RFC 7541, 6: Binary Format", |t| {
        let block = Block::new()
            .size_update(2000)
            .and(&t.ask.fields("GET"))
            .remembered("x-a", "1")
            .indexed(62)
            .literal(Form::Never, Name::Index(62), "2", true)
            .literal(Form::Without, Name::New("x-b"), "3", true);
        t.client.send([headers(1, block).end()]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        let values = request.fields.all("x-a").join(",").replace(", ", ",");
        assert_eq!((&values[..], request.fields.get("x-b")), ("1,1,2", Some("3")));
    });
    s.run();
}

#[test]
fn strings() {
    let mut s = Section::new("RFC 7541 5.2 strings");
    let wrong = || Expect::connection(code::COMPRESSION_ERROR).unseen();
    /// A literal whose value is this Huffman string.
    fn of_huffman(octets: &[u8]) -> Block {
        let length = u8::try_from(octets.len()).expect("short strings");
        Block::new().raw(b"\x00\x03x-a").raw(&[0x80 | length]).raw(octets)
    }
    type Bad = (&'static str, &'static str, Vec<bool>);
    let a = || huffman::bits_of(usize::from(b'a'));
    let bad: [Bad; 7] = [
        ("eight bits of padding", PADDING, [a(), vec![true; 11]].concat()),
        ("an octet of padding alone", PADDING, vec![true; 8]),
        ("a padding of zeros", ZEROS, [a(), vec![false; 3]].concat()),
        ("a padding of ones and a zero", ZEROS, [a(), vec![true, true, false]].concat()),
        ("EOS", EOS, [huffman::bits_of(huffman::EOS), vec![true; 2]].concat()),
        ("EOS within", EOS, [a(), huffman::bits_of(huffman::EOS), a()].concat()),
        ("EOS at the end", EOS, [a(), huffman::bits_of(huffman::EOS), vec![true; 5]].concat()),
    ];
    for (name, cites, bits) in bad {
        s.check(
            name,
            cites,
            move |ask| {
                let octets = huffman::pack(&bits);
                vec![headers(1, ask.fields("GET").and(&of_huffman(&octets))).end()]
            },
            wrong(),
        );
    }
    s.check(
        "a Huffman name with a wrong padding",
        ZEROS,
        |ask| {
            let name = huffman::pack(&[huffman::bits_of(usize::from(b'a')), vec![false; 3]].concat());
            vec![headers(1, ask.fields("GET").raw(b"\x00\x81").raw(&name).raw(b"\x01b")).end()]
        },
        wrong(),
    );
    for (name, rest) in [
        ("a name longer than the block", &b"\x00\x09x-a"[..]),
        ("a value longer than the block", b"\x00\x03x-a\x7fxyz"),
        ("a Huffman value longer than the block", b"\x00\x03x-a\xffxyz"),
        ("no value", b"\x00\x03x-a"),
        ("no name", b"\x00"),
        ("an indexed name and no value", b"\x0f\x2b"),
        ("a length of many octets, cut", b"\x00\x7f\xff\xff"),
    ] {
        s.check(
            name,
            "RFC 7541, 5.2: String Length: The number of octets used to encode the string literal.",
            move |ask| vec![headers(1, ask.fields("GET").raw(rest)).end()],
            wrong(),
        );
    }
    s.check(
        "a length of 2^31",
        "RFC 7541, 5.1: integer encodings that exceed implementation limits MUST be treated as \
        decoding errors.",
        |ask| vec![headers(1, ask.fields("GET").raw(b"\x00\x7f\x81\xff\xff\xff\x07x")).end()],
        wrong(),
    );
    s.talk("every octet of a value, in Huffman", HUFFMAN, |t| {
        let value: String = (0x21..=0x7e_u8).map(char::from).collect();
        t.client.send([headers(
            1,
            t.ask.fields("GET").literal(Form::Without, Name::New("x-a"), &value, true),
        )
        .end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().fields.get("x-a"), Some(&value[..]));
    });
    s.talk("an empty Huffman string", HUFFMAN, |t| {
        t.client.send([headers(1, t.ask.fields("GET").raw(b"\x00\x03x-a\x80")).end()]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().fields.get("x-a"), Some(""));
    });
    s.talk("long strings of both kinds", HUFFMAN, |t| {
        let value = "0123456789abcdef".repeat(100);
        let block = t.ask.fields("GET").literal(Form::Without, Name::New("x-a"), &value, true).literal(
            Form::Without,
            Name::New("x-b"),
            &value,
            false,
        );
        t.client.send([headers(1, block).end()]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        assert_eq!(
            (request.fields.get("x-a"), request.fields.get("x-b")),
            (Some(&value[..]), Some(&value[..]))
        );
    });
    s.run();
}
