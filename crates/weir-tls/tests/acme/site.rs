//! What stands for Weir's workers: a listener for HTTP and one for TLS, which answer from the challenges only.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use weir_tls::acme::{Challenges, HTTP_01_PATH, TLS_ALPN_01_PROTOCOL};

pub(crate) struct Site {
    pub(crate) challenges: Challenges,
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
    /// Whether the site can be reached as it should.
    pub(crate) works: Arc<AtomicBool>,
    /// The tokens that were asked for.
    pub(crate) tokens: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Site {
    pub(crate) async fn start() -> Site {
        let (http, http_port) = listener().await;
        let (tls, tls_port) = listener().await;
        let challenges = Challenges::new();
        let works = Arc::new(AtomicBool::new(true));
        let tokens = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_http(http, challenges.clone(), Arc::clone(&works), Arc::clone(&tokens)));
        tasks.spawn(serve_tls(tls, challenges.clone()));
        Site { challenges, http_port, tls_port, works, tokens, _tasks: tasks }
    }
}

pub(crate) async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

async fn serve_http(
    listener: TcpListener,
    challenges: Challenges,
    works: Arc<AtomicBool>,
    tokens: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(path) = read_path(&mut stream).await else { continue };
        let token = path.strip_prefix(HTTP_01_PATH).unwrap_or_default();
        tokens.lock().expect("nobody panics with it").push(token.to_owned());
        let answer = challenges.http_01(token).filter(|_| works.load(Ordering::Relaxed));
        let (status, body) = answer.as_deref().map_or(("404 Not Found", "a shop"), |body| ("200 OK", body));
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        // An authority that has gone away says nothing about us.
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
}

/// The path of a request without a body.
async fn read_path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()?.split(' ').nth(1).map(str::to_owned)
}

async fn serve_tls(listener: TcpListener, challenges: Challenges) {
    let config = ServerConfig::builder_with_provider(crate::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth();
    let mut config = config.with_cert_resolver(Arc::new(Resolver(challenges)));
    config.alpn_protocols = vec![TLS_ALPN_01_PROTOCOL.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        // The handshake is all; what it leads to is the authority's judgement.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.shutdown().await;
        }
    }
}

struct Resolver(Challenges);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.answer(&hello)
    }
}
