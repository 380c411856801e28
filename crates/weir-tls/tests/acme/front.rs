//! A directory that points to a real authority, but for the parts that a test answers itself: what pebble cannot do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::pki::Pki;
use crate::site::listener;

/// An answer: the status, header lines, and the body.
#[derive(Clone)]
pub(crate) struct Canned {
    pub(crate) status: &'static str,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// The directory and the parts it answers itself, which may change while it runs.
pub(crate) struct Front {
    /// URL of the directory.
    pub(crate) directory: String,
    base: String,
    answers: Arc<Mutex<HashMap<String, Canned>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Front {
    pub(crate) async fn start(pki: &Pki) -> Front {
        let (listener, port) = listener().await;
        let acceptor = TlsAcceptor::from(pki.server());
        let answers: Arc<Mutex<HashMap<String, Canned>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let shared = (Arc::clone(&answers), Arc::clone(&asked));
        tasks.spawn(async move {
            // One after the other would do, but a client may keep an idle connection open.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(
                    stream,
                    acceptor.clone(),
                    Arc::clone(&shared.0),
                    Arc::clone(&shared.1),
                ));
                while connections.try_join_next().is_some() {}
            }
        });
        let base = format!("https://127.0.0.1:{port}");
        Front { directory: format!("{base}/dir"), base, answers, asked, _tasks: tasks }
    }

    /// Points to the authority with this directory, except for `own` parts, which are answered here under their name.
    pub(crate) async fn point_to(&self, pki: &Pki, directory: &str, own: &[&str]) {
        let mut parts: Value =
            serde_json::from_slice(&crate::fetch::get(pki, directory).await).expect("a directory");
        for name in own {
            parts[*name] = json!(format!("{}/{name}", self.base));
        }
        self.answer("dir", "200 OK", "content-type: application/json\r\n", &parts.to_string());
    }

    /// Answers a part (and whatever is below it) so from now on.
    pub(crate) fn answer(&self, part: &str, status: &'static str, headers: &str, body: &str) {
        let canned = Canned { status, headers: headers.to_owned(), body: body.to_owned() };
        self.answers.lock().expect("nobody panics with it").insert(part.to_owned(), canned);
    }

    /// How many requests a part has had.
    pub(crate) fn asked(&self, part: &str) -> usize {
        self.asked.lock().expect("nobody panics with it").iter().filter(|asked| *asked == part).count()
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    answers: Arc<Mutex<HashMap<String, Canned>>>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let Some(text) = read_request(&mut stream).await else { return };
    let part = text.split([' ', '/']).nth(2).unwrap_or_default().to_owned();
    asked.lock().expect("nobody panics with it").push(part.clone());
    let canned = answers.lock().expect("nobody panics with it").get(&part).cloned();
    let canned =
        canned.unwrap_or(Canned { status: "404 Not Found", headers: String::new(), body: String::new() });
    let Canned { status, headers, body } = canned;
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    if !text.starts_with("HEAD") {
        let _ = stream.write_all(body.as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

/// A whole request: to close with something unread would reset the connection, and the answer with it.
async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap_or(0)) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}
