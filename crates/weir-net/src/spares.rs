//! Things that a worker keeps for reuse, and gives up again when they are not needed any more.
//!
//! A fixed number to keep is wrong twice: too small for a busy worker, which then allocates for each request, and too
//! large for one that was busy for a moment. So the pool notes how many lay unused all the time between two
//! [`Spares::trim`]s, and these are what it gives up.

use std::cell::{Cell, RefCell};

/// Last in, first out: what is handed out is most likely still in the cache.
#[derive(Debug)]
pub struct Spares<T> {
    free: RefCell<Vec<T>>,
    /// The fewest that were free at a time since the last trim.
    unused: Cell<usize>,
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self { free: RefCell::default(), unused: Cell::new(0) }
    }
}

impl<T> Spares<T> {
    /// One of them, if any is free.
    pub fn take(&self) -> Option<T> {
        let mut free = self.free.borrow_mut();
        let taken = free.pop();
        if free.len() < self.unused.get() {
            self.unused.set(free.len());
        }
        taken
    }

    /// Keeps `spare` for later.
    pub fn give(&self, spare: T) {
        self.free.borrow_mut().push(spare);
    }

    /// Drops as many as were not needed since the last call.
    pub fn trim(&self) {
        let mut free = self.free.borrow_mut();
        // The oldest lie at the front; the order of the rest does not matter.
        let unused = self.unused.get().min(free.len());
        let dropped: Vec<T> = free.drain(..unused).collect();
        self.unused.set(free.len());
        if free.capacity() > 4 * free.len().max(16) {
            free.shrink_to_fit();
        }
        drop(free);
        // Only now: a spare may give something back to this very pool when it is dropped.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_unused_between_two_trims_is_given_up() {
        let spares = Spares::default();
        (0..10).for_each(|spare| spares.give(spare));
        spares.trim();
        assert_eq!(
            spares.free.borrow().len(),
            10,
            "all came since the last trim, which says nothing of need"
        );
        let taken = [spares.take().unwrap(), spares.take().unwrap(), spares.take().unwrap()];
        taken.into_iter().for_each(|spare| spares.give(spare));
        spares.trim();
        assert_eq!(spares.free.borrow().len(), 3, "three were needed at a time");
        spares.trim();
        spares.trim();
        assert_eq!(spares.take(), None, "none is needed any more");
    }
}
