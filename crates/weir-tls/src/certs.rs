//! Certificates: read from files and directories, or put in by the ACME client; chosen in each handshake; swapped
//! without touching a connection.
//!
//! The control plane owns the [`Store`]: it reads, watches and swaps. Workers see a [`Resolver`] per listener: one
//! immutable table behind an atomic pointer, so a handshake takes no lock. What of a certificate is wrong is a
//! [`Problem`], with its file and line, and what to do.
//!
//! A name is found by binary search in sorted text, not in a hash map: 50,000 certificates then cost some 100 bytes
//! each, and a search of less than a microsecond disappears beside the signature that follows.

use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use weir_config::{CertificateFiles, Late, Severity};

pub(crate) mod der;
mod directory;
mod entry;
mod index;
mod leaf;
mod ocsp;
mod pair;
mod pem;
mod problem;
mod resolver;
mod scan;
mod source;
mod store;
mod watch;
pub(crate) mod x509;

pub use directory::{DIRECTORY_FILES_MAX, DIRECTORY_LOOK};
pub use entry::LOADED_MAX;
pub use pair::FILE_BYTES_MAX;
pub use problem::{Part, Problem};
pub use resolver::Resolver;
pub use store::{ENDING_DAYS, Loaded, Options, Status, Store};
pub use watch::{Change, LOOK, What, watch};

#[cfg(test)]
mod tests;

/// The one certificate in `files`, for a client that shows it; and that it is not valid now.
///
/// # Errors
/// What is wrong with it, for [`weir_config::Checked::report`].
pub(crate) fn load_one(files: &CertificateFiles) -> Result<(CertifiedKey, Option<Late>), Vec<Late>> {
    let late = |problem: Problem, severity| problem.late(severity, problem.place(files));
    let now = SystemTime::now();
    let (pair, _) = pair::Pair::load(files, now).map_err(|problem| vec![late(problem, Severity::Error)])?;
    let doubt = pair.untimely(&files.cert.path.display().to_string(), now);
    Ok((CertifiedKey::clone(&pair.certified), doubt.map(|doubt| late(doubt, Severity::Warning))))
}
