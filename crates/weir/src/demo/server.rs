//! A server of the demo: a small website that can be killed and started again.
//!
//! Each runs on a thread with a runtime of its own. Dropping that runtime closes the listening socket and every
//! connection at once, in the middle of whatever they were doing: for Weir it is the same as `kill -9`.

use std::{convert::Infallible, io, net::SocketAddr, thread, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::HeaderValue,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime,
    sync::oneshot,
    time::sleep,
};

/// The field of an answer that names the server.
pub(super) const SERVER_FIELD: &str = "x-demo-server";

/// The path that Weir checks.
pub(super) const HEALTH_PATH: &str = "/healthz";

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A server of the demo, running or not.
pub(super) struct DemoServer {
    name: &'static str,
    /// How long it works on each answer.
    work: Duration,
    address: SocketAddr,
    /// Holds the port while the server is stopped; it never listens, so connects are refused meanwhile.
    _reservation: TcpSocket,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// What a server of this name answers to this path.
pub(super) fn body(name: &str, path: &str) -> String {
    format!("This is {name}. You asked for {path}\n")
}

impl DemoServer {
    /// A running server on a free port of the loopback interface.
    pub(super) fn start(name: &'static str, work: Duration) -> io::Result<Self> {
        let reservation = bound(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = reservation.local_addr()?;
        let mut server = Self { name, work, address, _reservation: reservation, running: None };
        server.start_again()?;
        Ok(server)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it: returns when the listening socket and all connections are closed.
    pub(super) fn kill(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            // It fails when the thread has ended already, which is just as well.
            let _ = stop.send(());
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Starts it on the same port. Returns when connects succeed.
    pub(super) fn start_again(&mut self) -> io::Result<()> {
        assert!(self.running.is_none(), "{} runs already", self.name);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            bound(self.address)?.listen(BACKLOG)?
        };
        let (stop, stopped) = oneshot::channel();
        let (name, work) = (self.name, self.work);
        let thread = thread::Builder::new().name(format!("demo-{name}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, name, work) => {}
                    _ = stopped => {}
                }
            });
        })?;
        self.running = Some(Running { stop, thread });
        Ok(())
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A socket that shares its port with another of the same kind, as long as only one of them listens.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, name: &'static str, work: Duration) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: some will come back.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = service_fn(move |request| answer(request, name, work));
        // Small answers on a keep-alive connection: none should wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    name: &'static str,
    work: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    if path != HEALTH_PATH {
        sleep(work).await;
    }
    let mut answer = Response::new(Full::from(body(name, path)));
    answer.headers_mut().insert(SERVER_FIELD, HeaderValue::from_static(name));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::TcpStream,
    };

    use super::*;

    fn get(stream: &mut TcpStream, path: &str) -> io::Result<String> {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: demo\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b".\n") {
            let mut some = [0; 1024];
            match stream.read(&mut some)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => answer.extend_from_slice(&some[..count]),
            }
        }
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn it_answers_is_killed_and_answers_again() {
        let mut server = DemoServer::start("one", Duration::ZERO).unwrap();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let answer = get(&mut stream, "/a.").unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains("x-demo-server: one\r\n"), "{answer}");
            assert!(answer.ends_with(&body("one", "/a.")), "{answer}");

            server.kill();
            assert!(get(&mut stream, "/b.").is_err(), "an open connection outlived its server");
            let refused = TcpStream::connect(server.address()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            server.start_again().unwrap();
        }
    }
}
