//! Bodies whose every byte is known by its place, so that a large one is checked without being kept.

use std::sync::LazyLock;

/// The pattern's period: a prime, so that no buffer of a round size can be lost, doubled or swapped unseen.
const PERIOD: usize = 65_521;

static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    // Three periods: any place within the first one has two more behind it.
    let period: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    period.repeat(3)
});

/// The most that [`at`] gives in one go.
pub const PIECE_BYTES_MAX: usize = 2 * PERIOD;

/// `len` bytes of the pattern from `offset` on.
pub fn at(offset: u64, len: usize) -> &'static [u8] {
    let start = (offset % PERIOD as u64) as usize;
    &BLOCK[start..start + len]
}

/// The first `len` bytes of the pattern.
pub fn body(len: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(len);
    while body.len() < len {
        body.extend_from_slice(at(body.len() as u64, (len - body.len()).min(PIECE_BYTES_MAX)));
    }
    body
}

/// Compares a stream with the pattern.
#[derive(Debug, Default)]
pub struct Check {
    /// Bytes that were right so far.
    pub right: u64,
    is_wrong: bool,
}

impl Check {
    /// Takes in the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            if self.is_wrong {
                return;
            }
            let expected = at(self.right, piece.len());
            if piece == expected {
                self.right += piece.len() as u64;
            } else {
                self.right +=
                    piece.iter().zip(expected).take_while(|(is, should)| is == should).count() as u64;
                self.is_wrong = true;
            }
        }
    }

    /// All `len` bytes came, and were right.
    #[track_caller]
    pub fn expect(&self, len: u64) {
        assert!(!self.is_wrong, "the byte at {} is wrong", self.right);
        assert_eq!(self.right, len, "bytes of the body");
    }
}
