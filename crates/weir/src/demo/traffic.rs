//! The demo's own client: keep-alive connections that send requests at an even pace and check every answer.
//!
//! It is strict. Whatever keeps a request from its right answer is a failed request: a broken connection, a
//! wrong status, an answer to another question, silence. Only a connection that is closed while nothing is
//! asked is opened again without a word, as every client does.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime,
    sync::watch,
    task::JoinSet,
    time::{self, MissedTickBehavior, timeout},
};

use super::{
    server::{SERVER_FIELD, body},
    tally::Tally,
};

/// How many connections send requests.
pub(super) const CONNECTIONS: usize = 32;

/// Requests a second, over all connections.
pub(super) const RATE: u32 = 1600;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 4096;

/// Requests on their way, until [`Traffic::stop`].
pub(super) struct Traffic {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
    tally: Arc<Mutex<Tally>>,
}

/// What all connections share.
struct Shared {
    target: SocketAddr,
    names: Vec<&'static str>,
    tally: Arc<Mutex<Tally>>,
    next: AtomicU64,
}

impl Traffic {
    /// Sends requests to `target` from now on; right answers come from one of `names`.
    pub(super) fn start(target: SocketAddr, names: Vec<&'static str>) -> io::Result<Self> {
        let tally = Arc::new(Mutex::new(Tally::new(names.len())));
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared { target, names, tally: Arc::clone(&tally), next: AtomicU64::new(0) });
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("demo-client".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut connections = JoinSet::new();
                for index in 0..CONNECTIONS {
                    connections.spawn(connection(index, Arc::clone(&shared), stopped.clone()));
                }
                connections.join_all().await;
            });
        })?;
        Ok(Self { stop, thread, tally })
    }

    /// What was counted since the last call.
    pub(super) fn take(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the answers that are on their way, and gives what was counted since the last
    /// [`Traffic::take`].
    pub(super) fn stop(self) -> Tally {
        self.stop.send_replace(true);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.take()
    }
}

/// One connection after another, one request after another, until the end.
async fn connection(index: usize, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let pause = Duration::from_secs(1) * CONNECTIONS as u32 / RATE;
    // The connections take turns.
    let first = time::Instant::now() + pause * index as u32 / CONNECTIONS as u32;
    let mut pace = time::interval_at(first, pause);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = None;
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            _ = pace.tick() => {}
        }
        let start = Instant::now();
        let asked = timeout(ANSWER_TIMEOUT, ask(&mut open, &shared)).await;
        let answered = asked.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_TIMEOUT:?}")));
        let mut tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
        match answered {
            Ok(server) => tally.record(server, start.elapsed()),
            Err(reason) => {
                tally.record_failure(reason);
                open = None;
            }
        }
    }
}

type Connection = SendRequest<Empty<Bytes>>;

/// Sends one request and checks its answer. Gives the index of the server that answered, or what is wrong.
async fn ask(open: &mut Option<Connection>, shared: &Shared) -> Result<usize, String> {
    let usable = match open {
        Some(connection) => connection.ready().await.is_ok(),
        None => false,
    };
    if !usable {
        *open = Some(connect(shared.target).await?);
    }
    let connection = open.as_mut().expect("opened above");

    let path = format!("/hello/{}", shared.next.fetch_add(1, Relaxed));
    let request = Request::get(&path).header(HOST, shared.target.to_string()).body(Empty::new());
    let request = request.expect("method, path and field are right");
    let answer = connection.send_request(request).await.map_err(|error| format!("no answer: {error}"))?;
    let (head, incoming) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("answered {}", head.status));
    }
    let name = head.headers.get(SERVER_FIELD);
    let server = shared.names.iter().position(|own| name.is_some_and(|name| name == own));
    let server = server.ok_or("answered by a stranger")?;
    let read = Limited::new(incoming, BODY_BYTES_MAX).collect().await;
    let read = read.map_err(|error| format!("answer broken off: {error}"))?.to_bytes();
    if read != body(shared.names[server], &path) {
        return Err("answered with the wrong body".to_owned());
    }
    Ok(server)
}

async fn connect(target: SocketAddr) -> Result<Connection, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| format!("cannot connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("cannot connect: {error}"))?;
    let (connection, driver) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("cannot connect: {error}"))?;
    // What breaks it is told to whoever waits for an answer on it.
    tokio::spawn(driver);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::server::DemoServer;

    const DEADLINE: Duration = Duration::from_secs(20);

    /// Adds up what is counted until `enough`.
    fn until(traffic: &Traffic, enough: impl Fn(&Tally) -> bool) -> Tally {
        let start = Instant::now();
        let mut all = Tally::new(1);
        while !enough(&all) {
            assert!(start.elapsed() < DEADLINE, "{all:?}");
            all.add(&traffic.take());
            thread::yield_now();
        }
        all
    }

    #[test]
    fn right_answers_are_counted() {
        let server = DemoServer::start("one", Duration::ZERO).unwrap();
        let traffic = Traffic::start(server.address(), vec!["one"]).unwrap();
        let mut all = until(&traffic, |all| all.requests() > 100);
        all.add(&traffic.stop());
        assert_eq!(all.failed(), 0, "{:?}", all.first_failure());
        assert_eq!(all.server(0).total(), all.requests());
    }

    #[test]
    fn answers_of_strangers_are_failures() {
        let server = DemoServer::start("two", Duration::ZERO).unwrap();
        let traffic = Traffic::start(server.address(), vec!["one"]).unwrap();
        let all = until(&traffic, |all| all.failed() > 10);
        traffic.stop();
        assert_eq!(all.first_failure(), Some("answered by a stranger"));
        assert_eq!(all.server(0).total(), 0);
    }

    #[test]
    fn a_server_that_dies_without_weir_in_front_is_noticed() {
        let mut server = DemoServer::start("one", Duration::ZERO).unwrap();
        let traffic = Traffic::start(server.address(), vec!["one"]).unwrap();
        until(&traffic, |all| all.requests() > 100);
        server.kill();
        let all = until(&traffic, |all| all.failed() > 10);
        assert!(all.first_failure().is_some());
        server.start_again().unwrap();
        until(&traffic, |all| all.server(0).total() > 100);
        traffic.stop();
    }
}
