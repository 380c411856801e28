//! One check of one server: ask, and say what came of it.

use std::{io, net::SocketAddr};

use tokio::{net::TcpStream, time::timeout};
use weir_config::{Health, Probe};

mod http;
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

/// Asks the server at `address` what `health` says, within `health.timeout` in all.
pub(crate) async fn probe(address: SocketAddr, health: &Health) -> Outcome {
    // Where it stood when time ran out, for the reason.
    let mut stage = Stage::Connect;
    let asked = timeout(health.timeout, ask(address, &health.probe, &mut stage)).await;
    match asked {
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
    Answer,
    Body,
}

impl Stage {
    fn missing(self) -> &'static str {
        match self {
            Stage::Connect => "no connection",
            Stage::Answer => "no answer",
            Stage::Body => "no complete body",
        }
    }
}

/// Why a check did not pass, and by whose fault.
enum Refusal {
    Theirs(String),
    Ours(String),
}

async fn ask(address: SocketAddr, probe: &Probe, stage: &mut Stage) -> Result<(), Refusal> {
    let stream = TcpStream::connect(address).await.map_err(|error| connect_refusal(&error))?;
    match probe {
        Probe::Tcp => Ok(()),
        // It is said in the log, and the server stays unknown: nobody believes in a check that is not there.
        Probe::Grpc(_) => Err(Refusal::Ours("checks by gRPC are not built yet".to_owned())),
        Probe::Http(expected) => http::ask(stream, address, expected, stage).await.map_err(Refusal::Theirs),
    }
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
