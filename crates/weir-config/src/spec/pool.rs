//! `pools.NAME`: its servers, how one is picked, and how they are checked.

use super::{Choice, List, Map, Section, Shape, Word, key, later, tls::POOL_TLS, word};
use crate::kind::Kind;

pub(super) static POOL: Section = Section {
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
        key("when_all_down", Shape::One(Kind::Word(&ALL_DOWN)), "What happens when no server is up.")
            .default("fail"),
        key("keep_alive", Shape::Section(&KEEP_ALIVE), "Idle connections that are kept for later requests.")
            .default("{}"),
        key("protocol", Shape::One(Kind::Word(&PROTOCOLS)), "What the servers speak.").default("http1"),
        later("eject", "Taking slow or failing servers out by what traffic shows."),
        later("sticky", "Keeping a client on its server."),
        later("slow_start", "Growing the share of a new server."),
        later("queue", "Requests that wait for a server."),
        later("discover", "Servers found through DNS."),
        later("on_role_change", "What happens to sessions when a database changes its primary."),
    ],
    choices: &[],
};

static ALGORITHMS: [Word; 6] = [
    word("round_robin", "one after the other, by weight"),
    word("least_requests", "the one with the fewest open requests, by weight"),
    word("random", "any, by weight"),
    word("p2c", "the less loaded of two random ones"),
    word("client_ip", "always the same one for one client address"),
    word("peak_ewma", "the one that is expected to answer first, of a few random ones"),
];

static BALANCE: Section = Section {
    path: "pools.NAME.balance",
    doc: "Always the same server for one value.",
    keys: &[key(
        "hash",
        Shape::One(Kind::HashKey),
        "`path`, `\"header:NAME\"`, `\"cookie:NAME\"` or `\"query:NAME\"`; requests without it are spread at random.",
    )
    .required()],
    choices: &[],
};

static SERVERS: List =
    List { item: Shape::Short("address", Kind::ServerAddress, &SERVER), min: 1, max: 10_000, unique: false };

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
        later("zone", "Where it stands."),
        later("max_connections", "The most connections to it."),
    ],
    choices: &[],
};

static NO_HEALTH: [Word; 1] = [word("none", "no checks: every server counts as up")];

static HEALTH: Section = Section {
    path: "pools.NAME.health",
    doc: "Each server is asked regularly, from the first moment on. Failed connects of real requests count as \
          failed checks. Without `http` and `grpc`, the check is a TCP connect. In a pool with `tls`, \
          every check goes over TLS.",
    keys: &[
        key("http", Shape::One(Kind::Target), "GET this path."),
        key(
            "grpc",
            Shape::One(Kind::GrpcService),
            "Ask the gRPC health service for this service; `\"\"` is the server as a whole.",
        ),
        key("tcp", Shape::One(Kind::Word(&TCP)), "Connect, and nothing more; with `tls`, a handshake too.")
            .settled("`connect` without `http` and `grpc`"),
        key("host", Shape::One(Kind::Host), "`Host` of the request; without it, the server's address.")
            .needs("http"),
        key("expect", Shape::OneOrList(Kind::StatusRange), "The status codes of a good answer.")
            .settled("`200-299` with `http`")
            .needs("http"),
        key("expect_headers", Shape::Map(&EXPECT_HEADERS), "Each of these header fields contains this text.")
            .needs("http"),
        key("expect_body", Shape::One(Kind::Text), "The first 64 KiB of the body contain this text.")
            .needs("http"),
        key("interval", Shape::One(Kind::Duration), "From one check to the next, give or take the jitter.")
            .default("2s"),
        key("timeout", Shape::One(Kind::Duration), "How long one check may take; at most `interval`.")
            .settled("`1s`, or `interval` if that is shorter"),
        key(
            "fall",
            Shape::One(Kind::Count { min: 1, max: 100 }),
            "Failures in a row, of checks and connects together, until a server is down.",
        )
        .default("3"),
        key("rise", Shape::One(Kind::Count { min: 1, max: 100 }), "Successes in a row until it is up again.")
            .default("2"),
        later("postgres", "Asks a PostgreSQL server for its role."),
    ],
    choices: &[Choice { keys: &["http", "grpc", "tcp", "postgres"], needed: false }],
};

static TCP: [Word; 1] = [word("connect", "a connect succeeds")];

static EXPECT_HEADERS: Map = Map {
    name: Kind::HeaderName,
    placeholder: "NAME",
    value: Shape::One(Kind::HeaderValue),
    min: 1,
    max: 100,
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
