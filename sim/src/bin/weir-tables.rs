//! Runs the cells of the tables that have not run yet, and writes the pages: what `cargo xtask tables` calls.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use weir_sim::tables::{ALGORITHMS, Cell, FILE, PAGES, Row, SEED, cells, file, rows_of, with_section};

const USAGE: &str = "\
usage: cargo xtask tables [OPTION...]

  --jobs N       cells at the same time; each may need 1 GB (one for each CPU)
  --fresh        forget the cells that have run already
  --again LIST   forget those of these algorithms; without results of an own run, the others are those of the
                 committed file
  --pages        run none: write the pages of what has run
";

struct Options {
    root: PathBuf,
    results: PathBuf,
    jobs: usize,
    fresh: bool,
    again: Vec<String>,
    pages: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(&args) {
        Ok(options) => options,
        Err(message) => {
            eprint!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tables: {message}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// The first two arguments are the workspace's folder and the one for results.
    fn parse(args: &[String]) -> Result<Self, String> {
        let [root, target, rest @ ..] = args else { return Err("run it by `cargo xtask tables`".into()) };
        let mut options = Self {
            root: root.into(),
            results: Path::new(target).join("tables").join("cells.csv"),
            jobs: thread::available_parallelism().map_or(1, usize::from),
            fresh: false,
            again: Vec::new(),
            pages: false,
        };
        let mut rest = rest.iter();
        while let Some(option) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{option} wants a value"));
            match option.as_str() {
                "--fresh" => options.fresh = true,
                "--pages" => options.pages = true,
                "--jobs" => {
                    let jobs = value()?.parse().ok().filter(|jobs| *jobs > 0);
                    options.jobs = jobs.ok_or("--jobs wants a number from 1 on")?;
                }
                "--again" => options.again = value()?.split(',').map(str::to_owned).collect(),
                _ => return Err(format!("{option}: no such option")),
            }
        }
        let known = |name: &String| ALGORITHMS.iter().any(|(known, _)| known == name);
        match options.again.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("--again {name}: no such algorithm")),
            None => Ok(options),
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.pages {
        return write_pages(&options.root, &rows_of(&read(&options.results)?));
    }
    let mut rows = begin(options)?;
    check_some(&rows)?;
    let mut left: Vec<Cell> = cells().filter(|cell| !rows.iter().any(|row| row.cell == *cell)).collect();
    // What decides comes first, so that a run that is broken off is worth something.
    left.sort_by_key(|cell| (cell.servers, cell.load_percent != 90, std::cmp::Reverse(cell.nodes)));
    println!("{} cells have run, {} are left", rows.len(), left.len());
    rows.extend(run_all(&left, options)?);
    write_pages(&options.root, &rows)
}

/// What has run already. The file of results then has just that.
fn begin(options: &Options) -> Result<Vec<Row>, String> {
    let committed = options.root.join(FILE);
    let source = match () {
        () if options.fresh => None,
        () if options.results.exists() => Some(&options.results),
        () if options.again.is_empty() => None,
        () => Some(&committed),
    };
    let mut rows = match source {
        Some(path) => rows_of(&read(path)?),
        None => Vec::new(),
    };
    rows.retain(|row| !options.again.iter().any(|name| name == row.cell.algorithm));
    let folder = options.results.parent().expect("a folder and a name");
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write(&options.results, &file(&rows))?;
    Ok(rows)
}

/// Small cells, one of each algorithm, must come out as they did: else results of several versions would be mixed.
fn check_some(rows: &[Row]) -> Result<(), String> {
    let mut first: HashMap<&str, &Row> = HashMap::new();
    for row in rows.iter().filter(|row| row.cell.servers == 100) {
        first.entry(row.cell.algorithm).or_insert(row);
    }
    for (name, row) in first {
        if Row::new(row.cell, &row.cell.run(SEED)) != *row {
            return Err(format!("{name} has changed since its cells ran: --again {name}, or --fresh"));
        }
    }
    Ok(())
}

fn run_all(left: &[Cell], options: &Options) -> Result<Vec<Row>, String> {
    let results = fs::OpenOptions::new().append(true).open(&options.results);
    let results = results.map_err(|error| format!("{}: {error}", options.results.display()))?;
    let done = Mutex::new((results, Vec::new()));
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let work = || -> Result<(), String> {
        while let Some(cell) = left.get(next.fetch_add(1, Relaxed)) {
            let row = Row::new(*cell, &cell.run(SEED));
            let mut done = done.lock().expect("nobody panics with it");
            writeln!(done.0, "{}", row.line()).map_err(|error| error.to_string())?;
            done.1.push(row);
            if done.1.len() % 20 == 0 || done.1.len() == left.len() {
                let (seconds, count) = (began.elapsed().as_secs(), done.1.len());
                println!("{count} of {}, after {} min {} s: {cell}", left.len(), seconds / 60, seconds % 60);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a cell that runs to its end"))
    })?;
    Ok(done.into_inner().expect("nobody panics with it").1)
}

fn write_pages(root: &Path, rows: &[Row]) -> Result<(), String> {
    let path = root.join(FILE);
    fs::create_dir_all(path.parent().expect("a folder and a name")).map_err(|error| error.to_string())?;
    write(&path, &file(rows))?;
    for (page, section) in PAGES {
        let path = root.join(page);
        let text = with_section(&read(&path)?, &section(rows)).ok_or(format!("{page} has lost its marks"))?;
        write(&path, &text)?;
    }
    println!("written: {FILE}, {}", PAGES.map(|(page, _)| page).join(", "));
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
