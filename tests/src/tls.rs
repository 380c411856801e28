//! Clients and servers that speak TLS, on rustls: what curl and OpenSSL cannot be asked to do or to tell.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub use rustls::ClientConfig;
use rustls::{
    ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
    version::TLS13,
};

use crate::{
    message::{Reader, Request, Response},
    origin::ok,
    pki::{Authority, Identity},
    wait::DEADLINE,
};

/// A connection of a client over TLS.
pub struct TlsClient {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

/// What clients of one kind bring with them, with the sessions that they may resume.
pub fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots(authority)).with_no_client_auth())
}

/// The same in TLS 1.3 only, and with a full handshake each time.
pub fn trusting_anew(authority: &Authority) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_protocol_versions(&[&TLS13]);
    let mut config = builder.with_root_certificates(roots(authority)).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The same as [`trusting`], with a certificate of their own.
pub fn trusting_as(authority: &Authority, identity: &Identity) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder().with_root_certificates(roots(authority));
    let (chain, key) = parts(identity);
    Arc::new(builder.with_client_auth_cert(chain, key).expect("they belong together"))
}

impl TlsClient {
    /// Connects and asks for `name`.
    pub fn try_connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let mut tcp = TcpStream::connect_timeout(&address, DEADLINE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_write_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(name.to_owned()).expect("names of tests are names");
        let mut connection = ClientConnection::new(Arc::clone(config), name).expect("a fine configuration");
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Self { stream: StreamOwned::new(connection, tcp) })
    }

    /// The same, and panics if it cannot.
    #[track_caller]
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        Self::try_connect(address, config, name)
            .unwrap_or_else(|error| panic!("asking {address} for {name}: {error}"))
    }

    /// The server has shown this certificate.
    pub fn is_shown(&self, identity: &Identity) -> bool {
        self.shown().next() == Some(&identity.der)
    }

    /// The chain that the server has shown, as DER.
    pub fn shown(&self) -> impl Iterator<Item = &[u8]> {
        self.stream.conn.peer_certificates().unwrap_or_default().iter().map(AsRef::as_ref)
    }

    /// It goes on with an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends `GET path` with these field lines.
    pub fn try_get(&mut self, path: &str, fields: &str) -> io::Result<Response> {
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")?;
        Reader::new(&mut self.stream).response("GET")?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends `GET path`, and panics if there is no answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.try_get(path, "").unwrap_or_else(|error| panic!("asking for {path}: {error}"))
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

/// A server that speaks TLS and answers every request with the same text.
#[derive(Debug)]
pub struct TlsOrigin {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What a server has seen.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// All requests, in their order.
    pub requests: Vec<Request>,
    /// Of each connection that sent a request: it resumed a session.
    pub resumed: Vec<bool>,
    /// Of each such connection: the certificate that the client showed.
    pub clients: Vec<Option<Vec<u8>>>,
}

impl TlsOrigin {
    /// With this certificate. `clients`: only those with a certificate from there are let in.
    pub fn start(identity: &Identity, clients: Option<&Authority>, text: &str) -> Self {
        let builder = ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots(authority))).build();
                builder.with_client_cert_verifier(verifier.expect("it has a root"))
            }
        };
        let (chain, key) = parts(identity);
        let config = Arc::new(builder.with_single_cert(chain, key).expect("they belong together"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let origin = Self { address: listener.local_addr().expect("bound"), seen: Arc::default() };
        let (seen, answer) = (Arc::clone(&origin.seen), ok(text));
        // It lives as long as the test's process, as does its socket.
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (config, seen, answer) = (Arc::clone(&config), Arc::clone(&seen), answer.clone());
                // A client that breaks off is what some tests are about.
                thread::spawn(move || serve(tcp, config, &seen, &answer));
            }
        });
        origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen until now.
    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("nobody panics while holding it").clone()
    }
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, seen: &Mutex<Seen>, answer: &str) -> io::Result<()> {
    let connection = ServerConnection::new(config).expect("a fine configuration");
    let mut stream = StreamOwned::new(connection, tcp);
    let mut is_first = true;
    while let Some(request) = Reader::new(&mut stream).request()? {
        {
            let mut seen = seen.lock().expect("nobody panics while holding it");
            if std::mem::take(&mut is_first) {
                seen.resumed.push(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
                let shown = stream.conn.peer_certificates().and_then(<[_]>::first);
                seen.clients.push(shown.map(|shown| shown.to_vec()));
            }
            seen.requests.push(request);
        }
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("our own PEM");
    roots.add(root).expect("our own certificate");
    roots
}

fn parts(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("our own PEM");
    (vec![CertificateDer::from(identity.der.clone())], key)
}
