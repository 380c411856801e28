//! No pick allocates, whichever the algorithm: counted by the allocator of this process. Alone in its binary, so that no
//! other test allocates meanwhile.

#[path = "../benches/stage/mod.rs"]
#[allow(dead_code, reason = "the bench uses the rest")]
mod stage;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use stage::{ALGORITHMS, Stage};

thread_local! {
    /// Allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that is ending has no locals any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// Allocations of so many picks.
fn allocations(stage: &mut Stage, picks: usize) -> u64 {
    let before = ALLOCATIONS.get();
    for _ in 0..picks {
        stage.pick();
    }
    ALLOCATIONS.get() - before
}

#[test]
fn no_pick_allocates() {
    assert!(ALLOCATIONS.get() > 0, "nothing is counted");
    for (name, algorithm) in ALGORITHMS {
        for servers in [1, 2, 10, 1_000] {
            let mut stage = Stage::new(algorithm, servers);
            assert_eq!(allocations(&mut stage, 10_000), 0, "{name}, {servers} servers");
        }
    }
}
