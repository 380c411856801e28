//! `certificates.NAME`: from files, from a directory, or from an ACME server.

use super::{Choice, Key, List, Section, Shape, Word, key, list, word};
use crate::kind::Kind;

pub(super) static CERTIFICATE: Section = Section {
    path: "certificates.NAME",
    doc: "Certificates that listeners name. Changed files are taken over by themselves; what does not fit \
          together leaves the old certificate in use.",
    keys: &[
        key(
            "cert",
            Shape::One(Kind::File),
            "PEM: the certificate, then those between it and the root; the key too, if there is no `key`.",
        ),
        key(
            "key",
            Shape::Section(&KEY),
            "The private key in PEM, not encrypted; without it, it is in `cert`.",
        )
        .needs("cert"),
        key(
            "ocsp",
            Shape::One(Kind::File),
            "DER: the OCSP response that goes with the certificate; another program keeps it fresh.",
        )
        .needs("cert"),
        key(
            "dir",
            Shape::One(Kind::File),
            "A directory of NAME.pem (chain and key) or NAME.crt beside NAME.key, chosen by the names inside.",
        ),
        key("acme", Shape::Section(&ACME), "Ordered from an ACME server, and renewed before it expires."),
    ],
    choices: &[Choice { keys: &["cert", "dir", "acme"], needed: true }],
};

/// A secret: never in the file itself.
pub(super) const fn secret(path: &'static str, doc: &'static str) -> Section {
    Section { path, doc, keys: &SECRET, choices: &[Choice { keys: &["file", "env"], needed: true }] }
}

static SECRET: [Key; 2] = [
    key("file", Shape::One(Kind::File), "The file that holds it."),
    key("env", Shape::One(Kind::EnvName), "The environment variable that holds it."),
];

static KEY: Section = secret("certificates.NAME.key", "Where the private key is.");

static ACME: Section = Section {
    path: "certificates.NAME.acme",
    doc: "A certificate from an ACME server (RFC 8555). Account and certificates are kept in `runtime.state_dir`. \
          Until the first one is issued, a self-signed one is served.",
    keys: &[
        key("domains", Shape::List(&DOMAINS), "The names of the certificate.").required(),
        key("email", Shape::One(Kind::Email), "Where the ACME server may write to."),
        key("directory", Shape::One(Kind::HttpsUrl), "The ACME server.")
            .default("https://acme-v02.api.letsencrypt.org/directory"),
        key(
            "challenge",
            Shape::One(Kind::Challenge),
            "How the server sees that the names lead here: `http-01` or `tls-alpn-01`.",
        )
        .default("http-01"),
        key(
            "ca",
            Shape::One(Kind::File),
            "PEM: the only roots that the ACME server's own certificate may come from, for a private one; without it, the system's.",
        ),
        key("key_type", Shape::One(Kind::Word(&KEY_TYPES)), "The kind of the certificate's key.")
            .default("ecdsa"),
        key("eab", Shape::Section(&EAB), "The account at an ACME server that wants to know its customers."),
    ],
    choices: &[],
};

/// Let's Encrypt takes no more.
static DOMAINS: List = list(Kind::AcmeDomain, 1, 100);

static KEY_TYPES: [Word; 2] = [word("ecdsa", "ECDSA on P-256"), word("rsa", "RSA with 2048 bits")];

static EAB: Section = Section {
    path: "certificates.NAME.acme.eab",
    doc: "External account binding (RFC 8555 section 7.3.4).",
    keys: &[
        key("kid", Shape::One(Kind::Text), "The key identifier that the ACME server gave out.").required(),
        key("hmac_key", Shape::Section(&HMAC_KEY), "The key that it gave out, in base64url.").required(),
    ],
    choices: &[],
};

static HMAC_KEY: Section = secret("certificates.NAME.acme.eab.hmac_key", "Where the key is.");
