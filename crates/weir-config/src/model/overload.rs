//! `adaptive_concurrency` of a pool.

/// `adaptive_concurrency`: the bounds of a limit that each worker finds from latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveConcurrency {
    /// At least 1.
    pub min: u32,
    /// Not less than `min`.
    pub max: u32,
}
