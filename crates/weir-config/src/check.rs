//! From text to a checked configuration.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    Config, Errors, Finding, Late, assemble, command_line, effective, fill,
    filled::Filled,
    report::Findings,
    settle,
    tree::{Node, Span},
    yaml,
};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What the engines are built from.
    pub config: Config,
    /// What is hardly meant, but does no harm: a pool that no route uses.
    pub warnings: Vec<Finding>,
    file: String,
    text: String,
    filled: Filled,
}

/// Checks the text of a file. `file_name` is only shown in errors.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn check(file_name: &str, text: &str) -> Result<Checked, Errors> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Errors::whole(
            file_name,
            format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20),
        ));
    }
    let mut findings = Findings::default();
    let root = yaml::parse(text, &mut findings);
    finish(file_name, text, root.as_ref(), findings)
}

/// Reads and checks a file.
///
/// # Errors
/// Why it cannot be read, or everything that is wrong with it.
pub fn load(path: &Path) -> Result<Checked, Errors> {
    let (name, text) = text_of(path)?;
    check(&name, &text)
}

/// The name of a file in errors, and its text.
pub(crate) fn text_of(path: &Path) -> Result<(String, String), Errors> {
    let name = path.display().to_string();
    let bytes = read(path).map_err(|error| Errors::whole(&name, format!("cannot read the file: {error}")))?;
    let text = decode(&name, &bytes)?.to_owned();
    Ok((name, text))
}

/// Builds the configuration of `weir run --listen ADDRESS SERVER…`: one listener and one pool, and the same
/// defaults as in a file.
///
/// # Errors
/// Everything that is wrong with the arguments; the place is that in the command line.
pub fn from_servers(listen: &str, servers: &[String]) -> Result<Checked, Errors> {
    let (text, root) = command_line::compose(listen, servers);
    finish("command line", &text, Some(&root), Findings::default())
}

fn finish(file: &str, text: &str, root: Option<&Node>, mut findings: Findings) -> Result<Checked, Errors> {
    let built = root.map(|root| {
        let mut filled = fill::fill(root, &mut findings);
        settle::settle(&mut filled);
        let config = assemble::assemble(&filled, &mut findings);
        (config, filled)
    });
    if built.is_none() && findings.is_empty() {
        findings.error(Span::point(1, 1), "nothing could be read");
    }
    let warnings = findings.finish(file, text)?;
    match built {
        Some((config, filled)) => {
            Ok(Checked { config, warnings, file: file.to_owned(), text: text.to_owned(), filled })
        }
        None => Err(Errors::whole(file, "nothing could be read".to_owned())),
    }
}

/// At most one byte more than allowed is read, so that a device without end is no trap.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Errors> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut findings = Findings::default();
    findings.error(Span::point(number(line), number(column)), "the file is not UTF-8 text here");
    let text = String::from_utf8_lossy(bytes);
    match findings.finish(name, &text) {
        Err(errors) => Err(errors),
        Ok(_) => Err(Errors::whole(name, "the file is not UTF-8 text".to_owned())),
    }
}

impl Checked {
    /// Takes up what was found in the files that the configuration names, at their places in it.
    ///
    /// # Errors
    /// If there is an error among it: all of them, shown like those of the check.
    pub fn report(mut self, late: Vec<Late>) -> Result<Checked, Errors> {
        let mut findings = Findings::default();
        late.into_iter().for_each(|late| findings.late(late));
        self.warnings.extend(findings.finish(&self.file, &self.text)?);
        self.warnings.sort_by_key(|warning| warning.place.as_ref().map(|place| (place.line, place.column)));
        Ok(self)
    }

    /// The whole configuration as YAML, with every default written out. It loads to the same [`Config`].
    pub fn effective(&self) -> String {
        effective::print(&self.filled)
    }

    /// One line for people: `weir.yaml: ok, 2 listeners, 5 routes, 3 pools, 7 servers`.
    pub fn summary(&self) -> String {
        let config = &self.config;
        let routes = config.listeners.iter().map(|listener| listener.routes.len()).sum();
        let servers = config.pools.iter().map(|pool| pool.servers.len()).sum();
        let count = |number: usize, noun: &str| match number {
            1 => format!("1 {noun}"),
            _ => format!("{number} {noun}s"),
        };
        format!(
            "{}: ok, {}, {}, {}, {}",
            self.file,
            count(config.listeners.len(), "listener"),
            count(routes, "route"),
            count(config.pools.len(), "pool"),
            count(servers, "server"),
        )
    }

    /// The warnings as text, with terminal colours if `colour` is set; empty without warnings.
    pub fn render_warnings(&self, colour: bool) -> String {
        let mut out = String::new();
        for warning in &self.warnings {
            warning.render(&self.file, colour, &mut out);
            out.push('\n');
        }
        out
    }
}
