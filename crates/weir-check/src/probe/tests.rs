//! Checks against real little servers on free loopback ports.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::oneshot,
};
use weir_config::{HttpProbe, JsonScalar, Pattern, Sought, TcpExchange};

use super::*;

mod exec;
mod tcp;

/// Long enough for loopback on a busy machine, so that no test passes or fails by its time.
const AMPLE: Duration = Duration::from_secs(20);

/// As much of a body as a check reads.
const BODY_READ: usize = 64 * 1024;

fn health(probe: Probe, timeout: Duration) -> Health {
    let interval = Duration::from_secs(1);
    Health {
        probe,
        agent: None,
        interval,
        down_interval: interval,
        timeout,
        fall: 3,
        rise: 2,
        concurrency: 1,
    }
}

async fn probe(address: SocketAddr, health: &Health, speech: &Speech) -> Outcome {
    super::probe(Asked { address, health, speech, pool: "web", server: "web1" }).await
}

fn get() -> HttpProbe {
    HttpProbe {
        method: "GET".to_owned(),
        path: "/healthz?deep=1".to_owned(),
        host: None,
        headers: Vec::new(),
        body: String::new(),
        expect: vec![(200, 299)],
        expect_headers: Vec::new(),
        expect_body: None,
        expect_json: Vec::new(),
    }
}

fn text(text: &str) -> Option<Sought> {
    Some(Sought::Text(text.to_owned()))
}

fn regex(text: &str) -> Sought {
    Sought::Regex(Pattern { text: text.to_owned(), regex: regex::bytes::Regex::new(text).unwrap() })
}

/// A server that takes one connection, reads a request head, writes `answer`, and closes, or with `keep_open`
/// waits for the other side to close. Gives its address and the head that it read.
async fn answering(answer: Vec<u8>, keep_open: bool) -> (SocketAddr, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, head) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while memchr::memmem::find(&read, b"\r\n\r\n").is_none() {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let _ = tell.send(String::from_utf8(read).unwrap());
        // The checker may hang up as soon as it knows enough.
        let _ = stream.write_all(&answer).await;
        if keep_open {
            let _ = stream.read(&mut [0]).await;
        }
    });
    (address, head)
}

/// Asks a server that answers `answer`, and compares what came of it.
async fn check(expected: HttpProbe, answer: &str, outcome: Result<(), &str>) {
    let (address, _head) = answering(answer.as_bytes().to_vec(), false).await;
    let got = probe(address, &health(Probe::Http(expected), AMPLE), &Speech::default()).await;
    let outcome = match outcome {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason.to_owned()),
    };
    assert_eq!(got, outcome, "answer {answer:?}");
}

/// A loopback address that refuses connects: bound, but not listening.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn tcp_passes_when_a_connect_succeeds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let got = probe(listener.local_addr().unwrap(), &health(Probe::Tcp, AMPLE), &Speech::default()).await;
    assert_eq!(got, Outcome::Passed);
}

#[tokio::test]
async fn a_refused_connect_fails_both_kinds() {
    let (_bound, address) = refusing();
    for asked in [Probe::Tcp, Probe::Http(get())] {
        let got = probe(address, &health(asked, AMPLE), &Speech::default()).await;
        assert_eq!(got, Outcome::Failed("connection refused".to_owned()));
    }
}

#[tokio::test]
async fn the_request_is_a_plain_get() {
    let (address, head) = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false).await;
    assert_eq!(probe(address, &health(Probe::Http(get()), AMPLE), &Speech::default()).await, Outcome::Passed);
    let head = head.await.unwrap();
    assert!(head.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{head}");
    let mut fields: Vec<_> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
    fields.sort_unstable();
    let host = format!("host: {address}");
    assert_eq!(fields, ["connection: close", &host, "user-agent: weir-check"]);
}

#[tokio::test]
async fn the_host_can_be_chosen() {
    let (address, head) = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false).await;
    let expected = HttpProbe { host: Some("shop.example.com".to_owned()), ..get() };
    assert_eq!(
        probe(address, &health(Probe::Http(expected), AMPLE), &Speech::default()).await,
        Outcome::Passed
    );
    assert!(head.await.unwrap().contains("\r\nhost: shop.example.com\r\n"));
}

#[tokio::test]
async fn the_request_is_as_it_is_told_to_be() {
    let (address, head) = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false).await;
    let expected = HttpProbe {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![("user-agent".to_owned(), "me".to_owned()), ("x-check".to_owned(), "1".to_owned())],
        body: "deep".to_owned(),
        ..get()
    };
    assert_eq!(
        probe(address, &health(Probe::Http(expected), AMPLE), &Speech::default()).await,
        Outcome::Passed
    );
    let head = head.await.unwrap();
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    let mut fields: Vec<_> = head.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    fields.sort_unstable();
    let host = format!("host: {address}");
    assert_eq!(fields, ["connection: close", "content-length: 4", &host, "user-agent: me", "x-check: 1"]);
}

#[tokio::test]
async fn a_head_request_has_no_body_to_wait_for() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let (address, head) = answering(answer, true).await;
    let expected = HttpProbe { method: "HEAD".to_owned(), ..get() };
    assert_eq!(
        probe(address, &health(Probe::Http(expected), AMPLE), &Speech::default()).await,
        Outcome::Passed
    );
    assert!(head.await.unwrap().starts_with("HEAD /healthz?deep=1 "));
}

#[tokio::test]
async fn the_body_must_match_an_expression_as_a_whole() {
    let expected = || HttpProbe { expect_body: Some(regex("^(ok|fine)$")), ..get() };
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", Ok(())).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n";
    check(expected(), chunked, Err("the body does not match \"^(ok|fine)$\"")).await;
    let reason = "connection closed before the end of the body";
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", Err(reason)).await;
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BODY_READ + 1));
    let reason = "the first 64 KiB of the body do not match \"^(ok|fine)$\"";
    check(expected(), &endless, Err(reason)).await;
}

#[tokio::test]
async fn the_body_must_say_what_is_expected_in_json() {
    let status = ("/status".to_owned(), JsonScalar::Text("ok".to_owned()));
    let up = ("/db/up".to_owned(), JsonScalar::Bool(true));
    let expected = || HttpProbe { expect_json: vec![status.clone(), up.clone()], ..get() };
    let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    check(expected(), &answer(r#"{"db": {"up": true}, "status": "ok"}"#), Ok(())).await;
    let reason = "/db/up is false, expected true";
    check(expected(), &answer(r#"{"db": {"up": false}, "status": "ok"}"#), Err(reason)).await;
    let both = || HttpProbe { expect_body: text("yes"), ..expected() };
    let body = r#"{"db": {"up": true}, "status": "ok", "say": "yes"}"#;
    check(both(), &answer(body), Ok(())).await;
    let reason = "the body does not contain \"yes\"";
    check(both(), &answer(r#"{"db": {"up": true}, "status": "ok"}"#), Err(reason)).await;
    let long = answer(&format!(r#"{{"fill": "{}"}}"#, "x".repeat(BODY_READ)));
    check(expected(), &long, Err("the body has more than 64 KiB, which is too much JSON")).await;
}

#[tokio::test]
async fn the_status_must_be_in_a_range() {
    let expected = || HttpProbe { expect: vec![(200, 299), (404, 404)], ..get() };
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok(())).await;
    check(expected(), "HTTP/1.0 299 Fine\r\n\r\n", Ok(())).await;
    check(expected(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Ok(())).await;
    check(expected(), "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok(())).await;
    for (answer, reason) in [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", "answered 503, expected 200-299, 404"),
        ("HTTP/1.1 300 Many\r\n\r\n", "answered 300, expected 200-299, 404"),
        ("HTTP/1.1 403 No\r\n\r\n", "answered 403, expected 200-299, 404"),
    ] {
        check(expected(), answer, Err(reason)).await;
    }
}

#[tokio::test]
async fn fields_must_contain_their_text() {
    let expected = || HttpProbe { expect_headers: vec![("x-ready".to_owned(), "yes".to_owned())], ..get() };
    check(expected(), "HTTP/1.1 200 OK\r\nX-Ready: oh yes!\r\n\r\n", Ok(())).await;
    check(expected(), "HTTP/1.1 200 OK\r\nX-Ready: no\r\nX-Ready: yes\r\n\r\n", Ok(())).await;
    check(expected(), "HTTP/1.1 200 OK\r\n\r\n", Err("the answer has no field x-ready")).await;
    let reason = "field x-ready does not contain \"yes\"";
    check(expected(), "HTTP/1.1 200 OK\r\nX-Ready: no\r\n\r\n", Err(reason)).await;
}

#[tokio::test]
async fn the_body_must_contain_its_text() {
    let expected = || HttpProbe { expect_body: text("all good"), ..get() };
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n-- all good--", Ok(())).await;
    check(expected(), "HTTP/1.1 200 OK\r\n\r\nuntil the end: all good", Ok(())).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n5\r\n good\r\n0\r\n\r\n";
    check(expected(), chunked, Ok(())).await;
    let reason = "the body does not contain \"all good\"";
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall bad.", Err(reason)).await;
    let reason = "connection closed before the end of the body";
    check(expected(), "HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\nall ", Err(reason)).await;
}

#[tokio::test]
async fn only_the_first_64_kib_of_the_body_are_read() {
    let expected = || HttpProbe { expect_body: text("end"), ..get() };
    let body = |filler: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}end", "x".repeat(filler));
    check(expected(), &body(BODY_READ - 3), Ok(())).await;
    let reason = "the first 64 KiB of the body do not contain \"end\"";
    check(expected(), &body(BODY_READ - 2), Err(reason)).await;
    // Far more than would ever fit: the check is over long before it is written.
    check(expected(), &body(50_000_000), Err(reason)).await;
}

#[tokio::test]
async fn what_is_not_http_fails() {
    let cases = [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not a valid HTTP/1 answer: invalid HTTP version parsed"),
        ("", "connection closed before the answer"),
        ("HTTP/1.1 200 OK\r\nX-Half: ", "connection closed before the answer"),
    ];
    for (answer, reason) in cases {
        check(get(), answer, Err(reason)).await;
    }
}

#[tokio::test]
async fn an_endless_head_fails() {
    let answer = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(1_000_000));
    check(get(), &answer, Err("not a valid HTTP/1 answer: message head is too large")).await;
}

/// A check that runs into its timeout says what was missing, and takes no longer than that.
async fn check_timeout(address: SocketAddr, expected: HttpProbe, reason: &str) {
    let limit = Duration::from_millis(50);
    let start = Instant::now();
    let got = probe(address, &health(Probe::Http(expected), limit), &Speech::default()).await;
    assert!(start.elapsed() >= limit, "gave up too early");
    assert_eq!(got, Outcome::Failed(format!("{reason} within 50ms")));
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    check_timeout(listener.local_addr().unwrap(), get(), "no answer").await;
    let (half, _head) = answering(b"HTTP/1.1 200 OK\r\nX-Ha".to_vec(), true).await;
    check_timeout(half, get(), "no answer").await;
}

#[tokio::test]
async fn a_slow_body_times_out_only_when_it_is_read() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome".to_vec();
    let (address, _head) = answering(answer.clone(), true).await;
    check_timeout(address, HttpProbe { expect_body: text("more"), ..get() }, "no complete body").await;
    let (address, _head) = answering(answer, true).await;
    assert_eq!(probe(address, &health(Probe::Http(get()), AMPLE), &Speech::default()).await, Outcome::Passed);
}

#[tokio::test]
async fn a_connect_that_is_never_taken_times_out() {
    // A full backlog: the kernel answers no further SYN.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    loop {
        let connect = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        match connect.await {
            Ok(stream) => fillers.push(stream.unwrap()),
            Err(_) => break,
        }
        assert!(fillers.len() < 100, "the backlog never fills");
    }
    check_timeout(address, get(), "no connection").await;
}

#[test]
fn want_of_descriptors_and_ports_is_not_the_servers_fault() {
    for (code, ours) in [
        (libc::EMFILE, true),
        (libc::ENFILE, true),
        (libc::ENOBUFS, true),
        (libc::ENOMEM, true),
        (libc::EADDRNOTAVAIL, true),
        (libc::ECONNREFUSED, false),
        (libc::EHOSTUNREACH, false),
        (libc::EPERM, false),
    ] {
        let refusal = connect_refusal(&io::Error::from_raw_os_error(code));
        assert_eq!(matches!(refusal, Refusal::Ours(_)), ours, "code {code}");
    }
}
