//! Looking for what is expected in bytes that come piece by piece.

use memchr::memmem;
use weir_config::Sought;

/// A search that goes on as more comes.
#[derive(Debug)]
pub(super) struct Search<'a> {
    sought: &'a Sought,
    searched: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(sought: &'a Sought) -> Self {
        Self { sought, searched: 0 }
    }

    /// Whether it is in what has come so far. A text is not searched for twice in the same bytes.
    pub(super) fn finds_in(&mut self, seen: &[u8]) -> bool {
        match self.sought {
            Sought::Text(text) => {
                // What was searched before can only take part with its last bytes.
                let from = self.searched.saturating_sub(text.len()).min(seen.len());
                self.searched = seen.len();
                memmem::find(&seen[from..], text.as_bytes()).is_some()
            }
            Sought::Regex(pattern) => pattern.regex.is_match(seen),
        }
    }

    /// What it does, for a reason: `contain "PONG"`.
    pub(super) fn what(&self) -> String {
        match self.sought {
            Sought::Text(text) => format!("contain {text:?}"),
            Sought::Regex(pattern) => format!("match {:?}", pattern.text),
        }
    }
}
