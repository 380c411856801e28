//! System calls per request, counted by strace.

use std::collections::BTreeMap;

use rustix::process::Signal;

use super::super::case::Load;
use super::super::process::Process;
use super::super::proxy::Proxy;
use super::super::report::Outcome;
use super::{Bench, Started};
use crate::launch::{self, DeathSignal};
use crate::workspace;

impl Bench {
    /// System calls per request, by name, of all of the proxy's threads. What a second run with one request per
    /// connection counts is taken off, because opening the connections is not what a request costs.
    pub(crate) fn calls(&self, proxy: Proxy, load: &Load, seconds: f64) -> Result<Outcome, String> {
        let started = self.start_proxy(proxy, load.tls.map(|tls| tls.key))?;
        self.drive(&started, load, 0.5)?;
        let (long, long_requests) = self.traced(&started, load, seconds)?;
        let (short, short_requests) = self.traced(&started, load, 0.0)?;
        let requests = long_requests - short_requests;
        if requests < 10.0 * short_requests {
            return Err(format!("only {long_requests} requests while traced: too few to count calls by"));
        }
        let each = |(name, count): (String, u64)| {
            let opening = short.get(&name).copied().unwrap_or(0);
            (name, count.saturating_sub(opening) as f64 / requests)
        };
        let mut calls: Vec<(String, f64)> = long.into_iter().map(each).collect();
        calls.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Outcome::Calls(calls))
    }

    /// All system calls of a run, and how many requests it had.
    fn traced(
        &self,
        started: &Started,
        load: &Load,
        seconds: f64,
    ) -> Result<(BTreeMap<String, u64>, f64), String> {
        let summary = self.work.0.join("strace.txt");
        let log = self.work.0.join("strace.log");
        let strace = workspace::find_program("strace").ok_or("no strace on this machine")?;
        let mut command = launch::command(strace, self.other_cpu, DeathSignal::Term);
        command.args(["-c", "-f", "-qq", "-o"]).arg(&summary);
        for pid in started.process.pids() {
            command.args(["-p", &pid.to_string()]);
        }
        let mut strace = Process::start("strace", command, &log)?;
        strace.wait_until("it to attach", &log, |_| started.process.is_traced())?;
        let result = self.drive(started, load, seconds)?;
        strace.stop(Signal::INT);

        let text = std::fs::read_to_string(&summary).map_err(|error| format!("strace's summary: {error}"))?;
        let counts = strace_counts(&text);
        if counts.is_empty() {
            return Err(format!("strace counted nothing: {}", text.trim()));
        }
        Ok((counts, result["requests"].as_f64().unwrap_or(0.0)))
    }
}

/// Calls by name from the table of `strace -c`.
fn strace_counts(text: &str) -> BTreeMap<String, u64> {
    // % time     seconds  usecs/call     calls    errors syscall
    let row = |line: &str| -> Option<(String, u64)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first()?.parse::<f64>().ok()?;
        let name = *words.last()?;
        let calls = words.get(3)?.parse().ok()?;
        (name != "total").then(|| (name.to_owned(), calls))
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table_of_strace() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 45.84    0.181434           2     65536           writev
 43.19    0.170955           2     65540         4 recvfrom
  0.00    0.000000           0         1           total_of_nothing
------ ----------- ----------- --------- --------- ----------------
100.00    0.395809           2    131077         4 total
";
        let counts = strace_counts(text);
        let expected = [("writev", 65536), ("recvfrom", 65540), ("total_of_nothing", 1)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
