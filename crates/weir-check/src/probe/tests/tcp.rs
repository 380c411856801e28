//! What is sent over plain TCP, and what must come back.

use super::*;

/// A server that reads as many bytes as `wanted` has, writes these pieces, and closes, or waits with `keep_open`.
async fn talking(wanted: &'static str, pieces: Vec<Vec<u8>>, keep_open: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut read = vec![0; wanted.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, wanted.as_bytes());
        for piece in pieces {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
        if keep_open {
            let _ = stream.read(&mut [0]).await;
        }
    });
    address
}

async fn check(
    send: &'static str,
    expect: Sought,
    pieces: &[&str],
    keep_open: bool,
    outcome: Result<(), &str>,
) {
    let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    let address = talking(send, pieces, keep_open).await;
    let exchange = TcpExchange { send: send.to_owned(), expect };
    let limit = if keep_open && outcome.is_err() { Duration::from_millis(50) } else { AMPLE };
    let got = probe(address, &health(Probe::TcpExchange(exchange), limit), &Speech::default()).await;
    let outcome = match outcome {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason.to_owned()),
    };
    assert_eq!(got, outcome);
}

fn pong() -> Sought {
    Sought::Text("+PONG".to_owned())
}

#[tokio::test]
async fn what_is_expected_may_come_in_pieces() {
    check("PING\r\n", pong(), &["+PONG\r\n"], true, Ok(())).await;
    check("PING\r\n", pong(), &["hello\r\n+P", "O", "NG\r\n"], true, Ok(())).await;
    check("", Sought::Text("SSH-2.0".to_owned()), &["SSH-2.0-x\r\n"], true, Ok(())).await;
    check("INFO\r\n", regex("role:(master|active)\r\n"), &["role:ma", "ster\r\n"], true, Ok(())).await;
}

#[tokio::test]
async fn anything_else_fails() {
    let reason = "answered \"-ERR\", which does not contain \"+PONG\"";
    check("PING\r\n", pong(), &["-ERR\r\n"], false, Err(reason)).await;
    check("PING\r\n", pong(), &["-ERR\r\n"], true, Err("not the expected answer within 50ms")).await;
    check("PING\r\n", pong(), &[], false, Err("connection closed before the answer")).await;
    check("PING\r\n", pong(), &[], true, Err("no answer within 50ms")).await;
    let reason = "answered \"role:slave\", which does not match \"master\"";
    check("x", regex("master"), &["role:slave\r\n"], false, Err(reason)).await;
    let endless = "x".repeat(BODY_READ + 1);
    let reason = "the first 64 KiB of the answer do not contain \"+PONG\"";
    check("x", pong(), &[&endless, "+PONG"], false, Err(reason)).await;
}
