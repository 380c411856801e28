//! `pools.NAME.eject`: what takes a server out that its checks find well.

use super::{Section, Shape, Word, key, word};
use crate::kind::Kind;

pub(super) static NO_EJECT: [Word; 1] = [word("none", "servers are judged by their checks alone")];

pub(super) static EJECT: Section = Section {
    path: "pools.NAME.eject",
    doc: "A server that does clearly worse than the others of its pool takes no new requests for a while, and comes back \
          with a part of its share. What all of them do alike takes none out, and one always stays. Clients that stick \
          to a server leave it when it fails, not when it is slow.",
    keys: &[
        key(
            "errors",
            Shape::One(Kind::Count { min: 1, max: 10_000 }),
            "So many requests in a row fail, over half a second or more: answers of 500 and above, or none.",
        )
        .default("5"),
        key(
            "success_rate",
            Shape::One(Kind::Share { min: 1, max: 100 }),
            "Fewer of its answers are good, three rounds in a row, while the others keep it; without it, not judged.",
        ),
        key(
            "latency",
            Shape::One(Kind::Factor),
            "Its answers take so many times as long as the pool's median, three rounds in a row; without it, not judged.",
        ),
        key(
            "max",
            Shape::One(Kind::Share { min: 1, max: 100 }),
            "The most of the pool's servers that may be out at a time, rounded down; one of two or more always may.",
        )
        .default("30%"),
        key(
            "time",
            Shape::One(Kind::Duration),
            "How long a server is out the first time; then twice as long, three times, up to ten times.",
        )
        .default("30s"),
    ],
    choices: &[],
};
