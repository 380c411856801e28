//! A data-plane worker: one thread, one CPU, one event loop, state that no other thread touches.

use std::{io, thread};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::{Builder, LocalOptions};

/// The CPUs that this process may use, in order.
pub fn cpus() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
        Err(_) => (0..thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}

/// Runs a task without which the worker is not one: one that accepts, or keeps time. A panic in the task of a connection
/// ends that connection; a panic here would leave a worker that looks alive and is not, so it ends the process, for its
/// service manager to start it again.
pub async fn vital<F: Future<Output = ()>>(task: F) {
    struct AbortOnPanic;
    impl Drop for AbortOnPanic {
        fn drop(&mut self) {
            if thread::panicking() {
                // The panic's message has been written.
                std::process::abort();
            }
        }
    }
    let _guard = AbortOnPanic;
    task.await;
}

/// Starts a thread that runs `main` on an event loop of its own, on `cpu` alone where one is given.
pub fn spawn<M, F>(name: String, cpu: Option<usize>, main: M) -> io::Result<thread::JoinHandle<()>>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let runtime = move || -> io::Result<()> {
        if let Some(cpu) = cpu {
            let mut set = CpuSet::new();
            set.set(cpu);
            // A refusal (a CPU that went away) costs speed, not correctness.
            let _ = sched_setaffinity(None, &set);
        }
        let runtime =
            Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
        runtime.block_on(main());
        Ok(())
    };
    thread::Builder::new().name(name).spawn(move || {
        if let Err(error) = runtime() {
            // Without an event loop the process cannot do its work, and it has not begun: say so and stop.
            panic!("a worker's event loop cannot be made: {error}");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_pinned_to_its_cpu() {
        let cpu = *cpus().last().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let main = move || async move { tell.send(cpus()).unwrap() };
        spawn("test".into(), Some(cpu), main).unwrap().join().unwrap();
        assert_eq!(told.recv().unwrap(), vec![cpu]);
    }
}
