//! Servers that come, drain, die and go, reloads and restarts: nobody moves without a reason.

use rustix::process::Signal;
use weir_tests::{Origin, Weir, folder::Folder, until};

use super::{
    ask,
    crowd::{Crowd, Round},
    outcome, plain, saying, set, yaml,
};

const CLIENTS: usize = 10_000;

const HEALTH: &str = "health: { interval: 100ms, timeout: 100ms, fall: 1, rise: 1 }";

/// Servers that forget what they were asked, so that ten thousand requests are not kept ten times.
fn checked(state: &Folder, servers: &[(&Origin, u16)]) -> String {
    let servers: Vec<String> = servers
        .iter()
        .map(|(origin, weight)| format!("{{ address: \"{origin}\", weight: {weight} }}"))
        .collect();
    let state = state.path().join("state");
    let rest = format!("{HEALTH}\n    sticky: {{ cookie: WEIR, ttl: 8h }}");
    yaml(2, &state.display().to_string(), &servers.join(", "), &rest)
}

#[test]
fn ten_thousand_clients_stay_through_everything_that_is_no_reason_to_move() {
    let origins = saying(&["a", "b", "c", "d"]);
    let [a, b, c, d] = &origins[..] else { unreachable!() };
    let state = Folder::new("sticky-state");
    let mut weir = Weir::start(&checked(&state, &[(a, 1), (b, 1), (c, 1)]));
    let mut crowd = Crowd::new(CLIENTS);

    let first = crowd.round(&weir);
    assert_eq!(first.cookies, CLIENTS, "everybody gets a cookie");
    assert!(["a", "b", "c"].iter().all(|name| crowd.at(name).abs_diff(CLIENTS / 3) < 20), "by the algorithm");
    assert_eq!(crowd.round(&weir), Round::nobody(), "without a change");

    weir.reload(&checked(&state, &[(d, 1), (a, 1), (b, 1), (c, 1)]));
    assert_eq!(crowd.round(&weir), Round::nobody(), "a server more, and all at another place");

    weir.reload(&checked(&state, &[(b, 1), (d, 1), (a, 1)]));
    let (at_c, round) = (crowd.at("c"), crowd.round(&weir));
    assert_eq!(round.only_from("c"), at_c, "a server is removed");

    weir.reload(&checked(&state, &[(b, 0), (d, 1), (a, 1)]));
    assert_eq!(crowd.round(&weir), Round::nobody(), "a server drains");
    let mut newcomers = Crowd::new(300);
    newcomers.round(&weir);
    assert_eq!(newcomers.at("b"), 0, "who drains takes nobody new");

    weir.reload(&checked(&state, &[(b, 0), (d, 1), (a, 1)]));
    assert_eq!(crowd.round(&weir), Round::nobody(), "a reload without a change");

    let metrics = weir.metrics();
    let counted = |outcome| {
        metrics.sum("weir_sticky_requests_total", &[("pool", "web"), ("outcome", outcome)]) as usize
    };
    assert_eq!(counted("new"), CLIENTS + 300);
    assert_eq!(counted("removed"), at_c);
    assert_eq!(counted("kept"), 5 * CLIENTS - at_c);
    for other in ["expired", "unknown", "down", "drained", "unreachable"] {
        assert_eq!(counted(other), 0, "{other}");
    }
    assert_eq!(metrics.sum("weir_sticky_cookies_total", &[("pool", "web")]) as usize, CLIENTS + 300 + at_c);

    weir.signal(Signal::TERM);
    assert!(weir.wait_for_exit().success());
    drop(weir);
    let weir = Weir::start(&checked(&state, &[(a, 1), (b, 0), (d, 1)]));
    assert_eq!(crowd.round(&weir), Round::nobody(), "a restart");

    let at_a = crowd.at("a");
    a.kill();
    until("the checks see it", || weir.metrics().sum("weir_server_up", &[("server", &a.to_string())]) == 0.0);
    assert_eq!(crowd.round(&weir).only_from("a"), at_a, "a server dies");
    assert_eq!(outcome(&weir, "down"), at_a);
    a.restart();
    until("it is back", || weir.metrics().sum("weir_server_up", &[("server", &a.to_string())]) == 1.0);
    assert_eq!(crowd.round(&weir), Round::nobody(), "it comes back");
}

#[test]
fn a_drain_has_an_end() {
    let origins = saying(&["a", "b"]);
    let file = |weights: [u16; 2]| {
        let servers = origins.iter().zip(weights);
        let servers: Vec<String> = servers
            .map(|(origin, weight)| format!("{{ address: \"{origin}\", weight: {weight} }}"))
            .collect();
        let rest = "health: none\n    sticky: { cookie: WEIR, drain: 1s }";
        yaml(1, "./state", &servers.join(", "), rest)
    };
    let mut weir = Weir::start(&file([1, 1]));
    let mut client = weir.connect();
    let first = ask(&mut client, "");
    let cookie = format!("Cookie: {}\r\n", set(&first).expect("a cookie"));
    let drained = if first.text() == "a" { [0, 1] } else { [1, 0] };
    weir.reload(&file(drained));
    assert_eq!(ask(&mut client, &cookie).text(), first.text(), "it keeps its clients");
    let mut moved = None;
    until("the drain is over", || {
        let answer = ask(&mut client, &cookie);
        moved = set(&answer);
        answer.text() != first.text()
    });
    assert_eq!(outcome(&weir, "drained"), 1);
    let cookie = format!("Cookie: {}\r\n", moved.expect("a cookie for the new server"));
    weir.reload(&file([1, 1]));
    for _ in 0..4 {
        assert_ne!(ask(&mut client, &cookie).text(), first.text(), "nobody is fetched back");
    }
}

#[test]
fn a_backup_keeps_who_came_to_it_until_its_drain_ends() {
    let origins = saying(&["primary", "backup"]);
    let servers = format!("{}, {{ address: \"{}\", backup: true }}", origins[0], origins[1]);
    let rest = format!("{HEALTH}\n    sticky: {{ cookie: WEIR, drain: 2s }}");
    let weir = Weir::start(&yaml(1, "./state", &servers, &rest));
    let up = |wanted: f64| {
        let address = origins[0].to_string();
        until("the checks see it", || {
            weir.metrics().sum("weir_server_up", &[("server", &address)]) == wanted
        });
    };
    origins[0].kill();
    up(0.0);
    let mut client = weir.connect();
    let cookie = format!("Cookie: {}\r\n", set(&ask(&mut client, "")).expect("a cookie"));
    origins[0].restart();
    up(1.0);
    assert_eq!(ask(&mut client, &cookie).text(), "backup");
    until("the drain is over", || ask(&mut client, &cookie).text() == "primary");
    assert_eq!(outcome(&weir, "drained"), 1);
}

#[test]
fn who_cannot_be_reached_is_left_within_the_request() {
    let origins = saying(&["a", "b"]);
    let weir = Weir::start(&plain(&[&origins[0], &origins[1]], "{ cookie: WEIR }"));
    let mut client = weir.connect();
    let first = ask(&mut client, "");
    let cookie = format!("Cookie: {}\r\n", set(&first).expect("a cookie"));
    let (dead, other) = if first.text() == "a" { (&origins[0], "b") } else { (&origins[1], "a") };
    dead.kill();
    let answer = ask(&mut client, &cookie);
    let moved = format!("Cookie: {}\r\n", set(&answer).expect("a cookie for where it went"));
    assert_eq!(answer.text(), other);
    assert_eq!(outcome(&weir, "unreachable"), 1);
    dead.restart();
    for _ in 0..4 {
        let answer = ask(&mut client, &moved);
        assert_eq!((answer.text().as_str(), set(&answer)), (other, None), "it stays there");
    }
}

/// A server may close a connection that it kept open at the moment when the next request comes: that is no reason.
#[test]
fn a_kept_connection_that_dies_moves_nobody() {
    let dying = |name: &'static str| {
        Origin::start(move |connection| {
            // One answer, and then the end of the connection with the next request.
            connection.request()?;
            connection.send(weir_tests::origin::ok(name))?;
            connection.request()?;
            Ok(())
        })
    };
    let (a, b) = (dying("a"), dying("b"));
    let weir = Weir::start(&plain(&[&a, &b], "{ cookie: WEIR }"));
    let mut client = weir.connect();
    let first = ask(&mut client, "");
    let cookie = format!("Cookie: {}\r\n", set(&first).expect("a cookie"));
    for _ in 0..20 {
        let answer = ask(&mut client, &cookie);
        assert_eq!((answer.text(), set(&answer)), (first.text(), None));
    }
    let replays = weir.metrics().sum("weir_server_replays_total", &[]);
    assert!(replays >= 10.0, "{replays} connections have died under a request");
}
