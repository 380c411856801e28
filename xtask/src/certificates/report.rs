//! The table of figures, and what they are to be.

use std::{fmt::Write, time::Duration};

use super::swap::Swapped;
use crate::bench::report::Spread;

/// From the start to the first handshake, in seconds; every round.
const START_SECONDS_MAX: f64 = 1.5;

/// From the last write of a file to the first handshake with it. A file is looked at every two seconds, and taken when it is
/// the same at two looks; the rest is the looks' own time, on CPUs that are busy.
const VISIBLE_MAX: Duration = Duration::from_secs(6);

/// Everything that was measured.
pub(super) struct Figures {
    /// From the start to the first handshake, in seconds: without the index and with files that must be read from the
    /// disk, whose time this mostly is; without the index; and with it.
    pub(super) disk: Vec<f64>,
    pub(super) cold: Vec<f64>,
    pub(super) warm: Vec<f64>,
    pub(super) memory: Memory,
    pub(super) swapped: Swapped,
}

/// Resident memory of the program, in bytes.
pub(super) struct Memory {
    pub(super) after_start: u64,
    pub(super) after_names: u64,
    /// How many names were asked for in between.
    pub(super) names: usize,
    pub(super) after_swaps: u64,
}

impl Figures {
    /// As Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("| what | figure |\n|---|---|\n");
        let mut row = |what: &str, figure: String| {
            let _ = writeln!(text, "| {what} | {figure} |");
        };
        row("start to first handshake, no index, s", shown(&self.cold));
        row("the same with the files not in the page cache, s (no target)", shown(&self.disk));
        row("with the index, s", shown(&self.warm));
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
        row("resident memory after a start with the index, MiB", mib(self.memory.after_start));
        row(&format!("after {} names, MiB", self.memory.names), mib(self.memory.after_names));
        row("after the swaps, MiB", mib(self.memory.after_swaps));
        let swapped = &self.swapped;
        row("full handshakes under swaps", swapped.handshakes.to_string());
        row("of them failed", swapped.failed.to_string());
        row("with a certificate that was not (yet, or any more) to be served", swapped.wrong.to_string());
        row("slowest handshake, ms", format!("{:.0}", swapped.slowest.as_secs_f64() * 1e3));
        row("files written whole, half", format!("{}, {}", swapped.whole, swapped.half));
        row("certificates seen", swapped.delays.len().to_string());
        let delays: Vec<f64> = swapped.delays.iter().map(Duration::as_secs_f64).collect();
        row("from a file at rest to its first handshake, s", shown(&delays));
        text
    }

    /// What is beyond its target.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = self.swapped.examples.clone();
        let mut unless = |fine: bool, what: String| {
            if !fine {
                missed.push(what);
            }
        };
        for (what, seconds) in [("without", &self.cold), ("with", &self.warm)] {
            let slowest = seconds.iter().copied().fold(0.0, f64::max);
            unless(
                slowest < START_SECONDS_MAX,
                format!("start {what} the index: {slowest:.2} s of {START_SECONDS_MAX} s"),
            );
        }
        let swapped = &self.swapped;
        unless(swapped.failed == 0, format!("{} handshakes failed", swapped.failed));
        unless(swapped.wrong == 0, format!("{} wrong certificates", swapped.wrong));
        unless(swapped.unseen == 0, format!("{} replaced certificates were never served", swapped.unseen));
        let slowest = swapped.delays.iter().max().copied();
        unless(slowest.is_some(), "no new certificate was served".into());
        let slowest = slowest.unwrap_or_default();
        unless(
            slowest < VISIBLE_MAX,
            format!("a new certificate was served after {slowest:.1?} of {VISIBLE_MAX:?}"),
        );
        missed
    }
}

fn shown(values: &[f64]) -> String {
    Spread::of(values.to_vec()).map_or("none".into(), |spread| spread.show(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Figures), expected: &[&str]) {
        let memory = Memory { after_start: 0, after_names: 0, names: 0, after_swaps: 0 };
        let swapped = Swapped { delays: vec![Duration::from_secs(5)], ..Swapped::default() };
        let mut figures = Figures { disk: vec![9.0], cold: vec![1.4, 0.5], warm: vec![0.2], memory, swapped };
        change(&mut figures);
        assert_eq!(figures.missed(), expected);
    }

    #[test]
    fn what_is_beyond_its_target_is_told() {
        check(|_| {}, &[]);
        check(|figures| figures.cold.push(1.5), &["start without the index: 1.50 s of 1.5 s"]);
        check(|figures| figures.warm.push(2.0), &["start with the index: 2.00 s of 1.5 s"]);
        check(|figures| figures.swapped.failed = 1, &["1 handshakes failed"]);
        check(|figures| figures.swapped.wrong = 2, &["2 wrong certificates"]);
        check(|figures| figures.swapped.unseen = 3, &["3 replaced certificates were never served"]);
        let slow = Duration::from_millis(6200);
        check(
            |figures| figures.swapped.delays.push(slow),
            &["a new certificate was served after 6.2s of 6s"],
        );
        check(|figures| figures.swapped.delays.clear(), &["no new certificate was served"]);
    }
}
