//! How servers and pools stand: what agents say, what is kept of it, and when no server is left.

mod stage;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use stage::*;
use tokio::{io::AsyncWriteExt, sync::mpsc, task::JoinHandle, time::timeout};
use weir_balance::{Health, Server};
use weir_check::{AllDown, ConnectFailure, Event, HISTORY_MAX};
use weir_config::{Agent, Probe};

/// An agent that says the same line to all who connect, or closes without a word.
struct Speaker {
    port: u16,
    line: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Speaker {
    async fn start(line: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Mutex::new(line.to_owned()));
        let shown = Arc::clone(&line);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let line = shown.lock().unwrap().clone();
                let _ = stream.write_all(line.as_bytes()).await;
            }
        });
        Self { port, line, task }
    }

    fn say(&self, line: &str) {
        line.clone_into(&mut self.line.lock().unwrap());
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with_agent(port: u16) -> Option<weir_config::Health> {
    let agent = Agent { port, send: String::new(), interval: OFTEN, timeout: DEADLINE };
    Some(weir_config::Health { agent: Some(agent), ..settings(Probe::Tcp, NEVER, DEADLINE) })
}

/// The next event, in a few words.
async fn next(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    match timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a checker") {
        Event::HealthChanged(change) => {
            format!("{}>{} {}", change.from.word(), change.to.word(), change.reason)
        }
        Event::WeightChanged(change) => format!("{}%>{}% {}", change.from, change.to, change.reason),
        Event::AllDown(AllDown { pool, servers, .. }) => format!("{pool}: none of {servers}"),
        Event::NoLongerAllDown { pool } => format!("{pool}: some"),
        other => panic!("{other:?}"),
    }
}

/// What the workers read.
fn stands(server: &Arc<Server>) -> (Health, u16, bool) {
    (server.health(), server.weight_percent(), server.is_draining())
}

#[tokio::test]
async fn an_agent_sets_the_weight_drains_and_takes_down() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let agent = Speaker::start("up 75%\n").await;
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, with_agent(agent.port))]);
    let mut first = vec![next(&mut events).await, next(&mut events).await];
    first.sort();
    assert_eq!(first, ["100%>75% its agent says `75%`", "unknown>up check passed"]);
    assert_eq!(stands(&server), (Health::Up, 75, false));

    agent.say("drain\n");
    assert_eq!(next(&mut events).await, "75%>0% its agent says `drain`");
    assert_eq!(next(&mut events).await, "web: none of 1");
    assert_eq!(stands(&server), (Health::Up, 0, true));

    agent.say("down # disk full\n");
    assert_eq!(next(&mut events).await, "0%>100% its agent says: disk full");
    assert_eq!(next(&mut events).await, "up>down its agent says: disk full");
    assert_eq!(stands(&server), (Health::Down, 100, false));

    agent.say("up\n");
    assert_eq!(next(&mut events).await, "down>up its agent says `up`");
    assert_eq!(next(&mut events).await, "web: some");
    assert_eq!(stands(&server), (Health::Up, 100, false));
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing() {
    let (checker, mut events) = watch();
    let listening = Listening::start();
    let agent = Speaker::start("50%\n").await;
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, with_agent(agent.port))]);
    next(&mut events).await;
    next(&mut events).await;
    agent.say("50% of nothing\n");
    until(&checker, |status| status.agent_readings.is_some_and(|(_, failed)| failed >= 3)).await;
    let status = status(&checker);
    assert_eq!(status.last_agent_reason, "agent: `of` is not understood");
    assert_eq!(stands(&server), (Health::Up, 50, false));
    assert!(events.try_recv().is_err());

    // Without its agent, it has its whole weight again.
    checker.apply(vec![target(&server, tcp(NEVER, 3, 2))]);
    assert_eq!(next(&mut events).await, "50%>100% it has no agent any more");
}

#[tokio::test]
async fn an_agent_that_says_up_brings_back_no_server_that_checks_find_down() {
    let (checker, mut events) = watch();
    let refusing = Refusing::start();
    let agent = Speaker::start("down\n").await;
    let server = server("web", refusing.port());
    checker.apply(vec![target(&server, with_agent(agent.port))]);
    assert_eq!(next(&mut events).await, "unknown>down connection refused");
    assert_eq!(next(&mut events).await, "web: none of 1");
    agent.say("up\n");
    let read = status(&checker).agent_readings.unwrap().0;
    until(&checker, |status| status.agent_readings.is_some_and(|(understood, _)| understood > read + 2))
        .await;
    assert_eq!(stands(&server), (Health::Down, 100, false));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_pool_tells_when_its_last_server_goes_and_when_the_first_is_back() {
    let (checker, mut events) = watch();
    let (one, two) = (Site::start(200).await, Site::start(200).await);
    let servers = [server("web", one.port()), server("web", two.port())];
    let often = || Some(weir_config::Health { fall: 1, rise: 1, ..http(OFTEN, DEADLINE).unwrap() });
    let both = || vec![pool(&[&servers[0], &servers[1]], often())];
    checker.apply(both());
    for _ in &servers {
        assert_eq!(next(&mut events).await, "unknown>up check passed");
    }
    one.answer(503);
    assert_eq!(next(&mut events).await, "up>down answered 503, expected 200-299");
    assert_eq!(checker.all_down(), [("web".to_owned(), false)]);
    two.answer(503);
    assert_eq!(next(&mut events).await, "up>down answered 503, expected 200-299");
    assert_eq!(next(&mut events).await, "web: none of 2");
    assert_eq!(checker.all_down(), [("web".to_owned(), true)]);
    // A reload is no news.
    checker.apply(both());
    one.answer(200);
    assert_eq!(next(&mut events).await, "down>up check passed");
    assert_eq!(next(&mut events).await, "web: some");

    // One that is up, but has no weight, does not count.
    let mut weightless = both();
    weightless[0].servers[0].has_weight = false;
    checker.apply(weightless);
    assert_eq!(next(&mut events).await, "web: none of 2");
    checker.apply(both());
    assert_eq!(next(&mut events).await, "web: some");
}

#[tokio::test]
async fn the_last_changes_are_kept_with_their_reasons() {
    let (checker, mut events) = watch();
    let site = Site::start(200).await;
    let server = server("web", site.port());
    let health = Some(weir_config::Health { fall: 1, rise: 1, ..http(OFTEN, DEADLINE).unwrap() });
    checker.apply(vec![target(&server, health)]);
    changes(&mut events, 1).await;
    for round in 0..HISTORY_MAX {
        site.answer(if round % 2 == 0 { 503 } else { 200 });
        changes(&mut events, 1).await;
    }
    let history = status(&checker).history;
    assert_eq!(history.changes().len(), HISTORY_MAX, "the first of them is forgotten");
    let healths: Vec<_> = history.changes().map(|change| (change.from.health, change.to.health)).collect();
    assert_eq!(healths[0], (Health::Up, Health::Down));
    assert!(healths.windows(2).all(|pair| pair[0].1 == pair[1].0), "{healths:?}");
    let reasons: Vec<_> = history.changes().map(|change| change.reason.as_str()).take(2).collect();
    assert_eq!(reasons, ["answered 503, expected 200-299", "check passed"]);
    let times: Vec<_> = history.changes().map(|change| change.at).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn a_server_that_is_down_has_its_own_interval() {
    let (checker, mut events) = watch();
    let site = Site::start(503).await;
    let server = server("web", site.port());
    let health = weir_config::Health { down_interval: OFTEN, rise: 3, ..http(NEVER, DEADLINE).unwrap() };
    checker.apply(vec![target(&server, Some(health))]);
    assert_eq!(changes(&mut events, 1).await, ["unknown>down answered 503, expected 200-299"]);
    until(&checker, |status| status.checks_failed >= 3).await;
    site.answer(200);
    assert_eq!(changes(&mut events, 1).await, ["down>up check passed, 3 times in a row"]);
    let passed = status(&checker).checks_passed;
    // Up again, only a signal brings another check.
    checker.passive().try_send(ConnectFailure { server: Arc::clone(&server) });
    until(&checker, |status| status.connect_failures == 1 && status.checks_passed == passed + 1).await;
}

#[tokio::test]
async fn no_more_checks_of_a_pool_run_at_once_than_it_allows() {
    let (checker, _events) = watch();
    // Takes connections and never answers: each check holds its place.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let servers: Vec<_> = (1..=20u8)
        .map(|host| {
            let address = ([127, 0, 1, host], port).into();
            Arc::new(Server::new("web", address, Arc::default(), 1))
        })
        .collect();
    let mut all = pool(&servers.iter().collect::<Vec<_>>(), None);
    for target in &mut all.servers {
        target.check = ([127, 0, 0, 1], port).into();
    }
    let health = weir_config::Health { concurrency: 3, ..http(NEVER, NEVER).unwrap() };
    all.health = Some(Arc::new(health));
    checker.apply(vec![all]);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(timeout(DEADLINE, listener.accept()).await.unwrap().unwrap());
    }
    assert!(timeout(Duration::from_millis(200), listener.accept()).await.is_err(), "a fourth one");
    // One that ends makes room for another.
    held.pop();
    timeout(DEADLINE, listener.accept()).await.expect("the next").unwrap();
}

#[tokio::test]
async fn lateness_is_counted_for_all_but_first_checks() {
    let (checker, _events) = watch();
    let listening = Listening::start();
    let server = server("web", listening.port());
    checker.apply(vec![target(&server, tcp(OFTEN, 3, 2))]);
    until(&checker, |status| status.checks_passed >= 5).await;
    let (lateness, passed) = (checker.lateness(), status(&checker).checks_passed);
    let counted: u64 = lateness.counts.iter().sum();
    assert!((4..passed + 1).contains(&counted), "{counted} of {passed}");
    assert!(lateness.max <= lateness.sum && lateness.max > Duration::ZERO);
}
