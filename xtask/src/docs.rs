//! `cargo xtask docs`: pages that are generated, so that they cannot say something else than the code.
//!
//! The reference page is printed by an example of `weir-config` rather than by a dependency of this program:
//! xtask must build in seconds.

use std::process::{ExitCode, Stdio};

use crate::workspace;

/// Writes `docs/reference.md` from the configuration model.
pub(crate) fn run() -> Result<ExitCode, String> {
    let output = workspace::cargo()
        .args(["run", "--quiet", "--package", "weir-config", "--example", "reference"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err("weir-config's example `reference` failed; the page is unchanged".into());
    }
    let folder = workspace::root().join("docs");
    let page = folder.join("reference.md");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&page, &output.stdout))
        .map_err(|error| format!("{}: {error}", page.display()))?;
    println!("docs/reference.md: {} bytes", output.stdout.len());
    Ok(ExitCode::SUCCESS)
}
