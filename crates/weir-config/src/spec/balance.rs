//! `pools.NAME.balance`: how a server is picked.

use super::{Section, Shape, Word, key, word};
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
    doc: "Always the same server for one value.",
    keys: &[
        key(
            "hash",
            Shape::One(Kind::HashKey),
            "`client_ip`, `path`, `\"header:NAME\"`, `\"cookie:NAME\"` or `\"query:NAME\"`; requests without it are \
             spread at random.",
        )
        .required(),
        key(
            "bound",
            Shape::One(Kind::Bound),
            "How many times its share of the requests in flight a server may have; what is above goes to the value's \
             next servers. Without, there is no bound.",
        ),
    ],
    choices: &[],
};
