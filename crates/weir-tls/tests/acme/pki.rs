//! The authority that certifies the authorities' own HTTPS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use weir_tests::pki::Authority;

pub(crate) struct Pki {
    pub(crate) authority: Authority,
    /// Its own certificate, as the file would name it with `ca`.
    pub(crate) ca: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Pki {
        let authority = Authority::new();
        Pki { ca: authority.pem.clone().into_bytes(), authority }
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let identity = self.authority.server(&["127.0.0.1"]);
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("our own PEM");
        let config = ServerConfig::builder_with_provider(crate::provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(identity.der)], key);
        Arc::new(config.expect("key and certificate match"))
    }
}
