//! RFC 7541 sections 2.3, 4 and 6.3: the tables of the request decoder.

use weir_tests::h2::{
    Block, Expect, code,
    frame::*,
    suite::{Section, Talk},
};

const INDEX: &str = "RFC 7541, 2.3.3: Indices strictly greater than the sum of the lengths of both tables MUST be treated \
                     as a decoding error.";
const ZERO: &str = "RFC 7541, 6.1: The index value of 0 is not used. It MUST be treated as a decoding error if found in an \
                    indexed header field representation.";
const UPDATE_SIZE: &str = "RFC 7541, 6.3: The new maximum size MUST be lower than or equal to the limit determined by the \
                           protocol using HPACK. A value that exceeds this limit MUST be treated as a decoding error.";
const UPDATE_PLACE: &str = "RFC 7541, 4.2: This dynamic table size update MUST occur at the beginning of the first header \
                            block following the change to the dynamic table size.";
const EVICT: &str = "RFC 7541, 4.4: Before a new entry is added to the dynamic table, entries are evicted from the end of \
                     the dynamic table until the size of the dynamic table is less than or equal to (maximum size - new \
                     entry size) or until the table is empty.";

/// Sends these blocks as the ends of GETs, each behind the pseudo-header fields, and gives what `name` was in each.
#[track_caller]
fn values_of(t: &mut Talk<'_>, name: &str, blocks: &[Block]) -> Vec<Option<String>> {
    for (n, block) in blocks.iter().enumerate() {
        let stream = 2 * n as u32 + 1;
        t.client.send([headers(stream, start(t, block)).end()]);
        assert_eq!(t.client.response(stream).status, 200);
    }
    t.seen().iter().map(|request| request.fields.get(name).map(str::to_owned)).collect()
}

/// Size updates of `block` come first, then the pseudo-header fields, then its rest.
fn start(t: &Talk<'_>, block: &Block) -> Block {
    let updates = block.0.iter().take_while(|octet| **octet & 0xe0 == 0x20 && **octet != 0x3f).count();
    let (updates, rest) = block.0.split_at(updates);
    Block::new().raw(updates).and(&t.ask.fields("GET")).raw(rest)
}

#[test]
fn indices() {
    let mut s = Section::new("RFC 7541 2.3 indices");
    let wrong = || Expect::connection(code::COMPRESSION_ERROR).unseen();
    for index in [62, 63, 70, 127, 128, 1000, 100_000] {
        s.check(
            format!("index {index} of an empty dynamic table"),
            INDEX,
            move |ask| vec![headers(1, ask.fields("GET").indexed(index)).end()],
            wrong(),
        );
        s.check(
            format!("index {index} as a name"),
            INDEX,
            move |ask| {
                let name = weir_tests::h2::hpack::Name::Index(index);
                let form = weir_tests::h2::hpack::Form::Without;
                vec![headers(1, ask.fields("GET").literal(form, name, "x", false)).end()]
            },
            wrong(),
        );
    }
    s.check("index 0", ZERO, |ask| vec![headers(1, ask.fields("GET").indexed(0)).end()], wrong());
    s.check(
        "index 0 first of all",
        ZERO,
        |ask| vec![headers(1, Block::new().indexed(0).and(&ask.fields("GET"))).end()],
        wrong(),
    );
    s.check(
        "one above the dynamic table",
        INDEX,
        |ask| vec![headers(1, ask.fields("GET").remembered("x-a", "b").indexed(63)).end()],
        wrong(),
    );
    s.talk("the whole static table", "RFC 7541, A: the static table", |t| {
        // What is no pseudo-header field and not forbidden in requests.
        let names = [
            (15, "accept-charset"),
            (16, "accept-encoding"),
            (17, "accept-language"),
            (19, "accept"),
            (22, "allow"),
            (23, "authorization"),
            (24, "cache-control"),
            (25, "content-disposition"),
            (26, "content-encoding"),
            (27, "content-language"),
            (29, "content-location"),
            (30, "content-range"),
            (31, "content-type"),
            (32, "cookie"),
            (33, "date"),
            (34, "etag"),
            (36, "expires"),
            (37, "from"),
            (39, "if-match"),
            (40, "if-modified-since"),
            (41, "if-none-match"),
            (42, "if-range"),
            (43, "if-unmodified-since"),
            (44, "last-modified"),
            (45, "link"),
            (46, "location"),
            (49, "proxy-authorization"),
            (50, "range"),
            (51, "referer"),
            (52, "refresh"),
            (53, "retry-after"),
            (54, "server"),
            (55, "set-cookie"),
            (56, "strict-transport-security"),
            (58, "user-agent"),
            (59, "vary"),
            (61, "www-authenticate"),
        ];
        let form = weir_tests::h2::hpack::Form::Without;
        let block = names.iter().fold(t.ask.fields("GET"), |block, &(index, _)| {
            block.literal(form, weir_tests::h2::hpack::Name::Index(index), &format!("v{index}"), false)
        });
        t.client.send([headers(1, block).end()]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        for (index, name) in names {
            if t.target.keeps(name) {
                assert_eq!(request.fields.get(name), Some(&format!("v{index}")[..]), "{name}");
            }
        }
    });
    s.check(
        "pseudo-header fields of the static table",
        "RFC 7541, A: the static table",
        |ask| {
            let form = weir_tests::h2::hpack::Form::Without;
            let block = Block::new().indexed(2).indexed(6);
            let block = block.literal(form, weir_tests::h2::hpack::Name::Index(4), &ask.path, false);
            vec![
                headers(1, block.literal(form, weir_tests::h2::hpack::Name::Index(1), "weir.test", false))
                    .end(),
            ]
        },
        Expect::status(&[200]),
    );
    s.run();
}

#[test]
fn updates() {
    let mut s = Section::new("RFC 7541 6.3 size updates");
    let wrong = || Expect::connection(code::COMPRESSION_ERROR).unseen();
    s.check(
        "at the end of a block",
        UPDATE_PLACE,
        |ask| vec![headers(1, ask.fields("GET").size_update(0)).end()],
        wrong(),
    );
    s.check(
        "in the middle of a block",
        UPDATE_PLACE,
        |ask| vec![headers(1, Block::new().indexed(2).size_update(100).and(&ask.fields("GET"))).end()],
        wrong(),
    );
    for size in [4097, 5000, 65_536, 1 << 30] {
        s.check(
            format!("to {size}"),
            UPDATE_SIZE,
            move |ask| vec![headers(1, Block::new().size_update(size).and(&ask.fields("GET"))).end()],
            wrong(),
        );
    }
    s.check(
        "a right one, then one that is too large",
        UPDATE_SIZE,
        |ask| vec![headers(1, Block::new().size_update(0).size_update(4097).and(&ask.fields("GET"))).end()],
        wrong(),
    );
    for size in [0, 1, 31, 4096] {
        s.check(
            format!("to {size}"),
            UPDATE_SIZE,
            move |ask| vec![headers(1, Block::new().size_update(size).and(&ask.fields("GET"))).end()],
            Expect::status(&[200]),
        );
    }
    s.check(
        "two at once",
        "RFC 7541, 4.2: at most two dynamic table size updates",
        |ask| vec![headers(1, Block::new().size_update(0).size_update(4096).and(&ask.fields("GET"))).end()],
        Expect::status(&[200]),
    );
    s.talk("an update to 0 empties the table", EVICT, |t| {
        let first = t.ask.fields("GET").remembered("x-a", "kept");
        t.client.send([headers(1, first).end()]);
        assert_eq!(t.client.response(1).status, 200);
        t.client.send([headers(3, Block::new().size_update(0).and(&t.ask.fields("GET")).indexed(62)).end()]);
        Expect::connection(code::COMPRESSION_ERROR).check(&mut t.client);
    });
    s.talk("an update evicts from the end", EVICT, |t| {
        // Each entry has 3 + 1 + 32 octets.
        let first = t.ask.fields("GET").remembered("x-a", "1").remembered("x-b", "2").remembered("x-c", "3");
        t.client.send([headers(1, first).end()]);
        assert_eq!(t.client.response(1).status, 200);
        t.client.send([headers(
            3,
            Block::new().size_update(72).and(&t.ask.fields("GET")).indexed(62).indexed(63),
        )
        .end()]);
        assert_eq!(t.client.response(3).status, 200);
        let request = t.seen().pop().expect("two went on");
        assert_eq!((request.fields.get("x-c"), request.fields.get("x-b")), (Some("3"), Some("2")));
        t.client.send([headers(5, t.ask.fields("GET").indexed(64)).end()]);
        Expect::connection(code::COMPRESSION_ERROR).check(&mut t.client);
    });
    s.run();
}

#[test]
fn dynamic_table() {
    let mut s = Section::new("RFC 7541 4 dynamic table");
    s.talk(
        "an entry is used again",
        "RFC 7541, 2.3.2: The dynamic table consists of a list of header fields maintained in \
        first-in, first-out order.",
        |t| {
            let blocks =
                [Block::new().remembered("x-a", "1"), Block::new().indexed(62), Block::new().indexed(62)];
            assert_eq!(values_of(t, "x-a", &blocks), vec![Some("1".to_owned()); 3]);
        },
    );
    s.talk(
        "the newest has the lowest index",
        "RFC 7541, 2.3.2: The first and newest entry in a dynamic table is at the \
        lowest index.",
        |t| {
            let blocks = [
                Block::new().remembered("x-a", "1"),
                Block::new().remembered("x-a", "2"),
                Block::new().indexed(62),
                Block::new().indexed(63),
            ];
            let values: Vec<String> = values_of(t, "x-a", &blocks).into_iter().flatten().collect();
            assert_eq!(values, ["1", "2", "2", "1"]);
        },
    );
    s.talk(
        "a name is used again",
        "RFC 7541, 6.2.1: the field name is represented as the index of that entry.",
        |t| {
            let name = weir_tests::h2::hpack::Name::Index(62);
            let form = weir_tests::h2::hpack::Form::Incremental;
            let blocks = [
                Block::new().remembered("x-a", "1"),
                Block::new().literal(form, name, "2", false),
                Block::new().indexed(63),
                Block::new().indexed(62),
            ];
            let values: Vec<String> = values_of(t, "x-a", &blocks).into_iter().flatten().collect();
            assert_eq!(values, ["1", "2", "1", "2"]);
        },
    );
    s.talk("a name whose entry its own literal evicts", "RFC 7541, 4.4: A new entry can reference the name of an entry in \
        the dynamic table that will be evicted when adding this new entry. Implementations are cautioned to avoid deleting \
        the referenced name.", |t| {
        let name = weir_tests::h2::hpack::Name::Index(62);
        let form = weir_tests::h2::hpack::Form::Incremental;
        let (long, longer) = ("v".repeat(2000), "w".repeat(3000));
        let blocks = [
            Block::new().remembered("x-a", &long),
            Block::new().literal(form, name, &longer, false),
            Block::new().indexed(62),
        ];
        let values: Vec<String> = values_of(t, "x-a", &blocks).into_iter().flatten().collect();
        assert_eq!(values, [long, longer.clone(), longer]);
    });
    s.talk("an entry larger than the table empties it", "RFC 7541, 4.4: an attempt to add an entry larger than the maximum \
        size causes the table to be emptied of all existing entries and results in an empty table. It is not an error.", |t| {
        let blocks = [Block::new().remembered("x-b", "1"), Block::new().remembered("x-a", &"v".repeat(5000))];
        assert_eq!(values_of(t, "x-a", &blocks).len(), 2);
        t.client.send([headers(5, t.ask.fields("GET").indexed(62)).end()]);
        Expect::connection(code::COMPRESSION_ERROR).check(&mut t.client);
    });
    s.talk("the oldest goes first", EVICT, |t| {
        // 4096 octets have room for two of these, not for three.
        let value = |letter: &str| letter.repeat(1500);
        let blocks = [
            Block::new().remembered("x-a", &value("1")),
            Block::new().remembered("x-a", &value("2")),
            Block::new().remembered("x-a", &value("3")),
            Block::new().indexed(63),
        ];
        let values: Vec<String> = values_of(t, "x-a", &blocks).into_iter().flatten().collect();
        assert_eq!(values, [value("1"), value("2"), value("3"), value("2")]);
        t.client.send([headers(9, t.ask.fields("GET").indexed(64)).end()]);
        Expect::connection(code::COMPRESSION_ERROR).check(&mut t.client);
    });
    s.talk(
        "a table as full as it can be",
        "RFC 7541, 4.1: The size of an entry is the sum of its name's length in octets, \
        its value's length in octets, and 32.",
        |t| {
            let exact = "v".repeat(4096 - 32 - 3);
            let blocks = [Block::new().remembered("x-a", &exact), Block::new().indexed(62)];
            let values: Vec<String> = values_of(t, "x-a", &blocks).into_iter().flatten().collect();
            assert_eq!(values, [exact.clone(), exact]);
        },
    );
    s.talk(
        "entries twice",
        "RFC 7541, 2.3.2: The dynamic table can contain duplicate entries. Duplicate entries MUST NOT \
        be treated as an error by a decoder.",
        |t| {
            let twice = Block::new().remembered("x-a", "1");
            let values: Vec<String> = values_of(t, "x-a", &[twice.clone(), twice, Block::new().indexed(63)])
                .into_iter()
                .flatten()
                .collect();
            assert_eq!(values, ["1", "1", "1"]);
        },
    );
    s.run();
}
