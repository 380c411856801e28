//! What is seen in a stretch of time.

/// A window ends with so many answers at the earliest.
pub(super) const ANSWERS_MIN: u32 = 50;

/// Sums over the answers since it was opened.
#[derive(Debug, Default)]
pub(super) struct Window {
    opened_us: Option<u64>,
    closes_us: u64,
    count: u32,
    sum: f64,
    squares: f64,
    in_flight: f64,
    peak: u32,
    reached: bool,
}

/// A window that has been closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The mean of the latencies' logarithms.
    pub(super) latency: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// How many were in flight, on average.
    pub(super) in_flight: f64,
    /// How many at most.
    pub(super) peak: u32,
    /// The limit was reached.
    pub(super) reached: bool,
    pub(super) lasted_us: u64,
}

impl Window {
    /// So many are in flight.
    pub(super) fn entered(&mut self, in_flight: u32, reached: bool) {
        self.peak = self.peak.max(in_flight);
        self.reached |= reached;
    }

    pub(super) fn add(&mut self, now_us: u64, latency: f64, in_flight: u32) {
        self.opened_us.get_or_insert(now_us);
        self.closes_us = now_us;
        self.count += 1;
        self.sum += latency;
        self.squares += latency * latency;
        self.in_flight += f64::from(in_flight);
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn age_us(&self, now_us: u64) -> u64 {
        self.opened_us.map_or(0, |opened_us| now_us.saturating_sub(opened_us))
    }

    /// Begins anew, and says what has been seen. There has been an answer.
    pub(super) fn close(&mut self) -> Seen {
        let window = std::mem::take(self);
        let count = f64::from(window.count);
        let latency = window.sum / count;
        let variance = (window.squares / count - latency * latency).max(0.0);
        Seen {
            latency,
            error: (variance / count).sqrt(),
            in_flight: (window.in_flight / count).max(1.0),
            peak: window.peak,
            reached: window.reached,
            lasted_us: window.age_us(window.closes_us),
        }
    }
}
