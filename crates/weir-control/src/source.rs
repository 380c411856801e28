//! Where a configuration comes from, and what can go wrong before traffic flows.

use std::{fmt, path::PathBuf};

use weir_config::{Checked, Errors};

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, read again by a reload.
    File(PathBuf),
    /// A text with a name for messages.
    Text {
        /// Stands in messages where a file's path would.
        name: String,
        /// The configuration.
        text: String,
    },
    /// `weir run --listen ADDR SERVER…`.
    Servers {
        /// The listener's address.
        listen: String,
        /// The servers of its pool.
        servers: Vec<String>,
    },
}

impl Source {
    pub(crate) fn load(&self) -> Result<Checked, Errors> {
        match self {
            Self::File(path) => weir_config::load(path),
            Self::Text { name, text } => weir_config::check(name, text),
            Self::Servers { listen, servers } => weir_config::from_servers(listen, servers),
        }
    }
}

/// Why the process did not come up, or why a reload changed nothing.
#[derive(Debug)]
pub enum Error {
    /// The configuration is wrong: every error at its place.
    Config(Errors),
    /// The configuration is right, but what it asks for cannot be had here.
    System(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::System(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn system(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::System(format!("{what}: {error}"))
    }
}
