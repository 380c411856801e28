//! Starts the servers and the proxies, drives the load, and takes the figures.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::case::Load;
use super::machine;
use super::process::Process;
use super::proxy::{Place, Programs, Proxy};
use super::report::{Outcome, ProcessMemory};
use crate::launch::{self, DeathSignal};
use crate::workspace;

/// The servers behind every proxy, and what is needed to run one.
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    folder: PathBuf,
    work: WorkFolder,
    proxy_cpu: usize,
    other_cpu: usize,
    servers: [u16; SERVERS],
    _origin: Process,
}

const SERVERS: usize = 3;

/// A proxy that answers.
pub(crate) struct Started {
    process: Process,
    port: u16,
    log: PathBuf,
}

/// What one run of load showed.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) us_per_request: f64,
    /// Share of the run that the proxy's CPU was busy with the proxy.
    pub(crate) busy: f64,
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

/// Starts what shares a CPU with others, in the class of the scheduler whose processes do not interrupt one another when
/// they are woken. An interruption is asked for by the CPU that wakes, which is the proxy's: on a virtual machine that
/// costs as much as a whole request, and how often it happens depends on how the two CPUs happen to keep step.
fn in_turns(program: PathBuf, cpu: usize) -> Command {
    let mut command = launch::command("chrt", cpu, DeathSignal::Kill);
    command.args(["--batch", "0"]).arg(program);
    command
}

impl Bench {
    pub(crate) fn start(programs: Programs, proxy_cpu: usize, other_cpu: usize) -> Result<Bench, String> {
        let folder = workspace::target_dir()?.join("bench");
        let work = WorkFolder(folder.join("work"));
        let _ = std::fs::remove_dir_all(&work.0);
        std::fs::create_dir_all(&work.0).map_err(|error| format!("{}: {error}", work.0.display()))?;

        let servers: [u16; SERVERS] = machine::free_ports()?;
        let log = work.0.join("origin.log");
        let mut command = in_turns(programs.built.join("origin"), other_cpu);
        command.args(servers.iter().map(|port| format!("127.0.0.1:{port}")));
        let mut origin = Process::start("origin", command, &log)?;
        origin.wait_until("its answer", &log, |_| servers.iter().all(|port| answers(*port)))?;
        Ok(Bench { programs, folder, work, proxy_cpu, other_cpu, servers, _origin: origin })
    }

    /// A file in the bench's own part of the build folder.
    pub(crate) fn folder(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Starts a proxy and waits until a request comes through it.
    pub(crate) fn start_proxy(&self, proxy: Proxy) -> Result<Started, String> {
        let [port, metrics_port] = machine::free_ports()?;
        let place =
            Place { port, metrics_port, servers: &self.servers, folder: &self.work.0, cpu: self.proxy_cpu };
        let command = proxy.command(&self.programs, &place)?;
        let log = self.work.0.join(format!("{}.log", proxy.name()));
        let mut process = Process::start(proxy.name(), command, &log)?;
        process.wait_until("its answer", &log, |_| answers(port))?;
        Ok(Started { process, port, log })
    }

    /// One measured run. Any answer that is not as expected makes it an error.
    pub(crate) fn load(&self, started: &Started, load: &Load, seconds: f64) -> Result<Sample, String> {
        let before = started.process.cpu_time();
        let result = self.drive(started, load, seconds)?;
        let cpu = (started.process.cpu_time() - before).as_secs_f64();
        let figure = |name: &str| result[name].as_f64().unwrap_or(0.0);
        let (requests, elapsed) = (figure("requests"), figure("seconds"));
        Ok(Sample {
            us_per_request: cpu * 1e6 / requests,
            busy: cpu / elapsed,
            per_second: requests / elapsed,
            p50_us: figure("p50_us"),
            p99_us: figure("p99_us"),
        })
    }

    /// Memory that each idle connection adds, in a fresh process; without a proxy, what the two ends of a
    /// connection straight to a server cost the kernel.
    pub(crate) fn idle(&self, proxy: Option<Proxy>, connections: usize) -> Result<Outcome, String> {
        let small =
            Load { connections: 64, path: "/small", expect_bytes: 128, upload_bytes: None, close: false };
        let started = proxy.map(|proxy| self.start_proxy(proxy)).transpose()?;
        let port = match &started {
            Some(started) => {
                // What the first requests bring into memory for good is not the connections' share.
                self.drive(started, &small, 0.5)?;
                started.port
            }
            None => self.servers[0],
        };
        let kernel_before = settled_kernel_memory();
        let before = started.as_ref().map(|started| started.process.memory()).unwrap_or_default();

        let mut command = in_turns(self.programs.built.join("load"), self.other_cpu);
        command.arg(format!("127.0.0.1:{port}")).args(["--idle", "--connections", &connections.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("load does not start: {error}"))?;
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut line = || lines.next().and_then(Result::ok);
        let open = line();
        let after = started.as_ref().map(|started| started.process.memory()).unwrap_or_default();
        let kernel_after = machine::kernel_memory();
        drop(stdin);
        let closed = line();
        let mut said = String::new();
        let stderr = child.stderr.take().expect("stderr is piped").read_to_string(&mut said);
        let status = child.wait().and_then(|status| stderr.map(|_| status));
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("load failed: {}", said.trim()));
        }

        let opened = judge(open.as_deref().unwrap_or(""))?["requests"].as_u64();
        let closed = parse(closed.as_deref().unwrap_or(""))?["closed"].as_u64();
        if opened != Some(connections as u64) || closed != Some(0) {
            return Err(format!(
                "of {connections} connections {opened:?} were answered and {closed:?} closed"
            ));
        }
        let each = |after: u64, before: u64| (after as f64 - before as f64) / connections as f64;
        let process = started.is_some().then(|| ProcessMemory {
            each: each(after.private, before.private),
            whole_mib: after.resident as f64 / (1024.0 * 1024.0),
        });
        Ok(Outcome::Idle { process, kernel_each: each(kernel_after, kernel_before) })
    }

    /// System calls per request, by name, of all of the proxy's threads. What a second run with one request per
    /// connection counts is taken off, because opening the connections is not what a request costs.
    pub(crate) fn calls(&self, proxy: Proxy, load: &Load, seconds: f64) -> Result<Outcome, String> {
        let started = self.start_proxy(proxy)?;
        self.drive(&started, load, 0.5)?;
        let (long, long_requests) = self.traced(&started, load, seconds)?;
        let (short, short_requests) = self.traced(&started, load, 0.0)?;
        let requests = long_requests - short_requests;
        if requests < 10.0 * short_requests {
            return Err(format!("only {long_requests} requests while traced: too few to count calls by"));
        }
        let each = |(name, count): (String, u64)| {
            let opening = short.get(&name).copied().unwrap_or(0);
            (name, count.saturating_sub(opening) as f64 / requests)
        };
        let mut calls: Vec<(String, f64)> = long.into_iter().map(each).collect();
        calls.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Outcome::Calls(calls))
    }

    /// All system calls of a run, and how many requests it had.
    fn traced(
        &self,
        started: &Started,
        load: &Load,
        seconds: f64,
    ) -> Result<(BTreeMap<String, u64>, f64), String> {
        let summary = self.work.0.join("strace.txt");
        let log = self.work.0.join("strace.log");
        let strace = workspace::find_program("strace").ok_or("no strace on this machine")?;
        let mut command = launch::command(strace, self.other_cpu, DeathSignal::Term);
        command.args(["-c", "-f", "-qq", "-o"]).arg(&summary);
        for pid in started.process.pids() {
            command.args(["-p", &pid.to_string()]);
        }
        let mut strace = Process::start("strace", command, &log)?;
        strace.wait_until("it to attach", &log, |_| started.process.is_traced())?;
        let result = self.drive(started, load, seconds)?;
        strace.stop(Signal::INT);

        let text = std::fs::read_to_string(&summary).map_err(|error| format!("strace's summary: {error}"))?;
        let counts = strace_counts(&text);
        if counts.is_empty() {
            return Err(format!("strace counted nothing: {}", text.trim()));
        }
        Ok((counts, result["requests"].as_f64().unwrap_or(0.0)))
    }

    /// Runs the load generator to its end.
    fn drive(&self, started: &Started, load: &Load, seconds: f64) -> Result<Value, String> {
        let mut command = in_turns(self.programs.built.join("load"), self.other_cpu);
        command.arg(format!("127.0.0.1:{}", started.port));
        command.args(["--path", load.path, "--expect", &load.expect_bytes.to_string()]);
        command.args(["--connections", &load.connections.to_string(), "--seconds", &seconds.to_string()]);
        if let Some(bytes) = load.upload_bytes {
            command.args(["--upload", &bytes.to_string()]);
        }
        if load.close {
            command.arg("--close");
        }
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("load: {error}"))?;
        if !output.status.success() {
            let log = tail(&started.log);
            return Err(format!("{} {log}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        judge(&String::from_utf8_lossy(&output.stdout))
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

/// The kernel frees sockets late; waits until its memory no longer shrinks, or for 3 s.
fn settled_kernel_memory() -> u64 {
    let mut last = machine::kernel_memory();
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(200));
        let now = machine::kernel_memory();
        if now + 64 * 1024 >= last {
            return now;
        }
        last = now;
    }
    last
}

/// Calls by name from the table of `strace -c`.
fn strace_counts(text: &str) -> BTreeMap<String, u64> {
    // % time     seconds  usecs/call     calls    errors syscall
    let row = |line: &str| -> Option<(String, u64)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first()?.parse::<f64>().ok()?;
        let name = *words.last()?;
        let calls = words.get(3)?.parse().ok()?;
        (name != "total").then(|| (name.to_owned(), calls))
    };
    text.lines().filter_map(row).collect()
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
    fn reads_the_table_of_strace() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 45.84    0.181434           2     65536           writev
 43.19    0.170955           2     65540         4 recvfrom
  0.00    0.000000           0         1           total_of_nothing
------ ----------- ----------- --------- --------- ----------------
100.00    0.395809           2    131077         4 total
";
        let counts = strace_counts(text);
        let expected = [("writev", 65536), ("recvfrom", 65540), ("total_of_nothing", 1)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn one_wrong_answer_spoils_a_run() {
        assert!(judge(r#"{"requests":10,"errors":0,"seconds":1.0,"error":""}"#).is_ok());
        assert!(judge(r#"{"requests":10,"errors":1,"seconds":1.0,"error":"not 200"}"#).is_err());
        assert!(judge(r#"{"requests":0,"errors":0,"seconds":1.0,"error":""}"#).is_err());
        assert!(judge("").is_err());
    }
}
