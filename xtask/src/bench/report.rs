//! The results: collected while the bench runs, written as one page of tables.

mod targets;

use std::fmt::Write;

use super::case::{Case, Kind};
use super::measure::Sample;
use super::proxy::Proxy;
use super::{Options, machine};

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) versions: Vec<(Proxy, String)>,
    /// Who could not take part, and why.
    pub(crate) left_out: Vec<(Proxy, String)>,
    pub(crate) failures: Vec<String>,
    outcomes: Vec<(&'static str, Option<Proxy>, Outcome)>,
}

/// What one measurement of one case showed.
pub(crate) enum Outcome {
    Load {
        round: usize,
        sample: Sample,
    },
    /// Bytes that each connection adds to the process (where there is one) and to the kernel.
    Idle {
        process: Option<ProcessMemory>,
        kernel_each: f64,
    },
    /// Calls per request by name, most frequent first.
    Calls(Vec<(String, f64)>),
}

/// Memory of a proxy with all idle connections open.
pub(crate) struct ProcessMemory {
    /// Bytes that each connection added.
    pub(crate) each: f64,
    /// MiB resident in all.
    pub(crate) whole_mib: f64,
}

impl Results {
    /// Takes one outcome and shows it at once; a failure is kept for the end.
    pub(crate) fn record(
        &mut self,
        case: &'static Case,
        proxy: Option<Proxy>,
        outcome: Result<Outcome, String>,
    ) {
        let name = proxy.map_or("no proxy", Proxy::name);
        match outcome {
            Ok(outcome) => {
                println!("{name:<9} {}", outcome.line());
                self.outcomes.push((case.name, proxy, outcome));
            }
            Err(reason) => {
                println!("{name:<9} FAILED: {reason}");
                self.failures.push(format!("{}, {name}: {reason}", case.name));
            }
        }
    }

    /// The samples of a case, by round.
    fn samples(&self, case: &str, proxy: Proxy) -> Vec<(usize, Sample)> {
        self.of(case)
            .filter_map(|(owner, outcome)| match outcome {
                Outcome::Load { round, sample } if owner == Some(proxy) => Some((*round, *sample)),
                _ => None,
            })
            .collect()
    }

    fn of(&self, case: &str) -> impl Iterator<Item = (Option<Proxy>, &Outcome)> {
        let wanted = case.to_owned();
        self.outcomes
            .iter()
            .filter(move |(case, _, _)| *case == wanted)
            .map(|(_, proxy, outcome)| (*proxy, outcome))
    }

    /// CPU per request of one as a share of another's, round by round.
    fn ratios(&self, case: &str, one: Proxy, other: Proxy) -> Option<Spread> {
        let others = self.samples(case, other);
        let ratio = |(round, sample): &(usize, Sample)| {
            let (_, other) = others.iter().find(|(other, _)| other == round)?;
            Some(sample.us_per_request / other.us_per_request)
        };
        Spread::of(self.samples(case, one).iter().filter_map(ratio).collect())
    }
}

impl Outcome {
    fn line(&self) -> String {
        match self {
            Outcome::Load { round, sample } => format!(
                "round {}: {:7.2} us CPU per request, busy {:3.0} %, {:7.0}/s, p50 {:.0} us, p99 {:.0} us; \
                 load {:.2} us, others busy {:.0} %",
                round + 1,
                sample.us_per_request,
                sample.busy * 100.0,
                sample.per_second,
                sample.p50_us,
                sample.p99_us,
                sample.load_us_per_request,
                sample.others_busy * 100.0
            ),
            Outcome::Idle { process: Some(process), kernel_each } => format!(
                "{:.0} bytes of process memory and {kernel_each:.0} of kernel memory per connection, {:.1} MiB in all",
                process.each, process.whole_mib
            ),
            Outcome::Idle { process: None, kernel_each } => {
                format!("{kernel_each:.0} bytes of kernel memory per connection")
            }
            Outcome::Calls(calls) => format!("{:.2} calls per request: {}", total(calls), names(calls)),
        }
    }
}

/// A median and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 };
        Some(Spread { median, min, max })
    }

    pub(crate) fn show(self, digits: usize) -> String {
        let Spread { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$} – {max:.digits$})")
    }
}

/// The whole page.
pub(crate) fn write(options: &Options, results: &Results) -> Result<String, String> {
    let mut page = String::new();
    page_of(&mut page, options, results).map_err(|error| error.to_string())?;
    Ok(page)
}

fn page_of(page: &mut String, options: &Options, results: &Results) -> std::fmt::Result {
    write_head(page, options, results)?;
    targets::write(page, results)?;
    write_ratios(page, options, results)?;
    for case in &options.cases {
        writeln!(page, "\n## {}: {}\n", case.name, case.title)?;
        match case.kind {
            Kind::Load(_) => write_load(page, case, results)?,
            Kind::Idle { .. } => write_idle(page, case, results)?,
            Kind::Calls(_) => write_calls(page, case, results)?,
        }
    }
    if !results.failures.is_empty() {
        writeln!(page, "\n## Failed\n")?;
        for failure in &results.failures {
            writeln!(page, "- {failure}")?;
        }
    }
    Ok(())
}

fn write_head(page: &mut String, options: &Options, results: &Results) -> std::fmt::Result {
    writeln!(page, "# Bench: Weir beside its peers\n")?;
    writeln!(page, "Written by `cargo xtask bench` on {}; do not edit.\n", machine::today())?;
    writeln!(page, "Machine: {}.\n", machine::describe())?;
    writeln!(
        page,
        "Each proxy runs one worker on a CPU of its own; the load generator (`bench/load`, closed loop) and three\n\
         servers (`bench/origin`, one process) share another in turns (`SCHED_BATCH`), all over loopback. CPU is\n\
         what the kernel's scheduler accounted to all threads of the proxy (`/proc/PID/task/*/schedstat`), divided by\n\
         the requests answered.\n\
         {} rounds of {} s per case, interleaved; figures are medians over the rounds, with the least and the most in\n\
         parentheses; ratios are taken within a round. An answer that is not 200 with the right length fails the run.\n\
         Rates and latencies belong to this one-CPU load generator: compare them, do not quote them. Its own CPU time\n\
         per request and how busy its CPU was stand beside them.\n",
        options.rounds, options.seconds
    )?;
    if options.cases.iter().any(|case| case.tls().is_some()) {
        writeln!(
            page,
            "Over TLS the load generator offers TLS 1.3, X25519 and AES-128-GCM alone, takes one certificate (self-signed, the\n\
             same for all), and counts that handshakes were full or resumed as the case says. CPU per request is there the\n\
             whole of a connection where the case closes. Envoy and the relay do not take part.\n"
        )?;
    }
    writeln!(page, "| proxy | version | settings |\n|---|---|---|")?;
    for (proxy, version) in &results.versions {
        writeln!(page, "| {} | {version} | {} |", proxy.name(), proxy.settings())?;
    }
    for (proxy, reason) in &results.left_out {
        writeln!(page, "| {} | left out: {reason} | |", proxy.name())?;
    }
    writeln!(
        page,
        "\nAccess logs are off everywhere. Heap allocations per request are counted by a test of `weir-control` (`tests/allocations.rs`)."
    )
}

fn write_ratios(page: &mut String, options: &Options, results: &Results) -> std::fmt::Result {
    let others = [Proxy::Nginx, Proxy::Haproxy, Proxy::Envoy, Proxy::Relay];
    let mut rows = String::new();
    for case in &options.cases {
        let ratios = others.map(|other| results.ratios(case.name, Proxy::Weir, other));
        if ratios.iter().any(Option::is_some) {
            let cells = ratios.map(|ratio| ratio.map_or("–".into(), |ratio| ratio.show(2)));
            writeln!(rows, "| {} | {} |", case.name, cells.join(" | "))?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    write!(
        page,
        "\n## CPU per request, Weir's share of another's\n\n\
         | case | / nginx | / haproxy | / envoy | / relay |\n|---|---|---|---|---|\n{rows}"
    )
}

fn write_load(page: &mut String, case: &Case, results: &Results) -> std::fmt::Result {
    writeln!(
        page,
        "| proxy | CPU µs per request | CPU busy | others busy | load's µs | requests/s | p50 µs | p99 µs |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    for (proxy, _) in results.versions.iter().filter(|(proxy, _)| proxy.takes_part(case)) {
        let samples = results.samples(case.name, *proxy);
        let spread =
            |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(|(_, s)| figure(s)).collect());
        let (Some(cpu), Some(busy), Some(others), Some(load), Some(rate), Some(p50), Some(p99)) = (
            spread(|sample| sample.us_per_request),
            spread(|sample| sample.busy),
            spread(|sample| sample.others_busy),
            spread(|sample| sample.load_us_per_request),
            spread(|sample| sample.per_second),
            spread(|sample| sample.p50_us),
            spread(|sample| sample.p99_us),
        ) else {
            writeln!(page, "| {} | failed, see below | | | | | | |", proxy.name())?;
            continue;
        };
        writeln!(
            page,
            "| {} | {} | {:.0} % | {:.0} % | {:.1} | {} | {:.0} | {} |",
            proxy.name(),
            cpu.show(if cpu.median < 100.0 { 2 } else { 0 }),
            busy.median * 100.0,
            others.median * 100.0,
            load.median,
            rate.show(0),
            p50.median,
            p99.show(0)
        )?;
    }
    Ok(())
}

fn write_idle(page: &mut String, case: &Case, results: &Results) -> std::fmt::Result {
    writeln!(
        page,
        "Growth from before the first of them to all open, each having made one request. Process memory is what the\n\
         proxy's processes share with nobody (nginx also reserves its table of connections at the start, which shows in\n\
         the last column only). Kernel memory (slabs and TCP buffers) holds both ends of each connection."
    )?;
    if case.tls().is_none() {
        writeln!(
            page,
            "The row without a proxy is that of connections straight to a server. The relay does not take part: it opens\n\
             a server connection and holds its buffers for each client."
        )?;
    }
    writeln!(page)?;
    writeln!(
        page,
        "| proxy | process memory, bytes | kernel memory, bytes | whole process, MiB |\n|---|---|---|---|"
    )?;
    for (owner, outcome) in results.of(case.name) {
        let Outcome::Idle { process, kernel_each } = outcome else { continue };
        let name = owner.map_or("(no proxy)", Proxy::name);
        match process {
            Some(ProcessMemory { each, whole_mib }) => {
                writeln!(page, "| {name} | {each:.0} | {kernel_each:.0} | {whole_mib:.1} |")?;
            }
            None => writeln!(page, "| {name} | – | {kernel_each:.0} | – |")?,
        }
    }
    Ok(())
}

fn write_calls(page: &mut String, case: &Case, results: &Results) -> std::fmt::Result {
    writeln!(
        page,
        "Counted by strace on all threads of the proxy. Traced, a proxy is slow and always has work waiting, so waits\n\
         (`epoll_wait` and the like) come out lower than in the wild, for all alike.\n\
         What opening the connections takes is not counted.\n"
    )?;
    writeln!(page, "| proxy | calls per request | which |\n|---|---|---|")?;
    for (owner, outcome) in results.of(case.name) {
        if let (Some(proxy), Outcome::Calls(calls)) = (owner, outcome) {
            writeln!(page, "| {} | {:.2} | {} |", proxy.name(), total(calls), names(calls))?;
        }
    }
    Ok(())
}

fn total(calls: &[(String, f64)]) -> f64 {
    calls.iter().map(|(_, count)| count).sum()
}

/// The calls that matter, by name.
fn names(calls: &[(String, f64)]) -> String {
    let shown = calls.iter().filter(|(_, count)| *count >= 0.01);
    shown.map(|(name, count)| format!("{name} {count:.2}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
