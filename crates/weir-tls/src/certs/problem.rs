//! What is wrong with a certificate, where, and the way out.

use std::fmt;

use weir_config::{CertificateFiles, FilePath, Late, Place, Secret, Severity};

/// Which part of a certificate is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Cert,
    Key,
    Ocsp,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// With what.
    pub part: Part,
    /// The file, or the environment variable.
    pub file: String,
    /// The line in it, from 1, where there is one.
    pub line: Option<usize>,
    /// In one line.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    pub(super) fn new(part: Part, file: &str, message: impl Into<String>) -> Problem {
        Problem { part, file: file.to_owned(), line: None, message: message.into(), help: None }
    }

    pub(super) fn line(self, line: usize) -> Problem {
        Problem { line: Some(line), ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }

    /// As a finding at the place where the configuration names the file.
    pub(super) fn late(&self, severity: Severity, place: Place) -> Late {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let message = format!("{}{line}: {}", self.file, self.message);
        Late { severity, place, message, help: self.help.clone() }
    }

    /// Where the configuration names the part.
    pub(super) fn place(&self, files: &CertificateFiles) -> Place {
        match (self.part, &files.key, &files.ocsp) {
            (Part::Key, Some(Secret::File(FilePath { place, .. }) | Secret::Env { place, .. }), _) => *place,
            (Part::Ocsp, _, Some(ocsp)) => ocsp.place,
            _ => files.cert.place,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
