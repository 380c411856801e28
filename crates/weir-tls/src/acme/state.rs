//! The state directory: accounts and certificates, for this process and for others on the same host.
//!
//! - `DIR/lock`: held by the process that orders.
//! - `DIR/accounts/HOST-HASH.json`: who we are at an authority, with the key.
//! - `DIR/certificates/NAME.pem`: key and chain in one file, so that no reader ever sees a pair that does not match.
//!
//! It holds private keys: nobody else may enter it ([`private`]).

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_64;

use super::problem::Problem;
use super::settings::Account;
use crate::private;

/// An opened state directory.
#[derive(Clone, Debug)]
pub(super) struct State {
    dir: PathBuf,
}

/// What changes when a file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
}

impl State {
    /// Makes the directory where it is missing, and refuses one that others may enter.
    pub(super) fn open(dir: &Path) -> Result<State, Problem> {
        let state = State { dir: dir.to_owned() };
        for dir in [dir.to_owned(), state.accounts(), state.certificates()] {
            private::make_dir(&dir).map_err(Problem::new)?;
        }
        Ok(state)
    }

    /// Whether [`State::open`] would refuse what is there. Makes nothing.
    pub(super) fn check(dir: &Path) -> Result<(), Problem> {
        let state = State { dir: dir.to_owned() };
        let dirs = [dir.to_owned(), state.accounts(), state.certificates()];
        // What cannot be looked at is not for this user to judge: `weir check` may be run by another one.
        dirs.iter()
            .filter(|dir| dir.metadata().is_ok())
            .try_for_each(|dir| private::check_mode(dir).map_err(Problem::new))
    }

    pub(super) fn account(&self, account: &Account) -> PathBuf {
        let key_id = account.external.as_ref().map_or("", |external| external.key_id.as_str());
        let email = account.email.as_deref().unwrap_or_default();
        let hash = xxh3_64(format!("{}\n{email}\n{key_id}", account.directory).as_bytes());
        let host = account.directory.trim_start_matches("https://").split('/').next().unwrap_or_default();
        self.accounts().join(format!("{}-{hash:016x}.json", escaped(host)))
    }

    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.certificates().join(format!("{}.pem", escaped(name)))
    }

    /// The lock, if no other process has it. It is free again when the file is closed, whatever way that comes about.
    pub(super) fn lock(&self) -> Result<Option<File>, Problem> {
        let path = self.dir.join("lock");
        let file = private::open_lock(&path).map_err(Problem::new)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Problem::file("lock", &path, &error)),
        }
    }

    fn accounts(&self) -> PathBuf {
        self.dir.join("accounts")
    }

    fn certificates(&self) -> PathBuf {
        self.dir.join("certificates")
    }
}

/// What identifies the present content of a file, or `None` if there is no such file.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: metadata.ino(), bytes: metadata.len(), changed: metadata.modified().ok() })
}

/// The content of a file, or `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    private::read(path).map_err(Problem::new)
}

/// Puts a file into its place, readable by us alone, whole or not at all.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), Problem> {
    private::write(path, content).map_err(Problem::new)
}

/// Takes a file out of use, but keeps it for whoever wants to know.
pub(super) fn set_aside(path: &Path) -> Result<(), Problem> {
    std::fs::rename(path, path.with_extension("old"))
        .map_err(|error| Problem::file("set aside", path, &error))
}

/// A name as part of a file's name: anything unusual is written as its bytes.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && index > 0);
        if plain {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02x}").expect("a string takes everything");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            Folder(std::env::temp_dir().join(format!("weir-acme-state-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_ours_alone_and_whole() {
        let folder = Folder::new("write");
        let state = State::open(&folder.0).expect("a new folder is made");
        assert_eq!(mode(&folder.0), 0o700);

        let path = state.certificate("shop");
        assert_eq!(read(&path), Ok(None));
        // Left behind by a process that died, open to all.
        std::fs::write(path.with_extension("tmp"), "half").expect("the folder is writable");
        write(&path, b"first").expect("the folder is writable");
        let before = stamp(&path);
        write(&path, b"other").expect("the folder is writable");

        assert_eq!(read(&path), Ok(Some(b"other".to_vec())));
        assert_ne!(stamp(&path), before);
        assert_eq!(mode(&path), 0o600);
        assert!(!path.with_extension("tmp").exists());
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_the_way_out() {
        let folder = Folder::new("mode");
        State::open(&folder.0).expect("a new folder is made");
        std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o750)).expect("it is ours");

        let text = State::open(&folder.0).expect_err("others may enter").to_string();
        let way_out = format!("chmod 700 {}", folder.0.display());
        assert!(text.contains("mode 0750") && text.contains(&way_out), "{text}");
    }

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let folder = Folder::new("lock");
        let state = State::open(&folder.0).expect("a new folder is made");
        let held = state.lock().expect("it can be locked").expect("it is free");
        assert!(state.lock().expect("it can be asked for").is_none());
        drop(held);
        assert!(state.lock().expect("it can be locked").is_some());
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let check = |name: &str, expected: &str| assert_eq!(escaped(name), expected);
        check("shop-1.example", "shop-1.example");
        check("../x", "%2e.%2fx");
        check("ü", "%c3%bc");
        check("%41", "%2541");
    }
}
