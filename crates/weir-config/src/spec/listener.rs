//! `listeners[]` and its limits.

use super::{
    Choice, List, Section, Shape, Word, key, later, later_word, list, route::ROUTE, tls::LISTENER_TLS, word,
};
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
        key("tls", Shape::Section(&LISTENER_TLS), "TLS on this listener; without it, none."),
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
        later("allow", "The only networks that may connect."),
        later("limits", "Rate limits."),
    ],
    choices: &[Choice { keys: &["pool", "routes"], needed: true }],
};

static PROTOCOLS: [Word; 3] = [
    word("http", "HTTP/2, HTTP/1.1 and HTTP/1.0, as `http.protocols` says"),
    later_word("tcp", "any TCP"),
    later_word("udp", "any UDP"),
];

static ROUTES: List = List { item: Shape::Section(&ROUTE), min: 1, max: 10_000, unique: false };

static HTTP: Section = Section {
    path: "listeners[].http",
    doc: "Limits and habits of HTTP on one listener.",
    keys: &[
        key(
            "protocols",
            Shape::List(&HTTP_PROTOCOLS),
            "What is spoken: with `tls`, chosen by ALPN, `h2` before `http1`; without, a client begins as it likes; with `h2` alone, whatever comes is taken for HTTP/2.",
        )
        .default("[http1, h2]"),
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
        key("http2", Shape::Section(&HTTP2), "Limits of HTTP/2.").default("{}"),
    ],
    choices: &[],
};

static HTTP_PROTOCOLS: List = List { item: Shape::One(Kind::Word(&VERSIONS)), min: 1, max: 2, unique: true };

static VERSIONS: [Word; 2] = [word("http1", "HTTP/1.1 and HTTP/1.0"), word("h2", "HTTP/2")];

static HTTP2: Section = Section {
    path: "listeners[].http.http2",
    doc: "Limits of one HTTP/2 connection (RFC 9113). The rates are budgets: ten seconds' worth may come at once, \
          and who goes beyond is sent GOAWAY and closed.",
    keys: &[
        key(
            "max_concurrent_streams",
            Shape::One(Kind::Count { min: 1, max: 10_000 }),
            "Requests that may be open at once; further ones are refused, which is safe to retry.",
        )
        .default("128"),
        key(
            "stream_window",
            Shape::One(Kind::Size { min: 64 * 1024 - 1, max: 16 << 20 }),
            "How much of one request's body may be on its way without being taken.",
        )
        .default("256KiB"),
        key(
            "connection_window",
            Shape::One(Kind::Size { min: 64 * 1024 - 1, max: 64 << 20 }),
            "The same for all requests of the connection together; at least `stream_window`.",
        )
        .default("1MiB"),
        key(
            "max_resets",
            Shape::One(Kind::Rate),
            "Requests that the client cancels, or makes Weir cancel by a mistake, before they are answered.",
        )
        .default("20/s"),
        key(
            "max_control_frames",
            Shape::One(Kind::Rate),
            "PING, SETTINGS, PRIORITY and unknown frames, and window updates that open nothing.",
        )
        .default("50/s"),
        key("max_empty_frames", Shape::One(Kind::Rate), "DATA, HEADERS and CONTINUATION that carry nothing.")
            .default("20/s"),
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
