//! The table of figures, and what they are to be.

/// Weir may take so much more memory, in bytes.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Another client's p99 may become so many times the calm one.
const P99_RATIO_MAX: f64 = 3.0;

/// One attack.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Connections of attackers that were ended, per second.
    pub(super) connections_per_second: f64,
    /// Connections that could not be made.
    pub(super) failed: u64,
    pub(super) growth_bytes: u64,
    /// Share of a CPU that Weir took.
    pub(super) cpu: f64,
    /// The other client's requests per second and p99 in microseconds, without and with the attack.
    pub(super) calm: (f64, f64),
    pub(super) hot: (f64, f64),
}

impl Row {
    pub(super) fn meets_targets(&self) -> bool {
        self.growth_bytes < GROWTH_BYTES_MAX && self.ratio() <= P99_RATIO_MAX
    }

    fn ratio(&self) -> f64 {
        self.hot.1 / self.calm.1
    }
}

/// As Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| attack | ended/s | failed | memory MiB | CPU | req/s calm | attacked | p99 µs calm | attacked | ratio |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text += &format!(
            "| {} | {:.0} | {} | {:+.1} | {:.0}% | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} |\n",
            row.name,
            row.connections_per_second,
            row.failed,
            row.growth_bytes as f64 / f64::from(1 << 20),
            row.cpu * 100.0,
            row.calm.0,
            row.hot.0,
            row.calm.1,
            row.hot.1,
            row.ratio(),
        );
    }
    text
}
