//! `xtask launch CPU SIGNAL PARENT PROGRAM ARG...`: becomes the program, pinned to one CPU (or to none: `-`), and bound
//! to die with the one who started it.
//!
//! The bench starts everything through this. What must happen between fork and exec (pinning, limits, the signal at
//! the parent's death) happens here in a program of its own, so that no `unsafe` hook is needed, and no process is
//! left behind whatever ends the bench: an error, Ctrl-C, or `kill -9`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::CpuSet;

/// How the program is told that its parent is gone.
#[derive(Clone, Copy)]
pub(crate) enum DeathSignal {
    /// For what has children of its own that it must take along (nginx).
    Term,
    /// For all others.
    Kill,
}

/// Descriptors for 10,000 client connections, as many to servers, and some to spare.
const OPEN_FILES: u64 = 65_536;

/// A command that starts `program` through this.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, cpu: usize, signal: DeathSignal) -> Command {
    through(program, &cpu.to_string(), signal)
}

/// The same on any CPU.
pub(crate) fn unpinned(program: impl AsRef<std::ffi::OsStr>, signal: DeathSignal) -> Command {
    through(program, "-", signal)
}

fn through(program: impl AsRef<std::ffi::OsStr>, cpu: &str, signal: DeathSignal) -> Command {
    // Not the path: a rebuild may have replaced the file, but never what we are.
    let mut command = Command::new("/proc/self/exe");
    let signal = match signal {
        DeathSignal::Term => "TERM",
        DeathSignal::Kill => "KILL",
    };
    command.args(["launch", cpu, signal, &std::process::id().to_string()]).arg(program);
    command
}

/// Never returns when all goes well.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let [cpu, signal, parent, program, args @ ..] = args else {
        return Err("wants CPU SIGNAL PARENT PROGRAM ARG...".into());
    };
    let cpu: Option<usize> = match cpu.as_str() {
        "-" => None,
        cpu => Some(cpu.parse().map_err(|_| format!("`{cpu}` is no CPU"))?),
    };
    let signal = match signal.as_str() {
        "TERM" => Signal::TERM,
        "KILL" => Signal::KILL,
        _ => return Err(format!("`{signal}` is neither TERM nor KILL")),
    };
    rustix::process::set_parent_process_death_signal(Some(signal)).map_err(|error| error.to_string())?;
    // It may have died before we asked to be told.
    let alive = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().to_string() == *parent);
    if !alive {
        return Err("the process that wanted this is gone".into());
    }
    cpu.map_or(Ok(()), pin)?;
    raise_open_files();
    Err(format!("{program}: {}", Command::new(program).args(args).exec()))
}

/// Binds this process to one CPU.
pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    rustix::thread::sched_setaffinity(None, &cpus)
        .map_err(|error| format!("cannot pin to CPU {cpu}: {error}"))
}

/// As far as we may; the bench notices where it is too little, because connections fail.
fn raise_open_files() {
    let wanted = Rlimit { current: Some(OPEN_FILES), maximum: Some(OPEN_FILES) };
    if rustix::process::setrlimit(Resource::Nofile, wanted).is_err() {
        let have = rustix::process::getrlimit(Resource::Nofile);
        let most = Rlimit { current: have.maximum, maximum: have.maximum };
        let _ = rustix::process::setrlimit(Resource::Nofile, most);
    }
}
