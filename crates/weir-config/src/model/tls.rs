//! Certificates, and TLS on both sides.
//!
//! Files are named here and not read: what is in them changes while the configuration stays. Whoever reads one
//! reports what is wrong with it at its [`Place`], through [`crate::Checked::report`].

use std::{path::PathBuf, time::Duration};

use crate::report::Place;

/// A file or a directory that is read later, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath {
    /// As written; a relative one is relative to the working directory.
    pub path: PathBuf,
    /// Where in the configuration.
    pub place: Place,
}

/// A secret, by where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// `{ file: PATH }`.
    File(FilePath),
    /// `{ env: NAME }`.
    Env {
        /// The environment variable.
        name: String,
        /// Where in the configuration.
        place: Place,
    },
}

/// The place of a certificate in [`crate::Config::certificates`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateIndex(pub usize);

/// `certificates.NAME`: one certificate, or a directory of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its key in the file. Unique.
    pub name: String,
    /// Where the name is written.
    pub place: Place,
    /// Where it comes from.
    pub source: CertificateSource,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// `cert`, `key`, `ocsp`: PEM files.
    Files(CertificateFiles),
    /// `dir`: NAME.pem with chain and key, or NAME.crt beside NAME.key; chosen by the names inside.
    Directory(FilePath),
    /// `acme`: ordered and renewed.
    Acme(Acme),
}

/// A certificate in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the leaf first, then the chain.
    pub cert: FilePath,
    /// PEM: the private key; `None`: it is in `cert`.
    pub key: Option<Secret>,
    /// DER: an OCSP response to staple.
    pub ocsp: Option<FilePath>,
}

/// `acme`: a certificate from an ACME server (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// At least one DNS name, in lower case; no wildcard, no address.
    pub domains: Vec<String>,
    /// Where the ACME server may write to.
    pub email: Option<String>,
    /// The URL of the ACME server's directory; always `https`.
    pub directory: String,
    /// How it sees that the names lead here.
    pub challenge: Challenge,
    /// PEM: the only roots for the ACME server's own certificate; `None` are the system's.
    pub ca: Option<FilePath>,
    /// The kind of key that is made.
    pub key_type: KeyType,
    /// External account binding (RFC 8555 section 7.3.4).
    pub eab: Option<ExternalAccount>,
}

/// How an ACME server sees that a name leads here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Challenge {
    /// A file that it fetches over plain HTTP (RFC 8555 section 8.3).
    Http01,
    /// A certificate in a TLS handshake (RFC 8737).
    TlsAlpn01,
}

/// The kind of a private key that Weir makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

/// `eab`: the account at an ACME server that wants to know its customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key identifier.
    pub kid: String,
    /// The key, in base64url.
    pub hmac_key: Secret,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// The cipher suites that there are, by their IANA names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, non_camel_case_types)]
pub enum CipherSuite {
    TLS_AES_256_GCM_SHA384,
    TLS_AES_128_GCM_SHA256,
    TLS_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

impl CipherSuite {
    /// Every one.
    pub const ALL: [CipherSuite; 9] = [
        CipherSuite::TLS_AES_256_GCM_SHA384,
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    /// The IANA name.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// What OpenSSL calls it; files of other programs do too.
    pub(crate) fn openssl_name(self) -> &'static str {
        self.names().1
    }

    /// The only version that has this suite.
    pub fn version(self) -> TlsVersion {
        match self {
            CipherSuite::TLS_AES_256_GCM_SHA384
            | CipherSuite::TLS_AES_128_GCM_SHA256
            | CipherSuite::TLS_CHACHA20_POLY1305_SHA256 => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        }
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            CipherSuite::TLS_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", ""),
            CipherSuite::TLS_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", ""),
            CipherSuite::TLS_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", ""),
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
                ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384")
            }
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
                ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
            }
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
                ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
            }
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => {
                ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384")
            }
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => {
                ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256")
            }
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
                ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305")
            }
        }
    }
}

/// `listeners[].tls`: TLS towards the clients.
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// Where the section is written.
    pub place: Place,
    /// What is served here; at least one, each once, in the written order.
    pub certificates: Vec<CertificateIndex>,
    /// For a client that asks for another name, or for none; one of `certificates`.
    pub default: CertificateIndex,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The only suites, the preferred one first; `None`: all, in the order of the library. There is one for
    /// every version that is spoken.
    pub ciphers: Option<Vec<CipherSuite>>,
    /// From the accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Certificates of clients; `None`: none is asked for.
    pub client_auth: Option<ClientAuth>,
    /// Session tickets; `None` is `tickets: none`.
    pub tickets: Option<Tickets>,
    /// `Strict-Transport-Security` in answers; `None`: not written.
    pub hsts: Option<Hsts>,
}

/// `client_auth`: certificates of clients.
#[derive(Debug, Clone)]
pub struct ClientAuth {
    /// PEM: the roots that they come from.
    pub ca: FilePath,
    /// Whether a client may come without one.
    pub mode: ClientAuthMode,
    /// PEM: lists of revoked certificates.
    pub crl: Option<FilePath>,
}

/// Whether a client may come without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// It may not.
    Required,
    /// It may; a wrong certificate is refused all the same.
    Optional,
}

/// `tickets`: resumption of sessions (RFC 8446 section 2.2, RFC 5077).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tickets {
    /// Keys that nodes share; `None`: own ones, that rotate.
    pub keys: Option<Secret>,
    /// How long a ticket is good for; at most seven days (RFC 8446 section 4.6.1).
    pub lifetime: Duration,
}

/// `hsts`: `Strict-Transport-Security` (RFC 6797).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Hsts {
    /// Whole seconds.
    pub max_age: Duration,
    pub include_subdomains: bool,
    pub preload: bool,
}

impl Hsts {
    /// The value of the header field.
    pub fn value(&self) -> String {
        let mut value = format!("max-age={}", self.max_age.as_secs());
        if self.include_subdomains {
            value.push_str("; includeSubDomains");
        }
        if self.preload {
            value.push_str("; preload");
        }
        value
    }
}

/// `pools.NAME.tls`: TLS towards the servers, and for their checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolTls {
    /// Where the section is written.
    pub place: Place,
    /// PEM: the only roots; `None` are the system's.
    pub ca: Option<FilePath>,
    /// Asked for and verified, in lower case, an IPv6 address without brackets; `None`: the IP address of the
    /// server.
    pub server_name: Option<String>,
    /// PEM: the certificate that is shown to servers.
    pub cert: Option<FilePath>,
    /// PEM: its key; `None`: it is in `cert`.
    pub key: Option<Secret>,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// Nothing is verified. `ca` is `None` then.
    pub danger_accept_any_certificate: bool,
}
