//! `listeners[].routes[]`: what it matches, what it does, what it edits.

use super::{
    Choice, List, Map, Section, Shape, key, later, list,
    rehearsal::{FAULTS, MIRROR},
    resilience::{HEDGE, RETRY},
    sticky::SPLIT_STICKY,
};
use crate::kind::Kind;

pub(super) static ROUTE: Section = Section {
    path: "listeners[].routes[]",
    doc: "Which requests, and what happens with them. A route does one of `pool`, `split`, `redirect`, `respond`.",
    keys: &[
        key("name", Shape::One(Kind::Name), "The label in metrics and logs; unique.")
            .settled("`LISTENER#N`, counted from 1"),
        key("match", Shape::Section(&MATCH), "What must hold; without it, the route takes every request."),
        key("pool", Shape::One(Kind::PoolName), "Send the request to a server of this pool."),
        key(
            "split",
            Shape::Map(&SPLIT),
            "Send the request to one of these pools, each with its share of the sum.",
        ),
        key("split_sticky", Shape::Section(&SPLIT_STICKY), "Keep a client on its side of `split`.")
            .needs("split"),
        key("redirect", Shape::Section(&REDIRECT), "Answer with a redirect."),
        key("respond", Shape::Section(&RESPOND), "Answer with a fixed text."),
        key("rewrite", Shape::Section(&REWRITE), "What the server sees instead of what the client sent."),
        key(
            "request_headers",
            Shape::Section(&REQUEST_HEADERS),
            "Edits of the request's header fields, after `rewrite`.",
        ),
        key("response_headers", Shape::Section(&RESPONSE_HEADERS), "Edits of the response's header fields."),
        key(
            "timeout",
            Shape::One(Kind::Duration),
            "From the end of the request, with its body, to the head of the answer, over all attempts.",
        )
        .settled("`60s` with `pool` and `split`"),
        key(
            "timeout_header",
            Shape::One(Kind::EditedHeader),
            "Tells servers in this field how many milliseconds are left of `timeout`. From `trusted_proxies` it shortens `timeout`; what others send in it is dropped.",
        ),
        key("retry", Shape::Section(&RETRY), "Further attempts after a failure."),
        key("hedge", Shape::Section(&HEDGE), "A second request when the first is slow; without it, none."),
        key("mirror", Shape::Section(&MIRROR), "Copies of requests for another pool."),
        key("faults", Shape::Section(&FAULTS), "Faults made on purpose, for rehearsals."),
        later("limits", "Rate limits."),
        later("allow", "The only networks that may use this route."),
    ],
    choices: &[Choice { keys: &["pool", "split", "redirect", "respond"], needed: true }],
};

static SPLIT: Map = Map {
    name: Kind::PoolName,
    placeholder: "POOL",
    value: Shape::One(Kind::Count { min: 0, max: 1_000_000 }),
    min: 1,
    max: 100,
};

static MATCH: Section = Section {
    path: "listeners[].routes[].match",
    doc: "All that is written must hold.",
    keys: &[
        key("host", Shape::OneOrList(Kind::HostPattern), "One of these hosts."),
        key("path", Shape::One(Kind::PathPattern), "The path, without the query."),
        key("methods", Shape::List(&METHODS), "One of these methods."),
        key("headers", Shape::Map(&HEADERS), "Each of these header fields has such a value."),
        key("cookies", Shape::Map(&COOKIES), "Each of these cookies has such a value."),
        key("query", Shape::Map(&QUERY), "Each of these query parameters has such a value."),
        key("client", Shape::List(&CLIENT), "The client's address is in one of these networks."),
        later("sni", "One of these names in the TLS handshake."),
    ],
    choices: &[],
};

static METHODS: List = list(Kind::Method, 1, 100);
static CLIENT: List = list(Kind::Network, 1, 10_000);
static HEADERS: Map = values(Kind::HeaderName);
static COOKIES: Map = values(Kind::CookieName);
static QUERY: Map = values(Kind::QueryName);

const fn values(name: Kind) -> Map {
    Map { name, placeholder: "NAME", value: Shape::One(Kind::ValuePattern), min: 1, max: 100 }
}

static REDIRECT: Section = Section {
    path: "listeners[].routes[].redirect",
    doc: "Either `to`, or changes to the URL of the request; what is not changed stays.",
    keys: &[
        key("to", Shape::One(Kind::Location), "A whole URL or a path, sent as it is written."),
        key("scheme", Shape::One(Kind::Word(&SCHEMES)), "The scheme."),
        key("host", Shape::One(Kind::HostName), "The host."),
        key(
            "port",
            Shape::One(Kind::Count { min: 1, max: 65535 }),
            "The port; when `scheme` changes and no port is written, it is the scheme's own.",
        ),
        key("path", Shape::One(Kind::Target), "The path and query."),
        key("status", Shape::One(Kind::RedirectStatus), "301, 302, 303, 307 or 308.").default("308"),
    ],
    choices: &[
        Choice { keys: &["to", "scheme"], needed: false },
        Choice { keys: &["to", "host"], needed: false },
        Choice { keys: &["to", "port"], needed: false },
        Choice { keys: &["to", "path"], needed: false },
    ],
};

static SCHEMES: [super::Word; 2] = [super::word("http", "without TLS"), super::word("https", "with TLS")];

static RESPOND: Section = Section {
    path: "listeners[].routes[].respond",
    doc: "An answer of Weir's own.",
    keys: &[
        key("status", Shape::One(Kind::Count { min: 200, max: 599 }), "The status code.").default("200"),
        key("body", Shape::One(Kind::Text), "The whole body.").default("\"\""),
        key("content_type", Shape::One(Kind::HeaderValue), "The type of the body.")
            .default("text/plain; charset=utf-8"),
    ],
    choices: &[],
};

static REWRITE: Section = Section {
    path: "listeners[].routes[].rewrite",
    doc: "What the server sees instead of what the client sent.",
    keys: &[
        key(
            "strip_prefix",
            Shape::One(Kind::PathPrefix),
            "Taken from the front of the path, at a `/`; what is left always begins with `/`.",
        ),
        key("host", Shape::One(Kind::Host), "Replaces `Host`."),
    ],
    choices: &[],
};

static REQUEST_HEADERS: Section =
    Section { path: "listeners[].routes[].request_headers", doc: EDITS_DOC, keys: &EDITS, choices: &[] };

static RESPONSE_HEADERS: Section =
    Section { path: "listeners[].routes[].response_headers", doc: EDITS_DOC, keys: &EDITS, choices: &[] };

const EDITS_DOC: &str = "First `remove`, then `set`, then `add`.";

static EDITS: [super::Key; 3] = [
    key("set", Shape::Map(&EDITED), "Replace these fields.").default("{}"),
    key("add", Shape::Map(&EDITED), "Add these fields to those that are there.").default("{}"),
    key("remove", Shape::List(&REMOVED), "Take these fields away.").default("[]"),
];

static EDITED: Map = Map {
    name: Kind::EditedHeader,
    placeholder: "NAME",
    value: Shape::One(Kind::HeaderValue),
    min: 0,
    max: 100,
};

static REMOVED: List = list(Kind::EditedHeader, 0, 100);
