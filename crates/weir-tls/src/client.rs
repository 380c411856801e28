//! A pool's side of TLS: what is asked of servers.

use std::{collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption, UnbufferedClientConnection,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use weir_config::{CertificateFiles, Late, PoolProtocol, PoolTls, TlsVersion};

use crate::{
    Rooms, Session, SystemRoots, certs, files,
    suites::{provider, versions},
};

/// So many sessions with one server are remembered: what rustls keeps of one.
const SESSIONS_MAX: usize = 8;

/// What is asked of the servers of a pool. Immutable; shared by all workers, with the sessions that they may resume.
#[derive(Debug)]
pub struct Client {
    /// Sessions are remembered by name, and the servers of a pool mostly go by the same one, while each has keys of its own
    /// for its tickets: a session of one is worth nothing at another. So each server has its memory.
    servers: HashMap<SocketAddr, Arc<ClientConfig>>,
    /// For checks, which resume nothing: a server that has lost its certificate is to be noticed.
    checks: Arc<ClientConfig>,
    /// `None`: each server's own address.
    name: Option<ServerName<'static>>,
}

impl Client {
    /// As `settings` say, for these `servers`; `system` is read if they name no roots. What is hardly meant comes along.
    ///
    /// # Errors
    /// What is wrong with the files that they name, for [`weir_config::Checked::report`].
    pub fn new(
        settings: &PoolTls,
        protocol: PoolProtocol,
        servers: impl Iterator<Item = SocketAddr>,
        system: &SystemRoots,
    ) -> Result<(Self, Option<Late>), Vec<Late>> {
        let provider = Arc::new(provider(None));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.min_version))
            .map_err(|error| vec![files::problem(settings.place, &error)])?;
        let builder = if settings.danger_accept_any_certificate {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(match &settings.ca {
                Some(ca) => Arc::new(files::roots(ca)?),
                None => system.at(settings.place)?,
            })
        };
        let mut doubt = None;
        let mut config = match &settings.cert {
            None => builder.with_no_client_auth(),
            Some(cert) => {
                let files = CertificateFiles { cert: cert.clone(), key: settings.key.clone(), ocsp: None };
                let (identity, untimely) = certs::load_one(&files)?;
                doubt = untimely;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
        };
        let (h2, http1) = (b"h2".to_vec(), b"http/1.1".to_vec());
        config.alpn_protocols = match protocol {
            PoolProtocol::Http1 => vec![http1],
            PoolProtocol::H2 => vec![h2],
            PoolProtocol::Auto => vec![h2, http1],
        };
        let name = settings.server_name.as_ref().map(|name| {
            ServerName::try_from(name.clone())
                .map_err(|error| vec![files::problem(settings.place, format!("`{name}`: {error}"))])
        });
        Ok((Self::of(config, name.transpose()?, servers), doubt))
    }

    fn of(
        mut config: ClientConfig,
        name: Option<ServerName<'static>>,
        servers: impl Iterator<Item = SocketAddr>,
    ) -> Self {
        let remembering = |address| {
            let mut config = config.clone();
            config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
            (address, Arc::new(config))
        };
        let servers = servers.map(remembering).collect();
        config.resumption = Resumption::disabled();
        Self { servers, checks: Arc::new(config), name }
    }

    /// Of nobody in particular: for checks of servers whose TLS is passed through, which are to finish a handshake and
    /// whose certificate is their clients' affair. `server_name` is asked for (SNI); without it, no name is.
    ///
    /// # Errors
    /// The name is none.
    pub fn for_handshakes(server_name: Option<&str>) -> Result<Self, rustls::pki_types::InvalidDnsNameError> {
        let provider = Arc::new(provider(None));
        let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(TlsVersion::Tls12))
            .expect("the provider has suites of both versions");
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        let name = server_name.map(|name| ServerName::try_from(name.to_owned())).transpose()?;
        Ok(Self::of(config, name, std::iter::empty()))
    }

    #[cfg(test)]
    pub(crate) fn trusting(config: ClientConfig, name: &'static str) -> Self {
        Self::of(config, Some(ServerName::try_from(name).expect("a name")), std::iter::empty())
    }

    /// A whole handshake with the server at `address` over `tcp`, on the control plane's runtime; says also whether both
    /// agreed on HTTP/2.
    ///
    /// # Errors
    /// What is wrong with the server's side of it, in words for a person.
    pub async fn check(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> io::Result<(impl AsyncRead + AsyncWrite + Send + Unpin + 'static, bool)> {
        let stream = TlsConnector::from(Arc::clone(&self.checks)).connect(self.name(address), tcp).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, is_h2))
    }

    fn name(&self, address: SocketAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| ServerName::from(address.ip()))
    }

    /// A session with the server at `address`, to which a connection has just been made.
    pub fn connect(&self, address: SocketAddr, rooms: &Rc<Rooms>) -> Session {
        let config = self.servers.get(&address).unwrap_or(&self.checks);
        let connection = UnbufferedClientConnection::new(Arc::clone(config), self.name(address));
        Session::client(connection.expect("the configuration has been checked"), rooms)
    }
}

/// Takes whatever a server shows, for those who have asked for that.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Whoever it is, it must have the key of what it shows.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
