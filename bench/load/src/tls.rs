//! The client's side of TLS, on rustls without its buffers: records are decrypted where they were read, and what is to
//! be sent lands in the connection's own buffer.
//!
//! One version, one group and one cipher are offered, so that all servers do the same work. The server must show
//! exactly the expected certificate and sign with its key; no chain is built, which would only cost the load time.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
    UnbufferedClientConnection,
};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::unbuffered::{ConnectionState, EncryptError};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, HandshakeKind, NamedGroup, SignatureScheme,
};

use crate::plan::{Plan, TLS_NAME};

/// A record's header, its type, its tag, and some to spare.
const RECORD_OVERHEAD: usize = 64;
/// The most that one record carries.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// A handshake gives up to two tickets and takes one, so their number would grow with the run.
const TICKETS_MAX: usize = 4096;

/// What all sessions have in common.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// One connection's TLS.
pub(crate) struct Session {
    connection: UnbufferedClientConnection,
    /// The beginning of a record that has not come whole.
    partial: Vec<u8>,
    /// The handshake is over.
    open: bool,
    h2: bool,
}

impl Tls {
    /// `None` when the plan is to speak in the clear.
    pub(crate) fn new(plan: &Plan) -> Result<Option<Tls>, String> {
        let Some(file) = &plan.tls else { return Ok(None) };
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let pinned = Pinned::read(file, provider.signature_verification_algorithms)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        let protocol = if plan.h2_streams.is_some() { "h2" } else { "http/1.1" };
        config.alpn_protocols = vec![protocol.into()];
        config.resumption = match plan.resume {
            true => Resumption::store(Arc::new(Tickets::default())),
            false => Resumption::disabled(),
        };
        let name = ServerName::try_from(TLS_NAME).map_err(|error| error.to_string())?;
        Ok(Some(Tls { config: Arc::new(config), name }))
    }

    /// Begins a handshake: the first bytes to send are put into `out`.
    pub(crate) fn session(&self, out: &mut Vec<u8>) -> Result<Session, String> {
        let connection =
            UnbufferedClientConnection::new(self.config.clone(), self.name.clone()).map_err(say)?;
        let h2 = self.config.alpn_protocols.iter().any(|protocol| protocol == b"h2");
        let mut session = Session { connection, partial: Vec::new(), open: false, h2 };
        session.take(&mut [], out, &mut |_| Ok(()))?;
        Ok(session)
    }
}

impl Session {
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// How the handshake went; `None` as long as it goes.
    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.connection.handshake_kind().filter(|_| self.open)
    }

    /// Puts what is left of the last read in front of the next one, and says how much that is.
    pub(crate) fn restore(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.partial.len()].copy_from_slice(&self.partial);
        self.partial.len()
    }

    /// Takes what was restored and read: plain bytes go to `give`, what the handshake wants to say to `out`.
    pub(crate) fn take(
        &mut self,
        mut incoming: &mut [u8],
        out: &mut Vec<u8>,
        give: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            let status = self.connection.process_tls_records(incoming);
            let discard = status.discard;
            let mut waits = false;
            match status.state.map_err(say)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        give(record.map_err(say)?.payload)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let had = out.len();
                    out.resize(had + RECORD_BYTES_MAX + RECORD_OVERHEAD, 0);
                    let count = data.encode(&mut out[had..]).map_err(|error| error.to_string())?;
                    out.truncate(had + count);
                }
                // It is in `out`, whose owner sends it.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(_) => {
                    waits = true;
                    self.open = true;
                }
                ConnectionState::BlockedHandshake => waits = true,
                ConnectionState::PeerClosed => {}
                ConnectionState::Closed => waits = true,
                other => return Err(format!("unexpected in TLS: {other:?}")),
            }
            incoming = &mut incoming[discard..];
            if waits {
                self.partial.clear();
                self.partial.extend_from_slice(incoming);
                return self.judge();
            }
        }
    }

    /// Encrypts all of `bytes` into `out`.
    pub(crate) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let status = self.connection.process_tls_records(&mut self.partial);
        let discard = status.discard;
        let ConnectionState::WriteTraffic(mut traffic) = status.state.map_err(say)? else {
            return Err("TLS is not ready to send".into());
        };
        let records = bytes.len().div_ceil(RECORD_BYTES_MAX);
        let had = out.len();
        out.resize(had + bytes.len() + records * RECORD_OVERHEAD, 0);
        let count =
            traffic.encrypt(bytes, &mut out[had..]).map_err(|error: EncryptError| error.to_string())?;
        out.truncate(had + count);
        self.partial.drain(..discard);
        Ok(())
    }

    /// What the servers have to have chosen alike.
    fn judge(&self) -> Result<(), String> {
        if !self.open {
            return Ok(());
        }
        if self.connection.handshake_kind() == Some(HandshakeKind::FullWithHelloRetryRequest) {
            return Err("the server wants another key share than X25519".into());
        }
        match self.connection.alpn_protocol() {
            Some(b"h2") if self.h2 => Ok(()),
            _ if self.h2 => Err("the server does not choose h2".into()),
            _ => Ok(()),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "so it fits map_err")]
fn say(error: Error) -> String {
    format!("TLS: {error}")
}

/// Takes one certificate, and nothing else.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn read(file: &Path, algorithms: WebPkiSupportedAlgorithms) -> Result<Pinned, String> {
        let certificate = CertificateDer::from_pem_file(file)
            .map_err(|error| format!("no certificate in {}: {error}", file.display()))?;
        Ok(Pinned { certificate, algorithms })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *shown == self.certificate {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The tickets of all sessions: there is one server only. rustls's own store keeps eight, too few for many
/// connections that begin at once.
#[derive(Debug, Default)]
struct Tickets(Mutex<Vec<Tls13ClientSessionValue>>);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _name: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, _session: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.0.lock().expect("one thread, no poison");
        if tickets.len() < TICKETS_MAX {
            tickets.push(ticket);
        }
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().expect("one thread, no poison").pop()
    }
}

#[cfg(test)]
mod tests;
