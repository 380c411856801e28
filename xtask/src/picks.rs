//! `cargo xtask picks`: what a pick costs with a hundred thousand servers against ten, in instructions.
//!
//! Instructions are the same on every machine and in every run, so they can be a gate; `cargo bench -p weir-balance` measures
//! time, which depends on how much of a pool the CPU's caches hold. valgrind counts, in an example of `weir-balance`.

use std::process::{Command, ExitCode, Stdio};

use crate::{peers, workspace};

/// Numbers of servers. The first is what the others are held against.
const SERVERS: [u32; 3] = [10, 1_000, 100_000];

/// Picks that are counted.
const PICKS: u64 = 20_000;

/// A pick may cost so many times what it costs with the fewest servers.
const RATIO_MAX: f64 = 1.5;

const ALGORITHMS: [&str; 8] =
    ["round_robin", "random", "least_requests", "p2c", "peak_ewma", "prequal", "hash", "hash_bounded"];

/// Counts and prints a table; fails when a pick costs too much more in a large pool.
pub(crate) fn run() -> Result<ExitCode, String> {
    peers::ensure(peers::FOR_PICKS)?;
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--package", "weir-balance", "--example", "picks"]);
    match cargo.status() {
        Ok(status) if status.success() => {}
        other => return Err(format!("building the example failed: {other:?}")),
    }
    println!(
        "| instructions per pick | {} servers | most against the first |",
        SERVERS.map(|n| n.to_string()).join(" | ")
    );
    println!("|---|{}", "---|".repeat(SERVERS.len() + 1));
    let mut failed = false;
    for algorithm in ALGORITHMS {
        let counts = SERVERS.map(|servers| instructions(algorithm, servers));
        let [first, ..] = &counts;
        let first = first.clone()?;
        let counts: Vec<f64> = counts.into_iter().collect::<Result<_, _>>()?;
        let ratio = counts.iter().fold(0.0, |most: f64, count| most.max(count / first));
        failed |= ratio > RATIO_MAX;
        let counts = counts.iter().map(|count| format!("{count:.0}")).collect::<Vec<_>>().join(" | ");
        println!("| `{algorithm}` | {counts} | {ratio:.2} |");
    }
    if failed {
        eprintln!("FAILED: more than {RATIO_MAX} times as much");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Per pick.
fn instructions(algorithm: &str, servers: u32) -> Result<f64, String> {
    let program = workspace::target_dir()?.join("release/examples/picks");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=picks::measured*"])
        .arg("--callgrind-out-file=/dev/null")
        .arg(program)
        .args([algorithm, &servers.to_string(), &PICKS.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    // ==1234== Collected : 5678
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    match count.filter(|count| *count > 0) {
        Some(count) => Ok(count as f64 / PICKS as f64),
        None => Err(format!("valgrind counted nothing:\n{said}")),
    }
}
