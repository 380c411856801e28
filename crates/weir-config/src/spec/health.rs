//! `pools.NAME.health`: what a check asks, how often, and what an agent may say.

use super::{Choice, List, Map, Section, Shape, Word, key, later, word};
use crate::kind::Kind;

pub(super) static NO_HEALTH: [Word; 1] = [word("none", "no checks: every server counts as up")];

/// The most checks of one pool at once: half of what all pools may have together, so that one of servers that never
/// answer leaves the others theirs.
const CONCURRENCY: &str = "512";

pub(crate) static HEALTH: Section = Section {
    path: "pools.NAME.health",
    doc: "Each server is asked regularly, from the first moment on. Failed connects of real requests count as \
          failed checks. Without `http`, `grpc`, `tls` and `exec`, the check is a TCP connect. In a pool with `tls`, \
          every check but `exec` goes over TLS.",
    keys: &[
        key("http", Shape::One(Kind::Target), "Ask for this path."),
        key(
            "grpc",
            Shape::One(Kind::GrpcService),
            "Ask the gRPC health service for this service; `\"\"` is the server as a whole.",
        ),
        key(
            "tcp",
            Shape::WordOrSection(&TCP, &TCP_EXCHANGE),
            "Connect, and nothing more; or send and expect something. With `tls`, after a handshake.",
        )
        .settled("`connect` without `http`, `grpc`, `tls` and `exec`"),
        key(
            "tls",
            Shape::WordOrSection(&TLS, &TLS_HANDSHAKE),
            "Make a TLS handshake, also where traffic is passed through. Whose certificate it is does not matter, \
             unless the pool has `tls`.",
        ),
        key(
            "exec",
            Shape::List(&EXEC),
            "Run this program with these arguments, without a shell: exit code 0 has passed.",
        ),
        key("method", Shape::One(Kind::CheckMethod), "The method of the request.")
            .settled("`GET` with `http`")
            .needs("http"),
        key("host", Shape::One(Kind::Host), "`Host` of the request; without it, the address that is asked.")
            .needs("http"),
        key("headers", Shape::Map(&HEADERS), "Header fields of the request.").needs("http"),
        key("body", Shape::One(Kind::Text), "The body of the request.").needs("http"),
        key("expect", Shape::OneOrList(Kind::StatusRange), "The status codes of a good answer.")
            .settled("`200-299` with `http`")
            .needs("http"),
        key("expect_headers", Shape::Map(&EXPECT_HEADERS), "Each of these header fields contains this text.")
            .needs("http"),
        key(
            "expect_body",
            Shape::One(Kind::Sought),
            "The first 64 KiB of the body contain this text, or match `~ REGEX`.",
        )
        .needs("http"),
        key(
            "expect_json",
            Shape::Map(&EXPECT_JSON),
            "The body is JSON of at most 64 KiB, and at each of these pointers stands this value.",
        )
        .needs("http"),
        key("agent", Shape::Section(&AGENT), "A service beside the server that says how much it may get."),
        key("address", Shape::One(Kind::Ip), "Ask at this IP address.").settled("the server's"),
        key("port", Shape::One(PORT), "Ask at this port.").settled("the server's"),
        key("interval", Shape::One(Kind::Duration), "From one check to the next, give or take the jitter.")
            .default("2s"),
        key("down_interval", Shape::One(Kind::Duration), "The same while the server is down.")
            .settled("`interval`"),
        key(
            "timeout",
            Shape::One(Kind::Duration),
            "How long one check may take; at most `interval` and `down_interval`.",
        )
        .settled("`1s`, or the shorter interval if that is shorter"),
        key(
            "fall",
            Shape::One(Kind::Count { min: 1, max: 100 }),
            "Failures in a row, of checks and connects together, until a server is down.",
        )
        .default("3"),
        key("rise", Shape::One(Kind::Count { min: 1, max: 100 }), "Successes in a row until it is up again.")
            .default("2"),
        key(
            "concurrency",
            Shape::One(Kind::Count { min: 1, max: 1024 }),
            "The most checks of this pool at once; more wait.",
        )
        .default(CONCURRENCY),
        later("postgres", "Asks a PostgreSQL server for its role."),
    ],
    choices: &[Choice { keys: &["http", "grpc", "tcp", "tls", "exec", "postgres"], needed: false }],
};

/// Where a check or an agent is asked.
const PORT: Kind = Kind::Count { min: 1, max: 65_535 };

static TCP: [Word; 1] = [word("connect", "a connect succeeds")];

static TCP_EXCHANGE: Section = Section {
    path: "pools.NAME.health.tcp",
    doc: "What is sent, and what must come back.",
    keys: &[
        key(
            "send",
            Shape::One(Kind::Text),
            "Sent as it is; write line ends as `\"\\r\\n\"`, in double quotes.",
        ),
        key(
            "expect",
            Shape::One(Kind::Sought),
            "The first 64 KiB that come contain this text, or match `~ REGEX`.",
        )
        .required(),
    ],
    choices: &[],
};

static TLS: [Word; 1] = [word("handshake", "a TLS handshake succeeds")];

static TLS_HANDSHAKE: Section = Section {
    path: "pools.NAME.health.tls",
    doc: "A handshake for servers that choose by name.",
    keys: &[key("server_name", Shape::One(Kind::HostName), "The name that is asked for (SNI).").required()],
    choices: &[],
};

static EXEC: List = List { item: Shape::One(Kind::Text), min: 1, max: 64, unique: false };

static HEADERS: Map = Map {
    name: Kind::CheckHeader,
    placeholder: "NAME",
    value: Shape::One(Kind::HeaderValue),
    min: 1,
    max: 100,
};

static EXPECT_HEADERS: Map = Map {
    name: Kind::HeaderName,
    placeholder: "NAME",
    value: Shape::One(Kind::HeaderValue),
    min: 1,
    max: 100,
};

static EXPECT_JSON: Map = Map {
    name: Kind::JsonPointer,
    placeholder: "POINTER",
    value: Shape::One(Kind::JsonScalar),
    min: 1,
    max: 100,
};

pub(crate) static AGENT: Section = Section {
    path: "pools.NAME.health.agent",
    doc: "Asked beside the check: a connect to this port of the server reads one line, such as `up`, `75%`, `drain` or \
          `down # no database`. What cannot be read changes nothing.",
    keys: &[
        key("port", Shape::One(PORT), "Where it listens, at the server's address.").required(),
        key("send", Shape::One(Kind::Text), "Sent before the line is read."),
        key("interval", Shape::One(Kind::Duration), "From one reading to the next, give or take the jitter.")
            .default("5s"),
        key("timeout", Shape::One(Kind::Duration), "How long one reading may take; at most `interval`.")
            .settled("`1s`, or `interval` if that is shorter"),
    ],
    choices: &[],
};
