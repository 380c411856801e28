//! Limits of connections and file descriptors: the listener waits, and nothing dies.

use std::time::Duration;

use weir_tests::{Client, Origin, Weir, kernel, until};

fn with(runtime: &str, origin: &Origin) -> String {
    format!(
        "
runtime: {{ {runtime} }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{origin}]
    health: none
"
    )
}

/// The client waits without an answer.
#[track_caller]
fn expect_to_wait(client: &mut Client) {
    client.patience(Duration::from_millis(300)).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.try_response("GET");
    assert!(answer.is_err(), "{answer:?}");
    client.patience(weir_tests::wait::DEADLINE);
}

#[test]
fn max_connections_makes_the_next_ones_wait() {
    let origin = Origin::saying("ok");
    for workers in [1, 2] {
        let weir = Weir::start(&with(&format!("workers: {workers}, max_connections: 10"), &origin));
        // The kernel takes them all; which worker's queue each waits in is its choice.
        let mut clients: Vec<Client> = (0..20).map(|_| weir.connect()).collect();
        until("the limit is reached", || weir.metrics().sum("weir_connections_open", &[]) >= 10.0);
        let mut eleventh = weir.connect();
        expect_to_wait(&mut eleventh);
        let metrics = weir.metrics();
        // Workers that accept in the same microsecond may each take the last place.
        let open = metrics.sum("weir_connections_open", &[]);
        assert!(open < f64::from(10 + workers), "{open} with {workers} workers");
        assert!(metrics.limit("max_connections") >= 1.0);
        // When some go, all that wait are served.
        clients.clear();
        assert_eq!(eleventh.response().text(), "ok");
        drop(eleventh);
        for _ in 0..10 {
            assert_eq!(weir.get("/").text(), "ok");
        }
    }
}

#[test]
fn max_connections_per_worker() {
    let origin = Origin::saying("ok");
    let weir = Weir::start(&with("workers: 1, max_connections_per_worker: 5", &origin));
    let clients: Vec<Client> = (0..5).map(|_| weir.connect()).collect();
    until("the limit is reached", || weir.metrics().sum("weir_connections_open", &[]) == 5.0);
    let mut sixth = weir.connect();
    expect_to_wait(&mut sixth);
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_connections_open", &[]), 5.0);
    assert!(metrics.limit("max_connections_per_worker") >= 1.0);
    assert_eq!(metrics.limit("max_connections"), 0.0);
    drop(clients);
    assert_eq!(sixth.response().text(), "ok");
}

#[test]
fn max_connections_can_be_changed() {
    let origin = Origin::saying("ok");
    let mut weir = Weir::start(&with("workers: 1, max_connections: 2", &origin));
    let _clients = [weir.connect(), weir.connect()];
    until("the limit is reached", || weir.metrics().sum("weir_connections_open", &[]) == 2.0);
    let mut third = weir.connect();
    expect_to_wait(&mut third);
    weir.reload(&with("workers: 1, max_connections: 3", &origin));
    assert_eq!(third.response().text(), "ok");
}

#[test]
fn a_full_weir_still_stops() {
    let origin = Origin::saying("ok");
    let mut weir = Weir::start(&with("workers: 1, max_connections: 2", &origin));
    let mut clients = [weir.connect(), weir.connect()];
    until("the limit is reached", || weir.metrics().sum("weir_connections_open", &[]) == 2.0);
    let mut third = weir.connect();
    expect_to_wait(&mut third);
    weir.signal(rustix::process::Signal::TERM);
    for client in &mut clients {
        client.expect_closed();
    }
    assert_eq!(third.response().text(), "ok", "it was connected before the end");
    assert_eq!(weir.wait_for_exit().code(), Some(0));
}

#[test]
fn without_descriptors_it_waits_and_lives() {
    let origin = Origin::saying("ok");
    let mut weir = Weir::start(&with("workers: 1", &origin));
    let metrics = weir.metrics_address();
    let mut served = weir.connect();
    assert_eq!(served.get("/").text(), "ok");
    let held = kernel::descriptors(weir.pid()) as u64;
    weir.limit_descriptors(held + 20);
    let mut clients: Vec<Client> = (0..60).map(|_| weir.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    // Who has a connection is served on, over the server's idle connection if there is no descriptor for a new one.
    for _ in 0..20 {
        let answer = served.get("/");
        assert!([200, 503].contains(&answer.status), "{answer:?}");
    }
    assert!(weir.is_running());
    // Those that were accepted end; then there is room for the others.
    let mut answers = Vec::new();
    for mut client in clients {
        answers.push(client.response().status);
    }
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{answers:?}");
    assert_eq!(weir.get("/").text(), "ok");
    until("the limit is counted", || {
        let scraped = Client::try_connect(metrics).is_ok();
        scraped && weir.metrics().limit("file_descriptors") >= 1.0
    });
}
