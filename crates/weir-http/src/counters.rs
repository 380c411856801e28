//! What the engine counts.
//!
//! Every block of counters has one writer, its worker, and is read by the control plane on scrape. So an increment is
//! a load and a store, no locked instruction, and no two workers write one cache line.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use weir_config::TlsVersion;
use weir_tls::{Failure, Handshake};

use crate::{
    grpc::GRPC_STATUSES,
    h2::{Abuse, Fatal, Refusals},
};

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the worker that owns the block may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes `n` off again; for numbers of things that are open.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Makes it `n`; for numbers that are no counts. Only the worker that owns the block may call this.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The current number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The upper bounds of a latency histogram's buckets, in microseconds; one bucket more holds the rest.
pub const LATENCY_BOUNDS_US: [u64; 17] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Durations, by size.
#[derive(Debug, Default)]
pub struct Histogram {
    /// How many fell into each bucket (not cumulative).
    pub buckets: [Counter; LATENCY_BOUNDS_US.len() + 1],
    /// The sum of all, in microseconds.
    pub sum_us: Counter,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let us = duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros());
        let bucket =
            LATENCY_BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(LATENCY_BOUNDS_US.len());
        self.buckets[bucket].add(1);
        self.sum_us.add(us);
    }
}

/// Answers by the first digit of their status, from 1xx to 5xx.
#[derive(Debug, Default)]
pub struct StatusClasses(pub [Counter; 5]);

impl StatusClasses {
    /// Counts one answer.
    pub fn count(&self, status: u16) {
        self.0[usize::from(status / 100).clamp(1, 5) - 1].add(1);
    }
}

/// Answers to calls of gRPC by their status, whose names are [`GRPC_STATUSES`].
#[derive(Debug, Default)]
pub struct GrpcAnswers(pub [Counter; GRPC_STATUSES.len()]);

impl GrpcAnswers {
    /// Counts one answer.
    pub(crate) fn count(&self, status: u8) {
        self.0[usize::from(status).min(GRPC_STATUSES.len() - 1)].add(1);
    }
}

/// One route in one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RouteCounters {
    /// Exchanges that were answered.
    pub answers: StatusClasses,
    /// Exchanges whose client went away before an answer began.
    pub abandoned: Counter,
    /// From the whole request head to the last byte of the answer.
    pub latency: Histogram,
    /// Bytes of request bodies, with their framing.
    pub request_bytes: Counter,
    /// Bytes of response bodies, with their framing.
    pub response_bytes: Counter,
    /// Answers to calls of gRPC.
    pub grpc_answers: GrpcAnswers,
    /// Requests that were drawn to be copied.
    pub mirrored: MirrorCounters,
    /// Requests that were made to wait.
    pub delayed: Counter,
    /// Requests that were answered with an error on purpose.
    pub aborted: Counter,
}

/// What became of a request that was drawn to be copied for a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorOutcome {
    /// The copy was answered.
    Answered,
    /// No server could be reached, or there was no acceptable answer.
    Failed,
    /// There was no whole answer within `timeout`.
    Late,
    /// No server of the pool is up and has room.
    NoServer,
    /// Not copied: as many copies are under way as may be.
    Full,
    /// Not copied: the worker holds as many bytes of copies as it may.
    Memory,
    /// Not copied: the body is longer than `max_body_bytes`.
    Body,
    /// Not copied: the body never came whole.
    Incomplete,
    /// Not copied: it asks for another protocol.
    Protocol,
}

impl MirrorOutcome {
    /// All, in the order of their counters.
    pub const ALL: [MirrorOutcome; 9] = [
        Self::Answered,
        Self::Failed,
        Self::Late,
        Self::NoServer,
        Self::Full,
        Self::Memory,
        Self::Body,
        Self::Incomplete,
        Self::Protocol,
    ];

    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::NoServer => "no_server",
            Self::Full => "full",
            Self::Memory => "memory",
            Self::Body => "body",
            Self::Incomplete => "incomplete",
            Self::Protocol => "protocol",
        }
    }
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct MirrorCounters([Counter; MirrorOutcome::ALL.len()]);

impl MirrorCounters {
    /// Counts one.
    pub(crate) fn count(&self, outcome: MirrorOutcome) {
        self.0[outcome as usize].add(1);
    }

    /// The counter of this outcome.
    pub fn of(&self, outcome: MirrorOutcome) -> &Counter {
        &self.0[outcome as usize]
    }
}

/// One server in one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ServerCounters {
    /// Answers of the server.
    pub answers: StatusClasses,
    /// From the whole request head to the last byte of the answer.
    pub latency: Histogram,
    /// Connections made.
    pub connects: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Requests that found an idle connection.
    pub reuses: Counter,
    /// Requests that were sent again, here or elsewhere, because this server failed them.
    pub replays: Counter,
    /// Second requests that it got because another server was slow.
    pub hedges: Counter,
    /// Of these, those whose answer was taken.
    pub hedges_won: Counter,
    /// Answers that the gate refused, or that never came.
    pub failures: Counter,
    /// Idle connections now.
    pub idle: Counter,
    /// Probes that were answered with a load.
    pub probes: Counter,
    /// Probes that were not.
    pub probe_failures: Counter,
    /// Answers to calls of gRPC, the server's own: also what an ejection may judge by.
    pub grpc_answers: GrpcAnswers,
}

/// How a request came to its server, in a pool with `sticky`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StickyOutcome {
    /// It went where its client belongs.
    Kept,
    /// Its client brought nothing.
    New,
    /// Its client brought a cookie that is too old.
    Expired,
    /// Its client brought what says nothing here: forged, of another pool or key, or forgotten.
    Unknown,
    /// Its client's server is no longer in the pool.
    Removed,
    /// Its client's server is down.
    Down,
    /// Its client's server drains, and has done so for long enough.
    Drained,
    /// Its client's server could not be reached, or died before it answered.
    Unreachable,
    /// Its client's server had no room; the client goes back there next time.
    Full,
}

impl StickyOutcome {
    /// All, in the order of their counters.
    pub const ALL: [StickyOutcome; 9] = [
        Self::Kept,
        Self::New,
        Self::Expired,
        Self::Unknown,
        Self::Removed,
        Self::Down,
        Self::Drained,
        Self::Unreachable,
        Self::Full,
    ];

    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::New => "new",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Removed => "removed",
            Self::Down => "down",
            Self::Drained => "drained",
            Self::Unreachable => "unreachable",
            Self::Full => "full",
        }
    }
}

/// Stickiness of one pool in one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct StickyCounters {
    outcomes: [Counter; StickyOutcome::ALL.len()],
    /// Cookies handed out.
    pub cookies: Counter,
}

impl StickyCounters {
    /// Counts a request.
    pub(crate) fn count(&self, outcome: StickyOutcome) {
        self.outcomes[outcome as usize].add(1);
    }

    /// The counter of requests with this outcome.
    pub fn of(&self, outcome: StickyOutcome) -> &Counter {
        &self.outcomes[outcome as usize]
    }
}

/// One listener in one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ListenerCounters {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open now.
    pub open: Counter,
    /// Requests that the gate refused.
    pub refused: Counter,
    /// Requests that no route took.
    pub unrouted: Counter,
    /// Handshakes of TLS.
    pub handshakes: Handshakes,
}

/// Handshakes of TLS, by how they ended.
#[derive(Debug, Default)]
pub struct Handshakes {
    done: [Counter; Self::KINDS.len()],
    failed: [Counter; Failure::ALL.len()],
}

impl Handshakes {
    /// The kinds of those that succeeded.
    pub const KINDS: [Handshake; 4] = [
        Handshake { version: TlsVersion::Tls12, resumed: false },
        Handshake { version: TlsVersion::Tls12, resumed: true },
        Handshake { version: TlsVersion::Tls13, resumed: false },
        Handshake { version: TlsVersion::Tls13, resumed: true },
    ];

    /// Counts one that succeeded.
    pub(crate) fn done(&self, handshake: Handshake) {
        self.done[Self::index(handshake)].add(1);
    }

    /// Counts one that failed.
    pub(crate) fn failed(&self, failure: Failure) {
        self.failed[failure as usize].add(1);
    }

    /// Handshakes of this kind.
    pub fn times_done(&self, handshake: Handshake) -> u64 {
        self.done[Self::index(handshake)].get()
    }

    /// Handshakes that failed for this reason.
    pub fn times_failed(&self, failure: Failure) -> u64 {
        self.failed[failure as usize].get()
    }

    fn index(handshake: Handshake) -> usize {
        2 * usize::from(handshake.version == TlsVersion::Tls13) + usize::from(handshake.resumed)
    }
}

/// Named limits, each with a counter of the times it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Limit {
    MaxConnections,
    MaxConnectionsPerWorker,
    FileDescriptors,
    MaxHeaderBytes,
    MaxHeaders,
    MaxUriBytes,
    MaxBodyBytes,
    HandshakeTimeout,
    HeaderTimeout,
    BodyTimeout,
    IdleTimeout,
    ConnectTimeout,
    ResponseTimeout,
    TunnelTimeout,
    KeepAliveMax,
    ConnectAttempts,
    InterimResponses,
    AccessLogQueue,
    MaxConcurrentStreams,
    Http2Heads,
    Http2Held,
    StickyTable,
    MaxProbes,
    ProbeTimeout,
    NoRoom,
    QueueMax,
    QueueTimeout,
    MaxPending,
    MaxRetries,
    RetryBudget,
    HedgeBudget,
    PerTryTimeout,
    KeptBodies,
    AdaptiveConcurrency,
    MirrorMax,
    MirrorBody,
    MirrorBytes,
    MirrorTimeout,
    MirrorAnswer,
    FaultsMax,
}

/// A counter for each limit.
#[derive(Debug)]
struct Limits([Counter; Limit::ALL.len()]);

impl Default for Limits {
    // The library derives it for arrays of up to 32 only.
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Limit {
    /// All, in the order of their counters.
    pub const ALL: [Limit; 40] = [
        Limit::MaxConnections,
        Limit::MaxConnectionsPerWorker,
        Limit::FileDescriptors,
        Limit::MaxHeaderBytes,
        Limit::MaxHeaders,
        Limit::MaxUriBytes,
        Limit::MaxBodyBytes,
        Limit::HandshakeTimeout,
        Limit::HeaderTimeout,
        Limit::BodyTimeout,
        Limit::IdleTimeout,
        Limit::ConnectTimeout,
        Limit::ResponseTimeout,
        Limit::TunnelTimeout,
        Limit::KeepAliveMax,
        Limit::ConnectAttempts,
        Limit::InterimResponses,
        Limit::AccessLogQueue,
        Limit::MaxConcurrentStreams,
        Limit::Http2Heads,
        Limit::Http2Held,
        Limit::StickyTable,
        Limit::MaxProbes,
        Limit::ProbeTimeout,
        Limit::NoRoom,
        Limit::QueueMax,
        Limit::QueueTimeout,
        Limit::MaxPending,
        Limit::MaxRetries,
        Limit::RetryBudget,
        Limit::HedgeBudget,
        Limit::PerTryTimeout,
        Limit::KeptBodies,
        Limit::AdaptiveConcurrency,
        Limit::MirrorMax,
        Limit::MirrorBody,
        Limit::MirrorBytes,
        Limit::MirrorTimeout,
        Limit::MirrorAnswer,
        Limit::FaultsMax,
    ];

    /// Its name, that of the key that sets it where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max_connections",
            Self::MaxConnectionsPerWorker => "max_connections_per_worker",
            Self::FileDescriptors => "file_descriptors",
            Self::MaxHeaderBytes => "max_header_bytes",
            Self::MaxHeaders => "max_headers",
            Self::MaxUriBytes => "max_uri_bytes",
            Self::MaxBodyBytes => "max_body_bytes",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::ConnectTimeout => "connect_timeout",
            Self::ResponseTimeout => "timeout",
            Self::TunnelTimeout => "tunnel_timeout",
            Self::KeepAliveMax => "keep_alive.max",
            Self::ConnectAttempts => "connect_attempts",
            Self::InterimResponses => "interim_responses",
            Self::AccessLogQueue => "access_log_queue",
            Self::MaxConcurrentStreams => "max_concurrent_streams",
            Self::Http2Heads => "http2_heads",
            Self::Http2Held => "http2_held",
            Self::StickyTable => "sticky_table",
            Self::MaxProbes => "max_probes",
            Self::ProbeTimeout => "prequal.timeout",
            Self::NoRoom => "no_room",
            Self::QueueMax => "queue.max",
            Self::QueueTimeout => "queue.timeout",
            Self::MaxPending => "max_pending",
            Self::MaxRetries => "max_retries",
            Self::RetryBudget => "retry.budget",
            Self::HedgeBudget => "hedge.budget",
            Self::PerTryTimeout => "per_try_timeout",
            Self::KeptBodies => "kept_bodies",
            Self::AdaptiveConcurrency => "adaptive_concurrency",
            Self::MirrorMax => "mirror.max_requests",
            Self::MirrorBody => "mirror.max_body_bytes",
            Self::MirrorBytes => "mirror_bytes",
            Self::MirrorTimeout => "mirror.timeout",
            Self::MirrorAnswer => "mirror_answer_bytes",
            Self::FaultsMax => "faults.delay.max_requests",
        }
    }
}

/// One worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    limits: Limits,
    abuses: [Counter; Abuse::ALL.len()],
    /// HTTP/2 connections that ended by a mistake of the peer that is no abuse.
    pub http2_errors: Counter,
}

impl WorkerCounters {
    /// Counts that a limit was reached.
    pub fn reached(&self, limit: Limit) {
        self.limits.0[limit as usize].add(1);
    }

    /// Counts requests of HTTP/2 that were refused.
    pub(crate) fn http2_refused(&self, refusals: Refusals) {
        self.limits.0[Limit::MaxConcurrentStreams as usize].add(refusals.streams);
        self.limits.0[Limit::Http2Heads as usize].add(refusals.heads);
    }

    /// Counts an HTTP/2 connection that could not go on.
    pub(crate) fn http2_ended(&self, fatal: &Fatal) {
        match fatal.abuse {
            Some(abuse) => self.abuses[abuse as usize].add(1),
            None => self.http2_errors.add(1),
        }
    }

    /// HTTP/2 connections that ended by this abuse.
    pub fn times_abused(&self, abuse: Abuse) -> u64 {
        self.abuses[abuse as usize].get()
    }

    /// How often it was.
    pub fn times_reached(&self, limit: Limit) -> u64 {
        self.limits.0[limit as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_bucket() {
        let histogram = Histogram::default();
        for us in [0, 100, 101, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let counts: Vec<u64> = histogram.buckets.iter().map(Counter::get).collect();
        assert_eq!((counts[0], counts[1], counts[16], counts[17]), (2, 1, 1, 1));
        assert_eq!(histogram.sum_us.get(), 60_000_202);
    }

    #[test]
    fn handshakes_count_under_their_own_kind() {
        let handshakes = Handshakes::default();
        for kind in Handshakes::KINDS {
            handshakes.done(kind);
            assert_eq!(handshakes.times_done(kind), 1, "{kind:?}");
        }
        for failure in Failure::ALL {
            handshakes.failed(failure);
            assert_eq!(handshakes.times_failed(failure), 1, "{failure:?}");
        }
    }

    #[test]
    fn limits_count_under_their_own_name() {
        let counters = WorkerCounters::default();
        for limit in Limit::ALL {
            counters.reached(limit);
            assert_eq!(counters.times_reached(limit), 1, "{}", limit.name());
        }
    }
}
