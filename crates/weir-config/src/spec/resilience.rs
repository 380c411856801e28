//! What keeps a failing or full pool from hurting more than it must: `retry` and `hedge` of a route, `queue` and
//! `circuit_breaker` of a pool.

use super::{List, Section, Shape, key, list};
use crate::kind::Kind;

pub(super) static RETRY: Section = Section {
    path: "listeners[].routes[].retry",
    doc: "Further attempts after a failure, on another server if there is one. Without this section, its defaults hold.",
    keys: &[
        key(
            "attempts",
            Shape::One(Kind::Count { min: 1, max: 10 }),
            "How often a request is sent at most, the first time included.",
        )
        .default("2"),
        key(
            "connects",
            Shape::One(Kind::Count { min: 1, max: 100 }),
            "How many connects may fail for one request. Nothing has been sent by then, so this holds for every method.",
        )
        .default("8"),
        key(
            "when",
            Shape::List(&CONDITIONS),
            "What is a failure. Without `connect_failure`, no second server is tried when one cannot be reached.",
        )
        .default("[connect_failure, reset]"),
        key(
            "methods",
            Shape::List(&METHODS),
            "The methods of requests that may be sent again. One that is not idempotent, like POST, may be carried out twice.",
        )
        .default("[GET, HEAD, OPTIONS, PUT, DELETE]"),
        key(
            "per_try_timeout",
            Shape::One(Kind::Duration),
            "How long one server may take for the head of its answer; `timeout` holds for all together.",
        ),
        key(
            "max_body_bytes",
            Shape::One(Kind::Size { min: 0, max: 1 << 20 }),
            "The longest body that is kept to be sent again. A request with a longer one is sent once.",
        )
        .default("0B"),
        key(
            "budget",
            Shape::One(Kind::Share { min: 1, max: 1000 }),
            "The most further attempts, as a share of the requests of this route in the last ten seconds; some few are always allowed.",
        )
        .default("20%"),
    ],
    choices: &[],
};

static CONDITIONS: List = list(Kind::RetryCondition, 0, 100);
static METHODS: List = list(Kind::Method, 0, 100);

pub(super) static HEDGE: Section = Section {
    path: "listeners[].routes[].hedge",
    doc: "A second request to another server when the first is slow. The first answer is taken, the other request is cancelled. \
          Only for requests without a body whose method may be sent again (`retry.methods`).",
    keys: &[
        key(
            "after",
            Shape::One(Kind::HedgeDelay),
            "How long the first server may take: a time, or `p95`, as long as 95% of this route's latest answers took.",
        )
        .default("p95"),
        key(
            "budget",
            Shape::One(Kind::Share { min: 1, max: 100 }),
            "The most second requests, as a share of the requests of this route in the last ten seconds; some few are always allowed.",
        )
        .default("10%"),
    ],
    choices: &[],
};

pub(super) static QUEUE: Section = Section {
    path: "pools.NAME.queue",
    doc: "Requests that wait, in their order, until a server has room: where `max_connections` of all servers or `max_requests` is \
          reached. Without it they are answered 503 at once.",
    keys: &[
        key(
            "max",
            Shape::One(Kind::Count { min: 1, max: 1_000_000 }),
            "The most requests that wait, over all workers; further ones are answered 503.",
        )
        .default("1000"),
        key("timeout", Shape::One(Kind::Duration), "How long one waits at most; then it is answered 503.")
            .default("5s"),
    ],
    choices: &[],
};

pub(super) static CIRCUIT_BREAKER: Section = Section {
    path: "pools.NAME.circuit_breaker",
    doc: "What a pool is asked to bear at most, over all workers.",
    keys: &[
        key(
            "max_requests",
            Shape::One(COUNT),
            "Requests in flight; further ones wait in `queue`, or are answered 503.",
        ),
        key(
            "max_pending",
            Shape::One(COUNT),
            "Requests that wait for a connection to be made; further ones are answered 503.",
        ),
        key(
            "max_retries",
            Shape::One(COUNT),
            "Further attempts in flight, of `retry` and `hedge`; beyond it, no further ones are made.",
        ),
    ],
    choices: &[],
};

const COUNT: Kind = Kind::Count { min: 1, max: 10_000_000 };
