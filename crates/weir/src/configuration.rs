//! `weir check` and `weir schema`: what can be said of a file without running it.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use weir_config::{Checked, Errors};
use weir_control::Source;

use crate::cli::USUAL_FILES;

/// Checks a file: a summary on standard output, or with `effective` the whole of it, warnings and errors on
/// standard error.
pub(crate) fn check(file: &Path, effective: bool) -> Result<(), Errors> {
    let checked = weir_control::check(&Source::File(file.to_owned()))?;
    warn(&checked);
    print(&if effective { checked.effective() } else { checked.summary() + "\n" });
    Ok(())
}

/// Prints the JSON Schema.
pub(crate) fn schema() {
    print(&weir_config::schema());
}

/// The file that was named, or the first of the usual ones that exists.
pub(crate) fn find(named: Option<PathBuf>) -> Result<PathBuf, String> {
    let usual = || USUAL_FILES.iter().map(PathBuf::from).find(|file| file.exists());
    named
        .or_else(usual)
        .ok_or_else(|| format!("no file is named, and there is no {}", USUAL_FILES.join(" or ")))
}

/// All errors, for whoever started this.
pub(crate) fn render(errors: &Errors) -> String {
    errors.render(colour())
}

fn warn(checked: &Checked) {
    crate::complain(&checked.render_warnings(colour()));
}

/// On terminals, unless the user asks for none (<https://no-color.org>).
fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn print(text: &str) {
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
}
