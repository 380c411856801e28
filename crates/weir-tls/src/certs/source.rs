//! One of the file's `certificates`, as the control plane holds it: what it serves now, and how to see a change.

use std::{path::Path, sync::Arc, time::SystemTime};

use weir_config::{Acme, Certificate, CertificateFiles, CertificateSource, FilePath, Late, Severity};

use crate::acme::Origin;

use super::{
    directory::{DIRECTORY_LOOK, Directory},
    pair::{Pair, print_of},
    problem::Problem,
    store::Options,
    watch::What,
};

/// The most problems of one directory that are told.
const DIRECTORY_PROBLEMS_MAX: usize = 20;

/// What a certificate of the file serves.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) serves: Serves,
    /// What was told last, so that a file that stays broken is told once.
    told: Vec<What>,
}

#[derive(Debug)]
pub(super) enum Serves {
    Files {
        files: CertificateFiles,
        print: u64,
        /// The print of the last look, if it was another one: taken when it is the same at the next.
        settling: Option<u64>,
        pair: Arc<Pair>,
    },
    Directory {
        path: FilePath,
        directory: Arc<Directory>,
        looked: SystemTime,
        /// Time and size of the directory itself, which change when files come, go or are replaced.
        print: u64,
    },
    /// Put in by the ACME client.
    Acme { acme: Acme, pair: Option<Arc<Pair>>, is_placeholder: bool },
}

impl Source {
    /// Reads what the configuration names; `old` is the source of the same name before.
    pub(super) fn load(
        certificate: &Certificate,
        old: Option<&Source>,
        options: &Options,
        now: SystemTime,
        found: &mut Vec<Late>,
    ) -> Option<Source> {
        let serves = match &certificate.source {
            CertificateSource::Files(files) => load_files(files, now, found)?,
            CertificateSource::Directory(path) => load_directory(path, old, options, now, found)?,
            CertificateSource::Acme(acme) => {
                let (pair, is_placeholder) = match old.map(|old| &old.serves) {
                    Some(Serves::Acme { acme: before, pair, is_placeholder })
                        if before.domains == acme.domains =>
                    {
                        (pair.clone(), *is_placeholder)
                    }
                    _ => (None, false),
                };
                Serves::Acme { acme: acme.clone(), pair, is_placeholder }
            }
        };
        Some(Source { name: certificate.name.clone(), serves, told: Vec::new() })
    }

    /// What has changed since the last look.
    pub(super) fn look(&mut self, now: SystemTime, all: bool) -> Vec<What> {
        let (mut changes, problems) = match &mut self.serves {
            Serves::Files { files, print, settling, pair } => look_files(files, print, settling, pair, now),
            Serves::Directory { path, directory, looked, print } => {
                let print_now = directory_print(&path.path);
                let due = now.duration_since(*looked).unwrap_or(DIRECTORY_LOOK) >= DIRECTORY_LOOK;
                let handshakes: Vec<What> =
                    directory.cache.take_problems().into_iter().map(What::Unfit).collect();
                if !(all || due || print_now != *print || directory.is_settling()) {
                    (Vec::new(), Some(handshakes).filter(|told| !told.is_empty()))
                } else {
                    (*looked, *print) = (now, print_now);
                    look_directory(directory, handshakes)
                }
            }
            Serves::Acme { .. } => (Vec::new(), None),
        };
        if let Some(mut problems) = problems {
            problems.truncate(DIRECTORY_PROBLEMS_MAX);
            let new = problems.iter().filter(|problem| !self.told.contains(problem));
            changes.extend(new.cloned());
            self.told = problems;
        }
        changes
    }

    /// Takes what the ACME client got.
    pub(super) fn put(&mut self, new: Arc<Pair>, origin: Origin) -> bool {
        match &mut self.serves {
            Serves::Acme { pair, is_placeholder, .. } => {
                (*pair, *is_placeholder) = (Some(new), origin == Origin::Placeholder);
                true
            }
            _ => false,
        }
    }
}

fn load_files(files: &CertificateFiles, now: SystemTime, found: &mut Vec<Late>) -> Option<Serves> {
    // Before reading: what is written meanwhile is seen at the next look.
    let print = print_of(files);
    let late = |problem: &Problem, severity| problem.late(severity, problem.place(files));
    match Pair::load(files, now) {
        Ok((pair, doubts)) => {
            found.extend(doubts.iter().map(|doubt| late(doubt, Severity::Warning)));
            Some(Serves::Files { files: files.clone(), print, settling: None, pair: Arc::new(pair) })
        }
        Err(problem) => {
            found.push(late(&problem, Severity::Error));
            None
        }
    }
}

fn load_directory(
    path: &FilePath,
    old: Option<&Source>,
    options: &Options,
    now: SystemTime,
    found: &mut Vec<Late>,
) -> Option<Serves> {
    let print = directory_print(&path.path);
    let opened = match old.map(|old| &old.serves) {
        // With all that is loaded.
        Some(Serves::Directory { path: before, directory, .. }) if before.path == path.path => directory
            .look()
            .map(|look| (look.directory.map_or_else(|| Arc::clone(directory), Arc::new), look.problems))
            .map(|(directory, told)| (directory, told.into_iter().filter_map(What::problem).collect())),
        _ => Directory::open(&path.path, options.state_dir.as_deref(), options.thorough.then_some(now))
            .map(|(directory, problems)| (Arc::new(directory), problems)),
    };
    match opened {
        Ok((directory, problems)) => {
            let told = problems.iter().take(DIRECTORY_PROBLEMS_MAX);
            found.extend(told.map(|problem| problem.late(Severity::Warning, path.place)));
            if let Some(more) = problems.len().checked_sub(DIRECTORY_PROBLEMS_MAX).filter(|more| *more > 0) {
                let message = format!("{more} more files in {} are not right", path.path.display());
                found.push(Late { severity: Severity::Warning, place: path.place, message, help: None });
            }
            Some(Serves::Directory { path: path.clone(), directory, looked: now, print })
        }
        Err(problem) => {
            found.push(problem.late(Severity::Error, path.place));
            None
        }
    }
}

/// `None` for the problems: nothing was read, so what was told before still holds.
type Seen = (Vec<What>, Option<Vec<What>>);

fn look_files(
    files: &CertificateFiles,
    print: &mut u64,
    settling: &mut Option<u64>,
    pair: &mut Arc<Pair>,
    now: SystemTime,
) -> Seen {
    let mut changes = Vec::new();
    if pair.staple_ends.is_some_and(|end| end < now) {
        *pair = Arc::new(pair.unstapled());
        changes.push(What::StapleEnded);
    }
    let print_now = print_of(files);
    if print_now == *print {
        *settling = None;
        return (changes, Some(Vec::new()));
    }
    if settling.replace(print_now) != Some(print_now) {
        return (changes, None);
    }
    match Pair::load(files, now) {
        Ok((new, doubts)) => {
            (*print, *settling, *pair) = (print_now, None, Arc::new(new));
            changes.push(What::Taken { files: 1 });
            changes.extend(doubts.into_iter().map(What::Doubt));
            (changes, Some(Vec::new()))
        }
        Err(problem) => (changes, Some(vec![What::Kept(problem)])),
    }
}

fn look_directory(directory: &mut Arc<Directory>, handshakes: Vec<What>) -> Seen {
    match directory.look() {
        Ok(look) => {
            let mut changes = Vec::new();
            if let Some(new) = look.directory {
                *directory = Arc::new(new);
            }
            if look.changes > 0 {
                changes.push(What::Taken { files: look.changes });
            }
            (changes, Some(handshakes.into_iter().chain(look.problems).collect()))
        }
        Err(problem) => (Vec::new(), Some(vec![What::Kept(problem)])),
    }
}

fn directory_print(path: &Path) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    if let Ok(stat) = rustix::fs::stat(path) {
        super::pair::stamp(&stat, &mut hash);
    }
    hash.digest()
}
