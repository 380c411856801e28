//! Secrets for cookies that Weir makes by itself and keeps in the state directory, so that they survive a restart.
//!
//! - `DIR/keys`: a line for each secret, the newest first: when it was made, in seconds since 1970, and the secret in
//!   base64.
//! - `DIR/lock`: held while that file is changed, since two processes of one host may begin at the same time.
//!
//! The first secret seals. It gives way to a new one after [`ROTATION_S`], or after the life of a cookie where that is
//! longer, and is kept until its last cookie has ended. So there are few of them, and who steals one can forge for a
//! bounded time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    keys::{SECRET_BYTES_MIN, SECRETS_MAX, secret},
    private,
};

/// How long a secret seals at least, in seconds: a day.
const ROTATION_S: u64 = 24 * 3600;

/// What the state directory has for cookies.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnSecrets {
    /// The newest first; at least one.
    pub secrets: Vec<Vec<u8>>,
    /// One of them is new.
    pub changed: bool,
}

impl std::fmt::Debug for OwnSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No word about keys.
        f.debug_struct("OwnSecrets").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

/// The secrets in this directory. Makes what is missing, and changes what is due for cookies that live for `life`.
/// `now_s` is in seconds since 1970.
///
/// # Errors
/// Which file is in the way, and why.
pub fn own_secrets(dir: &Path, life: Duration, now_s: u64) -> Result<OwnSecrets, String> {
    private::make_dir(dir)?;
    let lock = dir.join("lock");
    let held = private::open_lock(&lock)?;
    held.lock().map_err(|error| private::trouble("lock", &lock, error))?;
    let file = dir.join("keys");
    let mut entries = private::read(&file)?.map(|text| parse(&text, &file)).transpose()?.unwrap_or_default();
    let changed = rotate(&mut entries, life.as_secs(), now_s);
    if changed {
        private::write(&file, text(&entries).as_bytes())?;
    }
    Ok(OwnSecrets { secrets: entries.into_iter().map(|entry| entry.secret).collect(), changed })
}

/// Whether [`own_secrets`] would fail over what is there. Makes nothing.
///
/// # Errors
/// Why.
pub fn check_own_secrets(dir: &Path) -> Result<(), String> {
    // What cannot be looked at is not for this user to judge: `weir check` may be run by another one.
    if dir.metadata().is_err() {
        return Ok(());
    }
    private::check_mode(dir)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    made_s: u64,
    secret: Vec<u8>,
}

/// Brings the secrets up to date; true if anything changed.
fn rotate(entries: &mut Vec<Entry>, life_s: u64, now_s: u64) -> bool {
    let before = entries.clone();
    let due = entries.first().is_none_or(|newest| newest.made_s + ROTATION_S.max(life_s) <= now_s);
    if due {
        entries.insert(0, Entry { made_s: now_s, secret: secret().to_vec() });
    }
    // The last cookie of each was sealed when its successor was made.
    let successors: Vec<u64> = entries.iter().map(|entry| entry.made_s).collect();
    let mut index = 0;
    entries.retain(|_| {
        index += 1;
        index == 1 || successors[index - 2] + life_s > now_s
    });
    entries.truncate(SECRETS_MAX);
    *entries != before
}

fn parse(text: &[u8], file: &Path) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(text).unwrap_or("?");
    let entry = |line: &str| {
        let (made, secret) = line.split_once(' ')?;
        let secret = BASE64_STANDARD.decode(secret.trim()).ok()?;
        (secret.len() >= SECRET_BYTES_MIN).then_some(Entry { made_s: made.parse().ok()?, secret })
    };
    let entries: Option<Vec<Entry>> = text.lines().map(entry).collect();
    entries.filter(|entries| !entries.is_empty() && entries.iter().all(|entry| entry.made_s < u64::MAX / 4)).ok_or_else(|| {
        format!(
            "{} is not as Weir wrote it; remove it for new keys, with which clients lose their servers once",
            file.display()
        )
    })
}

fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        writeln!(text, "{} {}", entry.made_s, BASE64_STANDARD.encode(&entry.secret))
            .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::*;

    const DAY: u64 = 24 * 3600;
    const START: u64 = 1_800_000_000;

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            Folder(std::env::temp_dir().join(format!("weir-own-secrets-{name}-{}", std::process::id())))
        }

        fn get(&self, life_s: u64, now_s: u64) -> OwnSecrets {
            own_secrets(&self.0, Duration::from_secs(life_s), now_s).expect("the folder is ours")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn they_survive_a_restart_and_are_ours_alone() {
        let folder = Folder::new("restart");
        let first = folder.get(3600, START);
        assert!(first.changed && first.secrets.len() == 1);
        let second = folder.get(3600, START + 3600);
        assert!(!second.changed);
        assert_eq!(first.secrets, second.secrets);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.0.join("keys"))), (0o700, 0o600));
    }

    #[test]
    fn each_is_kept_until_its_last_cookie_has_ended() {
        let folder = Folder::new("rotation");
        let first = folder.get(3600, START).secrets.remove(0);
        assert_eq!(folder.get(3600, START + DAY - 1).secrets, std::slice::from_ref(&first));
        let both = folder.get(3600, START + DAY);
        assert_eq!((both.secrets.len(), &both.secrets[1], both.changed), (2, &first, true));
        assert_eq!(folder.get(3600, START + DAY + 3599).secrets, both.secrets);
        let after = folder.get(3600, START + DAY + 3600);
        assert_eq!(after.secrets, both.secrets[..1]);
        // Cookies that live for longer than a day: never more than two.
        for day in 2..100 {
            assert!(folder.get(10 * DAY, START + day * DAY).secrets.len() <= 2);
        }
    }

    #[test]
    fn what_is_not_ours_is_told_with_the_way_out() {
        let folder = Folder::new("wrong");
        folder.get(3600, START);
        for wrong in ["", "x", "1 AAAA\n", "99999999999999999999 AAAA\n", "\u{fe}"] {
            fs::write(folder.0.join("keys"), wrong).unwrap();
            let error = own_secrets(&folder.0, Duration::from_secs(1), START).unwrap_err();
            assert!(error.contains("keys is not as Weir wrote it; remove it"), "{wrong:?}: {error}");
        }
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
        for result in
            [own_secrets(&folder.0, Duration::from_secs(1), START).map(|_| ()), check_own_secrets(&folder.0)]
        {
            let error = result.unwrap_err();
            assert!(error.contains("has mode 0755") && error.contains("chmod 700"), "{error}");
        }
    }
}
