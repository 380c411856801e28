//! `cargo xtask test`: everything that must hold before a change is taken.
//!
//! All steps run even if an early one fails, so that one run tells everything. Output streams through as it
//! comes; the end repeats what failed, how long each step took, and, alone on the last line, the count of tests.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::{peers, python, workspace};

/// The property tests try the same inputs each time, so that what one change finds is not another change's failure.
/// New inputs are looked for on purpose: see docs/fuzzing.md.
const PROPERTY_SEED: &str = "1";

/// Runs all steps; the exit code says whether all of them passed.
pub(crate) fn run() -> Result<ExitCode, String> {
    peers::ensure(peers::PEERS)?;
    let python = python::ensure()?;
    let binary = workspace::target_dir()?.join("release").join("weir");

    let mut report = Report::default();
    report.step("format", cargo(&["fmt", "--all", "--check"]));
    report.step("lints", cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    // The end-to-end tests come last and alone: they load the machine, and they need the binary.
    let mut tests = cargo(&["test", "--workspace", "--exclude", "weir-tests", "--no-fail-fast"]);
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        tests.env("PROPTEST_RNG_SEED", PROPERTY_SEED);
    }
    report.step("tests", tests);
    report.step("models", models()?);
    // The release profile, because that is what users run and what the tests' time limits are meant for.
    if report.step("binary", cargo(&["build", "--release", "--package", "weir"])) {
        let mut end_to_end = cargo(&["test", "--package", "weir-tests", "--no-fail-fast"]);
        end_to_end.env("WEIR_BIN", binary).env(python::VARIABLE, python);
        report.step("end to end", end_to_end);
    }
    report.print();
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What workers share, in every order in which they can meet (loom). In a build folder of its own, since all is built
/// differently for it; with so many changes of threads at most that it takes seconds, which is said to find nearly all.
fn models() -> Result<Command, String> {
    let mut models = cargo(&["test", "--package", "weir-balance", "--lib", "model::"]);
    models.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace::target_dir()?.join("loom"));
    models.env("LOOM_MAX_PREEMPTIONS", "3");
    Ok(models)
}

fn cargo(args: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(args).env("PATH", path_with_daemons()).stdin(Stdio::null());
    command
}

/// `PATH` with the folders where Debian keeps nginx and HAProxy, so that the tests find what `peers` found.
fn path_with_daemons() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

#[derive(Default)]
struct Report {
    steps: Vec<Step>,
    count: Count,
    failed_tests: Vec<String>,
}

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Report {
    /// Runs one command with its output streamed, and counts the tests in it.
    fn step(&mut self, name: &'static str, mut command: Command) -> bool {
        println!("\n=== {name}");
        let began = Instant::now();
        let passed = match self.stream(&mut command) {
            Ok(passed) => passed,
            Err(error) => {
                eprintln!("{name}: {error}");
                false
            }
        };
        self.steps.push(Step { name, took: began.elapsed(), passed });
        passed
    }

    fn stream(&mut self, command: &mut Command) -> std::io::Result<bool> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        for line in BufReader::new(stdout).split(b'\n') {
            // A test may print any bytes; that must not end the run.
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(count) = Count::parse(&line) {
                self.count.add(&count);
            } else if let Some(test) = failed_test(&line) {
                self.failed_tests.push(test.to_owned());
            }
        }
        Ok(child.wait()?.success())
    }

    fn passed(&self) -> bool {
        self.count.failed == 0 && self.steps.iter().all(|step| step.passed)
    }

    fn print(&self) {
        println!("\n=== summary");
        for test in &self.failed_tests {
            println!("failed test: {test}");
        }
        for step in &self.steps {
            let verdict = if step.passed { "ok" } else { "FAILED" };
            println!("{:<12} {:>6.1} s  {verdict}", step.name, step.took.as_secs_f64());
        }
        let total: Duration = self.steps.iter().map(|step| step.took).sum();
        println!("{:<12} {:>6.1} s", "total", total.as_secs_f64());
        println!("{}", self.count.line());
    }
}

/// The name in libtest's `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// How many tests ran, summed over libtest's `test result:` lines.
#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Count {
    fn parse(line: &str) -> Option<Count> {
        // test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
        let (_verdict, figures) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let figure = |word: &str| -> Option<u64> {
            figures.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Count { passed: figure("passed")?, failed: figure("failed")?, skipped: figure("ignored")? })
    }

    fn add(&mut self, other: &Count) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn line(&self) -> String {
        let Count { passed, failed, skipped } = self;
        match skipped {
            0 => format!("{passed} passed, {failed} failed"),
            _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_libtest_prints() {
        let line =
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s";
        assert_eq!(Count::parse(line), Some(Count { passed: 5, failed: 0, skipped: 1 }));
        let line = "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Count::parse(line), Some(Count { passed: 4, failed: 2, skipped: 0 }));
        assert_eq!(Count::parse("test result of my own: 5 passed; 0 failed"), None);
        assert_eq!(Count::parse("running 5 tests"), None);
    }

    #[test]
    fn the_last_line_names_skipped_tests_only_where_there_are_some() {
        assert_eq!(Count { passed: 3, failed: 1, skipped: 0 }.line(), "3 passed, 1 failed");
        assert_eq!(Count { passed: 3, failed: 0, skipped: 2 }.line(), "3 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn names_failed_tests() {
        assert_eq!(failed_test("test gate::bare_lf ... FAILED"), Some("gate::bare_lf"));
        assert_eq!(failed_test("test gate::bare_lf ... ok"), None);
    }
}
