//! The authority that certifies the authorities' own HTTPS.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) struct Pki {
    /// Its own certificate, as the file would name it with `ca`.
    pub(crate) ca: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Pki {
        let key = KeyPair::generate().expect("keys can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is a fine name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect("it can be signed").pem().into_bytes();
        Pki { ca, issuer: Issuer::new(params, key) }
    }

    /// Chain and key for this machine, as PEM.
    pub(crate) fn localhost(&self) -> (String, String) {
        let key = KeyPair::generate().expect("keys can be made");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address is a fine name");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let (certificate, key) = self.localhost();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("our own PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("our own PEM");
        let config = ServerConfig::builder_with_provider(crate::provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Arc::new(config.expect("key and certificate match"))
    }
}
