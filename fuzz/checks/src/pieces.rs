//! How an input is cut into pieces: at random, but always the same for the same input.

/// Lengths of pieces, without end.
#[derive(Debug, Clone)]
pub struct Pieces {
    state: u64,
    /// Every piece has this length, if it is set.
    fixed: Option<usize>,
}

impl Pieces {
    /// A byte at a time.
    pub fn single() -> Self {
        Self { state: 0, fixed: Some(1) }
    }

    /// Everything at once.
    pub fn whole() -> Self {
        Self { state: 0, fixed: Some(usize::MAX) }
    }

    /// Mostly short ones, which depend on `data`.
    pub fn of(data: &[u8]) -> Self {
        // FNV-1a.
        let state = data.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self { state: state | 1, fixed: None }
    }

    /// The next length, at least 1.
    pub fn next_len(&mut self) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let bits = (self.state >> 32) as usize;
        match bits % 4 {
            0 => 1,
            1 => 2 + (bits >> 2) % 7,
            _ => 1 + (bits >> 2) % 64,
        }
    }

    /// The ends of the pieces of a text of this length; the last is `len`.
    pub fn ends(&mut self, len: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        let mut at = 0;
        while at < len {
            at = at.saturating_add(self.next_len()).min(len);
            ends.push(at);
        }
        ends
    }
}
