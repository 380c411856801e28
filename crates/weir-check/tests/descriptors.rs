//! Out of file descriptors, the checker blames nobody. Alone in its process, since the limit is the process's.

use std::{fs::File, net::TcpListener, sync::Arc, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use weir_balance::{Epoch, Health, Server, WhenAllDown};
use weir_check::{Checker, Event, PoolTargets, Target};
use weir_config::Probe;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn want_of_descriptors_moves_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tell, mut events) = mpsc::unbounded_channel();
    let checker = Checker::new(Handle::current(), 1, move |event| {
        let _ = tell.send(event);
    });
    let epoch = Arc::new(Epoch::default());
    let server = Arc::new(Server::new("web", listener.local_addr().unwrap(), epoch, 1));
    let interval = Duration::from_secs(100_000);
    let health = weir_config::Health {
        probe: Probe::Tcp,
        agent: None,
        interval,
        down_interval: interval,
        timeout: DEADLINE,
        fall: 2,
        rise: 1,
        concurrency: 16,
    };

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: limit.maximum }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let target = Target {
        server: Arc::clone(&server),
        label: "web1".to_owned(),
        check: server.address(),
        has_weight: true,
    };
    checker.apply(vec![PoolTargets {
        name: "web".to_owned(),
        health: Some(Arc::new(health)),
        speech: weir_check::Speech::default(),
        when_all_down: WhenAllDown::Fail,
        eject: None,
        slow_start: None,
        servers: vec![target],
    }]);
    let event = timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
    let Event::NotChecked { pool, label, reason } = event else { panic!("{event:?}") };
    assert_eq!((pool.as_str(), label.as_str()), ("web", "web1"));
    assert!(reason.contains("Too many open files"), "{reason}");
    assert_eq!(server.health(), Health::Unknown);

    // With descriptors again the check is made soon, although the interval is long.
    drop(taken);
    assert_eq!(checker.first_round(DEADLINE).await, 0);
    assert_eq!(server.health(), Health::Up);
    let status = checker.statuses().remove(0);
    assert_eq!((status.checks_passed, status.checks_failed), (1, 0));
    assert!(status.checks_not_made >= 1);
    setrlimit(Resource::Nofile, limit).unwrap();
}
