//! `mirror` and `faults` of a route.

use std::time::Duration;

use crate::PoolIndex;

/// A share of all requests, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part(pub u32);

impl Part {
    /// Everything.
    pub const WHOLE: Part = Part(1_000_000);
}

/// `mirror`: copies of requests for another pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where the copies go.
    pub pool: PoolIndex,
    /// How many requests are copied.
    pub share: Part,
    /// The longest body that is copied, in bytes.
    pub body_bytes_max: usize,
    /// The most copies under way, in each worker.
    pub requests_max: u32,
    /// How long a copy may take, with its whole answer.
    pub timeout: Duration,
}

/// `faults`: faults made on purpose. There is one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// Requests that wait before a server is picked.
    pub delay: Option<Delay>,
    /// Requests that are answered with an error.
    pub abort: Option<Abort>,
}

/// `faults.delay`: requests that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// How many of the requests.
    pub share: Part,
    /// How long each of them waits.
    pub time: Duration,
    /// The most that wait at once, in each worker.
    pub requests_max: u32,
}

/// `faults.abort`: requests that are answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort {
    /// How many of the requests.
    pub share: Part,
    /// 400 to 599.
    pub status: u16,
}
