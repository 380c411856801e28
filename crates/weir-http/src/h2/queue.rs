//! What has arrived of a body and was not read yet.
//!
//! A list of blocks of one size, which all streams of a connection share through their spares. So what is kept for `n`
//! bytes on `s` streams is at most `n + 2 * s * BLOCK_BYTES`, whoever sends and reads in whatever pieces; a growing ring per
//! stream would stay as large as it ever was.

use std::collections::VecDeque;

/// Bytes in a block.
pub(super) const BLOCK_BYTES: usize = 4096;

/// Spare blocks that a connection keeps.
pub(super) const SPARES_MAX: usize = 16;

/// Blocks for reuse.
#[derive(Debug, Default)]
pub(super) struct Spares(Vec<Vec<u8>>);

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES))
    }

    fn put(&mut self, mut block: Vec<u8>) {
        if self.0.len() < SPARES_MAX {
            block.clear();
            self.0.push(block);
        }
    }
}

/// The bytes, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    blocks: VecDeque<Vec<u8>>,
    /// How much of the first block has been read.
    read: usize,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], spares: &mut Spares) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            if self.blocks.back().is_none_or(|block| block.len() == BLOCK_BYTES) {
                self.blocks.push_back(spares.take());
            }
            let block = self.blocks.back_mut().expect("one has been pushed if there was none");
            let n = bytes.len().min(BLOCK_BYTES - block.len());
            block.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
        }
    }

    /// Moves what fits into `room` and says how much.
    pub(super) fn pop(&mut self, room: &mut [u8], spares: &mut Spares) -> usize {
        let mut n = 0;
        while let Some(block) = self.blocks.front()
            && n < room.len()
        {
            let rest = &block[self.read..];
            let take = rest.len().min(room.len() - n);
            room[n..n + take].copy_from_slice(&rest[..take]);
            n += take;
            self.read += take;
            if self.read == block.len() {
                self.read = 0;
                self.blocks.pop_front().into_iter().for_each(|block| spares.put(block));
            }
        }
        self.len -= n;
        n
    }

    /// Throws all away and says how much it was.
    pub(super) fn clear(&mut self, spares: &mut Spares) -> usize {
        self.blocks.drain(..).for_each(|block| spares.put(block));
        self.read = 0;
        std::mem::take(&mut self.len)
    }
}
