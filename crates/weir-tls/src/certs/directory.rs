//! A directory of certificates: an index of the names, and the entries behind it.
//!
//! Immutable; a change makes a new one that takes over the entries that stayed the same, with what they had loaded.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::sign::CertifiedKey;

use super::{
    entry::{Cache, Entry, LOADED_MAX, load},
    index::Index,
    problem::{Part, Problem},
    scan::{Facts, Found, Known, audit, index_file, is_still, read_index, scan, write_index},
    watch::What,
};

/// The most certificates in one directory.
pub const DIRECTORY_FILES_MAX: usize = 500_000;
/// How often each file of a directory is looked at. Files that come and go are seen at the next look of all.
pub const DIRECTORY_LOOK: Duration = Duration::from_secs(30);
/// The most certificates for one name that are tried.
const SAME_NAME_MAX: usize = 8;

/// The certificates of a directory.
#[derive(Debug)]
pub(super) struct Directory {
    entries: Vec<Arc<Entry>>,
    index: Index,
    /// When certificates end, in seconds since 1970, sorted: whoever asks how many will soon, asks often.
    ends: Box<[u64]>,
    pub(super) cache: Arc<Cache>,
    index_file: Option<PathBuf>,
    /// Files that had changed at the last look: taken when they are the same at the next, and so not being written.
    settling: Settling,
}

/// The new print of a changed file, and whether it was tried: then it did not fit together, and has time.
type Settling = HashMap<Box<str>, (u64, bool)>;

/// A look at a directory.
pub(super) struct Look {
    /// Instead of the old one; `None`: nothing has changed.
    pub(super) directory: Option<Directory>,
    /// How many files are new, changed or gone.
    pub(super) changes: usize,
    pub(super) problems: Vec<What>,
}

impl Directory {
    /// Reads all names, those of unchanged files from the index in the state directory, which is written anew. With
    /// `audited`, every certificate is read with its key, and judged at this time.
    pub(super) fn open(
        path: &Path,
        state_dir: Option<&Path>,
        audited: Option<SystemTime>,
    ) -> Result<(Directory, Vec<Problem>), Problem> {
        let index_file = state_dir.map(|state_dir| index_file(state_dir, path));
        let known = index_file.as_deref().map(read_index).unwrap_or_default();
        let (found, broken) = scan(path, &known)?;
        let mut problems: Vec<Problem> = broken.into_iter().map(|(_, problem)| problem).collect();
        if found.is_empty() {
            return Err(problems.into_iter().next().unwrap_or_else(|| {
                Problem::new(
                    Part::Cert,
                    &path.display().to_string(),
                    "there is no certificate in the directory",
                )
                .help("certificates are NAME.pem, or NAME.crt beside NAME.key")
            }));
        }
        problems.extend(audited.map(|now| audit(path, &found, now)).unwrap_or_default());
        let directory = Directory {
            entries: found.iter().map(entry).collect(),
            index: index(&found),
            ends: ends(&found),
            cache: Arc::new(Cache::new(path, LOADED_MAX)),
            index_file,
            settling: HashMap::new(),
        };
        if known.len() != found.len() || found.iter().any(|one| one.read) {
            problems.extend(directory.keep(&found));
        }
        Ok((directory, problems))
    }

    /// The certificates with exactly this name.
    pub(super) fn exact(&self, name: &str, mut offer: impl FnMut(Arc<CertifiedKey>)) {
        let entries = self.index.exact(name).take(SAME_NAME_MAX);
        entries.filter_map(|item| self.entries[item].get(Some(name), &self.cache)).for_each(&mut offer);
    }

    /// The certificates for all names below `parent`, of which `name` is one.
    pub(super) fn below(&self, parent: &str, name: &str, mut offer: impl FnMut(Arc<CertifiedKey>)) {
        let entries = self.index.below(parent).take(SAME_NAME_MAX);
        entries.filter_map(|item| self.entries[item].get(Some(name), &self.cache)).for_each(&mut offer);
    }

    /// The first that can be served, by file name.
    pub(super) fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.entries.iter().take(SAME_NAME_MAX).find_map(|entry| entry.get(None, &self.cache))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the first of them ends, in seconds since 1970.
    pub(super) fn first_end(&self) -> Option<u64> {
        self.ends.first().copied()
    }

    /// How many end before this moment.
    pub(super) fn ending(&self, before: u64) -> usize {
        self.ends.partition_point(|end| *end < before)
    }

    /// A file has changed, and is taken at the next look if it rests.
    pub(super) fn is_settling(&self) -> bool {
        self.settling.values().any(|(_, tried)| !tried)
    }

    pub(super) fn names(&self) -> usize {
        self.index.len()
    }

    /// What has changed in the directory.
    pub(super) fn look(&self) -> Result<Look, Problem> {
        let names = self.index.by_item(self.entries.len());
        let facts = |entry: &Entry, names| Facts { print: entry.print, ends: entry.ends, names };
        let old = self.entries.iter().zip(names);
        let known: Known = old.map(|(entry, names)| (entry.file.clone(), facts(entry, names))).collect();
        let (found, broken) = scan(&self.cache.dir, &known)?;
        if found.is_empty() {
            let dir = self.cache.dir.display().to_string();
            return Err(Problem::new(Part::Cert, &dir, "there is no certificate left in the directory"));
        }
        let entries: HashMap<&str, &Arc<Entry>> =
            self.entries.iter().map(|entry| (&*entry.file, entry)).collect();
        let mut next = Next { known: &known, cache: &self.cache, settling: HashMap::new(), changes: 0 };
        let mut problems = Vec::new();
        let mut taken = Vec::with_capacity(found.len());
        for one in found {
            taken.push(match entries.get(&*one.file) {
                Some(entry) if entry.print == one.facts.print => (Arc::clone(entry), one),
                Some(entry) => next
                    .changed(entry, &one, &self.settling, &mut problems)
                    .unwrap_or_else(|| next.old(entry)),
                None => {
                    next.changes += 1;
                    (self::entry(&one), one)
                }
            });
        }
        // What cannot be read now, but could be before, stays.
        for (file, problem) in broken {
            let old = entries.get(&*file);
            taken.extend(old.map(|entry| next.old(entry)));
            problems.push(if old.is_some() { What::Kept(problem) } else { What::Unfit(problem) });
        }
        taken.sort_by(|a, b| a.1.file.cmp(&b.1.file));
        let files: HashSet<&str> = taken.iter().map(|(_, one)| &*one.file).collect();
        let gone = self.entries.iter().filter(|entry| !files.contains(&*entry.file)).count();
        let changes = next.changes + gone;
        if changes == 0 && next.settling == self.settling {
            return Ok(Look { directory: None, changes: 0, problems });
        }
        let settling = next.settling;
        let (entries, found): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let directory = Directory {
            index: index(&found),
            ends: ends(&found),
            entries,
            cache: Arc::clone(&self.cache),
            index_file: self.index_file.clone(),
            settling,
        };
        let held: HashSet<*const Entry> = directory.entries.iter().map(Arc::as_ptr).collect();
        directory.cache.retain(|entry| held.contains(&Arc::as_ptr(entry)));
        problems.extend(directory.keep(&found).map(What::Doubt));
        Ok(Look { directory: Some(directory), changes, problems })
    }

    /// Writes the index file. Without it, only the next start is slower.
    fn keep(&self, found: &[Found]) -> Option<Problem> {
        let path = self.index_file.as_deref()?;
        let error = write_index(path, found).err()?;
        let message = format!("cannot write the index of {}: {error}", self.cache.dir.display());
        Some(
            Problem::new(Part::Cert, &path.display().to_string(), message)
                .help("the next start takes longer"),
        )
    }
}

/// What a look is gathering.
struct Next<'a> {
    known: &'a Known,
    cache: &'a Cache,
    settling: Settling,
    changes: usize,
}

impl Next<'_> {
    /// A file with another content: taken once it rests and fits together, or else the old one stays.
    fn changed(
        &mut self,
        entry: &Arc<Entry>,
        one: &Found,
        settling: &Settling,
        problems: &mut Vec<What>,
    ) -> Option<(Arc<Entry>, Found)> {
        let print = one.facts.print;
        let rests = settling.get(&one.file).is_some_and(|(before, _)| *before == print);
        self.settling.insert(one.file.clone(), (print, rests));
        if !rests {
            return None;
        }
        let loaded = load(&self.cache.dir, &one.file);
        // The look at a large directory takes time: what was read may be newer than what has rested.
        if !is_still(&self.cache.dir, &one.file, print) {
            self.settling.insert(one.file.clone(), (print, false));
            return None;
        }
        let pair = loaded.map_err(|problem| problems.push(What::Kept(problem))).ok()?;
        self.settling.remove(&one.file);
        self.changes += 1;
        let facts = Facts { print, ends: pair.leaf.ends(), names: pair.leaf.names.clone() };
        let one = Found { file: one.file.clone(), facts, read: true };
        let new = self::entry(&one);
        if entry.is_loaded() {
            new.fill(pair, self.cache);
        }
        Some((new, one))
    }

    /// As it was.
    fn old(&self, entry: &Arc<Entry>) -> (Arc<Entry>, Found) {
        let facts = self.known[&entry.file].clone();
        (Arc::clone(entry), Found { file: entry.file.clone(), facts, read: false })
    }
}

fn entry(one: &Found) -> Arc<Entry> {
    Arc::new(Entry::new(&one.file, one.facts.print, one.facts.ends))
}

fn index(found: &[Found]) -> Index {
    Index::new(
        found
            .iter()
            .enumerate()
            .flat_map(|(item, one)| one.facts.names.iter().map(move |name| (&**name, item))),
    )
}

fn ends(found: &[Found]) -> Box<[u64]> {
    let mut ends: Box<[u64]> = found.iter().map(|one| one.facts.ends).collect();
    ends.sort_unstable();
    ends
}
