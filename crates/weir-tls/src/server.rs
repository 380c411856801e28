//! A listener's side of TLS: what it offers to clients.

use std::{rc::Rc, sync::Arc, time::SystemTime};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    server::{
        NoServerSessionStorage, ProducesTickets, ResolvesServerCert, UnbufferedServerConnection,
        VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
};
use weir_config::{ClientAuth, ClientAuthMode, HttpProtocols, Late, ListenerTls};

use crate::{
    Rooms, Session, Tickets,
    acme::TLS_ALPN_01_PROTOCOL,
    files,
    suites::{provider, versions},
};

/// What a listener offers: certificates, versions, protocols. Immutable; shared by all workers.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
}

impl Server {
    /// As `settings` say, with certificates from `resolver`. Of `tickets` there are none if the settings want none. What is
    /// hardly meant comes along.
    ///
    /// # Errors
    /// What is wrong with the files that the settings name, for [`weir_config::Checked::report`]. Nothing, where all that is
    /// wrong is that there is no `resolver`.
    pub fn new(
        settings: &ListenerTls,
        protocols: HttpProtocols,
        resolver: Option<Arc<dyn ResolvesServerCert>>,
        tickets: Option<Arc<Tickets>>,
    ) -> Result<(Self, Vec<Late>), Vec<Late>> {
        let mut doubts = Vec::new();
        let provider = Arc::new(provider(settings.ciphers.as_deref()));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.min_version))
            .map_err(|error| vec![files::problem(settings.place, &error)])?;
        let builder = match &settings.client_auth {
            None => builder.with_no_client_auth(),
            Some(auth) => builder.with_client_cert_verifier(verifier(auth, provider, &mut doubts)?),
        };
        let mut config = builder.with_cert_resolver(resolver.ok_or_else(Vec::new)?);
        let spoken =
            [(protocols.h2, &b"h2"[..]), (protocols.http1, b"http/1.1"), (true, TLS_ALPN_01_PROTOCOL)];
        config.alpn_protocols =
            spoken.into_iter().filter(|(is_spoken, _)| *is_spoken).map(|(_, name)| name.to_vec()).collect();
        // Ours is the order: that of the file, or one that no client can talk down.
        config.ignore_client_order = true;
        // Tickets hold the whole state: nothing is stored here, and any worker and any node can resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match tickets {
            Some(tickets) => config.ticketer = tickets as Arc<dyn ProducesTickets>,
            None => config.send_tls13_tickets = 0,
        }
        Ok((Self { config: Arc::new(config) }, doubts))
    }

    /// With one certificate and nothing else.
    #[cfg(test)]
    pub(crate) fn plain(resolver: Arc<dyn ResolvesServerCert>, alpn: Vec<Vec<u8>>) -> Self {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = alpn;
        Self { config: Arc::new(config) }
    }

    /// A session with a client that has just connected.
    pub fn accept(&self, rooms: &Rc<Rooms>) -> Session {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.config));
        Session::server(connection.expect("the configuration has been checked"), rooms)
    }
}

/// Judges the certificates of clients.
fn verifier(
    auth: &ClientAuth,
    provider: Arc<CryptoProvider>,
    doubts: &mut Vec<Late>,
) -> Result<Arc<dyn ClientCertVerifier>, Vec<Late>> {
    let roots: Arc<RootCertStore> = Arc::new(files::roots(&auth.ca)?);
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider);
    if let Some(crl) = &auth.crl {
        let lists = files::revocations(crl)?;
        doubts.extend(lists.iter().flat_map(|list| files::doubts(crl, list, &roots, SystemTime::now())));
        // Of a certificate whose issuer has published no list here, nothing can be known; that is no reason to let
        // nobody in.
        builder = builder.with_crls(lists).allow_unknown_revocation_status();
    }
    if auth.mode == ClientAuthMode::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| match (&error, &auth.crl) {
        (VerifierBuilderError::InvalidCrl(_), Some(crl)) => files::at(crl, error),
        _ => files::at(&auth.ca, error),
    })
}
