//! What the server behind the one that is tested does: the first segment of a path says it.

use std::io;

use super::websocket;
use crate::{
    Request, kernel,
    origin::{Connection, ok},
    wait::until,
};

/// Answers requests to the end of the connection.
pub(super) fn answer(connection: &mut Connection) -> io::Result<()> {
    loop {
        let Some(head) = connection.peek_head()? else { return Ok(()) };
        if head.target.starts_with("/continue/") {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if head.target.starts_with("/early/") {
            connection.send(ok("early"))?;
        }
        if head.target.starts_with("/deaf/") {
            until("the peer gives up", || !kernel::is_established(connection.stream()));
            return Ok(());
        }
        let request = connection.finish(head)?;
        let what = request.target.split('/').nth(1).unwrap_or_default().to_owned();
        if !reply(connection, &request, &what)? {
            return Ok(());
        }
    }
}

/// False when nothing follows on this connection.
fn reply(connection: &mut Connection, request: &Request, what: &str) -> io::Result<bool> {
    let (what, size) = what.split_once('-').unwrap_or((what, ""));
    let size = || size.parse::<usize>().unwrap_or(0);
    match what {
        "early" => return Ok(true),
        "hold" => {
            connection.wait_for_end()?;
            return Ok(false);
        }
        "large" => connection.send(ok(&"x".repeat(size())))?,
        "echo" => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            connection.send(ok(&text))?;
        }
        "hints" => {
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")?;
            connection.send(ok("hinted"))?;
        }
        "trailers" => connection.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
        )?,
        "chunked" => {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")?;
        }
        "fields" => connection.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-UPPER: Value\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok",
        )?,
        "204" => connection.send("HTTP/1.1 204 No Content\r\n\r\n")?,
        "304" => connection.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")?,
        "bad" => {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")?;
            return Ok(false);
        }
        "cut" => {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
            return Ok(false);
        }
        "ws" if request.fields.has("upgrade") => return tunnel(connection, request),
        _ if request.method == "HEAD" => connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")?,
        _ => connection.send(ok("hello"))?,
    }
    Ok(true)
}

/// Switches protocols as a WebSocket server does (RFC 6455 section 4.2.2) and sends everything back.
fn tunnel(connection: &mut Connection, request: &Request) -> io::Result<bool> {
    let accept = websocket::accept(request.fields.get("sec-websocket-key").unwrap_or_default());
    connection.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    connection.echo()?;
    Ok(false)
}
