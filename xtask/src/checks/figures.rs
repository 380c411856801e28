//! The table of figures, and what they are to be.

use std::{fmt::Write, time::Duration};

use weir_tests::Metrics;

/// 99 of 100 checks begin no later than this after their time, in milliseconds: a bound of the program's histogram.
const P99_MS_MAX: f64 = 100.0;

/// The bounds of the program's histogram, in milliseconds.
const BOUNDS_MS: [u32; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/// Everything that was measured.
pub(super) struct Figures {
    pub(super) servers: u32,
    pub(super) interval: Duration,
    /// From the spawn until traffic is taken.
    pub(super) ready: Duration,
    /// From the spawn until every server has passed a check.
    pub(super) first_round: Duration,
    pub(super) before: Metrics,
    pub(super) after: Metrics,
    /// CPU time of the control plane's threads in the window.
    pub(super) cpu: Duration,
    pub(super) took: Duration,
    pub(super) scrape_took: Duration,
    pub(super) scrape_bytes: usize,
    pub(super) resident: u64,
}

impl Figures {
    /// As Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("| what | figure |\n|---|---|\n");
        let mut row = |what: &str, figure: String| {
            let _ = writeln!(text, "| {what} | {figure} |");
        };
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        row("servers; interval, s", format!("{}; {}", self.servers, seconds(self.interval)));
        row("start to traffic, s", seconds(self.ready));
        row("start to the last first check, s", seconds(self.first_round));
        row("checks per second", format!("{:.0}", self.checks() / self.took.as_secs_f64()));
        let wanted = f64::from(self.servers) / self.interval.as_secs_f64();
        row("checks per second that the file asks for", format!("{wanted:.0}"));
        for share in [0.5, 0.9, 0.99, 0.999] {
            row(&format!("lateness, {}% of checks, at most ms", share * 100.0), self.shown(share));
        }
        let cores = self.cpu.as_secs_f64() / self.took.as_secs_f64();
        row("CPU of the control plane, cores", format!("{cores:.2}"));
        let us = self.cpu.as_secs_f64() * 1e6 / self.checks().max(1.0);
        row("CPU of the control plane per check, µs", format!("{us:.0}"));
        row(
            "a page of metrics, MiB; s",
            format!("{:.0}; {}", mib(self.scrape_bytes as u64), seconds(self.scrape_took)),
        );
        row("resident memory, MiB", format!("{:.0}", mib(self.resident)));
        text
    }

    /// What is worse than it may be.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if self.quantile(0.99).is_none_or(|ms| ms > P99_MS_MAX) {
            missed.push(format!("99% of checks begin within {P99_MS_MAX} ms: {}", self.shown(0.99)));
        }
        let wanted = f64::from(self.servers) / self.interval.as_secs_f64() * self.took.as_secs_f64();
        if self.checks() < 0.97 * wanted {
            missed.push(format!("{:.0} checks were made of {wanted:.0}", self.checks()));
        }
        missed
    }

    fn checks(&self) -> f64 {
        self.grown("weir_check_lateness_seconds_count", &[])
    }

    /// An upper bound of that share's lateness in milliseconds; `None` above all bounds.
    fn quantile(&self, share: f64) -> Option<f64> {
        let within = |bound: u32| {
            let bound = format!("{:?}", f64::from(bound) / 1e3);
            self.grown("weir_check_lateness_seconds_bucket", &[("le", bound.as_str())])
        };
        let enough = |bound: &&u32| within(**bound) >= share * self.checks();
        BOUNDS_MS.iter().find(enough).map(|bound| f64::from(*bound))
    }

    fn shown(&self, share: f64) -> String {
        self.quantile(share).map_or("more than 10 s".into(), |ms| format!("{ms}"))
    }

    fn grown(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.after.sum(name, labels) - self.before.sum(name, labels)
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
