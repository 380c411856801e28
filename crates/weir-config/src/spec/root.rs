//! The top of the file: the sections, and those about the process itself.

use super::{
    Key, List, Map, Section, Shape, Word, certificate::CERTIFICATE, key, later, listener::LISTENER,
    pool::POOL, word, zones,
};
use crate::kind::Kind;

pub(crate) static ROOT: Section = Section {
    path: "",
    doc: "The whole file.",
    keys: &[
        key("runtime", Shape::Section(&RUNTIME), "How the process runs.").default("{}"),
        key("metrics", Shape::Section(&METRICS), "Where metrics are answered; without it, nowhere."),
        key("log", Shape::Section(&LOG), "What is logged, and where.").default("{}"),
        key("certificates", Shape::Map(&CERTIFICATES), "Certificates, for listeners with `tls`.")
            .default("{}"),
        LISTENERS_KEY,
        key("pools", Shape::Map(&POOLS), "Where traffic goes: groups of servers that do the same work.")
            .default("{}"),
        later("admin", "The admin API and its address."),
        later("ha", "Virtual IP addresses (VRRP) and announced ones (BGP)."),
        later("dns", "Authoritative DNS for global balancing."),
        later("regions", "Regions that global balancing chooses between."),
    ],
    choices: &[],
};

const LISTENERS_KEY: Key =
    key("listeners", Shape::List(&LISTENERS), "Where traffic comes in; at least one.").required();

static LISTENERS: List = List { item: Shape::Section(&LISTENER), min: 1, max: 1024, unique: false };

static CERTIFICATES: Map =
    Map { name: Kind::Name, placeholder: "NAME", value: Shape::Section(&CERTIFICATE), min: 0, max: 10_000 };

static POOLS: Map =
    Map { name: Kind::Name, placeholder: "NAME", value: Shape::Section(&POOL), min: 0, max: 10_000 };

static RUNTIME: Section = Section {
    path: "runtime",
    doc: "How the process runs.",
    keys: &[
        key(
            "workers",
            Shape::One(Kind::CountOrAuto { min: 1, max: 1024 }),
            "Threads that carry traffic; `auto` is one per CPU that the process may use.",
        )
        .default("auto"),
        key(
            "max_connections",
            Shape::One(Kind::Count { min: 1, max: 10_000_000 }),
            "Client connections open at once; at the limit, listeners stop accepting.",
        )
        .default("100000"),
        key(
            "max_connections_per_worker",
            Shape::One(Kind::CountOrAuto { min: 1, max: 10_000_000 }),
            "The same for each worker; `auto` sets no smaller share than the total.",
        )
        .default("auto"),
        key("shutdown_grace", Shape::One(Kind::Duration), "How long open exchanges may go on after SIGTERM.")
            .default("30s"),
        key(
            "state_dir",
            Shape::One(Kind::File),
            "What Weir keeps for itself: ACME accounts, certificates, keys of cookies, indices.",
        )
        .default("/var/lib/weir"),
        zones::OWN_ZONE,
        zones::TRAFFIC,
        zones::NODE,
    ],
    choices: &[],
};

static METRICS: Section = Section {
    path: "metrics",
    doc: "The endpoint for OpenMetrics.",
    keys: &[key("bind", Shape::One(Kind::Bind), "The address of the endpoint.").required()],
    choices: &[],
};

static LOG: Section = Section {
    path: "log",
    doc: "The process's own log always goes to standard error.",
    keys: &[
        key("level", Shape::One(Kind::Word(&LEVELS)), "The least severe event that is logged.")
            .default("info"),
        key("format", Shape::One(Kind::Word(&FORMATS)), "How the process's own log is written.")
            .default("text"),
        key("access", Shape::Section(&ACCESS), "One line per exchange; without it, none."),
    ],
    choices: &[],
};

static LEVELS: [Word; 4] = [
    word("error", "what failed and stays failed"),
    word("warn", "what needs attention"),
    word("info", "what happens rarely and matters"),
    word("debug", "what helps to find a fault"),
];

static FORMATS: [Word; 2] = [word("text", "a line for people"), word("json", "one JSON object per line")];

static ACCESS: Section = Section {
    path: "log.access",
    doc: "The access log.",
    keys: &[
        key(
            "to",
            Shape::One(Kind::LogTarget),
            "`stdout`, `stderr`, or the path of a file, which a reload opens again.",
        )
        .default("stdout"),
        key("format", Shape::One(Kind::Word(&ACCESS_FORMATS)), "How a line is written.").default("json"),
    ],
    choices: &[],
};

static ACCESS_FORMATS: [Word; 2] =
    [word("json", "one JSON object per line"), word("common", "the Common Log Format")];
