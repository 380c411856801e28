//! Files beside certificates of our own: roots, revocation lists, keys that nodes share.

use std::{cell::OnceCell, fmt::Display, fs::File, io::Read, sync::Arc, time::SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject},
};
use weir_config::{FilePath, Late, Place, Secret, Severity};

use crate::{
    certs::{der::date, x509::RevocationList},
    keys::{SECRET_BYTES_MIN, SECRETS_MAX},
};

/// The largest of these files that is read: lists of revoked certificates grow long.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// An error at the place where the configuration names the file.
pub(crate) fn problem(place: Place, message: impl Display) -> Late {
    Late { severity: Severity::Error, place, message: message.to_string(), help: None }
}

/// The same for what is wrong with a file.
pub(crate) fn at(file: &FilePath, message: impl Display) -> Vec<Late> {
    vec![problem(file.place, format!("{}: {message}", file.path.display()))]
}

/// The whole of a file that the configuration names.
///
/// # Errors
/// Why it cannot be read, for [`weir_config::Checked::report`].
pub fn read_file(file: &FilePath) -> Result<Vec<u8>, Vec<Late>> {
    let mut bytes = Vec::new();
    // At most one byte more than allowed, so that a device without end is no trap.
    let read = File::open(&file.path).and_then(|open| open.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| at(file, format!("cannot read the file: {error}")))?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(at(file, format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20))),
        false => Ok(bytes),
    }
}

/// The roots in a PEM file; at least one.
pub(crate) fn roots(file: &FilePath) -> Result<RootCertStore, Vec<Late>> {
    let mut roots = RootCertStore::empty();
    let bytes = read_file(file)?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let added = certificate.map(|certificate| roots.add(certificate)).map_err(|error| at(file, error))?;
        added.map_err(|error| at(file, error))?;
    }
    if roots.is_empty() { Err(at(file, "there is no certificate in it")) } else { Ok(roots) }
}

/// The roots that the system trusts: some hundred certificates, read once for all who ask.
#[derive(Debug, Default)]
pub struct SystemRoots(OnceCell<Option<Arc<RootCertStore>>>);

impl SystemRoots {
    /// `None` if there are none.
    pub(crate) fn get(&self) -> Option<Arc<RootCertStore>> {
        let read = || {
            let mut roots = RootCertStore::empty();
            // One that cannot be read is no reason to trust none; some systems carry such.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            (!roots.is_empty()).then(|| Arc::new(roots))
        };
        self.0.get_or_init(read).clone()
    }

    /// The same for what is asked for at `place`.
    pub(crate) fn at(&self, place: Place) -> Result<Arc<RootCertStore>, Vec<Late>> {
        self.get().ok_or_else(|| {
            let mut late = problem(place, "the system has no certificates of authorities");
            late.help = Some("install them (Debian: ca-certificates), or name a file with `ca`".to_owned());
            vec![late]
        })
    }
}

/// The revocation lists in a PEM file; at least one.
pub(crate) fn revocations(file: &FilePath) -> Result<Vec<CertificateRevocationListDer<'static>>, Vec<Late>> {
    let bytes = read_file(file)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let lists = lists.map_err(|error| at(file, error))?;
    if lists.is_empty() { Err(at(file, "there is no revocation list (X509 CRL) in it")) } else { Ok(lists) }
}

/// What is hardly meant of a revocation list that is used: it revokes nothing, or is old.
pub(crate) fn doubts(
    file: &FilePath,
    list: &CertificateRevocationListDer<'_>,
    roots: &RootCertStore,
    now: SystemTime,
) -> Vec<Late> {
    let doubt = |what: String, help: &str| Late {
        severity: Severity::Warning,
        help: Some(help.to_owned()),
        ..problem(file.place, format!("{}: {what}", file.path.display()))
    };
    // One that cannot be read is refused elsewhere.
    let Some(list) = RevocationList::read(list) else { return Vec::new() };
    let mut doubts = Vec::new();
    if !roots.roots.iter().any(|root| root.subject.as_ref() == list.issuer) {
        doubts.push(doubt(
            "a revocation list of none of the authorities in `ca`".to_owned(),
            "it only counts for certificates of an authority between; take that of the authority itself",
        ));
    }
    if let Some(end) = list.next_update.filter(|end| *end < now) {
        let what = format!("a revocation list that should have been replaced by {}", date(end));
        doubts.push(doubt(what, "it is still used; fetch a new one, and reload"));
    }
    doubts
}

/// Keys that nodes share, of tickets and of cookies: one per line, in base64, the newest first.
///
/// # Errors
/// What is wrong; no word of what is in it.
pub fn shared_secrets(secret: &Secret) -> Result<Vec<Vec<u8>>, Vec<Late>> {
    let (place, name, text) = match secret {
        Secret::File(file) => {
            let text = String::from_utf8(read_file(file)?).map_err(|_| at(file, "this is no text"))?;
            (file.place, file.path.display().to_string(), text)
        }
        Secret::Env { name, place } => {
            let text = std::env::var(name)
                .map_err(|_| vec![problem(*place, format!("the environment has no `{name}`"))])?;
            (*place, format!("${name}"), text)
        }
    };
    let wrong = |line: usize, what: &str| {
        let mut late = problem(place, format!("{name}:{line}: {what}"));
        late.help =
            Some("make one with `openssl rand -base64 48`, one per line, the newest first".to_owned());
        vec![late]
    };
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let key = BASE64_STANDARD.decode(line.trim()).map_err(|_| wrong(index + 1, "this is not base64"))?;
        if key.len() < SECRET_BYTES_MIN {
            return Err(wrong(index + 1, &format!("a key has at least {SECRET_BYTES_MIN} bytes")));
        }
        if keys.len() == SECRETS_MAX {
            return Err(wrong(index + 1, &format!("there are more than {SECRETS_MAX} keys")));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(wrong(1, "there is no key")) } else { Ok(keys) }
}
