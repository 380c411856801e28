//! How a server of a pool is picked.

use std::time::Duration;

/// `balance`: how a server is picked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Balance {
    RoundRobin,
    LeastRequests,
    Random,
    /// Power of two choices: the less loaded of two random servers.
    P2c,
    /// The one that is expected to answer first, of a few random ones.
    PeakEwma,
    /// By what servers say of their own load.
    Prequal(LoadSource),
    /// By a value of the request.
    Hash {
        key: HashKey,
        /// How much of its share of the requests in flight a server may have, in percent; from 101 on.
        bound_percent: Option<u16>,
    },
}

/// Where servers say how much they have to do, in the format of ORCA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadSource {
    /// In a field of each answer.
    Header,
    /// When they are asked.
    Probe {
        /// The path, with or without a query.
        target: String,
        /// How long a probe may take.
        timeout: Duration,
        /// Under way at once, in each worker.
        max: u32,
    },
}

/// What is hashed to pick a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The address of the client.
    ClientIp,
    /// The value of this field (lower-case name); requests without it are spread at random.
    Header(String),
    /// The value of this cookie; requests without it are spread at random.
    Cookie(String),
    /// The path, without the query.
    Path,
    /// The value of this query parameter; requests without it are spread at random.
    Query(String),
}
