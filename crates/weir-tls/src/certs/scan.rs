//! What lies in a directory of certificates: every file with its print and its names, in parallel; and the index file
//! that saves reading them again.
//!
//! The index holds names and ends by print (time, size, number of the file), so a start only asks the file system for those.
//! It is never trusted: it says which file to try, and the file says whether it is the one.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{
    directory::DIRECTORY_FILES_MAX,
    entry::load,
    leaf::Leaf,
    pair::{Text, stamp},
    problem::{Part, Problem},
};

/// The most threads that look through a directory; and as many where all files must be read, since what is not in the
/// page cache waits for the disk rather than for a CPU.
const THREADS_MAX: usize = 16;
const INDEX_HEAD: &str = "weir certificates 2";

/// What is known of files.
pub(super) type Known = HashMap<Box<str>, Facts>;

/// What is known of a file without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) print: u64,
    /// When its certificate ends, in seconds since 1970.
    pub(super) ends: u64,
    pub(super) names: Vec<Box<str>>,
}

/// A file of the directory.
pub(super) struct Found {
    pub(super) file: Box<str>,
    pub(super) facts: Facts,
    /// It was not known, or had another print.
    pub(super) read: bool,
}

/// A file that is not right, and why.
pub(super) type Broken = (Box<str>, Problem);

/// Everything in the directory, by file name; and what is not right.
pub(super) fn scan(dir: &Path, known: &Known) -> Result<(Vec<Found>, Vec<Broken>), Problem> {
    let shown = dir.display().to_string();
    let cannot =
        |error: io::Error| Problem::new(Part::Cert, &shown, format!("cannot read the directory: {error}"));
    let files = list(dir).map_err(cannot)?;
    if files.len() > DIRECTORY_FILES_MAX {
        let message =
            format!("the directory has {} certificates, the most are {DIRECTORY_FILES_MAX}", files.len());
        return Err(Problem::new(Part::Cert, &shown, message));
    }
    let handle = open(dir).map_err(|error| cannot(error.into()))?;
    let threads = if known.is_empty() { THREADS_MAX } else { cpus() };
    let results: Vec<Result<Found, _>> = in_parallel(threads, &files, |file| {
        look(dir, &handle, file, known).map_err(|problem| (Box::from(file.as_str()), problem))
    });
    let (mut found, mut problems) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(one) => found.push(one),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((found, problems))
}

/// What a handshake would find out about these files, and that they are not valid now: every key is read.
pub(super) fn audit(dir: &Path, found: &[Found], now: SystemTime) -> Vec<Problem> {
    let look = |one: &Found| match load(dir, &one.file) {
        Ok(pair) => pair.doubts(&dir.join(&*one.file).display().to_string(), now),
        Err(problem) => vec![problem],
    };
    in_parallel(cpus(), found, look).into_iter().flatten().collect()
}

/// As many threads as can run at once: more would only take time from the workers.
fn cpus() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX))
}

/// The results in the order of the items.
fn in_parallel<T: Sync, R: Send>(threads: usize, items: &[T], look: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (share, look) = (items.len().div_ceil(threads).max(1), &look);
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(look).collect::<Vec<_>>()))
            .collect();
        // A part whose thread panicked would be a bug of ours, and is one here too.
        parts.into_iter().flat_map(|part| part.join().expect("a look at a file does not panic")).collect()
    })
}

/// `NAME.pem` and `NAME.crt`, sorted. Hidden files are none: Kubernetes keeps its versions in them.
fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
            && (name.ends_with(".pem") || name.ends_with(".crt"))
        {
            files.push(name);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn look(dir: &Path, handle: impl AsFd, file: &str, known: &Known) -> Result<Found, Problem> {
    let print = print(dir, handle, file)?;
    if let Some(facts) = known.get(file).filter(|facts| facts.print == print) {
        return Ok(Found { file: file.into(), facts: facts.clone(), read: false });
    }
    let text = Text::file(Part::Cert, &dir.join(file))?;
    let leaf = text.pem().leaf()?;
    let leaf = Leaf::read(&leaf)
        .ok_or_else(|| Problem::new(Part::Cert, &text.shown, "the first certificate cannot be read"))?;
    let facts = Facts { print, ends: leaf.ends(), names: leaf.names };
    Ok(Found { file: file.into(), facts, read: true })
}

/// What tells one version of a file, and of the key beside it, from the next. `handle` is that of `dir`.
fn print(dir: &Path, handle: impl AsFd, file: &str) -> Result<u64, Problem> {
    let path = || dir.join(file).display().to_string();
    let mut hash = Xxh3::new();
    let stat = rustix::fs::statat(&handle, file, AtFlags::empty());
    let stat =
        stat.map_err(|error| Problem::new(Part::Cert, &path(), format!("cannot read the file: {error}")))?;
    stamp(&stat, &mut hash);
    if let Some(name) = file.strip_suffix(".crt") {
        let stat = rustix::fs::statat(&handle, format!("{name}.key"), AtFlags::empty());
        let stat = stat
            .map_err(|_| Problem::new(Part::Cert, &path(), format!("there is no `{name}.key` beside it")))?;
        stamp(&stat, &mut hash);
    }
    Ok(hash.digest())
}

/// It is still the version with this print.
pub(super) fn is_still(dir: &Path, file: &str, before: u64) -> bool {
    open(dir).is_ok_and(|handle| print(dir, handle, file).is_ok_and(|now| now == before))
}

fn open(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, dir, flags, Mode::empty())
}

/// Where the index of a directory is kept.
pub(super) fn index_file(state_dir: &Path, dir: &Path) -> PathBuf {
    let number = xxh3_64(dir.as_os_str().as_encoded_bytes());
    state_dir.join("certificates").join(format!("{number:016x}.index"))
}

/// What the index file knows. One that is missing, of another version or damaged knows nothing.
pub(super) fn read_index(path: &Path) -> Known {
    fs::read_to_string(path).ok().and_then(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &str) -> Option<Known> {
    let (body, sum) = text.trim_end().rsplit_once('\n')?;
    if u64::from_str_radix(sum.strip_prefix("sum ")?, 16).ok()? != xxh3_64(body.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != INDEX_HEAD {
        return None;
    }
    let line = |line: &str| {
        let mut parts = line.splitn(4, '\t');
        let print = u64::from_str_radix(parts.next()?, 16).ok()?;
        let ends = parts.next()?.parse().ok()?;
        let (file, names) = (parts.next()?, parts.next()?);
        let names = names.split_ascii_whitespace().map(Box::from).collect();
        Some((file.into(), Facts { print, ends, names }))
    };
    lines.map(line).collect()
}

/// Writes the index file, whole or not at all. Nobody else may read it: it lists what is served.
pub(super) fn write_index(path: &Path, found: &[Found]) -> io::Result<()> {
    let mut text = String::from(INDEX_HEAD);
    for one in found.iter().filter(|one| !one.file.contains(['\t', '\n', '\r'])) {
        let Facts { print, ends, names } = &one.facts;
        let _ = write!(text, "\n{print:016x}\t{ends}\t{}\t{}", one.file, names.join(" "));
    }
    let sum = xxh3_64(text.as_bytes());
    let _ = writeln!(text, "\nsum {sum:016x}");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("new.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(names: &[&str]) -> Facts {
        Facts { print: 7, ends: 8, names: names.iter().map(|name| Box::from(*name)).collect() }
    }

    fn index(names: &[(&str, &[&str])]) -> String {
        let path = std::env::temp_dir().join(format!("weir-index-{}-{}", std::process::id(), names.len()));
        let found: Vec<Found> = names
            .iter()
            .map(|(file, names)| Found { file: (*file).into(), facts: facts(names), read: true })
            .collect();
        write_index(&path, &found).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        text
    }

    #[test]
    fn what_is_written_is_read() {
        let text =
            index(&[("a.pem", &["a.example", "*.a.example"]), ("b b.crt", &[]), ("bad\t.pem", &["x"])]);
        let known = parse(&text).unwrap();
        assert_eq!(known.len(), 2);
        assert_eq!(known["a.pem"], facts(&["a.example", "*.a.example"]));
        assert_eq!(known["b b.crt"], facts(&[]));
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let text = index(&[("a.pem", &["a.example"])]);
        assert!(parse(&text).is_some());
        for (what, wrong) in [
            ("empty", String::new()),
            ("cut off", text[..text.len() / 2].to_owned()),
            ("changed", text.replace("a.example", "b.example")),
            ("of another version", text.replace("certificates 2", "certificates 1")),
        ] {
            assert!(parse(&wrong).is_none(), "{what}");
        }
    }
}
