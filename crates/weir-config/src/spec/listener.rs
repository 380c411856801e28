//! `listeners[]` and its limits.

use super::{Choice, List, Section, Shape, Word, key, later, later_word, list, route::ROUTE, word};
use crate::kind::Kind;

pub(super) static LISTENER: Section = Section {
    path: "listeners[]",
    doc: "One address where traffic comes in. Either all of it goes to one `pool`, or `routes` say where.",
    keys: &[
        key("name", Shape::One(Kind::Name), "The label in metrics and logs; unique.")
            .settled("the text of `bind`"),
        key(
            "bind",
            Shape::One(Kind::Bind),
            "The address: `\":8080\"` is every address of the host, IPv6 and IPv4; port 0 takes a free one.",
        )
        .required(),
        key("protocol", Shape::One(Kind::Word(&PROTOCOLS)), "What the traffic is.").default("http"),
        key("http", Shape::Section(&HTTP), "Limits and habits of HTTP on this listener.").default("{}"),
        key(
            "pool",
            Shape::One(Kind::PoolName),
            "The pool for everything; the same as one route without `match`.",
        ),
        key(
            "routes",
            Shape::List(&ROUTES),
            "Tried in the written order, first match wins; what no route takes is answered 404.",
        ),
        later("accept_proxy", "Peers whose PROXY header is taken."),
        later("tls", "TLS on this listener."),
        later("allow", "The only networks that may connect."),
        later("limits", "Rate limits."),
    ],
    choices: &[Choice { keys: &["pool", "routes"], needed: true }],
};

static PROTOCOLS: [Word; 3] =
    [word("http", "HTTP/1.1 and HTTP/1.0"), later_word("tcp", "any TCP"), later_word("udp", "any UDP")];

static ROUTES: List = List { item: Shape::Section(&ROUTE), min: 1, max: 10_000, unique: false };

static HTTP: Section = Section {
    path: "listeners[].http",
    doc: "Limits and habits of HTTP on one listener.",
    keys: &[
        key(
            "header_timeout",
            Shape::One(Kind::Duration),
            "From the first byte of a request (on a new connection: from the accept) to the end of its head.",
        )
        .default("10s"),
        key(
            "body_timeout",
            Shape::One(Kind::Duration),
            "The longest time without progress of a body that is on its way, in either direction.",
        )
        .default("60s"),
        key("idle_timeout", Shape::One(Kind::Duration), "How long a connection may wait for its next request.")
            .default("60s"),
        key(
            "tunnel_timeout",
            Shape::One(Kind::Duration),
            "How long an upgraded connection (WebSocket) may be silent in both directions.",
        )
        .default("1h"),
        key(
            "max_header_bytes",
            Shape::One(Kind::Size { min: 1024, max: crate::HEADER_BYTES_MAX as u64 }),
            "The largest head of a request or a response: its first line and all header fields.",
        )
        .default("32KiB"),
        key("max_headers", Shape::One(Kind::Count { min: 1, max: 1000 }), "The most header fields in one head.")
            .default("100"),
        key(
            "max_uri_bytes",
            Shape::One(Kind::Size { min: 64, max: crate::HEADER_BYTES_MAX as u64 }),
            "The longest path with query.",
        )
        .default("8KiB"),
        key("max_body_bytes", Shape::One(Kind::Size { min: 0, max: 1 << 50 }), "The largest body of a request.")
            .default("1GiB"),
        key(
            "trusted_proxies",
            Shape::List(&NETWORKS),
            "Peers whose own `X-Forwarded-*` and `Forwarded` fields are kept and extended; all others' are replaced.",
        )
        .default("[]"),
        key("forwarded", Shape::One(Kind::Word(&FORWARDED)), "The fields that tell the server about the client.")
            .default("all"),
    ],
    choices: &[],
};

static NETWORKS: List = list(Kind::Network, 0, 10_000);

static FORWARDED: [Word; 4] = [
    word("all", "`X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded`"),
    word("x_forwarded", "`X-Forwarded-For`, `-Proto`, `-Host`"),
    word("forwarded", "`Forwarded` (RFC 7239)"),
    word("none", "none; those of untrusted clients are still removed"),
];
