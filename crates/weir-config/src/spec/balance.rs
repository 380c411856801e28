//! `pools.NAME.balance`: how a server is picked.

use super::{Choice, Section, Shape, Word, key, word};
use crate::kind::Kind;

pub(super) static ALGORITHMS: [Word; 7] = [
    word("round_robin", "one after the other, by weight"),
    word("least_requests", "the one with the fewest open requests, by weight"),
    word("least_connections", "the same: a request in flight is a connection that is busy"),
    word("random", "any, by weight"),
    word("p2c", "the less loaded of two random ones"),
    word("client_ip", "always the same one for one client address"),
    word("peak_ewma", "the one that is expected to answer first, of a few random ones"),
];

pub(super) static BALANCE: Section = Section {
    path: "pools.NAME.balance",
    doc: "Always the same server for one value, or by what servers say of their load.",
    keys: &[
        key(
            "hash",
            Shape::One(Kind::HashKey),
            "`client_ip`, `path`, `\"header:NAME\"`, `\"cookie:NAME\"` or `\"query:NAME\"`; requests without it are \
             spread at random.",
        ),
        key(
            "bound",
            Shape::One(Kind::Bound),
            "How many times its share of the requests in flight a server may have; what is above goes to the value's \
             next servers. Without, there is no bound.",
        )
        .needs("hash"),
        key("prequal", Shape::Section(&PREQUAL), "By what servers say of their load, in the format of ORCA."),
    ],
    choices: &[Choice { keys: &["hash", "prequal"], needed: true }],
};

pub(crate) static PREQUAL: Section = Section {
    path: "pools.NAME.balance.prequal",
    doc: "Of some random servers, the one that expects to answer first among those with few requests in flight, as they say \
          themselves.",
    keys: &[
        key(
            "probe",
            Shape::One(Kind::Target),
            "A path that servers are asked for, beside requests, over HTTP/1.1; the answer's body, or its field \
             `endpoint-load-metrics`, says the load.",
        ),
        key(
            "header",
            Shape::One(Kind::Bool),
            "`true`: the field `endpoint-load-metrics` of each answer says the load.",
        ),
        key("timeout", Shape::One(Kind::Duration), "How long a probe may take.")
            .settled("`1s` with `probe`")
            .needs("probe"),
        key(
            "max_probes",
            Shape::One(Kind::Count { min: 1, max: 10_000 }),
            "Probes under way at once, in each worker; with as many, none begins.",
        )
        .settled("`16` with `probe`")
        .needs("probe"),
    ],
    choices: &[Choice { keys: &["probe", "header"], needed: true }],
};
