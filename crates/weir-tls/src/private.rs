//! Files in the state directory that nobody else may read: keys of accounts, certificates and cookies.
//!
//! A file is written beside its place and renamed into it, so it is whole or not there, also after a loss of power. What
//! went wrong is told in words that name the file and, where there is one, the way out.

use std::fmt::Display;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What an operation on a file or folder met.
pub(crate) fn trouble(what: &str, path: &Path, error: impl Display) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Makes the directory where it is missing, and refuses one that others may enter.
pub(crate) fn make_dir(dir: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| trouble("make the state directory", dir, error))?;
    check_mode(dir)
}

/// Whether [`make_dir`] would refuse what is there.
pub(crate) fn check_mode(dir: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(dir).map_err(|error| trouble("look at", dir, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = dir.display();
    Err(format!(
        "the state directory {shown} has mode {mode:04o}, so that others may enter it, and it holds private keys; run \
         `chmod 700 {shown}`"
    ))
}

/// The content of a file, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble("read", path, error)),
    };
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(|error| trouble("read", path, error))?;
    Ok(Some(content))
}

/// Puts a file into its place, readable by us alone, whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let beside = path.with_extension("tmp");
    let result = write_beside(&beside, content)
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_dir(path));
    result.map_err(|error| trouble("write", path, error))
}

/// A file to be locked: it holds nothing.
pub(crate) fn open_lock(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    file.map_err(|error| trouble("open", path, error))
}

fn write_beside(path: &Path, content: &[u8]) -> std::io::Result<()> {
    // What an earlier process left behind may have any mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
