//! `cargo xtask fuzz`: runs the fuzz targets, one after the other, and says how to see a finding again.
//!
//! Needs a nightly toolchain, which `rustup` installs; cargo-fuzz is installed here. What is found worth keeping is
//! added to `fuzz/corpus`; see docs/fuzzing.md for how it is made small again before it is committed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::workspace;

const USAGE: &str = "usage: cargo xtask fuzz [--minutes N] [--target NAME]";

/// The targets, each with its dictionary.
const TARGETS: &[(&str, &str)] = &[
    ("request_head", "http"),
    ("chunked_body", "http"),
    ("response_head", "http"),
    ("config", "yaml"),
    ("route_path", "route"),
    ("hpack_block", "http2"),
    ("h2_head", "http2"),
    ("h2_frames", "frames"),
    ("sticky_cookie", "cookie"),
    ("load_report", "report"),
];

/// For all targets together, unless `--minutes` says otherwise.
const MINUTES: u64 = 10;

/// The longest input, in bytes: enough for every limit that the checks set.
const INPUT_BYTES_MAX: u32 = 4096;

/// An input that takes longer is a finding, in seconds.
const INPUT_SECONDS_MAX: u32 = 10;

struct Options {
    minutes: u64,
    targets: Vec<(&'static str, &'static str)>,
}

/// Fails if a target does.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let options = Options::parse(args)?;
    ensure_cargo_fuzz()?;
    // In minutes for all, so that one target alone gets them all.
    let seconds = (options.minutes * 60 / options.targets.len() as u64).max(1);
    let mut failed = Vec::new();
    for (target, dictionary) in options.targets {
        println!("\n=== {target}: {seconds} s");
        if !fuzz(target, dictionary, seconds)? {
            failed.push(target);
        }
    }
    for target in &failed {
        report(target)?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { minutes: MINUTES, targets: TARGETS.to_vec() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("`{arg}` wants a value\n{USAGE}"))?;
            match arg.as_str() {
                "--minutes" => {
                    options.minutes =
                        value.parse().map_err(|_| format!("`{value}` is no number of minutes\n{USAGE}"))?;
                }
                "--target" => {
                    options.targets.retain(|(name, _)| name == value);
                    if options.targets.is_empty() {
                        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                        return Err(format!("no target `{value}`; there are {}", names.join(", ")));
                    }
                }
                _ => return Err(format!("`{arg}` is no option\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

/// `cargo +nightly`, which only rustup's proxy understands: the cargo that runs us is a toolchain's own.
fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(args).current_dir(workspace::root());
    command
}

fn ensure_cargo_fuzz() -> Result<(), String> {
    let has = |mut command: Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !has(nightly(&["--version"])) {
        return Err(
            "a nightly toolchain is missing: rustup toolchain install nightly --profile minimal".into()
        );
    }
    if has(nightly(&["fuzz", "--version"])) {
        return Ok(());
    }
    println!("installing cargo-fuzz");
    let status = nightly(&["install", "--locked", "cargo-fuzz"]).status();
    match status.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("cargo-fuzz could not be installed: cargo install --locked cargo-fuzz".into()),
    }
}

fn fuzz(target: &str, dictionary: &str, seconds: u64) -> Result<bool, String> {
    let corpus = folder("corpus", target);
    std::fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let dictionary = workspace::root().join(format!("fuzz/dictionaries/{dictionary}.dict"));
    // No sanitizer: our code has no unsafe blocks in what is fuzzed, and a check is more than twice as fast without.
    let status = nightly(&["fuzz", "run", "--sanitizer", "none", target])
        .args([corpus, folder("seeds", target)])
        .arg("--")
        .arg(format!("-dict={}", dictionary.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg("-print_final_stats=1")
        .status()
        .map_err(|error| format!("cargo fuzz does not start: {error}"))?;
    Ok(status.success())
}

fn folder(kind: &str, target: &str) -> PathBuf {
    workspace::root().join("fuzz").join(kind).join(target)
}

/// The inputs that a target failed for, and how to run it with one.
fn report(target: &str) -> Result<(), String> {
    println!("\n{target} FAILED");
    let artifacts = folder("artifacts", target);
    let Ok(entries) = std::fs::read_dir(&artifacts) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", artifacts.display()))?.path();
        let path = path.strip_prefix(workspace::root()).map(Path::to_owned).unwrap_or(path);
        println!("  {}", path.display());
        println!("    again:   cargo +nightly fuzz run --sanitizer none {target} {}", path.display());
        println!("    smaller: cargo +nightly fuzz tmin --sanitizer none {target} {}", path.display());
    }
    println!("  once it is mended: copy the input to fuzz/seeds/{target}/ under a name that says what it is");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_taken_and_refused() {
        assert_eq!(parse(&[]).unwrap().targets.len(), TARGETS.len());
        let options = parse(&["--minutes", "3", "--target", "config"]).unwrap();
        assert_eq!((options.minutes, &options.targets[..]), (3, &[("config", "yaml")][..]));
        for wrong in [&["--minutes"][..], &["--minutes", "x"], &["--target", "x"], &["--nonsense", "1"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_target_has_what_it_needs() {
        let fuzz = workspace::root().join("fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("fuzz/Cargo.toml is readable");
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for (target, dictionary) in TARGETS {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            assert!(fuzz.join(format!("dictionaries/{dictionary}.dict")).is_file(), "{dictionary}");
            assert!(folder("seeds", target).is_dir() && folder("corpus", target).is_dir(), "{target}");
        }
    }
}
