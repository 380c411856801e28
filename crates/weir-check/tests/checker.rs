//! The checker from outside: real servers that come and go, targets that come and go, signals of workers.
//!
//! No test sleeps: each waits for an event, with a deadline. Where nothing must happen, the next event that
//! must happen is awaited instead, and compared.

mod stage;

use std::{net::TcpListener, sync::Arc, time::Duration};

use stage::*;
use tokio::time::timeout;
use weir_balance::Health;
use weir_check::ConnectFailure;
use weir_config::Probe;

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
    checker.apply(vec![pool(&[&up, &down], tcp(NEVER, 3, 3))]);
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
    checker.apply(vec![pool(&[&same, &new], tcp(NEVER, 3, 2))]);
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
