//! What rehearses on real traffic: `mirror` and `faults` of a route.

use super::{Section, Shape, key};
use crate::kind::Kind;

pub(super) static MIRROR: Section = Section {
    path: "listeners[].routes[].mirror",
    doc: "Copies of requests for another pool, whose answers are thrown away. They carry `x-weir-mirror: 1`, take nothing from the \
          exchange that they are copies of, and are left out where a limit is reached.",
    keys: &[
        key("pool", Shape::One(Kind::PoolName), "Where the copies go.").required(),
        key("share", Shape::One(Kind::Part), "So many of the requests are copied.").default("100%"),
        key(
            "max_body_bytes",
            Shape::One(Kind::Size { min: 0, max: 1 << 20 }),
            "The longest body that is copied. A request with a longer one is not.",
        )
        .default("64KiB"),
        key(
            "max_requests",
            Shape::One(COUNT),
            "Copies under way at once, in each worker; with as many, no further ones are made.",
        )
        .default("100"),
        key("timeout", Shape::One(Kind::Duration), "How long a copy may take, with its whole answer.")
            .default("5s"),
    ],
    choices: &[],
};

pub(super) static FAULTS: Section = Section {
    path: "listeners[].routes[].faults",
    doc: "Faults made on purpose, to see what clients make of them. `weir check` warns of them.",
    keys: &[
        key("delay", Shape::Section(&DELAY), "Some requests wait before a server is picked."),
        key(
            "abort",
            Shape::Section(&ABORT),
            "Some requests are answered with an error, and no server sees them.",
        ),
    ],
    choices: &[],
};

static DELAY: Section = Section {
    path: "listeners[].routes[].faults.delay",
    doc: "Requests that wait before a server is picked. The route's `timeout` begins after it.",
    keys: &[
        key("share", Shape::One(Kind::Part), "So many of the requests wait.").required(),
        key("time", Shape::One(Kind::Duration), "How long each of them waits.").required(),
        key(
            "max_requests",
            Shape::One(COUNT),
            "Requests that wait at once, in each worker; further ones do not wait.",
        )
        .default("1000"),
    ],
    choices: &[],
};

static ABORT: Section = Section {
    path: "listeners[].routes[].faults.abort",
    doc: "Requests that get an error in place of a server's answer; a call of gRPC gets the status that fits.",
    keys: &[
        key("share", Shape::One(Kind::Part), "So many of the requests get it.").required(),
        key("status", Shape::One(Kind::Count { min: 400, max: 599 }), "The status of the answer.")
            .default("503"),
    ],
    choices: &[],
};

const COUNT: Kind = Kind::Count { min: 1, max: 1_000_000 };
