//! Looks at the files now and then, and says what came of it.
//!
//! A look asks for time, size and number of each file, through links. Notification by the kernel was rejected: it does
//! not follow links (Kubernetes swaps a link to a whole directory), it does not work on network file systems, and a
//! question every two seconds costs nothing.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{Problem, Store};

/// How often files are looked at. What has changed is taken at the look after the one that saw it.
pub const LOOK: Duration = Duration::from_secs(2);

/// Something that a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name in the file.
    pub certificate: String,
    /// What was found.
    pub what: What,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// New files are served from now on.
    Taken {
        /// How many certificates are new, changed or gone.
        files: usize,
    },
    /// The files are not right; what was served before still is. They are tried again.
    Kept(Problem),
    /// Something is not right, and is not served; nothing was in its place before.
    Unfit(Problem),
    /// They are served, but hardly meant so.
    Doubt(Problem),
    /// The OCSP response has ended, and is no longer sent along.
    StapleEnded,
}

impl What {
    /// What is wrong, if something is.
    pub(super) fn problem(self) -> Option<Problem> {
        match self {
            What::Kept(problem) | What::Unfit(problem) | What::Doubt(problem) => Some(problem),
            What::Taken { .. } | What::StapleEnded => None,
        }
    }
}

/// Looks forever. `current` is asked each time: a reload changes the store.
pub async fn watch(current: impl Fn() -> Store, tell: impl Fn(Change)) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let store = current();
        // A look that panicked is a bug; the next one is as good as any.
        let changes = tokio::task::spawn_blocking(move || store.look(SystemTime::now(), false)).await;
        changes.unwrap_or_default().into_iter().for_each(&tell);
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.certificate;
        match &self.what {
            What::Taken { files: 1 } => write!(f, "certificate `{name}`: changed, and served from now on"),
            What::Taken { files } => {
                write!(f, "certificates `{name}`: {files} have changed, and are served from now on")
            }
            What::Kept(problem) => {
                write!(f, "certificate `{name}`: {problem}; the one before is still served")
            }
            What::Unfit(problem) => write!(f, "certificate `{name}`: {problem}; it is not served"),
            What::Doubt(problem) => write!(f, "certificate `{name}`: {problem}"),
            What::StapleEnded => {
                write!(f, "certificate `{name}`: its OCSP response has ended, and is not sent any more")
            }
        }
    }
}
