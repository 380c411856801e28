//! Reusable buffers of one size.
//!
//! 32 KiB is measured, not guessed: relaying 1 MiB bodies costs less than with 16 KiB (fewer system calls) and half
//! of what 64 KiB costs (out of the first-level cache). A connection holds a buffer only while bytes are in it or
//! are expected at once, so the pool stays as small as the number of exchanges in flight. Last in, first out: the
//! buffer that is handed out is the one most likely still in the cache.

use std::{cell::RefCell, rc::Rc};

/// The size of every buffer, in bytes.
pub const BUFFER_BYTES: usize = 32 * 1024;

/// Free buffers that a worker keeps for reuse; those above are given back to the allocator.
pub const BUFFERS_KEPT_MAX: usize = 256;

/// A worker's buffers.
#[derive(Debug, Default)]
pub struct Buffers {
    free: RefCell<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// An empty buffer, reused where one is free.
    pub fn take(self: &Rc<Self>) -> Buffer {
        let bytes = self.free.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Buffer { bytes, start: 0, end: 0, home: Rc::clone(self) }
    }
}

/// Bytes between a read and a write. Goes back to its pool when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    home: Rc<Buffers>,
}

impl Buffer {
    /// What has been read and not consumed.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How much of it there is, in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Nothing is left to consume.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// No byte more can be read until some are consumed, or moved to the front by [`Buffer::compact`].
    pub fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// The room behind what is filled.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Counts `n` bytes of the room as filled.
    pub fn fill(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.end, "more bytes than there was room for");
        self.end += n;
    }

    /// Takes `n` bytes from the front.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "more bytes consumed than filled");
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Moves what is filled to the front, so that all free bytes are room behind it.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.borrow_mut();
        if free.len() < BUFFERS_KEPT_MAX {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_through_in_order_and_the_allocation_is_reused() {
        let pool = Rc::new(Buffers::default());
        let mut buffer = pool.take();
        buffer.room()[..5].copy_from_slice(b"hello");
        buffer.fill(5);
        buffer.consume(2);
        buffer.compact();
        assert_eq!(buffer.filled(), b"llo");
        assert_eq!(buffer.room().len(), BUFFER_BYTES - 3);
        buffer.consume(3);
        assert!(buffer.is_empty() && !buffer.is_full());
        let place = buffer.bytes.as_ptr();
        drop(buffer);
        assert_eq!(pool.take().bytes.as_ptr(), place);
    }
}
