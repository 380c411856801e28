//! The data plane's threads, as the control plane sees them: started once, told of changes, drained, stopped.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use weir_http::{Engine, ListenerId, Shared, Site, counters::WorkerCounters};
use weir_net::worker;

use crate::sockets::NewSockets;

/// Orders that may wait for a worker. A worker takes them at once unless it is stuck, and then more would not help.
const ORDERS_MAX: usize = 16;

/// How often a draining worker looks whether its last connection has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// How long a worker may take to carry out a change.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a worker is told.
enum Order {
    /// A new snapshot, then the listeners that come and go with it.
    Change { site: Arc<Site>, open: NewSockets, close: Vec<ListenerId>, done: oneshot::Sender<()> },
    /// Let the open exchanges end, then stop.
    Drain,
    /// Stop now.
    Stop,
}

/// All workers.
#[derive(Debug)]
pub(crate) struct Workers {
    orders: Vec<mpsc::Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one worker per block of `counters`.
    pub(crate) fn start(
        site: &Arc<Site>,
        counters: &[Arc<WorkerCounters>],
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let cpus = worker::cpus();
        // Fewer workers than CPUs leave room for others: which CPUs is then better left to the kernel.
        let pin = |index: usize| (counters.len() == cpus.len()).then(|| cpus[index]);
        let mut workers = Self { orders: Vec::new(), threads: Vec::new() };
        for (index, counters) in counters.iter().enumerate() {
            let (orders, inbox) = mpsc::channel(ORDERS_MAX);
            let (site, counters, shared) = (Arc::clone(site), Arc::clone(counters), Arc::clone(shared));
            let seed = RandomState::new().hash_one(index);
            let main = move || async move {
                let engine = Engine::new(index, seed, site, counters, shared);
                obey(&engine, inbox).await;
                engine.flush();
            };
            workers.threads.push(worker::spawn(format!("worker-{index}"), pin(index), main)?);
            workers.orders.push(orders);
        }
        Ok(workers)
    }

    /// Hands a change to all workers and waits until each runs on it.
    pub(crate) async fn change(
        &self,
        site: &Arc<Site>,
        open: Vec<NewSockets>,
        close: &[ListenerId],
    ) -> Result<(), String> {
        // The first that fails is told of, and the others change all the same: what is bound and checked by now is in use.
        let mut failed = None;
        let mut all_done = Vec::new();
        for ((index, orders), open) in self.orders.iter().enumerate().zip(open) {
            let (done, told) = oneshot::channel();
            let order = Order::Change { site: Arc::clone(site), open, close: close.to_vec(), done };
            match orders.send_timeout(order, CHANGE_TIMEOUT).await {
                Ok(()) => all_done.push((index, told)),
                Err(_) => failed = failed.or(Some(format!("worker {index} takes no orders"))),
            }
        }
        for (index, told) in all_done {
            if !matches!(tokio::time::timeout(CHANGE_TIMEOUT, told).await, Ok(Ok(()))) {
                let late = || format!("worker {index} did not take the change in {CHANGE_TIMEOUT:?}");
                failed = failed.or_else(|| Some(late()));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// A worker's thread has ended that was not told to.
    pub(crate) fn any_dead(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Tells all workers to let their exchanges end; true when all have within `grace`.
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        for orders in &self.orders {
            let _ = orders.send(Order::Drain).await;
        }
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return true;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends all workers, whatever they are doing.
    pub(crate) fn stop(self) {
        for orders in &self.orders {
            let _ = orders.try_send(Order::Stop);
        }
        drop(self.orders);
        for thread in self.threads {
            // A worker that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

/// A worker's main loop: everything else in it are tasks of the engine.
async fn obey(engine: &Engine, mut inbox: mpsc::Receiver<Order>) {
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Change { site, open, close, done } => {
                engine.apply(site);
                for (id, socket) in open {
                    engine.listen(id, socket).expect("a socket that was bound can be listened on");
                }
                close.into_iter().for_each(|id| engine.unlisten(id));
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
            Order::Drain => return drain(engine, inbox).await,
            Order::Stop => return,
        }
    }
}

async fn drain(engine: &Engine, mut inbox: mpsc::Receiver<Order>) {
    engine.drain();
    loop {
        match tokio::time::timeout(DRAIN_LOOK, inbox.recv()).await {
            Ok(Some(Order::Stop) | None) => return,
            Ok(Some(_)) => {}
            Err(_) if engine.is_drained() => return,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_tls::acme::Challenges;

    use super::*;

    #[tokio::test]
    async fn a_worker_that_takes_no_orders_does_not_keep_them_from_the_others() {
        let ((dead, _), (live, mut inbox)) = (mpsc::channel(1), mpsc::channel(1));
        let workers = Workers { orders: vec![dead, live], threads: Vec::new() };
        let site = Arc::new(Site {
            listeners: Vec::new(),
            pools: Vec::new(),
            access_log: None,
            challenges: Challenges::new(),
        });
        let worker = async {
            let Some(Order::Change { done, .. }) = inbox.recv().await else { panic!("no change came") };
            done.send(()).expect("somebody waits");
        };
        let open = vec![Vec::new(), Vec::new()];
        let (result, ()) = tokio::join!(workers.change(&site, open, &[]), worker);
        assert_eq!(result, Err("worker 0 takes no orders".to_owned()));
    }
}
