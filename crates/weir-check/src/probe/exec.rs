//! The check by a program: it ends with 0, or the server is not well.
//!
//! It runs in a process group of its own, with nothing of Weir's environment but `PATH`, and without a shell. When its time
//! is up, or it has ended, the whole group is killed: nothing that it started goes on. The group is killed before the
//! program is reaped, since its number is its own only until then; a descriptor of the process says when it has ended.

use std::{
    io::{self, PipeReader, pipe},
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
    time::timeout,
};

use super::{Asked, Outcome};
use crate::said::said;

/// How much of what it says is kept, in bytes; the rest is read and thrown away.
const OUTPUT_BYTES_MAX: usize = 4096;

/// How long a killed program may take to end. Only one that hangs in the kernel takes longer than a moment.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the program within the check's timeout.
pub(super) async fn run(command: &[String], asked: Asked<'_>) -> Outcome {
    let (mut program, output) = match Program::start(command, asked) {
        Ok(started) => started,
        Err(error) => return not_started(&command[0], &error),
    };
    let mut said_so_far = Vec::new();
    let ended = timeout(asked.health.timeout, async {
        tokio::select! {
            ended = program.ended() => ended,
            never = read(&output, &mut said_so_far) => match never {},
        }
    });
    let ended = ended.await;
    let status = program.end().await;
    // What it said last may still be in the pipe.
    take_rest(&output, &mut said_so_far);
    let reason = said(&said_so_far);
    match (ended, status) {
        (Err(_), _) => Outcome::Failed(format!("the program did not end within {:?}", asked.health.timeout)),
        (Ok(Ok(())), Ok(status)) if status.success() => Outcome::Passed,
        (Ok(Ok(())), Ok(_)) if !reason.is_empty() => Outcome::Failed(reason),
        (Ok(Ok(())), Ok(status)) => Outcome::Failed(format!("the program ended with {status}")),
        (Ok(Err(error)), _) | (_, Err(error)) => {
            Outcome::NotChecked(format!("the program cannot be watched: {error}"))
        }
    }
}

/// A missing program and missing memory are this side's fault, whatever the server does.
fn not_started(program: &str, error: &io::Error) -> Outcome {
    Outcome::NotChecked(format!("{program} cannot be started: {error}"))
}

/// A program that runs, and whatever it has started. Dropping it kills all of them.
struct Program {
    /// `None` once it is left to somebody else.
    child: Option<Child>,
    pid: Pid,
    watch: AsyncFd<OwnedFd>,
    is_reaped: bool,
}

impl Program {
    /// Starts it, and gives the end of its output.
    fn start(words: &[String], asked: Asked<'_>) -> io::Result<(Self, pipe::Receiver)> {
        let (program, arguments) = words.split_first().expect("the configuration names a program");
        let (reader, writer) = pipe()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().process_group(0).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("WEIR_ADDRESS", asked.address.ip().to_string())
            .env("WEIR_PORT", asked.address.port().to_string())
            .env("WEIR_SERVER", asked.server)
            .env("WEIR_POOL", asked.pool);
        command.stderr(writer.try_clone()?).stdout(writer);
        let child = command.spawn()?;
        // Our ends of the pipe's writing side: without them, it ends with the program.
        drop(command);
        let pid = Pid::from_child(&child);
        match watch(pid) {
            Ok(watch) => Ok((Self { child: Some(child), pid, watch, is_reaped: false }, receiver(reader)?)),
            Err(error) => {
                let mut child = child;
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Waits until the program has ended. It is not reaped yet.
    async fn ended(&self) -> io::Result<()> {
        self.watch.readable().await.map(drop)
    }

    /// Kills what is left of its group, and reaps it.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        match timeout(END_TIMEOUT, self.ended()).await {
            Ok(ended) => ended?,
            Err(_) => return Err(io::Error::other("it was killed, but does not end")),
        }
        let status = self.child.as_mut().map_or_else(|| Err(io::Error::other("it is gone")), Child::wait)?;
        self.is_reaped = true;
        Ok(status)
    }

    fn kill(&self) {
        // Once it is reaped, the number may be somebody else's.
        if !self.is_reaped {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill();
            // It ends in a moment, but nobody may wait here for it: the one who would is being stopped.
            if let Some(mut child) = self.child.take() {
                let _ = thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait());
            }
        }
    }
}

/// A descriptor that can be read when the process has ended.
#[expect(
    deprecated,
    reason = "the new functions are unsafe, for types whose descriptor may change; this one's cannot"
)]
fn watch(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)
}

fn receiver(reader: PipeReader) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(OwnedFd::from(reader))
}

/// Reads what it says for as long as it says anything. Never ends by itself: what has ended is the program.
async fn read(output: &pipe::Receiver, kept: &mut Vec<u8>) -> std::convert::Infallible {
    let mut piece = [0; 1024];
    loop {
        match output.readable().await {
            Ok(()) => {}
            Err(_) => std::future::pending().await,
        }
        match output.try_read(&mut piece) {
            Ok(1..) if kept.len() >= OUTPUT_BYTES_MAX => {}
            Ok(len @ 1..) => kept.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // It has closed its side, and may go on without a word.
            Ok(0) | Err(_) => std::future::pending().await,
        }
    }
}

fn take_rest(output: &pipe::Receiver, kept: &mut Vec<u8>) {
    let mut piece = [0; 1024];
    while kept.len() < OUTPUT_BYTES_MAX {
        match output.try_read(&mut piece) {
            Ok(len @ 1..) => kept.extend_from_slice(&piece[..len]),
            Ok(0) | Err(_) => break,
        }
    }
}
