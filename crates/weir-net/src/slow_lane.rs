//! The slow lane: tasks that have much to do take turns in it, so that nobody waits for more than one of them.
//!
//! A worker runs its tasks in the order in which they were woken. A task that goes on for long, yields, and is back at the
//! end of the queue is fair to the others only as long as there are few like it: behind fifty, everybody waits for fifty
//! turns. Here one such task, of a crowd one in [`CROWD`], goes on in each round of the event loop, after what has come
//! meanwhile. Alone on its worker it goes on at once.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// How many may wait for one turn in a round: when thousands begin at once, there is no good in letting them wait for ever.
const CROWD: usize = 64;

/// The tasks of one worker that wait for a turn, each once; and some that ended while they waited, whose turns are for nothing.
#[derive(Debug, Default)]
pub struct SlowLane {
    waiting: RefCell<VecDeque<Waker>>,
    /// How many have had their turn, ever.
    served: Cell<u64>,
    runner: RefCell<Option<Waker>>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl SlowLane {
    /// Takes a place. `waker` is woken when its turn has come.
    pub fn queue(&self, waker: &Waker) -> Ticket {
        let mut waiting = self.waiting.borrow_mut();
        let ticket = Ticket(self.served.get() + waiting.len() as u64);
        waiting.push_back(waker.clone());
        if let Some(runner) = self.runner.take() {
            runner.wake();
        }
        ticket
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let mut ticket = None;
        poll_fn(|context| {
            let ticket = *ticket.get_or_insert_with(|| self.queue(context.waker()));
            if self.has_come(ticket) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The turn has come. A task that is woken for another reason before it waits on.
    pub fn has_come(&self, ticket: Ticket) -> bool {
        self.served.get() > ticket.0
    }

    /// Gives the turns. A worker runs this once, for ever.
    pub async fn run(self: Rc<Self>) {
        loop {
            poll_fn(|context| {
                if !self.waiting.borrow().is_empty() {
                    return Poll::Ready(());
                }
                *self.runner.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            // Comes back behind the tasks that are ready by now, and those for which something has arrived.
            tokio::task::yield_now().await;
            let turns = 1 + self.waiting.borrow().len() / CROWD;
            for _ in 0..turns {
                let next = self.waiting.borrow_mut().pop_front();
                self.served.update(|served| served + u64::from(next.is_some()));
                next.into_iter().for_each(Waker::wake);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_crowd_several_go_on_in_a_round() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let rounds = runtime.build_local(Default::default()).expect("a runtime").block_on(async {
            let lane = Rc::<SlowLane>::default();
            tokio::task::spawn_local(Rc::clone(&lane).run());
            let tickets: Vec<Ticket> = (0..10 * CROWD).map(|_| lane.queue(Waker::noop())).collect();
            let mut rounds = 0;
            while !tickets.iter().all(|ticket| lane.has_come(*ticket)) {
                rounds += 1;
                tokio::task::yield_now().await;
            }
            rounds
        });
        assert!((CROWD..6 * CROWD).contains(&rounds), "{rounds} rounds for {}", 10 * CROWD);
    }

    /// Three that have much to do, and one that has little: in what order they get on.
    #[test]
    fn one_goes_on_while_others_are_ready() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build_local(Default::default()).expect("a runtime").block_on(in_turn());
    }

    async fn in_turn() {
        let lane = Rc::<SlowLane>::default();
        tokio::task::spawn_local(Rc::clone(&lane).run());
        let log = Rc::<RefCell<Vec<usize>>>::default();
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let (lane, log) = (Rc::clone(&lane), Rc::clone(&log));
                tokio::task::spawn_local(async move {
                    for _ in 0..2 {
                        lane.turn().await;
                        log.borrow_mut().push(task);
                    }
                })
            })
            .collect();
        while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
            log.borrow_mut().push(9);
            tokio::task::yield_now().await;
        }
        let log = log.borrow();
        let slow: Vec<usize> = log.iter().copied().filter(|task| *task != 9).collect();
        assert_eq!(slow, [0, 1, 2, 0, 1, 2], "in turn");
        assert!(log.windows(2).all(|pair| pair.contains(&9)), "never two of them at once: {log:?}");
    }
}
