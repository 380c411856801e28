//! The HTTP side of metrics: `GET /metrics`, and nothing else.
//!
//! It answers one request per connection. A scraper comes every few seconds and loses nothing by that, and no
//! connection has to be watched while it is idle. What a client can hold open is bounded three times: the
//! number of connections, the time for its head, and the time in all.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use super::encode;
use crate::log;

/// The most connections open at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;

/// From the accept to the end of the request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// From the accept to the end of the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long to wait when nothing can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers on `listener` with what `text` gives at that moment. Never ends; when dropped, all its connections
/// are closed.
pub async fn serve(listener: TcpListener, text: Arc<dyn Fn() -> String + Send + Sync>) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let page = Arc::new(Page { text, turn: Semaphore::new(1) });
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let stream = accept(&listener).await;
        let page = Arc::clone(&page);
        connections.spawn(async move {
            // A client that is late or breaks off has only itself to blame.
            let _ = timeout(CONNECTION_TIMEOUT, serve_one(stream, page)).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                log::warn("metrics: cannot accept", &[("error", &error)]);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What is answered with, and whose turn it is to have it written.
struct Page {
    text: Arc<dyn Fn() -> String + Send + Sync>,
    turn: Semaphore,
}

async fn serve_one(stream: TcpStream, page: Arc<Page>) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let page = Arc::clone(&page);
        async move { Ok::<_, Infallible>(answer(&request, &page).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(request: &Request<Incoming>, page: &Page) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "Not found. The metrics are at /metrics.\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    // A page of very many servers takes most of a second to write: on a thread of its own, so that no check waits for it, and
    // one after the other.
    let _turn = page.turn.acquire().await;
    let text = Arc::clone(&page.text);
    match spawn_blocking(move || text()).await {
        Ok(page) => with_type(page, encode::CONTENT_TYPE),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be written.\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = with_type(text, "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

fn with_type(text: impl Into<Bytes>, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::atomic::{AtomicU64, Ordering::SeqCst},
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;
    use crate::metrics::encode::{Exposition, strict};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// An endpoint whose text counts how often it was asked for.
    async fn start() -> (SocketAddr, JoinHandle<Infallible>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = AtomicU64::new(0);
        let text = move || {
            let mut text = Exposition::new();
            text.counter("scrapes", "Scrapes.").sample(&[], asked.fetch_add(1, SeqCst));
            text.finish()
        };
        (address, tokio::spawn(serve(listener, Arc::new(text))))
    }

    /// Sends `request` on a connection of its own and reads until the endpoint closes it.
    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("closed in time").unwrap();
        answer
    }

    #[tokio::test]
    async fn get_gives_the_text_of_the_moment() {
        let (address, endpoint) = start().await;
        for round in 0..3 {
            let answer = ask(address, "GET /metrics?x=1 HTTP/1.1\r\nHost: weir\r\n\r\n").await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains(&format!("content-type: {}\r\n", encode::CONTENT_TYPE)), "{head}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            let families = strict::parse(body).unwrap();
            let key = ("scrapes_total".to_owned(), Vec::new());
            assert_eq!(families["scrapes"].samples[&key], f64::from(round));
        }
        endpoint.abort();
    }

    #[tokio::test]
    async fn head_gives_no_body() {
        let (address, endpoint) = start().await;
        let answer = ask(address, "HEAD /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        endpoint.abort();
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let (address, endpoint) = start().await;
        let answer = ask(address, "GET /metrics/x HTTP/1.1\r\nHost: weir\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("at /metrics."), "{answer}");
        let answer = ask(address, "POST /metrics HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
        let answer = ask(address, "nonsense\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        endpoint.abort();
    }

    #[tokio::test]
    async fn silent_clients_take_no_more_than_their_places() {
        let (address, endpoint) = start().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut scraper = TcpStream::connect(address).await.unwrap();
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").await.unwrap();
        let mut first = [0];
        let early = timeout(Duration::from_millis(50), scraper.read(&mut first)).await;
        assert!(early.is_err(), "answered although all places are taken");
        // One hangs up, and the scraper has its place.
        silent.pop();
        assert_eq!(timeout(DEADLINE, scraper.read(&mut first)).await.unwrap().unwrap(), 1);
        endpoint.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_sent_away() {
        let (address, endpoint) = start().await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET /met").await.unwrap();
        let mut rest = Vec::new();
        timeout(DEADLINE, silent.read_to_end(&mut rest)).await.expect("closed before the deadline").unwrap();
        endpoint.abort();
    }
}
