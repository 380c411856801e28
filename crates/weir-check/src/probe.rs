//! One check of one server: ask, and say what came of it.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use weir_config::{Health, PoolProtocol, Probe};

use crate::Speech;

mod exec;
mod grpc;
mod http;
mod sought;
mod tcp;
#[cfg(test)]
mod tests;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As expected.
    Passed,
    /// The server is to blame, for this reason.
    Failed(String),
    /// This process is to blame, for this reason: it says nothing about the server.
    NotChecked(String),
}

/// Whom a check asks, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) health: &'a Health,
    pub(crate) speech: &'a Speech,
    /// The names of the pool and the server, for a program.
    pub(crate) pool: &'a str,
    pub(crate) server: &'a str,
}

/// Asks, within the timeout in all.
pub(crate) async fn probe(asked: Asked<'_>) -> Outcome {
    let health = asked.health;
    if let Probe::Exec(command) = &health.probe {
        return exec::run(command, asked).await;
    }
    // Where it stood when time ran out, for the reason.
    let mut stage = Stage::Connect;
    let answer = timeout(health.timeout, ask(asked.address, &health.probe, asked.speech, &mut stage)).await;
    match answer {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Refusal::Theirs(reason))) => Outcome::Failed(reason),
        Ok(Err(Refusal::Ours(reason))) => Outcome::NotChecked(reason),
        Err(_) => Outcome::Failed(format!("{} within {:?}", stage.missing(), health.timeout)),
    }
}

/// How far a check has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Connect,
    Handshake,
    Answer,
    /// Something came, but not yet what was expected.
    Expected,
    Body,
}

impl Stage {
    fn missing(self) -> &'static str {
        match self {
            Stage::Connect => "no connection",
            Stage::Handshake => "no end of the TLS handshake",
            Stage::Answer => "no answer",
            Stage::Expected => "not the expected answer",
            Stage::Body => "no complete body",
        }
    }
}

/// Why a check did not pass, and by whose fault.
enum Refusal {
    Theirs(String),
    Ours(String),
}

async fn ask(address: SocketAddr, probe: &Probe, speech: &Speech, stage: &mut Stage) -> Result<(), Refusal> {
    let tcp = TcpStream::connect(address).await.map_err(|error| connect_refusal(&error))?;
    let Some(tls) = &speech.tls else {
        let is_http2 = speech.protocol == PoolProtocol::H2;
        return ask_on(tcp, Place { address, scheme: "http", is_http2 }, probe, stage).await;
    };
    *stage = Stage::Handshake;
    let (stream, is_http2) =
        tls.check(tcp, address).await.map_err(|error| Refusal::Theirs(format!("TLS: {error}")))?;
    if speech.protocol == PoolProtocol::H2 && !is_http2 {
        return Err(Refusal::Theirs("the server does not agree to HTTP/2".to_owned()));
    }
    ask_on(stream, Place { address, scheme: "https", is_http2 }, probe, stage).await
}

/// Where a connection leads, and what is spoken on it.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: SocketAddr,
    scheme: &'static str,
    is_http2: bool,
}

async fn ask_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: Place,
    probe: &Probe,
    stage: &mut Stage,
) -> Result<(), Refusal> {
    let asked = match probe {
        // Connected, and after a handshake where there is one, that is all.
        Probe::Tcp | Probe::Tls(_) => Ok(()),
        Probe::TcpExchange(exchange) => tcp::ask(stream, exchange, stage).await,
        Probe::Grpc(_) if !place.is_http2 => Err("the server does not agree to HTTP/2".to_owned()),
        Probe::Grpc(service) => grpc::ask(stream, place, service, stage).await,
        Probe::Http(expected) => http::ask(stream, place, expected, stage).await,
        Probe::Exec(_) => unreachable!("a program is not asked over a connection"),
    };
    asked.map_err(Refusal::Theirs)
}

fn connect_refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        // EADDRNOTAVAIL: no local port is free, traffic has taken them all.
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL) => {
            Refusal::Ours(error.to_string())
        }
        _ => Refusal::Theirs(match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
            io::ErrorKind::TimedOut => "no connection".to_owned(),
            io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
            io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
            _ => format!("cannot connect: {error}"),
        }),
    }
}
