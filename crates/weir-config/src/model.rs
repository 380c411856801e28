//! The checked configuration: what every engine is built from.
//!
//! A value of these types is already right. References are resolved to indices, durations and sizes are
//! numbers with a unit in their type, regular expressions are compiled, and every default is filled in.
//! No engine sees YAML, or a value that it must check again. Only certificates and keys are named and not read: their
//! files change while the configuration stays.

mod balance;
mod eject;
mod health;
mod http;
mod overload;
mod rehearsal;
mod resilience;
mod sticky;
mod tls;

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf, time::Duration};

use ipnet::IpNet;

pub use balance::*;
pub use eject::*;
pub use health::*;
pub use http::*;
pub use overload::*;
pub use rehearsal::*;
pub use resilience::*;
pub use sticky::*;
pub use tls::*;

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the process runs.
    pub runtime: Runtime,
    /// Where metrics are answered; `None` when no `metrics` section is written.
    pub metrics: Option<Metrics>,
    /// What is logged and where.
    pub log: Log,
    /// What listeners with TLS serve, in the written order; [`CertificateIndex`] indexes this list.
    pub certificates: Vec<Certificate>,
    /// Where traffic comes in, in the written order.
    pub listeners: Vec<Listener>,
    /// Where traffic goes, in the written order; [`PoolIndex`] indexes this list.
    pub pools: Vec<Pool>,
}

/// `runtime`: how the process runs.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Data-plane workers; `None` is `auto`: one per CPU that the process may use.
    pub workers: Option<NonZeroU16>,
    /// Client connections open at once, over all workers. At the limit, listeners stop accepting.
    pub max_connections: u32,
    /// Client connections open at once in one worker; `None` is `auto`: no share smaller than the total.
    pub max_connections_per_worker: Option<u32>,
    /// How long open exchanges may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// What Weir keeps for itself: ACME accounts, certificates, indices. It need not exist.
    pub state_dir: FilePath,
    /// Where this Weir stands.
    pub zone: Option<String>,
    /// How traffic comes in by zones, as it is written; empty: everywhere alike.
    pub zone_traffic: Vec<(String, u32)>,
    /// The number of this Weir among others; there is one where a pool has a `subset`.
    pub node: Option<u64>,
}

/// `metrics`: the OpenMetrics endpoint.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The address of the endpoint.
    pub bind: SocketAddr,
}

/// `log`: the process's own log (always on standard error) and the access log.
#[derive(Debug, Clone)]
pub struct Log {
    /// The least severe event that is written.
    pub level: LogLevel,
    /// How the process's own log is written.
    pub format: LogFormat,
    /// The access log: one line per exchange; `None` when it is not asked for.
    pub access: Option<AccessLog>,
}

/// Severities of the process's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Shapes of the process's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `time level message key=value …`, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// `log.access`: one line per exchange.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Where the lines go.
    pub to: LogTarget,
    /// How a line is written.
    pub format: AccessFormat,
}

/// Where access-log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogTarget {
    Stdout,
    Stderr,
    /// A file that is appended to and reopened by a reload (so that it can be rotated).
    File(PathBuf),
}

/// Shapes of an access-log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object per line.
    Json,
    /// The Common Log Format.
    Common,
}

/// One place where traffic comes in.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The written name, or the bind address where none is written. Unique.
    pub name: String,
    /// The address; `":80"` is every address of the host, IPv6 and IPv4. Unique, except port 0.
    pub bind: SocketAddr,
    /// TLS towards the clients; `None`: plain.
    pub tls: Option<ListenerTls>,
    /// The limits and habits of HTTP on this listener.
    pub http: HttpSettings,
    /// Tried in this order, first match wins. `pool: NAME` on the listener is one route that matches all.
    pub routes: Vec<Route>,
}

/// One route of a listener.
#[derive(Debug, Clone)]
pub struct Route {
    /// The written name, or `LISTENER#N` (from 1) where none is written; the label in metrics and logs.
    pub name: String,
    /// What it matches. Empty lists match everything.
    pub matches: Match,
    /// What it does.
    pub action: Action,
    /// Keeps clients on their side of [`Action::Split`].
    pub split_sticky: Option<SplitSticky>,
    /// Edits of the request before it goes upstream.
    pub rewrite: Rewrite,
    /// Edits of the request's header fields, after `rewrite`.
    pub request_headers: HeaderEdits,
    /// Edits of the response's header fields.
    pub response_headers: HeaderEdits,
    /// From the last byte of the request to the end of the answer's head, over all attempts.
    pub timeout: Duration,
    /// Tells servers what is left of it, in milliseconds; in lower case.
    pub timeout_header: Option<String>,
    /// Further attempts after a failure.
    pub retry: Retry,
    /// A second request when the first is slow.
    pub hedge: Option<Hedge>,
    /// Copies for another pool.
    pub mirror: Option<Mirror>,
    /// Faults made on purpose.
    pub faults: Option<Faults>,
}

/// `match`: all that is written must hold.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// One of these hosts.
    pub hosts: Vec<HostPattern>,
    /// The path, without the query.
    pub path: Option<PathPattern>,
    /// One of these methods; case-sensitive tokens (RFC 9110 section 9.1).
    pub methods: Vec<String>,
    /// Each of these fields has such a value. Names are lower case.
    pub headers: Vec<(String, ValuePattern)>,
    /// Each of these cookies has such a value. Names are case-sensitive.
    pub cookies: Vec<(String, ValuePattern)>,
    /// Each of these query parameters has such a value.
    pub query: Vec<(String, ValuePattern)>,
    /// The client's address is in one of these networks. Those of IPv4 are IPv4, however they were written.
    pub clients: Vec<IpNet>,
}

/// A host in a match: `shop.example.com`, `*.example.com` (one or more labels before), each with an
/// optional `:PORT` that must then be the port in `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// Lower case, without `*.` and port.
    pub name: String,
    /// `*.` was written: only names below `name` match.
    pub wildcard: bool,
    /// The port that must stand in `Host`; `None` matches any.
    pub port: Option<u16>,
}

/// A path in a match. No slash magic.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// `/api`: exactly this.
    Exact(String),
    /// `/api/*`: `/api` and everything below it. Held without `/*`; `/*` itself is the empty prefix.
    Prefix(String),
    /// `~ ^/v[0-9]+/`.
    Regex(Pattern),
}

/// A value in a match.
#[derive(Debug, Clone)]
pub enum ValuePattern {
    /// Exactly this.
    Exact(String),
    /// `~ ^(web|qa)$`.
    Regex(Pattern),
    /// `"*"`: it is there, whatever its value.
    Present,
}

/// A compiled regular expression over bytes, ASCII classes only, with the text it was made from.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As written, without `~ `.
    pub text: String,
    /// Compiled, with a limit on its size.
    pub regex: regex::bytes::Regex,
}

/// What a route does with a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send it to a server of this pool.
    Pool(PoolIndex),
    /// Send it to one of these pools, each with its share of the sum.
    Split(Vec<(PoolIndex, u32)>),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer with these bytes.
    Respond(Respond),
}

/// `redirect`: either `to`, or changes to the request's own URL.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// A whole URL or absolute path, taken as written; excludes the other four.
    pub to: Option<String>,
    /// `http` or `https`; default is the scheme of the request.
    pub scheme: Option<String>,
    /// Default is the host of the request. A port in the request's `Host` is dropped when `scheme` changes.
    pub host: Option<String>,
    /// Default is the scheme's own.
    pub port: Option<u16>,
    /// Default is the path of the request, with its query.
    pub path: Option<String>,
    /// 301, 302, 303, 307 or 308; default 308.
    pub status: u16,
}

/// `respond`: an answer of Weir's own.
#[derive(Debug, Clone)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// The whole body.
    pub body: String,
    /// Its type; default `text/plain; charset=utf-8`.
    pub content_type: String,
}

/// `rewrite`: edits of what the server sees.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Taken from the front of the path at a `/` boundary; what is left always begins with `/`.
    pub strip_prefix: Option<String>,
    /// Replaces `Host`.
    pub host: Option<String>,
}

/// `request_headers` and `response_headers`: removals first, then `set` (replaces), then `add`.
/// Names are lower case; framing and hop-by-hop fields are refused by the check.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct HeaderEdits {
    pub set: Vec<(String, String)>,
    pub add: Vec<(String, String)>,
    pub remove: Vec<String>,
}

impl HeaderEdits {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// The place of a pool in [`Config::pools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolIndex(pub usize);

/// A group of servers that do the same work.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its key in the file.
    pub name: String,
    /// How a server is picked.
    pub balance: Balance,
    /// What the servers speak.
    pub protocol: PoolProtocol,
    /// TLS towards the servers, and for their checks; `None`: plain.
    pub tls: Option<PoolTls>,
    /// At least one; addresses are unique within the pool.
    pub servers: Vec<Server>,
    /// How servers are checked; `None` is `health: none`: every server counts as up.
    pub health: Option<Health>,
    /// By what traffic takes servers out; `None` is `eject: none`.
    pub eject: Option<Eject>,
    /// How long a server takes to its whole share that comes to others; `None`: no time.
    pub slow_start: Option<Duration>,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// With less than this of its weight a priority, or the own zone, hands traffic on; `None`: all servers are of one
    /// priority, and none has a zone.
    pub spill_percent: Option<u8>,
    /// How many of its servers a node picks from; `None`: all.
    pub subset: Option<u32>,
    /// What happens when no server is up.
    pub when_all_down: WhenAllDown,
    /// Idle connections that are kept for later requests.
    pub keep_alive: KeepAlive,
    /// Keeps clients on their servers; `None`: each request is balanced anew.
    pub sticky: Option<Sticky>,
    /// Requests that wait for a server that has room.
    pub queue: Option<Queue>,
    /// What the pool is asked to bear at most.
    pub circuit_breaker: CircuitBreaker,
    /// Requests are refused that could only wait.
    pub adaptive_concurrency: Option<AdaptiveConcurrency>,
}

/// What the servers of a pool speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: over TLS by ALPN, else with prior knowledge.
    H2,
    /// With TLS what the server chooses by ALPN, without it HTTP/1.1.
    Auto,
}

/// One server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The label in metrics and logs; default is the address.
    pub name: String,
    /// Its share relative to the others, 1 to 1000; default 1. 0 takes no new requests.
    pub weight: u16,
    /// Takes requests only while no other server is up.
    pub backup: bool,
    /// `max_connections`: the most requests in flight, over all workers.
    pub requests_max: Option<u32>,
    /// Those with the least number come first, 0 to 100.
    pub priority: u8,
    /// Where it stands.
    pub zone: Option<String>,
    /// Where its checks go.
    pub check: SocketAddr,
}

/// What happens when no server of a pool is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAllDown {
    /// Answer 503.
    Fail,
    /// Spread over all servers as if they were up.
    Spread,
}

/// Idle upstream connections, per worker and server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAlive {
    /// The most idle connections that one worker keeps to one server; 0 keeps none.
    pub max: usize,
    /// How long one may be idle.
    pub timeout: Duration,
    /// How old one may become before it is no longer reused.
    pub age: Duration,
}
