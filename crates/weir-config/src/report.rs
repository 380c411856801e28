//! What a check has found, and how it is shown: every finding at its place, with the line and a caret.
//!
//! The rendering is an own one: it is forty lines, and its text is part of the contract with the users (the
//! directory of faulty configurations compares it word for word).

use std::fmt::{self, Write as _};

use crate::tree::Span;

/// The most findings that are kept. A file with more is of another kind; the rest is counted.
const FINDINGS_MAX: usize = 500;
/// The most characters of a line that are shown.
const WIDTH_MAX: usize = 120;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but something in it is hardly meant.
    Warning,
}

/// One thing that a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line, with the nearest known word where there is one.
    pub message: String,
    /// The way out, where the message does not already say it.
    pub help: Option<String>,
    /// Where, unless it concerns the file as a whole (it cannot be read).
    pub place: Option<FindingPlace>,
}

/// Where a finding is, and the text that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingPlace {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The line, or for a long one the part around the column. Control characters are replaced.
    pub text: String,
    /// Where the caret stands below `text`, from 0, in characters.
    pub caret: usize,
    /// How many characters are underlined; at least one.
    pub length: usize,
}

/// Where something is written, for [`crate::Checked::report`].
///
/// A place is no part of what is configured: all are equal, so that a line more above does not make a certificate
/// another one to whoever compares two configurations.
#[derive(Clone, Copy)]
pub struct Place(pub(crate) Span);

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// What was found after the check of the text, in what the text names: a certificate that has expired, a key that
/// does not belong to it.
#[derive(Debug, Clone)]
pub struct Late {
    /// How bad it is.
    pub severity: Severity,
    /// What of the configuration it concerns.
    pub place: Place,
    /// What is wrong, in one line.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// Everything that is wrong with a configuration. At least one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The file, or `command line`.
    pub file: String,
    /// In the order of their places.
    pub findings: Vec<Finding>,
    /// Further errors that are not among `findings`.
    pub more: usize,
}

impl Errors {
    /// A finding about the file as a whole.
    pub(crate) fn whole(file: &str, message: String) -> Errors {
        let finding = Finding { severity: Severity::Error, message, help: None, place: None };
        Errors { file: file.to_owned(), findings: vec![finding], more: 0 }
    }

    /// All findings as text, with terminal colours if `colour` is set. `Display` is this without colour.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            finding.render(&self.file, colour, &mut out);
            out.push('\n');
        }
        let total = self.findings.len() + self.more;
        let noun = if total == 1 { "error" } else { "errors" };
        let _ = write!(out, "{}: {total} {noun}", self.file);
        if self.more > 0 {
            let _ = write!(out, ", the first {} are shown", self.findings.len());
        }
        out.push('\n');
        out
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Errors {}

impl Finding {
    /// The finding as lines of text. `file` is shown before the place.
    pub fn render(&self, file: &str, colour: bool, out: &mut String) {
        let (word, code) = match self.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        let paint = |text: &str, code: &str| match colour {
            true => format!("\x1b[1;{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let file = shown(file);
        let _ = writeln!(out, "{}: {}", paint(word, code), self.message);
        let gutter = match &self.place {
            None => {
                let _ = writeln!(out, "  --> {file}");
                String::from(" ")
            }
            Some(place) => {
                let number = place.line.to_string();
                let gutter = " ".repeat(number.len());
                let bar = paint("|", "34");
                let carets = paint(&"^".repeat(place.length), code);
                let indent = " ".repeat(place.caret);
                let _ = writeln!(out, "{gutter}--> {file}:{}:{}", place.line, place.column);
                let _ = writeln!(out, "{gutter} {bar}");
                let _ = writeln!(out, "{} {bar} {}", paint(&number, "34"), place.text);
                let _ = writeln!(out, "{gutter} {bar} {indent}{carets}");
                gutter
            }
        };
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{gutter} = help: {help}");
        }
    }
}

/// Text of the file inside a message: short, on one line, nothing that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 60;
    let mut out: String = text.chars().take(MAX).map(printable).collect();
    if text.chars().nth(MAX).is_some() {
        out.push('…');
    }
    out
}

/// A tab is one column wide here, so that carets stand below what they mean.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\n' | '\r' => '⏎',
        // Invisible and direction-changing characters would make a line look like another one.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Collects what is found, by place, while the text is at hand elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Raw>,
    more: usize,
    /// What is written to once the list is full.
    spill: Option<Raw>,
}

/// A finding that does not yet hold its line.
#[derive(Debug)]
pub(crate) struct Raw {
    severity: Severity,
    span: Span,
    message: String,
    help: Option<String>,
}

impl Raw {
    /// Adds the way out.
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

impl Findings {
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Raw {
        self.add(Severity::Error, span, message.into())
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Raw {
        self.add(Severity::Warning, span, message.into())
    }

    /// Nothing that is added now will be shown.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= FINDINGS_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn late(&mut self, late: Late) {
        let raw = self.add(late.severity, late.place.0, late.message);
        raw.help = late.help;
    }

    fn add(&mut self, severity: Severity, span: Span, message: String) -> &mut Raw {
        let raw = Raw { severity, span, message, help: None };
        if self.is_full() {
            self.more += usize::from(severity == Severity::Error);
            return self.spill.insert(raw);
        }
        self.list.push(raw);
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Sorts by place and cuts the lines out of `text`: all errors, or else all warnings.
    pub(crate) fn finish(mut self, file: &str, text: &str) -> Result<Vec<Finding>, Errors> {
        self.list.sort_by_key(|raw| raw.span);
        let lines = lines_of(text);
        let failed = self.more > 0 || self.list.iter().any(|raw| raw.severity == Severity::Error);
        let kept = if failed { Severity::Error } else { Severity::Warning };
        let findings =
            self.list.into_iter().filter(|raw| raw.severity == kept).map(|raw| raw.place(&lines)).collect();
        match failed {
            true => Err(Errors { file: file.to_owned(), findings, more: self.more }),
            false => Ok(findings),
        }
    }
}

impl Raw {
    fn place(self, lines: &[&str]) -> Finding {
        let start = self.span.start;
        let line = lines.get(start.line as usize - 1).copied().unwrap_or("");
        let column = start.column as usize - 1;
        let width = line.chars().count();
        // A value over several lines is underlined to the end of its first.
        let end = if self.span.end.line > start.line { width } else { self.span.end.column as usize - 1 };
        let end = end.min(line.trim_end().chars().count());
        // A long line is shown from a little before the column on.
        let from = if width <= WIDTH_MAX { 0 } else { column.saturating_sub(WIDTH_MAX / 3) };
        let text: String = line.chars().skip(from).take(WIDTH_MAX).map(printable).collect();
        let room = text.chars().count().saturating_sub(column - from);
        Finding {
            severity: self.severity,
            message: self.message,
            help: self.help,
            place: Some(FindingPlace {
                line: start.line,
                column: start.column,
                text: text.trim_end().to_owned(),
                caret: column - from,
                length: end.saturating_sub(column).min(room).max(1),
            }),
        }
    }
}

/// The lines as YAML counts them: LF, CRLF and a lone CR all end one.
fn lines_of(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        let both = rest[at..].starts_with("\r\n");
        rest = &rest[at + 1 + usize::from(both)..];
    }
    lines.push(rest);
    lines
}

#[cfg(test)]
mod tests;
