//! One certificate of a directory: read when it is first asked for, and given back when there are too many.
//!
//! A worker reads the two files in the middle of a handshake, once: some tens of microseconds from the page cache.
//! Handing that to the control plane was rejected: the handshake would have to wait for another thread, and the first
//! one of a name is slow anyway.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use rustls::sign::CertifiedKey;

use super::{
    pair::{Pair, Text},
    problem::{Part, Problem},
};

/// The most certificates of one directory that are held with their keys; the least used one goes first.
pub const LOADED_MAX: usize = 10_000;
/// How soon a certificate that could not be loaded is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Problems that wait to be told; further ones are of the same kind.
const PROBLEMS_MAX: usize = 20;

/// A certificate of a directory.
#[derive(Debug)]
pub(super) struct Entry {
    /// `NAME.pem` or `NAME.crt`.
    pub(super) file: Box<str>,
    /// Of the files, when they were looked at.
    pub(super) print: u64,
    /// When it ends, in seconds since 1970.
    pub(super) ends: u64,
    slot: ArcSwapOption<Slot>,
    /// It was asked for since the cache last came by.
    used: AtomicBool,
}

#[derive(Debug)]
enum Slot {
    Ready(Pair),
    Failed(Instant),
}

/// What is loaded of a directory.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) dir: PathBuf,
    loaded_max: usize,
    loaded: Mutex<VecDeque<Arc<Entry>>>,
    problems: Mutex<Vec<Problem>>,
    /// Files read for a handshake, certificates given back, files that were not right.
    pub(super) loads: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) failures: AtomicU64,
}

impl Entry {
    pub(super) fn new(file: &str, print: u64, ends: u64) -> Entry {
        Entry { file: file.into(), print, ends, slot: ArcSwapOption::empty(), used: AtomicBool::new(false) }
    }

    /// The certificate, if it is for this name. The index is only a hint: the names are those in the certificate.
    pub(super) fn get(self: &Arc<Self>, name: Option<&str>, cache: &Cache) -> Option<Arc<CertifiedKey>> {
        let slot = self.slot.load();
        match slot.as_deref() {
            Some(Slot::Ready(pair)) => {
                // Not written anew each time, so that workers do not fight for the line.
                if !self.used.load(Relaxed) {
                    self.used.store(true, Relaxed);
                }
                return fit(pair, name);
            }
            Some(Slot::Failed(at)) if at.elapsed() < RETRY => return None,
            _ => {}
        }
        drop(slot);
        cache.loads.fetch_add(1, Relaxed);
        match load(&cache.dir, &self.file) {
            Ok(pair) => {
                let found = fit(&pair, name);
                self.fill(pair, cache);
                found
            }
            Err(problem) => {
                cache.tell(problem);
                self.slot.store(Some(Arc::new(Slot::Failed(Instant::now()))));
                None
            }
        }
    }

    /// Puts in what was loaded.
    pub(super) fn fill(self: &Arc<Self>, pair: Pair, cache: &Cache) {
        let before = self.slot.swap(Some(Arc::new(Slot::Ready(pair))));
        // Another worker may have been as fast: then it is in the row already.
        if !matches!(before.as_deref(), Some(Slot::Ready(_))) {
            cache.enter(Arc::clone(self));
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        matches!(self.slot.load().as_deref(), Some(Slot::Ready(_)))
    }
}

impl Cache {
    pub(super) fn new(dir: &Path, loaded_max: usize) -> Cache {
        Cache {
            dir: dir.to_owned(),
            loaded_max,
            loaded: Mutex::default(),
            problems: Mutex::default(),
            loads: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// What went wrong in handshakes since the last call.
    pub(super) fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *locked(&self.problems))
    }

    pub(super) fn loaded(&self) -> usize {
        locked(&self.loaded).len()
    }

    /// Gives up entries that the directory no longer has.
    pub(super) fn retain(&self, keep: impl Fn(&Arc<Entry>) -> bool) {
        locked(&self.loaded).retain(keep);
    }

    /// The row is a clock: who was used since the hand last came by stays for another turn.
    fn enter(&self, entry: Arc<Entry>) {
        let mut row = locked(&self.loaded);
        row.push_back(entry);
        while row.len() > self.loaded_max {
            let Some(first) = row.pop_front() else { return };
            if first.used.swap(false, Relaxed) {
                row.push_back(first);
            } else {
                first.slot.store(None);
                self.evictions.fetch_add(1, Relaxed);
            }
        }
    }

    fn tell(&self, problem: Problem) {
        self.failures.fetch_add(1, Relaxed);
        let mut problems = locked(&self.problems);
        if problems.len() < PROBLEMS_MAX {
            problems.push(problem);
        }
    }
}

/// Reads and checks the files of an entry.
pub(super) fn load(dir: &Path, file: &str) -> Result<Pair, Problem> {
    let path = dir.join(file);
    let cert = Text::file(Part::Cert, &path)?;
    let key = match file.ends_with(".crt") {
        true => Some(Text::file(Part::Key, &path.with_extension("key"))?),
        false => None,
    };
    Pair::new(&cert, key.as_ref())
}

fn fit(pair: &Pair, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
    name.is_none_or(|name| pair.leaf.covers(name)).then(|| Arc::clone(&pair.certified))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
