//! Servers that traffic takes out: what is told, what is kept, and how they and new ones come in.

mod stage;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use stage::*;
use tokio::{sync::mpsc, time::timeout};
use weir_balance::{Epoch, Health, Server, ejection::Cause, ejection::Rules};
use weir_check::{Checker, Event, PoolTargets, Status};

const RULES: Rules = Rules {
    errors: 5,
    success_percent: None,
    latency_percent: None,
    max_percent: 50,
    time_ms: 1000,
    probation_ms: 1000,
};

fn servers(count: u16) -> Vec<Arc<Server>> {
    let epoch = Arc::new(Epoch::default());
    let server = |port| Server::new("web", SocketAddr::from(([127, 0, 0, 1], port)), Arc::clone(&epoch), 1);
    (1..=count).map(|port| Arc::new(server(port))).collect()
}

/// A pool of servers that are up without being asked.
fn targets(servers: &[Arc<Server>], eject: Option<Rules>, slow_start: Option<Duration>) -> PoolTargets {
    let servers: Vec<&Arc<Server>> = servers.iter().collect();
    PoolTargets { eject, slow_start, ..pool(&servers, None) }
}

/// The next event that is no change of health, in a few words.
async fn next(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    loop {
        match timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a checker") {
            Event::HealthChanged(_) => {}
            Event::EjectionChanged(change) => {
                let port = change.address.port();
                let what = change.to.map(|(cause, time)| format!("{} {time:?}", cause.word()));
                return format!("{port}: {}", what.unwrap_or(change.reason));
            }
            Event::EjectionHeld { label, .. } => return format!("{label} held"),
            other => return format!("{other:?}"),
        }
    }
}

/// Traffic of a worker, for ever: servers with these ports fail.
fn traffic(servers: &[Arc<Server>], failing: &'static [u16]) -> impl Future<Output = ()> + use<> {
    let servers = servers.to_vec();
    async move {
        loop {
            for server in &servers {
                server.count(0, failing.contains(&server.address().port()), None);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn status_of(checker: &Checker, port: u16) -> Status {
    checker.statuses().into_iter().find(|status| status.address.port() == port).expect("it is watched")
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_out_and_comes_in_again() {
    let (checker, mut events) = watch();
    let servers = servers(3);
    checker.apply(vec![targets(&servers, Some(RULES), None)]);
    let task = tokio::spawn(traffic(&servers, &[1]));
    assert_eq!(next(&mut events).await, "1: errors 1s");
    assert_eq!(servers[0].ejected(), Some(Cause::Errors));
    assert_eq!((servers[0].health(), servers[0].is_usable()), (Health::Up, false));
    let status = status_of(&checker, 1);
    assert_eq!((status.ejected, status.ejections), (Some(Cause::Errors), [1, 0, 0]));
    let last = status.history.changes().last().expect("a change").clone();
    assert!(last.reason.starts_with("ejected: ") && last.reason.contains(" errors in a row"), "{last:?}");
    assert_eq!((last.from.ejected, last.to.ejected), (None, Some(Cause::Errors)));

    assert_eq!(next(&mut events).await, "1: its time is over");
    assert_eq!((servers[0].ejected(), servers[0].ramp_percent()), (None, 10), "on probation");
    assert_eq!(next(&mut events).await, "1: errors 2s", "it goes on as it went");
    assert_eq!(servers[0].ramp_percent(), 100, "nothing is left of the probation");

    task.abort();
    assert_eq!(next(&mut events).await, "1: its time is over");
    let task = tokio::spawn(traffic(&servers, &[]));
    let warm = async {
        while servers[0].ramp_percent() < 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_millis(1200), warm).await.expect("its probation ends");
    let reasons: Vec<String> =
        status_of(&checker, 1).history.changes().map(|change| change.reason.clone()).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert_eq!(reasons[4], "no longer ejected: its time is over");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_file_keeps_who_is_out_unless_none_may_be() {
    let (checker, mut events) = watch();
    let servers = servers(4);
    checker.apply(vec![targets(&servers, Some(RULES), None)]);
    let task = tokio::spawn(traffic(&servers, &[1]));
    assert_eq!(next(&mut events).await, "1: errors 1s");
    // A server leaves and another comes: the places are others now.
    let changed = [Arc::clone(&servers[2]), Arc::clone(&servers[0]), Arc::clone(&servers[1])];
    checker.apply(vec![targets(&changed, Some(Rules { errors: 9, ..RULES }), None)]);
    assert_eq!(servers[0].ejected(), Some(Cause::Errors));
    checker.apply(vec![targets(&changed, None, None)]);
    assert_eq!(next(&mut events).await, "1: servers of this pool are not ejected any more");
    assert_eq!((servers[0].ejected(), servers[0].ramp_percent()), (None, 100));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_out_is_counted() {
    let (checker, mut events) = watch();
    let servers = servers(4);
    checker.apply(vec![targets(&servers, Some(Rules { max_percent: 25, time_ms: 60_000, ..RULES }), None)]);
    let task = tokio::spawn(traffic(&servers, &[1, 2]));
    let mut told = vec![next(&mut events).await, next(&mut events).await];
    told.sort_unstable_by_key(|said| said.contains("held"));
    assert!(told[0].ends_with(": errors 60s") && told[1].ends_with(" held"), "{told:?}");
    assert_eq!(checker.ejections_held(), [("web".to_owned(), 1)]);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_last_server_goes_takes_back_who_is_out() {
    let (checker, mut events) = watch();
    let servers = servers(2);
    checker.apply(vec![targets(&servers, Some(RULES), None)]);
    let task = tokio::spawn(traffic(&servers, &[1]));
    assert_eq!(next(&mut events).await, "1: errors 1s");
    // As a check or an agent would.
    servers[1].set_health(Health::Down);
    assert_eq!(next(&mut events).await, "1: no other server is left");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn who_joins_others_warms_up_and_who_begins_with_them_does_not() {
    let (checker, _events) = watch();
    let servers = servers(3);
    let slow_start = Some(Duration::from_secs(10));
    checker.apply(vec![targets(&servers[..2], None, slow_start)]);
    let ramps = || servers.iter().map(|server| server.ramp_percent()).collect::<Vec<_>>();
    assert_eq!(ramps(), [100, 100, 100]);
    checker.apply(vec![targets(&servers, None, slow_start)]);
    assert_eq!(ramps(), [100, 100, 10]);
    let mut seen = vec![10];
    for _ in 0..110 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if seen.last() != Some(&servers[2].ramp_percent()) {
            seen.push(servers[2].ramp_percent());
        }
    }
    assert_eq!(seen, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}
