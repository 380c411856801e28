//! What the tests of the checker share: servers that come and go, settings, and waiting for what must happen.

#![allow(dead_code, unreachable_pub, reason = "each test program takes what it needs")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use weir_balance::{Epoch, Server, WhenAllDown};
use weir_check::{Checker, Event, PoolTargets, Speech, Status, Target};
use weir_config::{HttpProbe, Probe};

pub const DEADLINE: Duration = Duration::from_secs(20);
/// Long enough that no second check comes by itself within a test.
pub const NEVER: Duration = Duration::from_secs(100_000);
pub const OFTEN: Duration = Duration::from_millis(10);

pub fn watch() -> (Checker, mpsc::UnboundedReceiver<Event>) {
    let (tell, events) = mpsc::unbounded_channel();
    let checker = Checker::new(Handle::current(), 1, move |event| {
        // A test that has seen enough may have dropped its end.
        let _ = tell.send(event);
    });
    (checker, events)
}

pub fn server(pool: &str, port: u16) -> Arc<Server> {
    Arc::new(Server::new(pool, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::new(Epoch::default()), 1))
}

/// The pool of a server alone.
pub fn target(server: &Arc<Server>, health: Option<weir_config::Health>) -> PoolTargets {
    pool(&[server], health)
}

/// A pool of these servers.
pub fn pool(servers: &[&Arc<Server>], health: Option<weir_config::Health>) -> PoolTargets {
    let servers = servers.iter().map(|server| Target {
        server: Arc::clone(server),
        label: server.address().to_string(),
        check: server.address(),
        has_weight: true,
    });
    let servers: Vec<_> = servers.collect();
    PoolTargets {
        name: servers[0].server.pool().to_owned(),
        health: health.map(Arc::new),
        speech: Speech::default(),
        when_all_down: WhenAllDown::Fail,
        eject: None,
        slow_start: None,
        servers,
    }
}

pub fn settings(probe: Probe, interval: Duration, timeout: Duration) -> weir_config::Health {
    weir_config::Health {
        probe,
        agent: None,
        interval,
        down_interval: interval,
        timeout,
        fall: 3,
        rise: 2,
        concurrency: 512,
    }
}

pub fn tcp(interval: Duration, fall: u32, rise: u32) -> Option<weir_config::Health> {
    Some(weir_config::Health { fall, rise, ..settings(Probe::Tcp, interval, DEADLINE) })
}

pub fn http(interval: Duration, timeout: Duration) -> Option<weir_config::Health> {
    let probe = Probe::Http(HttpProbe {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: None,
        headers: Vec::new(),
        body: String::new(),
        expect: vec![(200, 299)],
        expect_headers: Vec::new(),
        expect_body: None,
        expect_json: Vec::new(),
    });
    Some(settings(probe, interval, timeout))
}

/// The next `count` changes, as `from>to reason`.
pub async fn changes(events: &mut mpsc::UnboundedReceiver<Event>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        match timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a checker") {
            Event::HealthChanged(change) => {
                told.push(format!("{}>{} {}", change.from.word(), change.to.word(), change.reason));
            }
            // Told of pools: the tests of that look for themselves.
            Event::AllDown(_) | Event::NoLongerAllDown { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    told
}

/// The record of the only server.
pub fn status(checker: &Checker) -> Status {
    let mut statuses = checker.statuses();
    assert_eq!(statuses.len(), 1);
    statuses.remove(0)
}

/// Lets other tasks run until the only server's record is as wanted.
pub async fn until(checker: &Checker, wanted: impl Fn(&Status) -> bool) {
    let reached = timeout(DEADLINE, async {
        while !wanted(&status(checker)) {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "never reached: {:?}", status(checker));
}

/// A port where connects succeed (nobody accepts them: the kernel does).
pub struct Listening(TcpListener);

impl Listening {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Room for all that connect in a test.
        rustix::net::listen(&listener, 4096).unwrap();
        Self(listener)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// From now on connects to the same port are refused.
    pub fn stop(self) -> Refusing {
        let address = self.0.local_addr().unwrap();
        drop(self.0);
        Refusing::at(address)
    }
}

/// A port where connects are refused: bound by a socket that does not listen, so that nobody else gets it.
pub struct Refusing(tokio::net::TcpSocket);

impl Refusing {
    pub fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub fn at(address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Self(socket)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

/// A site that answers every request with the same status, in a task of the test's own runtime.
pub struct Site {
    address: SocketAddr,
    status: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Site {
    pub async fn start(status: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicUsize::new(status));
        let shown = Arc::clone(&status);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // Every request here fits one packet; a checker that is dropped may send none.
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 {} Word\r\nContent-Length: 0\r\n\r\n", shown.load(SeqCst));
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, status, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn answer(&self, status: usize) {
        self.status.store(status, SeqCst);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}
