//! A chain and its key, ready to be served: read, and checked to belong together.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::CertificateDer,
    server::ClientHello,
    sign::{CertifiedKey, SigningKey},
};
use weir_config::{CertificateFiles, Secret};
use xxhash_rust::xxh3::Xxh3;

use super::{
    der::date,
    leaf::Leaf,
    ocsp::{self, Unfit},
    pem::Pem,
    problem::{Part, Problem},
};

/// The largest file of certificates or keys that is read.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate that can be served.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) leaf: Leaf,
    /// Until when the staple in it may be used.
    pub(super) staple_ends: Option<SystemTime>,
}

/// A file's text with the name that is shown of it.
pub(super) struct Text {
    pub(super) part: Part,
    pub(super) shown: String,
    pub(super) bytes: Vec<u8>,
}

impl Text {
    pub(super) fn file(part: Part, path: &Path) -> Result<Text, Problem> {
        let shown = path.display().to_string();
        match read(path) {
            Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => Err(Problem::new(
                part,
                &shown,
                format!("the file is larger than {} KiB", FILE_BYTES_MAX >> 10),
            )),
            Ok(bytes) => Ok(Text { part, shown, bytes }),
            Err(error) => Err(Problem::new(part, &shown, format!("cannot read the file: {error}"))),
        }
    }

    pub(super) fn secret(part: Part, secret: &Secret) -> Result<Text, Problem> {
        match secret {
            Secret::File(file) => Text::file(part, &file.path),
            Secret::Env { name, .. } => match std::env::var(name) {
                Ok(text) => Ok(Text { part, shown: format!("${name}"), bytes: text.into_bytes() }),
                Err(_) => Err(Problem::new(part, &format!("${name}"), "the environment variable is not set")),
            },
        }
    }

    pub(super) fn pem(&self) -> Pem<'_> {
        Pem { part: self.part, file: &self.shown, bytes: &self.bytes }
    }
}

impl Pair {
    /// From the files that the configuration names; with the warnings about it.
    pub(super) fn load(files: &CertificateFiles, now: SystemTime) -> Result<(Pair, Vec<Problem>), Problem> {
        let cert = Text::file(Part::Cert, &files.cert.path)?;
        let key = files.key.as_ref().map(|key| Text::secret(Part::Key, key)).transpose()?;
        let mut pair = Pair::new(&cert, key.as_ref())?;
        let mut warnings = pair.doubts(&cert.shown, now);
        if let Some(file) = &files.ocsp {
            let text = Text::file(Part::Ocsp, &file.path)?;
            warnings.extend(pair.staple(text, now)?);
        }
        Ok((pair, warnings))
    }

    /// From the text of the chain and of the key; without the latter, it is in the former.
    pub(super) fn new(cert: &Text, key: Option<&Text>) -> Result<Pair, Problem> {
        let chain = cert.pem().chain()?;
        let key_text = key.unwrap_or(cert);
        let key_problem = |message: &str| Problem::new(Part::Key, &key_text.shown, message);
        let key = any_supported_type(&key_text.pem().key()?).map_err(|_| {
            key_problem("the private key is of no kind that can be used: RSA, ECDSA or Ed25519")
        })?;
        let leaf = chain.first().and_then(|leaf| Leaf::read(leaf));
        let leaf = leaf
            .ok_or_else(|| Problem::new(Part::Cert, &cert.shown, "the first certificate cannot be read"))?;
        if let Some(mismatch) = mismatch(&chain, &key) {
            return Err(key_problem(&format!(
                "the private key does not belong to the certificate in {}",
                cert.shown
            ))
            .help(mismatch));
        }
        Ok(Pair { certified: Arc::new(CertifiedKey::new(chain, key)), leaf, staple_ends: None })
    }

    /// From what the ACME client got.
    pub(super) fn of(certified: Arc<CertifiedKey>) -> Option<Pair> {
        let leaf = Leaf::read(certified.cert.first()?)?;
        Some(Pair { certified, leaf, staple_ends: None })
    }

    /// What is hardly meant in a certificate that is served.
    pub(super) fn doubts(&self, file: &str, now: SystemTime) -> Vec<Problem> {
        let mut doubts: Vec<Problem> = self.untimely(file, now).into_iter().collect();
        if self.leaf.names.is_empty() {
            let message = "the certificate has no DNS name: it is only served as a default";
            doubts.push(
                Problem::new(Part::Cert, file, message)
                    .help("names stand in its subjectAltName; the common name does not count"),
            );
        }
        doubts
    }

    /// That it is not valid now.
    pub(super) fn untimely(&self, file: &str, now: SystemTime) -> Option<Problem> {
        let doubt = |message: String| Problem::new(Part::Cert, file, message);
        if self.leaf.not_after < now {
            let message = format!("the certificate has expired on {}", date(self.leaf.not_after));
            return Some(doubt(message).help("renew it; it is refused wherever it is shown"));
        }
        (self.leaf.not_before > now)
            .then(|| doubt(format!("the certificate is not valid before {}", date(self.leaf.not_before))))
    }

    /// Takes an OCSP response, or says why it is not used. One that is of no use must not keep the certificate from being
    /// served: when that was renewed, its response may come days later.
    fn staple(&mut self, text: Text, now: SystemTime) -> Result<Option<Problem>, Problem> {
        let problem = |message: String| Problem::new(Part::Ocsp, &text.shown, message);
        let unused = |what: String| Ok(Some(problem(what + ", and is not used").help("fetch a new one")));
        let staple = match ocsp::read(&text.bytes, &self.leaf.serial) {
            Ok(staple) => staple,
            // Another kind of file, or one that is being written.
            Err(Unfit::NotOcsp) => return Err(problem("this is no OCSP response in DER".to_owned())),
            Err(Unfit::Refused) => return unused("the OCSP response says that there was none".to_owned()),
            Err(Unfit::OfAnother) => {
                return unused("the OCSP response is about another certificate".to_owned());
            }
        };
        if let Some(ended) = staple.next_update.filter(|end| *end < now) {
            return unused(format!("the OCSP response has ended on {}", date(ended)));
        }
        let revoked = (!staple.good)
            .then(|| problem("the OCSP response does not say that the certificate is good".to_owned()));
        let mut certified = CertifiedKey::clone(&self.certified);
        certified.ocsp = Some(text.bytes);
        self.certified = Arc::new(certified);
        self.staple_ends = staple.next_update;
        Ok(revoked)
    }

    /// The same without a staple.
    pub(super) fn unstapled(&self) -> Pair {
        let mut certified = CertifiedKey::clone(&self.certified);
        certified.ocsp = None;
        Pair { certified: Arc::new(certified), leaf: self.leaf.clone(), staple_ends: None }
    }
}

/// How well a certificate suits a client; more is better.
pub(super) fn rank(certified: &CertifiedKey, hello: &ClientHello<'_>) -> u8 {
    let ecdsa = certified.key.algorithm() != SignatureAlgorithm::RSA;
    // Before TLS 1.3 the cipher suite names the kind of key, too.
    let suited = hello.cipher_suites().iter().any(|suite| match u16::from(*suite) {
        0x1301..=0x1303 => true,
        0xc02b | 0xc02c | 0xcca9 => ecdsa,
        0xc02f | 0xc030 | 0xcca8 => !ecdsa,
        _ => false,
    });
    match suited && signs(&*certified.key, hello.signature_schemes()) {
        false => 0,
        // Its signature costs a tenth of RSA's.
        true => 1 + u8::from(ecdsa),
    }
}

/// The best that [`rank`] gives.
pub(super) const RANK_BEST: u8 = 2;

fn signs(key: &dyn SigningKey, schemes: &[SignatureScheme]) -> bool {
    key.choose_scheme(schemes).is_some()
}

/// What to do, if the key does not belong to the first certificate.
fn mismatch(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<String> {
    let belongs = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
    };
    match chain.iter().position(belongs) {
        Some(0) => None,
        Some(at) => Some(format!("it belongs to certificate {} of the file, which must come first", at + 1)),
        None => Some("take the key that the certificate was ordered with".to_owned()),
    }
}

/// At most one byte more than allowed is read.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What tells one version of the files from the next: time, size and number of each. Links are followed.
pub(super) fn print_of(files: &CertificateFiles) -> u64 {
    let mut hash = Xxh3::new();
    let key = match &files.key {
        Some(Secret::File(file)) => Some(&file.path),
        _ => None,
    };
    for path in
        [Some(&files.cert.path), key, files.ocsp.as_ref().map(|file| &file.path)].into_iter().flatten()
    {
        match rustix::fs::stat(path) {
            Ok(stat) => stamp(&stat, &mut hash),
            Err(_) => hash.update(b"missing"),
        }
    }
    hash.digest()
}

/// Enters one file into a print.
pub(super) fn stamp(stat: &rustix::fs::Stat, hash: &mut Xxh3) {
    hash.update(&stat.st_mtime.to_le_bytes());
    hash.update(&stat.st_mtime_nsec.to_le_bytes());
    hash.update(&stat.st_size.to_le_bytes());
    hash.update(&stat.st_ino.to_le_bytes());
}
