//! A certificate with its key, as it lies in the state directory: key and chain as PEM in one file, below a few lines
//! that say where it comes from.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use instant_acme::CertificateIdentifier;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, Der, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use super::problem::Problem;
use super::settings::{KeyType, Order};

/// What stands before the URL of the directory that a certificate comes from.
const DIRECTORY: &str = "Directory: ";

/// What stands before the domains that were ordered. An authority may put more names into a certificate than that.
const DOMAINS: &str = "Domains: ";

/// A certificate, ready to be served, and what has to be known of it.
pub(super) struct Certificate {
    pub(super) served: Arc<CertifiedKey>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    domains: Vec<String>,
    ordered: String,
    key_type: Option<KeyType>,
    directory: Option<String>,
    /// What the authority calls it in renewal information (RFC 9773, section 4.1).
    pub(super) identifier: Option<CertificateIdentifier<'static>>,
}

impl Certificate {
    /// From the text of [`file`].
    pub(super) fn read(text: &[u8]) -> Result<Certificate, Problem> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let chain = chain.map_err(|error| Problem::new(format!("the chain is not PEM: {error}")))?;
        let Some(leaf) = chain.first().cloned() else {
            return Err(Problem::new("there is no certificate in it"));
        };
        let key = PrivateKeyDer::from_pem_slice(text)
            .map_err(|error| Problem::new(format!("there is no private key in it: {error}")))?;
        let key = any_supported_type(&key).map_err(|error| Problem::new(format!("the key: {error}")))?;
        let served = CertifiedKey::new(chain, key);
        served.keys_match().map_err(|error| Problem::new(format!("key and certificate: {error}")))?;

        let (_, parsed) = X509Certificate::from_der(&leaf)
            .map_err(|error| Problem::new(format!("the certificate cannot be read: {error}")))?;
        let validity = parsed.validity();
        Ok(Certificate {
            served: Arc::new(served),
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            domains: domains(&parsed),
            key_type: key_type(&parsed),
            ordered: said(text, DOMAINS).unwrap_or_default(),
            directory: said(text, DIRECTORY),
            identifier: identifier(&parsed),
        })
    }

    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        // An authority's clock may be a little ahead of ours; only the end matters.
        now < self.not_after
    }

    /// Whether it is what the order asks for: the same domains, kind of key and authority.
    pub(super) fn is_for(&self, order: &Order) -> bool {
        self.ordered == order.domains.join(" ")
            && order.domains.iter().all(|domain| self.domains.contains(domain))
            && self.key_type == Some(order.key_type)
            && self.directory.as_deref() == Some(order.account.directory.as_str())
    }
}

/// The file for a certificate of `order`. Text before the blocks is allowed by RFC 7468, section 2, and other programs
/// pass over it.
pub(super) fn file(order: &Order, key: &str, chain: &str) -> String {
    format!(
        "Kept by Weir; changes are overwritten.\n{DIRECTORY}{}\n{DOMAINS}{}\n{}\n{}\n",
        order.account.directory,
        order.domains.join(" "),
        key.trim_end(),
        chain.trim_end(),
    )
}

/// What a line above the blocks says.
fn said(text: &[u8], key: &str) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let mut head = text.lines().take_while(|line| !line.starts_with("-----BEGIN"));
    head.find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

/// The DNS names in it, in the form of [`Order::checked`].
fn domains(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

fn key_type(certificate: &X509Certificate<'_>) -> Option<KeyType> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::EC(_)) => Some(KeyType::Ecdsa),
        Ok(PublicKey::RSA(_)) => Some(KeyType::Rsa),
        _ => None,
    }
}

fn identifier(certificate: &X509Certificate<'_>) -> Option<CertificateIdentifier<'static>> {
    let issuer = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(issuer) => issuer.key_identifier.as_ref(),
        _ => None,
    })?;
    let serial = Der::from_slice(certificate.tbs_certificate.raw_serial());
    Some(CertificateIdentifier::new(Der::from_slice(issuer.0), serial).into_owned())
}

fn moment(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(since),
        false => SystemTime::UNIX_EPOCH.checked_add(since),
    };
    // No certificate that an authority signs is so old or lasts so long.
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::settings::{Account, Challenge, LETS_ENCRYPT};

    fn order(domains: &[&str], directory: &str, key_type: KeyType) -> Order {
        Order {
            name: "shop".to_owned(),
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            account: Account { directory: directory.to_owned(), email: None, ca: None, external: None },
            challenge: Challenge::Http01,
            key_type,
        }
    }

    /// The file for a certificate with these names, ordered so.
    fn stored(names: &[&str], order: &Order) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let signed = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        file(order, &signed.signing_key.serialize_pem(), &signed.cert.pem()).into_bytes()
    }

    fn check(names: &[&str], ordered: &[&str], wanted: &Order, expected: bool) {
        let text = stored(names, &order(ordered, LETS_ENCRYPT, KeyType::Ecdsa));
        let certificate = Certificate::read(&text).expect("our own file");
        assert_eq!(certificate.is_for(wanted), expected, "{names:?} ordered as {ordered:?} for {wanted:?}");
    }

    #[test]
    fn a_stored_certificate_is_kept_as_long_as_the_file_asks_for_the_same() {
        let wanted = order(&["a.example", "b.example"], LETS_ENCRYPT, KeyType::Ecdsa);
        check(&["a.example", "b.example"], &["a.example", "b.example"], &wanted, true);
        // The authority put in a name of its own accord.
        check(&["a.example", "b.example", "www.b.example"], &["a.example", "b.example"], &wanted, true);
        check(
            &["a.example", "b.example", "c.example"],
            &["a.example", "b.example", "c.example"],
            &wanted,
            false,
        );
        check(&["a.example"], &["a.example"], &wanted, false);
        // Not what was ordered.
        check(&["a.example"], &["a.example", "b.example"], &wanted, false);

        let a = &["a.example"];
        check(a, a, &order(a, LETS_ENCRYPT, KeyType::Rsa), false);
        check(a, a, &order(a, "https://staging.example/directory", KeyType::Ecdsa), false);
    }

    #[test]
    fn what_is_no_certificate_with_its_key_is_not_served() {
        let wanted = order(&["a.example"], LETS_ENCRYPT, KeyType::Ecdsa);
        let good = String::from_utf8(stored(&["a.example"], &wanted)).expect("text");
        let other = String::from_utf8(stored(&["a.example"], &wanted)).expect("text");
        let chain_at = good.find("-----BEGIN CERTIFICATE").expect("it has one");
        let mixed =
            format!("{}{}", &good[..chain_at], &other[other.find("-----BEGIN CERT").expect("it has one")..]);
        for (text, expected) in [
            (&good[..chain_at], "there is no certificate in it"),
            (&good[chain_at..], "there is no private key in it"),
            (&good[..good.len() / 2], ""),
            (&mixed, "key and certificate: "),
            ("", "there is no certificate in it"),
        ] {
            let problem = Certificate::read(text.as_bytes()).err().expect("it cannot be served").to_string();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}
