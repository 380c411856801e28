//! Keys, requests for certificates, and the certificates that we sign ourselves: the placeholder that is served
//! until the first real one is there, and the answer to tls-alpn-01.

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::problem::Problem;
use super::settings::{KeyType, Order};

/// What a person sees who looks at the placeholder in a browser.
const PLACEHOLDER_NAME: &str = "Weir, until a certificate is issued";

/// A key and the request to certify it.
pub(super) struct Request {
    pub(super) key_pem: String,
    pub(super) der: Vec<u8>,
}

impl Request {
    /// A new key for the order. An RSA key takes a moment of CPU: not on an event loop.
    pub(super) fn new(order: &Order) -> Result<Request, Problem> {
        let make = || {
            let key = match order.key_type {
                KeyType::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
                KeyType::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            }?;
            let mut params = CertificateParams::new(order.domains.clone())?;
            params.distinguished_name = DistinguishedName::new();
            let request = params.serialize_request(&key)?;
            Ok(Request { key_pem: key.serialize_pem(), der: request.der().to_vec() })
        };
        make().map_err(|error: rcgen::Error| {
            Problem::new(format!("cannot make a key and its request: {error}"))
        })
    }
}

/// A certificate that no client trusts, so that TLS works at all before the first real one is there.
pub(super) fn placeholder(domains: &[String]) -> Result<CertifiedKey, Problem> {
    sign(domains.to_vec(), |params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, PLACEHOLDER_NAME);
    })
}

/// The certificate that answers tls-alpn-01: the one domain, and the digest of the key authorization in a critical
/// extension (RFC 8737, section 3).
pub(super) fn tls_alpn_01(domain: &str, digest: &[u8]) -> Result<CertifiedKey, Problem> {
    sign(vec![domain.to_owned()], |params| {
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    })
}

fn sign(domains: Vec<String>, shape: impl FnOnce(&mut CertificateParams)) -> Result<CertifiedKey, Problem> {
    let make = || {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(domains)?;
        shape(&mut params);
        Ok((params.self_signed(&key)?, key))
    };
    let (certificate, key) =
        make().map_err(|error: rcgen::Error| Problem::new(format!("cannot sign a certificate: {error}")))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key =
        any_supported_type(&key).map_err(|error| Problem::new(format!("cannot use a new key: {error}")))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
