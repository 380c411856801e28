//! A started program: its time, its memory and its end.
//!
//! Time is `/proc/PID/task/*/schedstat`, in nanoseconds, over all threads of the process and its children;
//! `utime` and `stime` in `/proc/PID/stat` count in ticks of 10 ms.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// A program that we started; it ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
}

/// Memory of a process and its children, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, as most tools show it.
    pub(crate) resident: u64,
    /// Resident and shared with nobody: what the process really adds to the machine's use.
    pub(crate) private: u64,
}

impl Process {
    /// Starts the command with its output in a file, whose end tells why when it fails.
    pub(crate) fn start(name: &str, mut command: Command, log: &std::path::Path) -> Result<Process, String> {
        let file = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let other = file.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(file).stderr(other);
        let child = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Process { child, name: name.to_owned() })
    }

    /// Waits until `ready` says so; an error if the process ends before, or does not get ready in time.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        log: &std::path::Path,
        mut ready: impl FnMut(&Process) -> bool,
    ) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(10);
        while !ready(self) {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > until {
                let how =
                    ended.map_or("is not there after 10 s".into(), |status| format!("ended ({status})"));
                let said = fs::read_to_string(log).unwrap_or_default();
                let said: Vec<&str> = said.lines().rev().take(5).collect();
                let said: Vec<&str> = said.into_iter().rev().collect();
                return Err(format!(
                    "{} {how}, waiting for {what}; it said: {}",
                    self.name,
                    said.join(" | ")
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// It has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The process and all below it.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in numbers_in("/proc") {
            if let Some(parent) = parent_of(pid) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            found.extend(children.get(pid).into_iter().flatten());
            next += 1;
        }
        found
    }

    /// CPU time that all threads have used so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let mut sum = 0;
        for pid in self.pids() {
            for thread in numbers_in(&format!("/proc/{pid}/task")) {
                // A thread that has just ended has no file any more.
                let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"));
                let first = text.ok().and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
                sum += first.unwrap_or(0);
            }
        }
        Duration::from_nanos(sum)
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for pid in self.pids() {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            for line in text.lines() {
                let mut words = line.split_whitespace();
                let (name, value) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                let bytes = value.parse::<u64>().unwrap_or(0) * 1024;
                match name {
                    "Rss:" => memory.resident += bytes,
                    "Private_Clean:" | "Private_Dirty:" => memory.private += bytes,
                    _ => {}
                }
            }
        }
        memory
    }

    /// Whether strace or the like is attached to every thread.
    pub(crate) fn is_traced(&self) -> bool {
        self.pids().iter().all(|pid| {
            numbers_in(&format!("/proc/{pid}/task")).iter().all(|thread| {
                let text =
                    fs::read_to_string(format!("/proc/{pid}/task/{thread}/status")).unwrap_or_default();
                text.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
            })
        })
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(&mut self, signal: Signal) {
        let pids = self.pids();
        send(self.child.id(), signal);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for pid in pids {
            send(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop(Signal::TERM);
        }
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// The names in a folder of `/proc` that are numbers.
fn numbers_in(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `PID (NAME) STATE PARENT ...`; the name may hold anything, so look behind its last parenthesis.
    stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()
}
