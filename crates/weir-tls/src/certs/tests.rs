//! The rules, on real files in a directory of their own.

mod choice;
mod directory;
mod files;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::Acceptor,
    sign::CertifiedKey,
};
use weir_config::{Checked, check};

use super::{Loaded, Options, Store};

/// A directory that goes away with the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-certs-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Instead of what was there, at once, as careful programs write.
    pub(super) fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.write("new", content);
        fs::rename(new, self.path(name)).unwrap();
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key in PEM.
pub(super) struct Made {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Made {
    pub(super) fn both(&self) -> String {
        format!("{}{}", self.cert, self.key)
    }
}

pub(super) fn made(names: &[&str]) -> Made {
    signed(names, &KeyPair::generate().unwrap(), |_| {})
}

/// With an RSA key: one for all tests, because making it takes long.
pub(super) fn made_rsa(names: &[&str]) -> Made {
    static KEY: std::sync::OnceLock<KeyPair> = std::sync::OnceLock::new();
    let key = KEY.get_or_init(|| KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
    signed(names, key, |_| {})
}

pub(super) fn signed(names: &[&str], key: &KeyPair, shape: impl FnOnce(&mut CertificateParams)) -> Made {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    shape(&mut params);
    Made { cert: params.self_signed(key).unwrap().pem(), key: key.serialize_pem() }
}

/// A configuration of these certificates, each on a line of its own, all on one listener.
pub(super) fn checked(certificates: &[(&str, String)]) -> Checked {
    let lines: String = certificates.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
    let names: Vec<&str> = certificates.iter().map(|(name, _)| *name).collect();
    let text = format!(
        "certificates:\n{lines}listeners:\n  - bind: \":443\"\n    tls: {{ certificates: [{}] }}\n    routes: [{{ respond: {{}} }}]\n",
        names.join(", ")
    );
    check("weir.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

pub(super) fn files(cert: &Path, key: &Path) -> String {
    format!("{{ cert: {}, key: {{ file: {} }} }}", cert.display(), key.display())
}

pub(super) fn load(checked: &Checked) -> Loaded {
    Store::load(&checked.config, None, &Options::default(), SystemTime::now())
        .unwrap_or_else(|late| panic!("{:?}", late.iter().map(|late| &late.message).collect::<Vec<_>>()))
}

/// What a client that asks for this name gets: the first name in the certificate, or nothing.
pub(super) fn served(store: &Store, asked: &str) -> Option<Box<str>> {
    let certified = resolve(store, asked, &Client::default())?;
    super::leaf::Leaf::read(&certified.cert[0]).unwrap().names.first().cloned()
}

pub(super) fn resolve(store: &Store, asked: &str, client: &Client) -> Option<Arc<CertifiedKey>> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(client.clone()))
        .with_no_client_auth();
    config.alpn_protocols = client.alpn.clone();
    let name = ServerName::try_from(asked.to_owned()).unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut hello).unwrap();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &hello[..]).unwrap();
    let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().expect("the hello is whole");
    store.resolver(0).expect("the listener has TLS").resolve(accepted.client_hello())
}

/// A client that trusts everybody, to see what it is offered.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) schemes: Vec<SignatureScheme>,
    pub(super) alpn: Vec<Vec<u8>>,
}

impl Default for Client {
    fn default() -> Client {
        let schemes = default_provider().signature_verification_algorithms.supported_schemes();
        Client { schemes, alpn: Vec::new() }
    }
}

impl ServerCertVerifier for Client {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

pub(super) fn later(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}
