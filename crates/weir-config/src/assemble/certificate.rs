//! `certificates.NAME`.

use std::path::PathBuf;

use crate::{
    Acme, Certificate, CertificateFiles, CertificateSource, Challenge, ClientAuthMode, ExternalAccount,
    FilePath, KeyType, Listener, ListenerTls, Place, Secret,
    filled::{Entry, Filled},
    kind::Value,
    report::{Findings, shown},
    tree::Span,
};

/// What is bad is left out of place: the errors keep the result from being used, and an index that is wrong then
/// is never looked up.
pub(super) fn certificate(entry: &Entry) -> Certificate {
    let node = &entry.value;
    let source = if let Some(acme) = node.get("acme") {
        CertificateSource::Acme(self::acme(acme))
    } else if let Some(dir) = file(node, "dir") {
        CertificateSource::Directory(dir)
    } else {
        CertificateSource::Files(CertificateFiles {
            cert: file(node, "cert").unwrap_or_else(|| nowhere(entry.span)),
            key: secret(node, "key"),
            ocsp: file(node, "ocsp"),
        })
    };
    Certificate { name: entry.name.clone(), place: Place(entry.span), source }
}

/// A challenge that nothing would answer.
pub(super) fn check_challenges(
    certificates: &[Certificate],
    listeners: &[Listener],
    findings: &mut Findings,
) {
    let plain = listeners.iter().any(|listener| listener.tls.is_none() && listener.http.protocols.http1);
    // ACME servers have no certificate to show.
    let required = |tls: &ListenerTls| {
        tls.client_auth.as_ref().is_some_and(|auth| auth.mode == ClientAuthMode::Required)
    };
    let open = listeners.iter().filter_map(|listener| listener.tls.as_ref()).any(|tls| !required(tls));
    for certificate in certificates {
        let CertificateSource::Acme(Acme { challenge, .. }) = &certificate.source else { continue };
        let (why, help) = match challenge {
            Challenge::Http01 if !plain => (
                "`http-01`, but no listener is without `tls`",
                "add a listener on port 80, or write `challenge: tls-alpn-01`",
            ),
            Challenge::TlsAlpn01 if !open => (
                "`tls-alpn-01`, but no listener has `tls` that lets in who shows no certificate",
                "write `challenge: http-01` and add a listener on port 80, or write `mode: optional`",
            ),
            Challenge::Http01 | Challenge::TlsAlpn01 => continue,
        };
        let name = shown(&certificate.name);
        findings.warning(certificate.place.0, format!("`{name}` is ordered by {why}")).help(help);
    }
}

/// The path at this key.
pub(super) fn file(node: &Filled, name: &str) -> Option<FilePath> {
    let node = node.get(name)?;
    Some(FilePath { path: PathBuf::from(node.as_text()?), place: Place(node.span) })
}

/// The secret at this key.
pub(super) fn secret(node: &Filled, name: &str) -> Option<Secret> {
    let node = node.get(name)?;
    if let Some(file) = file(node, "file") {
        return Some(Secret::File(file));
    }
    let env = node.get("env")?;
    Some(Secret::Env { name: env.as_text()?.to_owned(), place: Place(env.span) })
}

fn acme(node: &Filled) -> Acme {
    let domains = node.list("domains").iter().filter_map(Filled::as_text).map(str::to_ascii_lowercase);
    let eab = node.get("eab").and_then(|eab| {
        Some(ExternalAccount { kid: eab.text("kid")?.to_owned(), hmac_key: secret(eab, "hmac_key")? })
    });
    Acme {
        domains: domains.collect(),
        email: node.text("email").map(str::to_owned),
        directory: node.text("directory").unwrap_or_default().to_owned(),
        challenge: match node.get("challenge").and_then(Filled::value) {
            Some(Value::Challenge(challenge)) => *challenge,
            _ => Challenge::Http01,
        },
        ca: file(node, "ca"),
        key_type: match node.word("key_type") {
            Some("rsa") => KeyType::Rsa,
            _ => KeyType::Ecdsa,
        },
        eab,
    }
}

fn nowhere(span: Span) -> FilePath {
    FilePath { path: PathBuf::new(), place: Place(span) }
}
