//! `pools.NAME`: its servers, how one is picked, and how they are checked.

use super::{
    List, Section, Shape, Word,
    balance::{ALGORITHMS, BALANCE},
    eject::{EJECT, NO_EJECT},
    health::{HEALTH, NO_HEALTH},
    key, later,
    overload::ADAPTIVE_CONCURRENCY,
    resilience::{CIRCUIT_BREAKER, QUEUE},
    sticky::STICKY,
    tls::POOL_TLS,
    word,
    zones::{PRIORITY, SPILL, SUBSET_KEY, ZONE},
};
use crate::kind::Kind;

pub(crate) static POOL: Section = Section {
    path: "pools.NAME",
    doc: "A group of servers that do the same work.",
    keys: &[
        key("balance", Shape::WordOrSection(&ALGORITHMS, &BALANCE), "How a server is picked.")
            .default("round_robin"),
        key("servers", Shape::List(&SERVERS), "The servers; at least one.").required(),
        key("tls", Shape::Section(&POOL_TLS), "TLS towards the servers; without it, none."),
        key("health", Shape::WordOrSection(&NO_HEALTH, &HEALTH), "How servers are checked.")
            .default("{ tcp: connect }"),
        key("connect_timeout", Shape::One(Kind::Duration), "How long a connect may take.").default("2s"),
        SPILL,
        SUBSET_KEY,
        key("when_all_down", Shape::One(Kind::Word(&ALL_DOWN)), "What happens when no server is up.")
            .default("fail"),
        key("keep_alive", Shape::Section(&KEEP_ALIVE), "Idle connections that are kept for later requests.")
            .default("{}"),
        key("protocol", Shape::One(Kind::Word(&PROTOCOLS)), "What the servers speak.").default("http1"),
        key(
            "sticky",
            Shape::Section(&STICKY),
            "Keeping a client on its server; without it, each request is balanced anew.",
        ),
        key(
            "eject",
            Shape::WordOrSection(&NO_EJECT, &EJECT),
            "Taking servers out for a while that do worse than the others.",
        )
        .default("{}"),
        key(
            "slow_start",
            Shape::One(Kind::Duration),
            "How long a server takes to its whole share that comes to others; without it, no time.",
        ),
        key(
            "queue",
            Shape::Section(&QUEUE),
            "Requests that wait for a server that has room; without it, none.",
        ),
        key("circuit_breaker", Shape::Section(&CIRCUIT_BREAKER), "What the pool is asked to bear at most."),
        key(
            "adaptive_concurrency",
            Shape::Section(&ADAPTIVE_CONCURRENCY),
            "Refusing what the servers could only let wait; without it, nothing is refused for that.",
        ),
        later("discover", "Servers found through DNS."),
        later("on_role_change", "What happens to sessions when a database changes its primary."),
    ],
    choices: &[],
};

/// As many are checked on time; a larger pool is split over several nodes.
const SERVERS_MAX: usize = 100_000;

static SERVERS: List = List {
    item: Shape::Short("address", Kind::ServerAddress, &SERVER),
    min: 1,
    max: SERVERS_MAX,
    unique: false,
};

static SERVER: Section = Section {
    path: "pools.NAME.servers[]",
    doc: "One server. An address alone stands for `{ address: ADDRESS }`.",
    keys: &[
        key("address", Shape::One(Kind::ServerAddress), "Where it listens; unique within the pool.")
            .required(),
        key("name", Shape::One(Kind::Name), "The label in metrics and logs; unique within the pool.")
            .settled("the address"),
        key(
            "weight",
            Shape::One(Kind::Count { min: 0, max: 1000 }),
            "Its share relative to the others; 0 takes no new requests.",
        )
        .default("1"),
        key("backup", Shape::One(Kind::Bool), "Takes requests only while no other server is up.")
            .default("false"),
        key("check", Shape::One(Kind::ServerAddress), "Where its checks go.")
            .settled("its address, with `address` and `port` of `health`"),
        ZONE,
        PRIORITY,
        key(
            "max_connections",
            Shape::One(Kind::Count { min: 1, max: 10_000_000 }),
            "The most requests that it works on at once, over all workers, and as many connections with HTTP/1; further ones go elsewhere, wait in `queue`, or are answered 503.",
        ),
    ],
    choices: &[],
};

static ALL_DOWN: [Word; 2] =
    [word("fail", "answer 503"), word("spread", "use all servers as if they were up")];

static PROTOCOLS: [Word; 3] = [
    word("http1", "HTTP/1.1"),
    word("h2", "HTTP/2, with `tls` or without"),
    word("auto", "with `tls`, what a server chooses (ALPN): HTTP/2 or HTTP/1.1; without, HTTP/1.1"),
];

static KEEP_ALIVE: Section = Section {
    path: "pools.NAME.keep_alive",
    doc: "Idle connections to servers, kept for later requests.",
    keys: &[
        key(
            "max",
            Shape::One(Kind::Count { min: 0, max: 1_000_000 }),
            "The most idle connections that one worker keeps to one server; 0 keeps none.",
        )
        .default("256"),
        key("timeout", Shape::One(Kind::Duration), "How long one may be idle.").default("30s"),
        key("age", Shape::One(Kind::Duration), "How old one may become before it is no longer used.")
            .default("1h"),
    ],
    choices: &[],
};
