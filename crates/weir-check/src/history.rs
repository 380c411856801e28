//! What became of a server and why, for a person: its last changes, and no more of them than a page holds.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use weir_balance::{Health, ejection::Cause};

/// So many changes of one server are kept.
pub const HISTORY_MAX: usize = 16;

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What is known of it.
    pub health: Health,
    /// Its live weight in percent of the written one; 0 while it drains.
    pub weight_percent: u16,
    /// For what traffic has taken it out; `None`: it has not.
    pub ejected: Option<Cause>,
}

impl Standing {
    /// Of a server that nothing is known of yet.
    pub(crate) const UNKNOWN: Self = Self { health: Health::Unknown, weight_percent: 100, ejected: None };
}

/// A change of how a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: SystemTime,
    /// What it was.
    pub from: Standing,
    /// What it is since then.
    pub to: Standing,
    /// Why, for a person.
    pub reason: String,
}

/// The last changes, the oldest first. A clone costs nothing until the next change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(Arc<VecDeque<Change>>);

impl History {
    /// The changes, the oldest first; at most [`HISTORY_MAX`].
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, change: Change) {
        let changes = Arc::make_mut(&mut self.0);
        if changes.len() == HISTORY_MAX {
            changes.pop_front();
        }
        changes.push_back(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_changes_are_forgotten() {
        let mut history = History::default();
        let standing = Standing { health: Health::Up, ..Standing::UNKNOWN };
        for reason in 0..HISTORY_MAX + 2 {
            let reason = reason.to_string();
            history.push(Change { at: SystemTime::UNIX_EPOCH, from: standing, to: standing, reason });
        }
        let before = history.clone();
        history.push(Change {
            at: SystemTime::UNIX_EPOCH,
            from: standing,
            to: standing,
            reason: "last".into(),
        });
        let reasons = |history: &History| -> Vec<String> {
            history.changes().map(|change| change.reason.clone()).collect()
        };
        assert_eq!(reasons(&before), (2..HISTORY_MAX + 2).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(reasons(&history).len(), HISTORY_MAX);
        assert_eq!(reasons(&history).last().map(String::as_str), Some("last"));
    }
}
