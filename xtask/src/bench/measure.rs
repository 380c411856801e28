//! Starts the servers and the proxies, drives the load, and takes the figures.

mod calls;
mod idle;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::case::{Key, Load, SMALL, Tls};
use super::machine;
use super::process::Process;
use super::proxy::{Place, Programs, Proxy};
use crate::launch::{self, DeathSignal};
use crate::workspace;

/// The servers behind every proxy, and what is needed to run one.
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    folder: PathBuf,
    work: WorkFolder,
    proxy_cpu: usize,
    pub(crate) other_cpu: usize,
    class: Class,
    servers: [u16; SERVERS],
    origin: Process,
}

const SERVERS: usize = 3;

/// A proxy that answers.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) port: u16,
    log: PathBuf,
}

/// What one run of load showed.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) us_per_request: f64,
    /// Share of the run that the proxy's CPU was busy with the proxy.
    pub(crate) busy: f64,
    /// Share of the run that the other CPU was busy with the load generator and the servers.
    pub(crate) others_busy: f64,
    /// CPU time of the load generator.
    pub(crate) load_us_per_request: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Scratch space that goes away with the bench. After a kill it stays, and the next bench clears it.
struct WorkFolder(PathBuf);

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// For what shares a CPU with others: the class of the scheduler whose processes do not interrupt one another when
/// they are woken. An interruption is asked for by the CPU that wakes, which is the proxy's: on a virtual machine that
/// costs as much as a whole request, and how often it happens depends on how the two CPUs happen to keep step.
pub(crate) const IN_TURNS: Class = Class(["--batch", "0"]);

/// Before all others, at once: for those whose time is measured while others use up the CPU.
pub(crate) const FIRST: Class = Class(["--fifo", "1"]);

/// A class of the scheduler, as options of `chrt`.
#[derive(Clone, Copy)]
pub(crate) struct Class([&'static str; 2]);

impl Class {
    fn command(self, program: PathBuf, cpu: usize) -> Command {
        let mut command = launch::command("chrt", cpu, DeathSignal::Kill);
        command.args(self.0).arg(program);
        command
    }
}

impl Bench {
    pub(crate) fn start(
        programs: Programs,
        proxy_cpu: usize,
        other_cpu: usize,
        class: Class,
    ) -> Result<Bench, String> {
        let folder = workspace::target_dir()?.join("bench");
        let work = WorkFolder(folder.join("work"));
        let _ = std::fs::remove_dir_all(&work.0);
        std::fs::create_dir_all(&work.0).map_err(|error| format!("{}: {error}", work.0.display()))?;

        make_certificates(&programs, &work.0)?;
        let servers: [u16; SERVERS] = machine::free_ports()?;
        let log = work.0.join("origin.log");
        let mut command = class.command(programs.built.join("origin"), other_cpu);
        command.args(servers.iter().map(|port| format!("127.0.0.1:{port}")));
        let mut origin = Process::start("origin", command, &log)?;
        origin.wait_until("its answer", &log, |_| servers.iter().all(|port| answers(*port)))?;
        Ok(Bench { programs, folder, work, proxy_cpu, other_cpu, class, servers, origin })
    }

    /// A file in the bench's own part of the build folder.
    pub(crate) fn folder(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Starts a proxy, with a certificate where it is to speak TLS, and waits until a request comes through it.
    pub(crate) fn start_proxy(&self, proxy: Proxy, tls: Option<Key>) -> Result<Started, String> {
        let [port, metrics_port] = machine::free_ports()?;
        let place = Place {
            port,
            metrics_port,
            servers: &self.servers,
            folder: &self.work.0,
            cpu: self.proxy_cpu,
            certificate: tls.map(|key| self.certificate(key)),
        };
        let command = proxy.command(&self.programs, &place)?;
        let log = self.work.0.join(format!("{}.log", proxy.name()));
        let mut process = Process::start(proxy.name(), command, &log)?;
        process.wait_until("its answer", &log, |_| match tls {
            None => answers(port),
            Some(key) => self.answers_tls(port, key),
        })?;
        Ok(Started { process, port, log })
    }

    /// One measured run. Any answer that is not as expected makes it an error.
    pub(crate) fn load(&self, started: &Started, load: &Load, seconds: f64) -> Result<Sample, String> {
        let times = || (started.process.cpu_time(), self.origin.cpu_time());
        let before = times();
        let result = self.drive(started, load, seconds)?;
        let after = times();
        let cpu = (after.0 - before.0).as_secs_f64();
        let origin_cpu = (after.1 - before.1).as_secs_f64();
        let figure = |name: &str| result[name].as_f64().unwrap_or(0.0);
        let (requests, elapsed) = (figure("requests"), figure("seconds"));
        let load_cpu = figure("cpu_seconds");
        Ok(Sample {
            us_per_request: cpu * 1e6 / requests,
            busy: cpu / elapsed,
            others_busy: (load_cpu + origin_cpu) / elapsed,
            load_us_per_request: load_cpu * 1e6 / requests,
            per_second: requests / elapsed,
            p50_us: figure("p50_us"),
            p99_us: figure("p99_us"),
        })
    }

    /// Runs the load generator to its end.
    fn drive(&self, started: &Started, load: &Load, seconds: f64) -> Result<Value, String> {
        let mut command = self.load_command(started.port, load);
        command.args(["--seconds", &seconds.to_string()]);
        let output = command.output().map_err(|error| format!("load: {error}"))?;
        if !output.status.success() {
            let log = tail(&started.log);
            return Err(format!("{} {log}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let result = judge(&String::from_utf8_lossy(&output.stdout))?;
        judge_handshakes(&result, load)?;
        Ok(result)
    }

    /// The load generator, told what to do but not for how long.
    fn load_command(&self, port: u16, load: &Load) -> Command {
        let mut command = self.class.command(self.programs.built.join("load"), self.other_cpu);
        command.stdin(Stdio::null()).arg(format!("127.0.0.1:{port}"));
        command.args(["--path", load.path, "--expect", &load.expect_bytes.to_string()]);
        command.args(["--connections", &load.connections.to_string()]);
        if let Some(bytes) = load.upload_bytes {
            command.args(["--upload", &bytes.to_string()]);
        }
        if load.close {
            command.arg("--close");
        }
        if let Some(tls) = load.tls {
            command.arg("--tls").arg(self.certificate(tls.key));
            if tls.resume {
                command.arg("--resume");
            }
        }
        if let Some(streams) = load.h2_streams {
            command.args(["--h2", &streams.to_string()]);
        }
        command
    }

    /// Whether one request over TLS is answered 200.
    fn answers_tls(&self, port: u16, key: Key) -> bool {
        let load = Load { connections: 1, tls: Some(Tls { key, resume: false }), ..SMALL };
        let output = self.load_command(port, &load).args(["--requests", "1"]).output();
        output.is_ok_and(|output| judge(&String::from_utf8_lossy(&output.stdout)).is_ok())
    }

    fn certificate(&self, key: Key) -> PathBuf {
        self.work.0.join(match key {
            Key::Ecdsa => "ecdsa.pem",
            Key::Rsa => "rsa.pem",
        })
    }
}

/// New ones for each bench, gone with its folder.
fn make_certificates(programs: &Programs, folder: &Path) -> Result<(), String> {
    let output = Command::new(programs.built.join("certificates")).arg(folder).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("certificates does not start: {error}")),
    }
}

/// The load generator's line, if it tells of nothing but good answers.
fn judge(line: &str) -> Result<Value, String> {
    let result = parse(line)?;
    let (requests, errors) = (result["requests"].as_u64(), result["errors"].as_u64());
    match (requests, errors) {
        (Some(1..), Some(0)) => Ok(result),
        (Some(0), Some(0)) => Err("no request was answered".into()),
        _ => Err(format!(
            "{errors:?} wrong answers beside {requests:?} right ones, first: {}",
            result["error"]
        )),
    }
}

/// What is measured must be what the case is about: a proxy that does not resume, or resumes what it was not asked to,
/// did other work.
fn judge_handshakes(result: &Value, load: &Load) -> Result<(), String> {
    let Some(tls) = load.tls else { return Ok(()) };
    let count = |name: &str| result[name].as_u64().unwrap_or(0);
    let (full, resumed) = (count("full_handshakes"), count("resumed_handshakes"));
    let expected = if load.close { count("requests") } else { load.connections as u64 };
    // Until the first tickets come there is nothing to resume.
    let full_most = if tls.resume { load.connections as u64 } else { expected };
    if full + resumed != expected || full > full_most || (!tls.resume && resumed > 0) {
        return Err(format!("{full} full and {resumed} resumed handshakes where {expected} were due"));
    }
    Ok(())
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("the load generator says {line:?}: {error}"))
}

/// Whether a request to this port is answered 200.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /small HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_answer_spoils_a_run() {
        assert!(judge(r#"{"requests":10,"errors":0,"seconds":1.0,"error":""}"#).is_ok());
        assert!(judge(r#"{"requests":10,"errors":1,"seconds":1.0,"error":"not 200"}"#).is_err());
        assert!(judge(r#"{"requests":0,"errors":0,"seconds":1.0,"error":""}"#).is_err());
        assert!(judge("").is_err());
    }

    #[test]
    fn handshakes_are_counted() {
        let check = |full, resumed, resume, expected: bool| {
            let load = Load { close: true, tls: Some(Tls { key: Key::Ecdsa, resume }), ..SMALL };
            let result = serde_json::json!({
                "requests": 1000, "full_handshakes": full, "resumed_handshakes": resumed
            });
            assert_eq!(judge_handshakes(&result, &load).is_ok(), expected, "{full} full, {resumed} resumed");
        };
        check(1000, 0, false, true);
        check(999, 1, false, false);
        check(64, 936, true, true);
        check(65, 935, true, false);
        check(64, 0, true, false);
    }
}
