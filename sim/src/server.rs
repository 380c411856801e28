//! A server: one queue, one request at a time, at a speed that may change.

use weir_balance::Load;

use crate::Trouble;

/// What happens to servers with trouble comes again after so many seconds.
pub(crate) const PERIOD_S: f64 = 90.0;

/// When in a period it begins, and how long it lasts, in seconds.
pub(crate) const BEGIN_S: f64 = 30.0;
pub(crate) const LENGTH_S: f64 = 30.0;

/// How long a server is down that restarts, in seconds.
pub(crate) const RESTART_S: f64 = 1.0;

/// The speed of a cold server, which grows evenly.
const COLD_SPEED: f64 = 0.1;

/// An answer with an error comes after so many seconds.
const FAILURE_S: f64 = 0.000_1;

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    speed: f64,
    trouble: Trouble,
    /// When it is done with what it has, in seconds.
    free_at: f64,
    pub(crate) in_flight: u32,
    /// What its latest answers took for each request that was there, in seconds.
    unit: f64,
}

impl Server {
    /// Does so much work per second.
    pub(crate) fn new(speed: f64, trouble: Trouble) -> Self {
        Self { speed, trouble, free_at: 0.0, in_flight: 0, unit: 0.0 }
    }

    /// Takes a request. When it is answered, and whether with an error.
    pub(crate) fn take(&mut self, now: f64, work: f64) -> (f64, bool) {
        let (at, failed) = self.answer(now, work);
        self.in_flight += 1;
        self.unit += ((at - now) / f64::from(self.in_flight) - self.unit) * 0.1;
        (at, failed)
    }

    /// What it says when it is probed: how long it takes for an answer with as many requests in flight as there are.
    pub(crate) fn load(&self) -> Load {
        let latency = self.unit * f64::from(self.in_flight + 1);
        Load { requests: self.in_flight as f32, latency: latency as f32 }
    }

    fn answer(&mut self, now: f64, work: f64) -> (f64, bool) {
        if matches!(self.trouble, Trouble::FailFast { .. }) {
            return (now + FAILURE_S, true);
        }
        self.free_at = self.finish(self.free_at.max(now), work);
        (self.free_at, false)
    }

    /// A request has been answered.
    pub(crate) fn done(&mut self) {
        self.in_flight -= 1;
    }

    /// When it is free for the next.
    pub(crate) fn free_at(&self) -> f64 {
        self.free_at
    }

    /// When so much work is done that begins then.
    fn finish(&self, begin: f64, work: f64) -> f64 {
        let (mut at, mut left) = (begin, work / self.speed);
        loop {
            let (pace, until) = self.pace(at);
            let can = (until - at) * pace;
            if can >= left {
                return at + left / pace;
            }
            left -= can;
            at = until;
        }
    }

    /// The part of its speed that it has at a time, and until when.
    fn pace(&self, at: f64) -> (f64, f64) {
        let in_period = at.rem_euclid(PERIOD_S);
        let begin = at - in_period;
        let steps = match self.trouble {
            Trouble::None | Trouble::FailFast { .. } => return (1.0, f64::INFINITY),
            Trouble::Slow { .. } => 1.0,
            Trouble::Cold { .. } => LENGTH_S,
        };
        if in_period < BEGIN_S {
            return (1.0, begin + BEGIN_S);
        }
        if in_period >= BEGIN_S + LENGTH_S {
            return (1.0, begin + PERIOD_S + BEGIN_S);
        }
        let step = ((in_period - BEGIN_S) / LENGTH_S * steps).floor();
        // What rounding leaves of a step must not hold up time.
        let until = (begin + BEGIN_S + (step + 1.0) * LENGTH_S / steps).max(at + 1e-9);
        match self.trouble {
            Trouble::Slow { factor, .. } => (1.0 / factor, until),
            _ => (COLD_SPEED + (1.0 - COLD_SPEED) * step / steps, until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_as_long_as_the_speed_says() {
        let mut server = Server::new(2.0, Trouble::None);
        assert_eq!(server.take(1.0, 4.0), (3.0, false));
        assert_eq!(server.take(2.0, 2.0), (4.0, false), "behind the first");
        assert_eq!(server.in_flight, 2);
    }

    #[test]
    fn a_slow_while_lasts_as_long_as_it_does() {
        let server = Server::new(1.0, Trouble::Slow { share: 1.0, factor: 5.0 });
        assert_eq!(server.finish(0.0, 10.0), 10.0);
        assert_eq!(server.finish(20.0, 12.0), 40.0, "ten before, two at a fifth of the speed");
        assert_eq!(server.finish(40.0, 14.0), 70.0);
        assert_eq!(server.finish(61.0, 60.0), 125.0, "from one period into the next");
    }

    #[test]
    fn a_cold_server_warms_up() {
        let server = Server::new(1.0, Trouble::Cold { share: 1.0 });
        assert!((server.finish(30.0, 0.1) - 31.0).abs() < 1e-6);
        // The mean over all thirty steps.
        let whole: f64 = (0..30).map(|step| 0.1 + 0.9 * f64::from(step) / 30.0).sum();
        assert!((server.finish(30.0, whole) - 60.0).abs() < 1e-6);
    }
}
