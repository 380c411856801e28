//! A limit on requests in flight that finds itself: how many a pool works on before further ones only wait.
//!
//! While nothing queues, an answer takes as long as it takes, however many are in flight. Once servers are full, more in
//! flight means longer waits and not one answer more. So the limit follows the *gradient*, the usual latency over the present
//! one, with room for bursts (Netflix' `concurrency-limits` and Envoy's filter work alike). The question is what is usual, and
//! both of their answers were rejected as they are. A long-term average, which Gradient2 takes, learns a lasting overload until
//! that is the usual. A minimum that is measured every so often at three in flight, as Envoy does it, refuses requests of pools
//! that have nothing to fear. Here:
//!
//! - While the limit is not reached, what is seen is the usual, and an average over [`MEMORY_US`] learns it.
//! - While it is reached, nothing is learnt but by an experiment ([`Probe`]): for some few answers, less is let in. If they are
//!   faster for it, the difference was waiting. If not, this is how long the work takes now, and the limit goes up again: so
//!   a release that makes every answer twice as slow is understood within seconds.
//! - Nothing is refused before the limit is reached or latency has risen to more than [`TOLERANCE`] times the usual, in two
//!   windows one after the other, by more than chance explains: by three standard errors. All is reckoned in logarithms,
//!   in which a hundred fast answers and one slow one have a mean that means something.

mod probe;
#[cfg(test)]
mod tests;
mod window;

use probe::Probe;
use window::{Seen, Window};

/// Latency may rise to so many times the usual before a pool counts as overloaded.
const TOLERANCE: f64 = 2.0;

/// In an overload there are more than so many times as many in flight as usual.
const GROWTH: f64 = 1.5;

/// What is aimed at when the limit holds: so many times the usual latency, and a little more for small limits.
const TARGET: f64 = 1.5;

/// A window is at least so long, in microseconds.
const WINDOW_US: u64 = 100_000;

/// A window is at most so long on account of long latencies.
const WINDOW_US_MAX: u64 = 10_000_000;

/// What is usual is an average over this time.
const MEMORY_US: f64 = 30_000_000.0;

/// From one experiment to the next.
const PROBE_EVERY_US: u64 = 10_000_000;

/// Beyond chance: in standard errors.
const ERRORS: f64 = 3.0;

/// The limit of one worker on one pool. Each worker limits its own requests; nothing is shared.
#[derive(Debug)]
pub struct Gradient {
    min: u32,
    max: u32,
    /// From `min` to `max`.
    limit: f64,
    in_flight: u32,
    /// The logarithm of the usual latency.
    usual: Option<f64>,
    /// How many are usually in flight.
    usual_in_flight: f64,
    window: Window,
    probe: Option<Probe>,
    /// Windows in a row in which latency was beyond [`TOLERANCE`].
    slow_windows: u32,
    next_probe_us: u64,
    /// The limit that the last experiment led to.
    found: f64,
}

impl Gradient {
    /// A limit from `min`, which is at least 1, to `max`, which is not less. It begins with `max`.
    pub fn new(min: u32, max: u32) -> Self {
        assert!(1 <= min && min <= max, "limits from {min} to {max}");
        Self {
            min,
            max,
            limit: max.into(),
            in_flight: 0,
            usual: None,
            usual_in_flight: 0.0,
            window: Window::default(),
            probe: None,
            slow_windows: 0,
            next_probe_us: 0,
            found: 0.0,
        }
    }

    /// Other bounds, from a reload. What is known stays known.
    pub fn bound(&mut self, min: u32, max: u32) {
        assert!(1 <= min && min <= max, "limits from {min} to {max}");
        let was_open = self.limit >= f64::from(self.max);
        (self.min, self.max) = (min, max);
        self.set(if was_open { f64::from(max) } else { self.limit });
    }

    /// The most in flight.
    pub fn limit(&self) -> u32 {
        (self.limit as u32).clamp(self.min, self.max)
    }

    /// How many are.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Counts a request in, unless the limit is reached.
    pub fn try_enter(&mut self) -> bool {
        let (limit, enters) = (self.limit(), self.in_flight < self.limit());
        self.in_flight += u32::from(enters);
        self.window.entered(self.in_flight, self.in_flight >= limit);
        enters
    }

    /// Counts one out.
    pub fn leave(&mut self) {
        assert!(self.in_flight > 0, "one that never entered leaves");
        self.in_flight -= 1;
    }

    /// Takes in how long an answer took that has come at `now_us`, while its request was still counted in. One that did not
    /// come in time counts with the time that it was given. A failure that came fast is no sample: it would seem that there
    /// is room.
    pub fn sample(&mut self, now_us: u64, latency_us: u32) {
        let latency_us = latency_us.max(1);
        if self.probe.as_mut().is_some_and(|probe| !probe.counts(now_us, latency_us)) {
            return;
        }
        self.window.entered(self.in_flight, self.in_flight >= self.limit());
        self.window.add(now_us, f64::from(latency_us).ln(), self.in_flight);
        if self.probe.is_some() {
            if self.window.count() >= probe::ANSWERS {
                self.end_probe(now_us);
            }
        } else if self.window.count() >= window::ANSWERS_MIN && self.window.age_us(now_us) >= self.window_us()
        {
            let seen = self.window.close();
            self.judge(now_us, &seen);
        }
    }

    /// Takes in a client that has gone after so long without an answer. Who leaves early says nothing; whoever has
    /// waited for longer than is usual says that it takes longer.
    pub fn gave_up(&mut self, now_us: u64, waited_us: u32) {
        let tells = self.usual.is_some_and(|usual| f64::from(waited_us.max(1)).ln() > usual + TOLERANCE.ln());
        if tells {
            self.sample(now_us, waited_us);
        }
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(self.min.into(), self.max.into());
    }

    /// Two usual latencies: what the last step has changed shall be seen before the next.
    fn window_us(&self) -> u64 {
        let usual_us = self.usual.map_or(0.0, f64::exp);
        ((2.0 * usual_us) as u64).clamp(WINDOW_US, WINDOW_US_MAX)
    }

    fn judge(&mut self, now_us: u64, seen: &Seen) {
        if self.usual.is_none() {
            self.usual_in_flight = seen.in_flight;
        }
        let usual = *self.usual.get_or_insert(seen.latency);
        // Whoever waits is in flight. When load falls, it is the slow answers of before that come last.
        let has_grown = seen.in_flight > GROWTH * self.usual_in_flight;
        let is_slow = has_grown && seen.latency - usual - ERRORS * seen.error > TOLERANCE.ln();
        self.slow_windows = if is_slow { self.slow_windows + 1 } else { 0 };
        // With fewer in flight than are always allowed, there is nothing that a limit could do.
        let overloaded = self.slow_windows >= 2 && seen.peak > self.min;
        if !seen.reached && !overloaded {
            if !is_slow || seen.peak <= self.min {
                self.learn(seen);
            }
            self.set(self.limit * 1.1 + self.limit.sqrt());
            return;
        }
        // A limit that has lost half of what was found is on its way down for no good: answers are not faster for it.
        if now_us >= self.next_probe_us || self.limit < self.found / 2.0 {
            self.begin_probe(now_us, seen);
        } else {
            // The limit may be far above what there is, and would take long to come down to it.
            let held = self.limit.min(2.0 * f64::from(seen.peak));
            let gradient = (TARGET * (usual - seen.latency).exp()).clamp(0.5, 1.0);
            let wanted = held * gradient + held.sqrt();
            self.set(held + (wanted - held) / 2.0);
        }
    }

    /// What is seen while nothing is held back is the usual.
    fn learn(&mut self, seen: &Seen) {
        let usual = self.usual.get_or_insert(seen.latency);
        let part = (seen.lasted_us as f64 / MEMORY_US).min(0.5);
        *usual += part * (seen.latency - *usual);
        self.usual_in_flight += part * (seen.in_flight - self.usual_in_flight);
    }

    fn begin_probe(&mut self, now_us: u64, seen: &Seen) {
        let probe = Probe::new(now_us, seen, self.usual.unwrap_or(seen.latency), self.min);
        self.set(probe.limit);
        self.probe = Some(probe);
        self.slow_windows = 0;
        self.window = Window::default();
    }

    fn end_probe(&mut self, now_us: u64) {
        let seen = self.window.close();
        let Some(mut probe) = self.probe.take() else { return };
        if !probe.settles(now_us, seen.latency) {
            self.probe = Some(probe);
            return;
        }
        let usual = probe.usual_after(self.usual.unwrap_or(seen.latency), &seen);
        self.usual = Some(usual);
        // By Little's law so many are worked on at the pace of before. The others that were in flight waited; or there are
        // to be more, since answers have become slower still in the meantime.
        let working = probe.before.in_flight * (usual - probe.before.latency).exp().min(4.0);
        self.set(working * TARGET + working.sqrt());
        self.found = self.limit;
        // Where answers are slow, an experiment is long. It is to cost little.
        self.next_probe_us = now_us + PROBE_EVERY_US.max(20 * (now_us - probe.since_us));
    }
}
