//! `retry` and `hedge` of a route, `queue` and `circuit_breaker` of a pool.

use std::time::Duration;

/// `retry`: further attempts after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most, the first time included.
    pub attempts: u32,
    /// How many connects may fail for one request.
    pub connects: u32,
    /// What is a failure.
    pub when: Vec<RetryCondition>,
    /// The methods of requests that may be sent again.
    pub methods: Vec<String>,
    /// How long one server may take for the head of its answer.
    pub per_try_timeout: Option<Duration>,
    /// The longest body that is kept to be sent again, in bytes.
    pub body_bytes_max: usize,
    /// The most further attempts, in percent of the requests.
    pub budget_percent: u32,
}

/// The defaults of the section, for routes that do not write it.
impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            connects: 8,
            when: vec![RetryCondition::ConnectFailure, RetryCondition::Reset],
            methods: ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].map(str::to_owned).into(),
            per_try_timeout: None,
            body_bytes_max: 0,
            budget_percent: 20,
        }
    }
}

/// A failure after which a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCondition {
    /// The server could not be reached: nothing was sent.
    ConnectFailure,
    /// The connection ended before a byte of the answer.
    Reset,
    /// No head of an answer within `per_try_timeout`.
    Timeout,
    /// An answer with such a status.
    Status(u16, u16),
    /// An answer of gRPC without a message, with this status.
    Grpc(u8),
}

/// `hedge`: a second request when the first is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first server may take.
    pub after: HedgeAfter,
    /// The most second requests, in percent of the requests.
    pub budget_percent: u32,
}

/// When a second request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// After this time.
    Time(Duration),
    /// After the time in which so many percent of the latest answers have come.
    Percentile(u8),
}

/// `queue`: requests that wait until a server has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The most that wait, over all workers.
    pub max: u32,
    /// How long one waits at most.
    pub timeout: Duration,
}

/// `circuit_breaker`: what a pool is asked to bear at most, over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CircuitBreaker {
    /// Requests in flight.
    pub requests_max: Option<u32>,
    /// Requests that wait for a connection.
    pub pending_max: Option<u32>,
    /// Further attempts in flight.
    pub retries_max: Option<u32>,
}
