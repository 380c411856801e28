//! `cargo xtask certificates`: a directory of fifty thousand certificates, from the start of the real program to the
//! first handshake, and what clients notice while files are replaced.
//!
//! A start counts from the spawn to the first answer over TLS for a name in the middle of the directory: without the
//! index, as the first one ever, and with it. The files are in the page cache both times; how long the disk takes where they
//! are not is shown, and has no target. Clients are of another build than the program (xtask's own profile) and share its CPUs, so their time is
//! in every figure. Everything is loopback and ends by itself.

mod report;
mod stage;
mod swap;

use std::{process::ExitCode, time::Duration};

use crate::{bench::machine, options, workspace};
use report::{Figures, Memory};
use stage::Stage;

const USAGE: &str = "\
usage: cargo xtask certificates [OPTION...]

  --count N      certificates in the directory (50000)
  --rounds N     starts of each kind (3)
  --names M      other names that are asked for after the last start (1000)
  --threads K    clients at a time while files are replaced (4)
  --seconds S    how long files are replaced (10)
";

/// What was asked for.
struct Options {
    count: usize,
    rounds: usize,
    names: usize,
    threads: usize,
    seconds: u64,
}

/// Runs everything and prints a table; fails when a start was too slow, a handshake failed, or a certificate was
/// served that should not have been.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let options = match options::of(args, USAGE, Options::parse) {
        Ok(options) => options,
        Err(code) => return Ok(code),
    };
    workspace::build_weir()?;
    println!("writing {} certificates …", options.count);
    let stage = Stage::new(options.count, workspace::target_dir()?.join("release/weir"))?;
    println!("{}; {} bytes per file", machine::describe(), stage.bytes_per_file());
    let figures = measure(&stage, &options)?;
    println!("\n{}", figures.table());
    let missed = figures.missed();
    missed.iter().for_each(|what| eprintln!("FAILED {what}"));
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(stage: &Stage, options: &Options) -> Result<Figures, String> {
    let (mut disk, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        stage.forget_index()?;
        stage
            .forget_content()
            .map_err(|error| format!("cannot drop the files from the page cache: {error}"))?;
        disk.push(stage.start()?.1.as_secs_f64());
        // The files were read just now.
        stage.forget_index()?;
        cold.push(stage.start()?.1.as_secs_f64());
    }
    let mut warm = Vec::new();
    let mut last = None;
    for _ in 0..options.rounds {
        // The one before ends first: it has half of the memory and would take its share of the CPUs.
        drop(last.take());
        let (started, took) = stage.start()?;
        warm.push(took.as_secs_f64());
        last = Some(started);
    }
    let started = last.ok_or("no round was asked for")?;
    let after_start = started.memory();
    for turn in 0..options.names {
        stage.ask(&started, turn * stage.count() / options.names)?;
    }
    let after_names = started.memory();
    println!("replacing files for {} s …", options.seconds);
    let swapped = swap::run(stage, &started, options.threads, Duration::from_secs(options.seconds))?;
    let memory = Memory { after_start, after_names, names: options.names, after_swaps: started.memory() };
    Ok(Figures { disk, cold, warm, memory, swapped })
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { count: 50_000, rounds: 3, names: 1000, threads: 4, seconds: 10 };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
            let number: usize = value.parse().map_err(|_| format!("{name} wants a whole number"))?;
            match name.as_str() {
                "--count" => options.count = number,
                "--rounds" => options.rounds = number,
                "--names" => options.names = number,
                "--threads" => options.threads = number,
                "--seconds" => options.seconds = number as u64,
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        let is_bounded = (1000..=500_000).contains(&options.count)
            && (1..=20).contains(&options.rounds)
            && (1..=options.count).contains(&options.names)
            && (1..=64).contains(&options.threads)
            && (1..=60).contains(&options.seconds);
        if is_bounded {
            Ok(options)
        } else {
            Err("1000 to 500000 certificates, 1 to 20 rounds, no more names than certificates, 1 to 64 threads, \
                 1 to 60 seconds"
                .into())
        }
    }
}
