//! `cargo xtask tables`: the tables of docs/balancing.md and docs/simulation.md, run anew.
//!
//! A program of `weir-sim` does the work, in the release profile, so that this one builds in seconds.

use std::process::ExitCode;

use crate::workspace;

/// Runs the cells that have not run, and writes the pages.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "weir-sim", "--bin", "weir-tables", "--"]);
    cargo.arg(workspace::root()).arg(workspace::target_dir()?).args(args);
    let status = cargo.status().map_err(|error| format!("cargo does not start: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
