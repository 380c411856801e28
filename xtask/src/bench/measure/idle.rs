//! Memory of idle connections.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use super::super::case::{Key, Load, SMALL, Tls};
use super::super::machine;
use super::super::proxy::Proxy;
use super::super::report::{Outcome, ProcessMemory};
use super::{Bench, judge, parse};

impl Bench {
    /// Memory that each idle connection adds, in a fresh process; without a proxy, what the two ends of a
    /// connection straight to a server cost the kernel.
    pub(crate) fn idle(
        &self,
        proxy: Option<Proxy>,
        connections: usize,
        tls: Option<Key>,
    ) -> Result<Outcome, String> {
        let small = Load { tls: tls.map(|key| Tls { key, resume: false }), ..SMALL };
        let started = proxy.map(|proxy| self.start_proxy(proxy, tls)).transpose()?;
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

        let mut command = self.load_command(port, &Load { connections, ..small });
        command.arg("--idle").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
