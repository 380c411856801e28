//! What takes a server out that its checks find well.

use std::time::Duration;

/// Ejection of servers by what traffic shows of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row.
    pub errors: u32,
    /// Good answers in percent, below which a server is out; `None`: not judged.
    pub success_percent: Option<u8>,
    /// How many times the pool's median is too slow, in hundredths; `None`: not judged.
    pub latency_percent: Option<u32>,
    /// The most of the pool's servers that may be out, in percent.
    pub max_percent: u8,
    /// How long a server is out the first time.
    pub time: Duration,
}
