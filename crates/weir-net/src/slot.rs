//! Places for large futures that are used again and again.
//!
//! A connection is idle most of its life, and the future of its task is as large as its largest state. So what an
//! exchange needs lives in a future of its own, which is put into a reused allocation when the first byte of a
//! request arrives and leaves it when the connection is idle again: an idle connection pays for its small task
//! only, and a busy one allocates nothing.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::Spares;

/// A worker's places for futures of one type.
pub struct Slots<F> {
    free: Spares<Pin<Box<Option<F>>>>,
}

impl<F> Default for Slots<F> {
    fn default() -> Self {
        Self { free: Spares::default() }
    }
}

impl<F: Future> Slots<F> {
    /// Runs the future that `make` makes, in a reused place. It is made here so that it moves once, not twice.
    pub fn run(&self, make: impl FnOnce() -> F) -> Run<'_, F> {
        let mut place = self.free.take().unwrap_or_else(|| Box::pin(None));
        place.as_mut().set(Some(make()));
        Run { place: Some(place), home: self }
    }

    /// Gives the places that were not needed lately back to the allocator.
    pub fn trim(&self) {
        self.free.trim();
    }
}

/// A future in a reused place. Dropping it drops the future and gives the place back.
pub struct Run<'a, F> {
    place: Option<Pin<Box<Option<F>>>>,
    home: &'a Slots<F>,
}

impl<F: Future> Future for Run<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let place = self.place.as_mut().expect("taken only by drop");
        place.as_mut().as_pin_mut().expect("filled by run").poll(context)
    }
}

impl<F> Drop for Run<'_, F> {
    fn drop(&mut self) {
        let mut place = self.place.take().expect("dropped once");
        place.as_mut().set(None);
        self.home.free.give(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, task::Waker};

    fn poll<F: Future>(slots: &Slots<F>, future: F) -> Poll<F::Output> {
        pin!(slots.run(|| future)).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn places_are_given_back() {
        let slots = Slots::default();
        let make = |n: u32| async move { n + 1 };
        assert_eq!(poll(&slots, make(1)), Poll::Ready(2));
        assert_eq!(poll(&slots, make(5)), Poll::Ready(6));
        assert!(slots.free.take().is_some());
        assert!(slots.free.take().is_none(), "both ran in the same place");
    }
}
