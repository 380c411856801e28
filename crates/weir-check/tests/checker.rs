//! The checker from outside: real servers that come and go, targets that come and go, signals of workers.
//!
//! No test sleeps: each waits for an event, with a deadline. Where nothing must happen, the next event that
//! must happen is awaited instead, and compared.

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
use weir_balance::{Epoch, Health, Server};
use weir_check::{Checker, ConnectFailure, Event, Speech, Status, Target};
use weir_config::{HttpProbe, Probe};

const DEADLINE: Duration = Duration::from_secs(20);
/// Long enough that no second check comes by itself within a test.
const NEVER: Duration = Duration::from_secs(100_000);
const OFTEN: Duration = Duration::from_millis(10);

#[tokio::test]
async fn an_unchecked_server_is_up_at_once() {
    let (checker, mut events) = watch();
    let server = server("web", 1);
    checker.apply(vec![target(&server, None)]);
    assert_eq!(server.health(), Health::Up);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up not checked"]);
    assert_eq!(checker.first_round(DEADLINE).await, 0);
    checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
    until(&checker, |status| status.connect_failures == 1).await;
    assert_eq!(server.health(), Health::Up, "nobody would ever bring it back");
}

#[tokio::test]
async fn the_first_result_decides_and_ends_the_first_round() {
    let (checker, mut events) = watch();
    let (good, bad) = (Listening::start(), Refusing::start());
    let (up, down) = (server("web", good.port()), server("web", bad.port()));
    checker.apply(vec![target(&up, tcp(NEVER, 3, 3)), target(&down, tcp(NEVER, 3, 3))]);
    assert_eq!(checker.first_round(DEADLINE).await, 0);
    assert_eq!((up.health(), down.health()), (Health::Up, Health::Down));
    let mut told = changes(&mut events, 2).await;
    told.sort();
    assert_eq!(told, ["unknown>down connection refused", "unknown>up check passed"]);
}

#[tokio::test]
async fn the_first_round_ends_at_its_deadline() {
    let (checker, _events) = watch();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = server("web", listener.local_addr().unwrap().port());
    checker.apply(vec![target(&silent, http(NEVER, NEVER))]);
    assert_eq!(checker.first_round(Duration::from_millis(20)).await, 1);
    assert_eq!(silent.health(), Health::Unknown);
    // Gone from the configuration, it is no longer waited for.
    checker.apply(Vec::new());
    assert_eq!(checker.first_round(DEADLINE).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_falls_and_rises() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    checker.apply(vec![target(&server, http(OFTEN, DEADLINE))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    site.answer(503);
    assert_eq!(changes(&mut events, 1).await, ["up>down answered 503, expected 200-299, 3 times in a row"]);
    assert_eq!(server.health(), Health::Down);
    site.answer(200);
    assert_eq!(changes(&mut events, 1).await, ["down>up check passed, 2 times in a row"]);
    assert_eq!(server.health(), Health::Up);
    let status = status(&checker);
    assert!(status.checks_passed >= 3 && status.checks_failed >= 3, "{status:?}");
    assert_eq!(status.last_reason, "answered 503, expected 200-299");
}

#[tokio::test]
async fn a_killed_server_is_found_by_signals_alone() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, tcp(NEVER, 3, 2))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    let _refusing = listening.stop();
    // A signal, the check that it calls for, another signal, and its check: no interval has passed.
    let passive = checker.passive();
    passive.try_send(ConnectFailure { server: Arc::clone(&server) });
    until(&checker, |status| status.checks_failed == 1).await;
    passive.try_send(ConnectFailure { server: Arc::clone(&server) });
    let told = changes(&mut events, 1).await;
    assert!(told[0].starts_with("up>down ") && told[0].ends_with(", 3 times in a row"), "{told:?}");
    assert_eq!(server.health(), Health::Down);
    assert_eq!(passive.dropped(), 0);
}

#[tokio::test]
async fn a_passed_check_clears_the_signals() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, tcp(NEVER, 2, 2))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    for round in 2..5 {
        checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
        // The check that the signal called for passes, although the interval would not have brought one.
        until(&checker, |status| status.checks_passed == round).await;
    }
    assert_eq!(server.health(), Health::Up, "no two failures came in a row");
    assert_eq!(status(&checker).connect_failures, 3);
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_burst_of_signals_takes_no_server_away_that_checks_find_well() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, tcp(NEVER, 3, 2))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    for _ in 0..100 {
        checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
    }
    until(&checker, |status| status.connect_failures == 100 && status.checks_passed == 2).await;
    assert_eq!(server.health(), Health::Up);
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn signals_of_strangers_are_ignored() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let known = server("web", listening.port());
    checker.apply(vec![target(&known, tcp(NEVER, 1, 1))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    checker.passive().try_send(ConnectFailure { server: server("other", listening.port()) });
    checker.passive().try_send(ConnectFailure { server: Arc::clone(&known) });
    until(&checker, |status| status.connect_failures == 1).await;
    until(&checker, |status| status.checks_passed == 2).await;
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_server_that_stays_keeps_what_is_known() {
    let (checker, mut events) = watch();
    let (first, second) = (Listening::start(), Listening::start());
    let kept = server("web", first.port());
    checker.apply(vec![target(&kept, tcp(NEVER, 3, 2))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    let before = status(&checker);

    // Another snapshot may bring another value for the same identity: it is given the same health.
    let same = server("web", first.port());
    let new = server("web", second.port());
    checker.apply(vec![target(&same, tcp(NEVER, 3, 2)), target(&new, tcp(NEVER, 3, 2))]);
    assert_eq!(same.health(), Health::Up);
    assert_eq!(checker.first_round(DEADLINE).await, 0);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"], "only the new one");
    let after = checker.statuses().into_iter().find(|status| status.address == same.address()).unwrap();
    assert_eq!(after, before, "no check was added");
}

#[tokio::test]
async fn failures_in_a_row_outlive_a_reload() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    checker.apply(vec![target(&server, http(NEVER, DEADLINE))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    site.answer(503);
    checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
    until(&checker, |status| status.checks_failed == 1).await;
    checker.apply(vec![target(&server, http(NEVER, DEADLINE))]);
    checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
    assert_eq!(
        changes(&mut events, 1).await,
        ["up>down answered 503, expected 200-299, 3 times in a row"],
        "one signal, one check, a reload, and the check that a signal calls for"
    );
}

#[tokio::test]
async fn changed_settings_take_effect() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    checker.apply(vec![target(&server, http(NEVER, DEADLINE))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    let mut settings = http(OFTEN, DEADLINE).unwrap();
    settings.fall = 1;
    let Probe::Http(probe) = &mut settings.probe else { unreachable!() };
    probe.expect = vec![(204, 204)];
    checker.apply(vec![target(&server, Some(settings))]);
    assert_eq!(changes(&mut events, 1).await, ["up>down answered 200, expected 204"]);
}

#[tokio::test]
async fn checks_can_be_switched_off_and_on() {
    let (checker, mut events) = watch();
    let refusing = Refusing::start();
    let server = server("web", refusing.port());
    checker.apply(vec![target(&server, tcp(OFTEN, 2, 2))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>down connection refused"]);
    checker.apply(vec![target(&server, None)]);
    assert_eq!(changes(&mut events, 1).await, ["down>up not checked"]);
    checker.apply(vec![target(&server, tcp(OFTEN, 2, 2))]);
    assert_eq!(server.health(), Health::Up, "it keeps its traffic until it fails");
    assert_eq!(changes(&mut events, 1).await, ["up>down connection refused, 2 times in a row"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_server_is_left_alone_and_forgotten() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    checker.apply(vec![target(&server, http(OFTEN, DEADLINE))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    checker.apply(Vec::new());
    assert_eq!(checker.statuses(), []);
    site.answer(503);
    checker.apply(vec![target(&server, http(OFTEN, DEADLINE))]);
    assert_eq!(
        changes(&mut events, 1).await,
        ["unknown>down answered 503, expected 200-299"],
        "back again it is as unknown as any"
    );
    assert_eq!(status(&checker).checks_passed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_checker_ends_its_checks() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    checker.apply(vec![target(&server, http(OFTEN, DEADLINE))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>up check passed"]);
    drop(checker);
    // All tasks held the other end of the events: it closes when the last of them is gone.
    assert_eq!(timeout(DEADLINE, events.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_servers_get_their_first_result() {
    let (checker, _events) = watch();
    let listening = Listening::start();
    let servers: Vec<_> = (0..3000).map(|pool| server(&format!("pool-{pool}"), listening.port())).collect();
    checker.apply(servers.iter().map(|server| target(server, tcp(NEVER, 3, 2))).collect());
    assert_eq!(checker.first_round(DEADLINE).await, 0);
    assert!(servers.iter().all(|server| server.health() == Health::Up));
}

fn watch() -> (Checker, mpsc::UnboundedReceiver<Event>) {
    let (tell, events) = mpsc::unbounded_channel();
    let checker = Checker::new(Handle::current(), 1, move |event| {
        // A test that has seen enough may have dropped its end.
        let _ = tell.send(event);
    });
    (checker, events)
}

fn server(pool: &str, port: u16) -> Arc<Server> {
    Arc::new(Server::new(pool, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::new(Epoch::default()), 1))
}

fn target(server: &Arc<Server>, health: Option<weir_config::Health>) -> Target {
    Target {
        server: Arc::clone(server),
        label: server.address().to_string(),
        health,
        speech: Speech::default(),
    }
}

fn tcp(interval: Duration, fall: u32, rise: u32) -> Option<weir_config::Health> {
    Some(weir_config::Health { probe: Probe::Tcp, interval, timeout: DEADLINE, fall, rise })
}

fn http(interval: Duration, timeout: Duration) -> Option<weir_config::Health> {
    let probe = Probe::Http(HttpProbe {
        path: "/".to_owned(),
        host: None,
        expect: vec![(200, 299)],
        expect_headers: Vec::new(),
        expect_body: None,
    });
    Some(weir_config::Health { probe, interval, timeout, fall: 3, rise: 2 })
}

/// The next `count` changes, as `from>to reason`.
async fn changes(events: &mut mpsc::UnboundedReceiver<Event>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        match timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a checker") {
            Event::HealthChanged(change) => {
                told.push(format!("{}>{} {}", change.from.word(), change.to.word(), change.reason));
            }
            other @ Event::NotChecked { .. } => panic!("{other:?}"),
        }
    }
    told
}

/// The record of the only server.
fn status(checker: &Checker) -> Status {
    let mut statuses = checker.statuses();
    assert_eq!(statuses.len(), 1);
    statuses.remove(0)
}

/// Lets other tasks run until the only server's record is as wanted.
async fn until(checker: &Checker, wanted: impl Fn(&Status) -> bool) {
    let reached = timeout(DEADLINE, async {
        while !wanted(&status(checker)) {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "never reached: {:?}", status(checker));
}

/// A port where connects succeed (nobody accepts them: the kernel does).
struct Listening(TcpListener);

impl Listening {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Room for all that connect in a test.
        rustix::net::listen(&listener, 4096).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// From now on connects to the same port are refused.
    fn stop(self) -> Refusing {
        let address = self.0.local_addr().unwrap();
        drop(self.0);
        Refusing::at(address)
    }
}

/// A port where connects are refused: bound by a socket that does not listen, so that nobody else gets it.
struct Refusing(tokio::net::TcpSocket);

impl Refusing {
    fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

/// A site that answers every request with the same status, in a task of the test's own runtime.
struct Site {
    address: SocketAddr,
    status: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Site {
    async fn start(status: usize) -> Self {
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

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn answer(&self, status: usize) {
        self.status.store(status, SeqCst);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}
