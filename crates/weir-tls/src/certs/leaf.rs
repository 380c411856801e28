//! What of a certificate decides when it is served: its names and its lifetime.

use std::time::SystemTime;

use super::{der::Reader, x509::Certificate};

/// dNSName in a GeneralName.
const DNS_NAME: u8 = 0x82;
/// The most names of one certificate that are looked at; authorities give a hundred.
const NAMES_MAX: usize = 1000;

/// What is read from a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// DNS names in lower case, `*.` in front of a wildcard. The common name is no name (RFC 9525 section 2).
    pub(super) names: Vec<Box<str>>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    pub(super) serial: Box<[u8]>,
}

impl Leaf {
    /// `None` if it is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Leaf> {
        let certificate = Certificate::read(der)?;
        let (not_before, not_after) = certificate.period()?;
        let names = certificate.alternative_names.map(dns_names).unwrap_or_default();
        Some(Leaf { names, not_before, not_after, serial: certificate.serial.into() })
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn ends(&self) -> u64 {
        self.not_after.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Whether it is for this name, which is in lower case.
    pub(super) fn covers(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(own) => parent == Some(own),
            None => **own == *name,
        })
    }
}

fn dns_names(mut all: Reader<'_>) -> Vec<Box<str>> {
    let mut names = Vec::new();
    while let Some((tag, value)) = all.next() {
        if tag == DNS_NAME
            && names.len() < NAMES_MAX
            && let Some(name) = usable(value)
        {
            names.push(name);
        }
    }
    names
}

/// A name that a client can ask for: letters, digits, hyphens, underscores; one `*` as the whole first label.
fn usable(name: &[u8]) -> Option<Box<str>> {
    let plain = name.strip_prefix(b"*.").unwrap_or(name);
    let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if plain.is_empty() || name.len() > 253 || !plain.iter().all(fine) || plain.starts_with(b".") {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    Some(name.trim_end_matches('.').to_ascii_lowercase().into())
}
