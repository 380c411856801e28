//! How the servers of a pool are checked.

use std::time::Duration;

use crate::Pattern;

/// Active health checks of a pool's servers.
#[derive(Debug, Clone)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// What is read beside it.
    pub agent: Option<Agent>,
    /// From the start of one check to the start of the next, give or take the jitter.
    pub interval: Duration,
    /// The same while the server is down.
    pub down_interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Failures in a row (of checks and of connects together) until a server is down.
    pub fall: u32,
    /// Successes in a row until a server is up again.
    pub rise: u32,
    /// The most checks of the pool at once.
    pub concurrency: usize,
}

/// What a check asks.
#[derive(Debug, Clone)]
pub enum Probe {
    /// A connect succeeds; with TLS, a handshake too.
    Tcp,
    /// What comes back is as expected.
    TcpExchange(TcpExchange),
    /// A TLS handshake succeeds. With this name (SNI), or with that of the pool's `tls` if it has any.
    Tls(Option<String>),
    /// A request is answered as expected.
    Http(HttpProbe),
    /// `grpc.health.v1.Health/Check` for this service is answered `SERVING`; empty is the server as a whole.
    Grpc(String),
    /// This program with these arguments ends with 0. Never empty.
    Exec(Vec<String>),
}

/// `health: { tcp: { … } }`.
#[derive(Debug, Clone)]
pub struct TcpExchange {
    /// What is sent first; may be empty.
    pub send: String,
    /// What the first 64 KiB that come must hold.
    pub expect: Sought,
}

/// `health: { http: PATH, … }`.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    /// The method; never CONNECT.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `Host` of the request; default is the address that is asked.
    pub host: Option<String>,
    /// More fields of the request (lower-case names); none of framing.
    pub headers: Vec<(String, String)>,
    /// The body of the request; may be empty.
    pub body: String,
    /// Accepted status codes, inclusive ranges; default 200-299.
    pub expect: Vec<(u16, u16)>,
    /// Each of these fields (lower-case name) contains this text.
    pub expect_headers: Vec<(String, String)>,
    /// What the first 64 KiB of the body must hold.
    pub expect_body: Option<Sought>,
    /// What must stand where in the body: JSON pointers (RFC 6901) with their values.
    pub expect_json: Vec<(String, JsonScalar)>,
}

/// What is looked for in bytes.
#[derive(Debug, Clone)]
pub enum Sought {
    /// This text, anywhere; never empty, at most 64 KiB.
    Text(String),
    /// A match of this expression.
    Regex(Pattern),
}

/// A single value in JSON.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum JsonScalar {
    Text(String),
    /// Equal in value, however it is written.
    Number(f64),
    Bool(bool),
}

/// `health: { agent: … }`: a service beside the server that says how much it may get.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Where it listens, at the server's address.
    pub port: u16,
    /// Sent before the line is read; may be empty.
    pub send: String,
    /// From the start of one reading to the start of the next, give or take the jitter.
    pub interval: Duration,
    /// How long one reading may take.
    pub timeout: Duration,
}
