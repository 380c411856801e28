//! What came of it so far, and whether there is more to do.

use std::io::Write;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use crate::histogram::Histogram;
use crate::plan::Plan;

/// With so many errors more of them tell nothing.
const ERRORS_MAX: u64 = 100;

/// Counts of requests, answers, errors and handshakes.
pub(crate) struct Tally {
    began: Instant,
    time: Duration,
    requests_max: u64,
    started: u64,
    done: u64,
    errors: u64,
    first_error: Option<String>,
    full_handshakes: u64,
    resumed_handshakes: u64,
    latencies: Histogram,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Tally {
        Tally {
            began: Instant::now(),
            time: plan.time,
            requests_max: plan.requests_max,
            started: 0,
            done: 0,
            errors: 0,
            first_error: None,
            full_handshakes: 0,
            resumed_handshakes: 0,
            latencies: Histogram::new(),
        }
    }

    /// Whether another request may begin: neither time nor count are up, and not all goes wrong.
    pub(crate) fn may_start(&self) -> bool {
        self.started < self.requests_max && !self.is_hopeless() && self.began.elapsed() < self.time
    }

    /// So many errors that the run is over.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.errors >= ERRORS_MAX
    }

    pub(crate) fn start(&mut self) {
        self.started += 1;
    }

    pub(crate) fn answered(&mut self, began: Instant) {
        self.done += 1;
        self.latencies.record(began.elapsed());
    }

    pub(crate) fn handshake(&mut self, kind: HandshakeKind) {
        match kind {
            HandshakeKind::Resumed => self.resumed_handshakes += 1,
            _ => self.full_handshakes += 1,
        }
    }

    pub(crate) fn error(&mut self, message: String) {
        self.errors += 1;
        self.first_error.get_or_insert(message);
    }

    pub(crate) fn print(&self) {
        let error =
            self.first_error.as_deref().unwrap_or("").escape_default().to_string().replace("\\'", "'");
        println!(
            "{{\"requests\":{},\"errors\":{},\"seconds\":{:.6},\"cpu_seconds\":{:.6},\"p50_us\":{:.1},\"p99_us\":{:.1},\
             \"full_handshakes\":{},\"resumed_handshakes\":{},\"error\":\"{error}\"}}",
            self.done,
            self.errors,
            self.began.elapsed().as_secs_f64(),
            cpu_seconds(),
            self.latencies.quantile_us(0.5),
            self.latencies.quantile_us(0.99),
            self.full_handshakes,
            self.resumed_handshakes,
        );
        // The line must be out before we wait for stdin. A reader that is gone needs no answer.
        let _ = std::io::stdout().flush();
    }
}

/// What the kernel's scheduler accounted to us, who have one thread.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    nanos.map_or(0.0, |nanos| nanos as f64 / 1e9)
}
