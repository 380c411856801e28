//! Deadlines of a worker's connections: a table that is swept, not a wheel that is turned.
//!
//! A connection sets and changes its deadline several times per request and almost never meets it, so what must be
//! cheap is the change: here it is one store into a dense array. A tick looks at the array only when its earliest
//! deadline may have come, and then walks 8 bytes per connection, some 50 µs for 100,000 of them. A timer wheel (or
//! tokio's, at one `Sleep` per connection) pays list surgery on each change to save that walk.
//!
//! The task's waker is stored once, at its first poll; meeting a deadline wakes the task, which finds
//! out by [`Deadline::expired`]. Deadlines are never early and at most two [`TICK`]s late.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How often deadlines are looked at.
pub const TICK: Duration = Duration::from_millis(50);

/// In the table: no deadline is set.
const NEVER: u64 = u64::MAX;
/// In the table: it was met, its task has been woken.
const MET: u64 = 0;

/// A worker's clock and the deadlines of its connections.
#[derive(Debug)]
pub struct Deadlines {
    origin: Instant,
    /// Milliseconds since `origin` when somebody last looked at the clock.
    now_ms: Cell<u64>,
    /// No deadline in the table is earlier than this.
    earliest_ms: Cell<u64>,
    table: RefCell<Table>,
    populated: Notify,
}

#[derive(Debug, Default)]
struct Table {
    due_ms: Vec<u64>,
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            now_ms: Cell::new(1),
            earliest_ms: Cell::new(NEVER),
            table: RefCell::default(),
            populated: Notify::new(),
        }
    }
}

impl Deadlines {
    /// Reads the clock: the time since this worker began.
    pub fn now(&self) -> Duration {
        let now = self.origin.elapsed();
        self.now_ms.set(milliseconds(now) + 1);
        now
    }

    /// The clock as somebody last read it, in milliseconds of this worker; at most a [`TICK`] old while
    /// connections are open. Costs no call.
    pub fn recent_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// A place in the table. It wakes nobody until [`Deadline::belongs_to`] says whom.
    pub fn register(self: &Rc<Self>) -> Deadline {
        self.now();
        let mut table = self.table.borrow_mut();
        let slot = match table.free.pop() {
            Some(slot) => slot,
            None => {
                table.due_ms.push(NEVER);
                table.wakers.push(None);
                (table.due_ms.len() - 1) as u32
            }
        };
        if table.free.len() + 1 == table.due_ms.len() {
            self.populated.notify_one();
        }
        Deadline { slot, home: Rc::clone(self) }
    }

    /// Wakes the task of every place in the table.
    pub fn wake_all(&self) {
        self.table.borrow().wakers.iter().flatten().for_each(Waker::wake_by_ref);
    }

    /// Keeps the clock recent and wakes tasks whose deadline has come, for ever; one such loop per worker.
    pub async fn run(self: Rc<Self>) {
        loop {
            while self.is_empty() {
                self.populated.notified().await;
            }
            tokio::time::sleep(TICK).await;
            self.tick();
        }
    }

    fn is_empty(&self) -> bool {
        let table = self.table.borrow();
        table.free.len() == table.due_ms.len()
    }

    fn tick(&self) {
        self.now();
        let now_ms = self.now_ms.get();
        if now_ms < self.earliest_ms.get() {
            return;
        }
        let table = &mut *self.table.borrow_mut();
        let mut earliest_ms = NEVER;
        for (slot, due_ms) in table.due_ms.iter_mut().enumerate() {
            if *due_ms > now_ms {
                earliest_ms = earliest_ms.min(*due_ms);
            } else if *due_ms != MET {
                *due_ms = MET;
                if let Some(waker) = &table.wakers[slot] {
                    waker.wake_by_ref();
                }
            }
        }
        self.earliest_ms.set(earliest_ms);
    }
}

/// `Duration::as_millis` divides 128-bit numbers, which shows at several calls per request.
pub const fn milliseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1000 + duration.subsec_millis() as u64
}

/// One connection's deadline. Freed when dropped.
#[derive(Debug)]
pub struct Deadline {
    slot: u32,
    home: Rc<Deadlines>,
}

impl Deadline {
    /// Wakes the task of `waker` from now on.
    pub fn belongs_to(&self, waker: Waker) {
        self.home.table.borrow_mut().wakers[self.slot as usize] = Some(waker);
    }

    /// Due `after` from now; replaces what was set.
    pub fn set(&self, after: Duration) {
        // The clock may be a tick old: one more tick keeps the promise that no deadline is early.
        let due_ms = self.home.now_ms.get() + milliseconds(after) + milliseconds(TICK);
        self.home.table.borrow_mut().due_ms[self.slot as usize] = due_ms;
        if due_ms < self.home.earliest_ms.get() {
            self.home.earliest_ms.set(due_ms);
        }
    }

    /// None is set.
    pub fn clear(&self) {
        self.home.table.borrow_mut().due_ms[self.slot as usize] = NEVER;
    }

    /// It has come.
    pub fn expired(&self) -> bool {
        self.home.table.borrow().due_ms[self.slot as usize] <= self.home.now_ms.get()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut table = self.home.table.borrow_mut();
        table.due_ms[self.slot as usize] = NEVER;
        table.wakers[self.slot as usize] = None;
        table.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Moves the table's clock without waiting.
    fn pass(deadlines: &mut Rc<Deadlines>, time: Duration) {
        let inner = Rc::get_mut(deadlines).expect("no deadline is held while time is moved");
        inner.origin -= time;
    }

    #[test]
    fn wakes_once_when_due_and_reuses_places() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let deadlines =
            Rc::new(Deadlines { origin: Instant::now() - Duration::from_secs(100), ..Default::default() });
        let first = deadlines.register();
        first.belongs_to(waker);
        first.set(Duration::from_secs(3600));
        deadlines.tick();
        assert!(!first.expired());
        // A past moment: due at once.
        deadlines.table.borrow_mut().due_ms[0] = 5;
        deadlines.earliest_ms.set(5);
        deadlines.tick();
        deadlines.tick();
        assert!(first.expired());
        assert_eq!(wakes.0.load(Relaxed), 1);
        first.set(Duration::from_secs(1));
        assert!(!first.expired(), "a deadline that was met can be set again");
        drop(first);
        assert!(deadlines.is_empty());
        let again = deadlines.register();
        assert_eq!(again.slot, 0);
        assert!(!again.expired(), "a new place has no deadline");
    }

    #[test]
    fn is_never_early() {
        let mut deadlines = Rc::new(Deadlines::default());
        pass(&mut deadlines, Duration::from_secs(1));
        let deadline = deadlines.register();
        deadline.set(Duration::from_millis(200));
        let set_at = Instant::now();
        while !deadline.expired() {
            deadlines.now();
        }
        assert!(set_at.elapsed() >= Duration::from_millis(199));
    }
}
