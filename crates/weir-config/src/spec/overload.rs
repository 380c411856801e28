//! `pools.NAME.adaptive_concurrency`: how much of an overload a pool takes.

use super::{Section, Shape, key};
use crate::kind::Kind;

pub(super) static ADAPTIVE_CONCURRENCY: Section = Section {
    path: "pools.NAME.adaptive_concurrency",
    doc: "A limit on requests that wait for the head of their answer, which each worker finds for itself from latencies: what \
          servers could only let wait is answered 503 at once, also with a `queue`.",
    keys: &[
        key("min", Shape::One(LIMIT), "As many are let in whatever the latency, in each worker.")
            .default("10"),
        key("max", Shape::One(LIMIT), "More are never let in, in each worker.").default("1000"),
    ],
    choices: &[],
};

const LIMIT: Kind = Kind::Count { min: 1, max: 1_000_000 };
