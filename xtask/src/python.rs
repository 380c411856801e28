//! A Python of our own for the peers that exist only there: an environment in the build folder, with the packages of
//! `tests/python/requirements.txt` from PyPI.
//!
//! What is in it is pinned, and it is made anew when the list changes. Nothing of the system's Python is touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::{peers, workspace};

/// The variable by which the tests find it.
pub(crate) const VARIABLE: &str = "WEIR_PYTHON";

/// Beside the environment: the list that it was made from, written when it was whole.
const STAMP: &str = "weir-requirements.txt";

/// Makes sure that it is there; gives the program.
pub(crate) fn ensure() -> Result<PathBuf, String> {
    let list = workspace::root().join("tests/python/requirements.txt");
    let wanted = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let folder = workspace::target_dir()?.join("python");
    let (program, stamp) = (folder.join("bin/python"), folder.join(STAMP));
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(program);
    }
    println!("making an environment of Python in {}", folder.display());
    make(&folder)?;
    run(&program, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"], &list).map_err(
        |error| {
            format!("{error}\nthe packages of {} come from PyPI, which must be reachable", list.display())
        },
    )?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(program)
}

/// An empty one. Debian has what it takes in a package of its own.
fn make(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", folder.display()));
        }
        _ => {}
    }
    let python = Path::new("python3");
    if run(python, &["-m", "venv", "--clear"], folder).is_ok() {
        return Ok(());
    }
    peers::install_package("python3-venv");
    run(python, &["-m", "venv", "--clear"], folder).map_err(|error| {
        format!("{error}\ninstall python3 with venv and run again, e.g. apt-get install python3-venv")
    })
}

fn run(program: &Path, args: &[&str], last: &Path) -> Result<(), String> {
    let shown = format!("{} {} {}", program.display(), args.join(" "), last.display());
    match Command::new(program).args(args).arg(last).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
