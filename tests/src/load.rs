//! Many clients that ask without a pause and count what goes wrong.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use crate::{Client, wait::until};

/// Failures of which the text is kept.
const FAILURES_SHOWN_MAX: usize = 20;

/// Clients that ask, each on its own keep-alive connection.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    requests: AtomicU64,
    failed: AtomicU64,
    connects: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// What came of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were answered with 200.
    pub requests: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Connections that were made.
    pub connects: u64,
    /// The first failures.
    pub failures: Vec<String>,
}

impl Load {
    /// `connections` clients that send `GET path` until they are stopped.
    pub fn start(address: SocketAddr, connections: usize, path: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let threads = (0..connections)
            .map(|_| {
                let (shared, request) = (Arc::clone(&shared), request.clone());
                thread::spawn(move || shared.ask(address, &request))
            })
            .collect();
        Self { shared, threads }
    }

    /// Waits until `more` requests have been answered from now on.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let target = self.shared.requests.load(Relaxed) + more;
        until("the load goes on", || self.shared.requests.load(Relaxed) >= target);
    }

    /// Lets each client end its request, and counts.
    pub fn stop(self) -> Tally {
        self.shared.stop.store(true, Relaxed);
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
        Tally {
            requests: self.shared.requests.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
            connects: self.shared.connects.load(Relaxed),
            failures: self.shared.failures.lock().expect("nobody panics while holding it").clone(),
        }
    }
}

impl Tally {
    /// Not one request failed.
    #[track_caller]
    pub fn expect_no_failure(&self) {
        assert!(self.requests > 0, "nothing was asked");
        assert_eq!(self.failed, 0, "failed of {}: {:#?}", self.requests, self.failures);
    }
}

impl Shared {
    fn ask(&self, address: SocketAddr, request: &str) {
        let mut client: Option<Client> = None;
        while !self.stop.load(Relaxed) {
            match self.ask_once(&mut client, address, request) {
                Ok(()) => {
                    self.requests.fetch_add(1, Relaxed);
                }
                Err(failure) => {
                    client = None;
                    self.failed.fetch_add(1, Relaxed);
                    let mut failures = self.failures.lock().expect("nobody panics while holding it");
                    if failures.len() < FAILURES_SHOWN_MAX {
                        failures.push(failure);
                    }
                }
            }
        }
    }

    fn ask_once(
        &self,
        client: &mut Option<Client>,
        address: SocketAddr,
        request: &str,
    ) -> Result<(), String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        if client.is_none() {
            self.connects.fetch_add(1, Relaxed);
            *client = Some(Client::try_connect(address).map_err(said("connect"))?);
        }
        let connection = client.as_mut().expect("made above");
        connection.try_send(request).map_err(said("send"))?;
        let response = connection.try_response("GET").map_err(said("read"))?;
        let response = response.ok_or("closed without an answer")?;
        if response.fields.all("connection").contains(&"close") {
            *client = None;
        }
        if response.status == 200 { Ok(()) } else { Err(format!("{}: {}", response.line, response.text())) }
    }
}
