//! Places for large futures that are used again and again.
//!
//! A connection is idle most of its life, and the future of its task is as large as its largest state. So what an
//! exchange needs lives in a future of its own, in a place that a connection enters when the first byte of a request
//! arrives and leaves when it is idle again: an idle connection pays for its small task only, and a busy one allocates
//! nothing.
//!
//! A place's future never ends. It takes its work through a [`Hatch`], gives back what came of it, and waits for more:
//! to make a future anew for each piece of work would copy some thousand bytes each time.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use crate::Spares;

/// Through which a place takes its work and gives back what came of it.
pub struct Hatch<I, O> {
    input: Cell<Option<I>>,
    output: Cell<Option<O>>,
}

impl<I, O> Hatch<I, O> {
    /// The next piece of work.
    pub async fn next(&self) -> I {
        // Nobody needs to be woken: a place is polled by whoever brings work, and only then.
        poll_fn(|_| self.input.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// What came of it. The place must then wait for the next one.
    pub fn give(&self, output: O) {
        self.output.set(Some(output));
    }
}

/// A worker's places for futures of one type.
pub struct Slots<F, I, O> {
    free: Spares<Box<Place<F, I, O>>>,
    make: fn(Rc<Hatch<I, O>>) -> F,
}

struct Place<F, I, O> {
    future: Pin<Box<F>>,
    hatch: Rc<Hatch<I, O>>,
}

impl<F: Future<Output = Infallible>, I, O> Slots<F, I, O> {
    /// No places yet; `make` makes the future of each.
    pub fn new(make: fn(Rc<Hatch<I, O>>) -> F) -> Self {
        Self { free: Spares::default(), make }
    }

    /// Has `input` worked on in a place.
    pub fn run(&self, input: I) -> Run<'_, F, I, O> {
        let place = self.free.take().unwrap_or_else(|| {
            let hatch = Rc::new(Hatch { input: Cell::default(), output: Cell::default() });
            Box::new(Place { future: Box::pin((self.make)(Rc::clone(&hatch))), hatch })
        });
        place.hatch.input.set(Some(input));
        Run { place: Some(place), home: self }
    }

    /// Gives the places that were not needed lately back to the allocator.
    pub fn trim(&self) {
        self.free.trim();
    }
}

/// A piece of work in a place. Dropping it before its end drops the place too, which is in the middle of it.
pub struct Run<'a, F, I, O> {
    /// In a box, for it lies in the task of every connection, the idle ones too.
    place: Option<Box<Place<F, I, O>>>,
    home: &'a Slots<F, I, O>,
}

impl<F: Future<Output = Infallible>, I, O> Future for Run<'_, F, I, O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let place = self.place.as_mut().expect("it is not polled after its end");
        let Poll::Pending = place.future.as_mut().poll(context);
        match place.hatch.output.take() {
            Some(output) => {
                let place = self.place.take().expect("seen above");
                self.home.free.give(place);
                Poll::Ready(output)
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        pin::pin,
        task::{Context, Waker},
    };

    /// Adds one to each number, and is stuck on odd ones.
    async fn place(hatch: Rc<Hatch<u32, u32>>) -> Infallible {
        loop {
            match hatch.next().await {
                n if n % 2 == 0 => hatch.give(n + 1),
                _ => std::future::pending().await,
            }
        }
    }

    #[test]
    fn places_are_used_again_unless_their_work_was_dropped() {
        let slots = Slots::new(place);
        let poll = |n| pin!(slots.run(n)).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(2), Poll::Ready(3));
        assert_eq!(poll(6), Poll::Ready(7));
        let kept = slots.free.take().expect("both ran in one place");
        assert!(slots.free.take().is_none());
        slots.free.give(kept);
        assert_eq!(poll(1), Poll::Pending);
        assert!(slots.free.take().is_none(), "a place that is stuck is of no use");
        drop(slots.run(4));
        assert_eq!(poll(4), Poll::Ready(5));
    }

    #[test]
    fn a_place_whose_work_panicked_is_not_used_again() {
        async fn place(hatch: Rc<Hatch<Rc<()>, ()>>) -> Infallible {
            loop {
                let held = hatch.next().await;
                assert_eq!(Rc::strong_count(&held), 2, "this is wanted");
                drop(held);
                hatch.give(());
            }
        }
        let slots = Slots::new(place);
        let context = &mut Context::from_waker(Waker::noop());
        let (good, bad) = (Rc::new(()), Rc::new(()));
        assert_eq!(pin!(slots.run(Rc::clone(&good))).poll(context), Poll::Ready(()));
        let third = Rc::clone(&bad);
        let run = slots.run(Rc::clone(&bad));
        drop(
            catch_unwind(AssertUnwindSafe(|| pin!(run).poll(&mut Context::from_waker(Waker::noop()))))
                .expect_err("a panic"),
        );
        drop(third);
        assert_eq!(Rc::strong_count(&bad), 1, "what the place held is dropped");
        assert!(slots.free.take().is_none(), "and so is the place");
        assert_eq!(pin!(slots.run(Rc::clone(&good))).poll(context), Poll::Ready(()));
    }
}
