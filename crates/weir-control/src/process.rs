//! The process around a running Weir: signals, limits, the service manager.
//!
//! SIGHUP reloads. SIGTERM and SIGINT let open exchanges end within `shutdown_grace`; a second one stops at once.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    log,
    running::{Running, control_runtime, start_on},
    source::{Error, Source},
};

/// How often the process looks whether all its workers live.
const WORKERS_LOOK: Duration = Duration::from_secs(1);

/// Descriptors that are not for client connections and their servers: listeners, metrics, logs, some checks.
const DESCRIPTORS_RESERVED: u64 = 256;

/// What the process was told.
enum Told {
    Reload,
    Stop,
    WorkerDied,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Runs until told to stop by a signal.
pub fn run(source: Source) -> Result<(), Error> {
    let runtime = control_runtime()?;
    // Before the start, which may take seconds: a SIGHUP that comes meanwhile waits, instead of ending the process.
    let mut signals = {
        let _context = runtime.enter();
        Signals::new().map_err(|error| Error::system("signals cannot be received", error))?
    };
    let mut running = start_on(runtime, source)?;
    notify(&[NotifyState::Ready]);
    log::info("ready", &[("pid", &std::process::id())]);
    loop {
        match running.runtime().block_on(signals.next(&running)) {
            Told::Reload => reload(&mut running),
            Told::Stop => break,
            Told::WorkerDied => {
                return Err(Error::System(
                    "a worker has died; the reason stands above. This is a bug in Weir".into(),
                ));
            }
        }
    }
    notify(&[NotifyState::Stopping]);
    log::info("stopping: open exchanges may end", &[("grace", &format!("{:?}", running.grace()))]);
    let drained = running.runtime().block_on(async {
        tokio::select! {
            drained = running.workers().drain(running.grace()) => drained,
            () = signals.stop() => false,
        }
    });
    log::info(if drained { "stopped" } else { "stopped: open exchanges were cut" }, &[]);
    running.stop();
    Ok(())
}

fn reload(running: &mut Running) {
    if let Ok(reloading) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, reloading]);
    }
    match running.reload() {
        Ok(()) => log::info("reloaded", &[]),
        Err(Error::Config(errors)) => {
            for finding in &errors.findings {
                let (line, column) =
                    finding.place.as_ref().map_or((0, 0), |place| (place.line, place.column));
                log::error(&finding.message, &[("file", &errors.file), ("line", &line), ("column", &column)]);
            }
            log::error("the reload changed nothing", &[("errors", &(errors.findings.len() + errors.more))]);
        }
        Err(Error::System(reason)) => log::error("the reload changed nothing", &[("reason", &reason)]),
    }
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, if it started the process.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn("the service manager could not be told", &[("reason", &error)]);
    }
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self, running: &Running) -> Told {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return Told::Reload,
                () = async { tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} } } => {
                    return Told::Stop;
                }
                () = tokio::time::sleep(WORKERS_LOOK) => {
                    if running.workers().any_dead() {
                        return Told::WorkerDied;
                    }
                }
            }
        }
    }

    async fn stop(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

/// Raises the soft limit of descriptors to the hard one. Gives how many client connections that is room for, at most
/// `wanted`. A third is kept for connections to servers: idle clients need none, and busy ones share them. Should they run
/// out all the same, requests are answered 503 and the limit `file_descriptors` counts.
pub(crate) fn raise_descriptor_limit(wanted: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(descriptors) = current else { return wanted };
    let room = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(64) / 3 * 2;
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    if room < wanted {
        log::warn(
            "max_connections is lowered: the limit of open files is too small (LimitNOFILE, `ulimit -Hn`)",
            &[("wanted", &wanted), ("lowered_to", &room), ("open_files", &descriptors)],
        );
    }
    room.min(wanted)
}
