//! The proxies and how each is set up: as its manual advises for this work, one worker, no access log, connections
//! to the servers kept alive, forwarding headers set.

mod envoy;
mod haproxy;
mod nginx;
mod weir;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::{Case, Kind};
use super::machine::first_line;
use crate::launch::{self, DeathSignal};
use crate::workspace::find_program;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proxy {
    Weir,
    Nginx,
    Haproxy,
    Envoy,
    Relay,
}

/// All of them, in the order of the report.
pub(crate) const PROXIES: &[Proxy] = &[Proxy::Weir, Proxy::Nginx, Proxy::Haproxy, Proxy::Envoy, Proxy::Relay];

/// Where their programs are.
pub(crate) struct Programs {
    /// The folder with what this workspace builds.
    pub(crate) built: PathBuf,
    pub(crate) envoy: Result<PathBuf, String>,
}

/// Where a proxy listens and what is behind it.
pub(crate) struct Place<'a> {
    pub(crate) port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) servers: &'a [u16],
    /// For its configuration and whatever else it writes.
    pub(crate) folder: &'a Path,
    pub(crate) cpu: usize,
    /// Where it is to speak TLS: the certificate's file. Its key lies beside it, with `.key` at the end of the name.
    pub(crate) certificate: Option<PathBuf>,
}

impl Place<'_> {
    /// Certificate and key, as text for a configuration.
    fn pair(&self) -> Option<(String, String)> {
        let certificate = self.certificate.as_ref()?.display().to_string();
        let key = format!("{certificate}.key");
        Some((certificate, key))
    }
}

impl Proxy {
    /// As on the command line and in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Proxy::Weir => "weir",
            Proxy::Nginx => "nginx",
            Proxy::Haproxy => "haproxy",
            Proxy::Envoy => "envoy",
            Proxy::Relay => "relay",
        }
    }

    /// What the reader of the results must know of its configuration.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Proxy::Weir => weir::SETTINGS,
            Proxy::Nginx => nginx::SETTINGS,
            Proxy::Haproxy => haproxy::SETTINGS,
            Proxy::Envoy => envoy::SETTINGS,
            Proxy::Relay => {
                "bytes only, 32 KiB buffers, one server connection per client connection: the floor, not a balancer"
            }
        }
    }

    /// Whether it can do what the case asks for, and is worth comparing there.
    pub(crate) fn takes_part(self, case: &Case) -> bool {
        match (self, &case.kind) {
            (Proxy::Envoy | Proxy::Relay, _) if case.tls().is_some() => false,
            // It would need twice the descriptors, and holds its buffers all the time: no measure.
            (Proxy::Relay, Kind::Idle { .. }) => false,
            _ => true,
        }
    }

    /// Writes its configuration and says how to start it.
    pub(crate) fn command(self, programs: &Programs, place: &Place<'_>) -> Result<Command, String> {
        let program = programs.path(self)?;
        let (config, text) = match self {
            Proxy::Weir => ("weir.yaml", weir::config(place)),
            Proxy::Nginx => ("nginx.conf", nginx::config(place)),
            Proxy::Haproxy => ("haproxy.cfg", haproxy::config(place)),
            Proxy::Envoy => ("envoy.yaml", envoy::config(place)),
            Proxy::Relay => ("relay.none", String::new()),
        };
        let config = place.folder.join(config);
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;

        // nginx must take its worker along when it goes.
        let signal = if self == Proxy::Nginx { DeathSignal::Term } else { DeathSignal::Kill };
        let mut command = launch::command(program, place.cpu, signal);
        match self {
            Proxy::Weir => command.arg("run").arg(config),
            Proxy::Nginx => command.arg("-e").arg(place.folder.join("nginx.log")).arg("-c").arg(config),
            Proxy::Haproxy => command.args(["-db", "-f"]).arg(config),
            Proxy::Envoy => command
                .args(["--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "-c"])
                .arg(config),
            Proxy::Relay => {
                command.arg(format!("127.0.0.1:{}", place.port));
                command.args(place.servers.iter().map(|port| format!("127.0.0.1:{port}")))
            }
        };
        Ok(command)
    }
}

impl Programs {
    pub(crate) fn path(&self, proxy: Proxy) -> Result<PathBuf, String> {
        match proxy {
            Proxy::Weir | Proxy::Relay => Ok(self.built.join(proxy.name())),
            Proxy::Nginx | Proxy::Haproxy => {
                find_program(proxy.name()).ok_or_else(|| format!("no {} on this machine", proxy.name()))
            }
            Proxy::Envoy => self.envoy.clone(),
        }
    }

    /// The version line of a proxy, or why it cannot take part.
    pub(crate) fn version(&self, proxy: Proxy) -> Result<String, String> {
        let args: &[&str] = match proxy {
            Proxy::Weir | Proxy::Envoy => &["--version"],
            Proxy::Nginx | Proxy::Haproxy => &["-v"],
            Proxy::Relay => {
                return first_line("rustc", &["--version"]).map(|rustc| format!("built by {rustc}"));
            }
        };
        let path = self.path(proxy)?;
        let line = match first_line(&path, args) {
            // A build that cannot say its version may still proxy.
            Err(_) if proxy == Proxy::Weir => "of this workspace".to_owned(),
            other => other?,
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match (proxy, words.as_slice()) {
            // nginx version: nginx/1.22.1
            (Proxy::Nginx, [.., version]) => (*version).to_owned(),
            // HAProxy version 2.6.12 2026/10/17 - https://haproxy.org/
            (Proxy::Haproxy, [_, _, version, ..]) => (*version).to_owned(),
            // PATH version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL
            (Proxy::Envoy, [.., build]) => build.split('/').nth(1).unwrap_or(build).to_owned(),
            _ => line,
        })
    }
}

/// A line for each server.
fn lines(ports: &[u16], line: impl Fn(&u16) -> String) -> String {
    ports.iter().map(line).collect::<Vec<_>>().join("\n")
}
