//! Zones, priorities and parts of pools, from end to end: who gets what, and what happens when some are lost.

use std::collections::BTreeMap;

use weir_tests::{Client, Origin, Weir};

const CHECKED: &str = "health: { tcp: connect, interval: 100ms, fall: 1, rise: 1 }";

/// A pool of these servers, each with its own keys, in a node with this runtime.
fn yaml(runtime: &str, origins: &[Origin], keys: &[&str], settings: &str) -> String {
    let servers: Vec<String> = origins
        .iter()
        .zip(keys.iter().cycle())
        .map(|(origin, keys)| format!("{{ address: \"{origin}\", {keys} }}"))
        .collect();
    format!(
        "
runtime: {{ workers: 1, {runtime} }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    servers: [{}]
    {settings}
",
        servers.join(", ")
    )
}

fn saying(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| Origin::saying(name)).collect()
}

/// Of 500 requests, in percent.
#[track_caller]
fn shares(weir: &Weir) -> BTreeMap<String, f64> {
    let mut client: Client = weir.connect();
    let mut shares = BTreeMap::new();
    for _ in 0..500 {
        let answer = client.get("/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        *shares.entry(answer.text()).or_insert(0.0) += 0.2;
    }
    shares
}

/// Draws of one in 500 have a standard deviation of at most 2.3 percent.
#[track_caller]
fn expect_about(shares: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    let sum: f64 = expected.iter().map(|(_, share)| share).sum();
    assert!((sum - 100.0).abs() < 1.0, "{sum}");
    for (name, expected) in expected {
        let share = shares.get(*name).copied().unwrap_or_default();
        let span = if *expected == 0.0 { 0.0 } else { 9.0 };
        assert!((share - expected).abs() <= span, "{name}: {shares:?}, not about {expected}%");
    }
}

#[track_caller]
fn kill(weir: &Weir, origin: &Origin) {
    let mark = weir.mark();
    origin.kill();
    weir.wait_for_log(mark, "to=down");
}

#[test]
fn the_own_zone_comes_first_and_spills_when_it_is_too_weak() {
    let origins = saying(&["a1", "a2", "b1", "b2"]);
    let zones = ["zone: a", "zone: a", "zone: b", "zone: b"];
    for algorithm in ["round_robin", "least_requests", "p2c", "random"] {
        let settings = format!("balance: {algorithm}\n    {CHECKED}");
        let weir = Weir::start(&yaml("zone: a", &origins, &zones, &settings));
        let all_up = shares(&weir);
        assert!(all_up.keys().all(|name| name.starts_with('a')), "{algorithm}: {all_up:?}");
        // One of three is left here: a third of the weight for half of the traffic.
        kill(&weir, &origins[0]);
        let kept = 100.0 * (1.0 / 3.0) / 0.7 / 0.5;
        let rest = (100.0 - kept) / 2.0;
        expect_about(&shares(&weir), &[("a1", 0.0), ("a2", kept), ("b1", rest), ("b2", rest)]);
        kill(&weir, &origins[1]);
        expect_about(&shares(&weir), &[("a1", 0.0), ("a2", 0.0), ("b1", 50.0), ("b2", 50.0)]);
        origins[0].restart();
        origins[1].restart();
    }
}

#[test]
fn a_small_own_zone_is_not_drowned() {
    let origins = saying(&["a", "b1", "b2", "b3"]);
    let zones = ["zone: a", "zone: b", "zone: b", "zone: b"];
    let weir = Weir::start(&yaml("zone: a", &origins, &zones, "health: none\n    spill: 100%"));
    // A quarter of the servers for half of the traffic: with all used alike, half of that stays.
    expect_about(&shares(&weir), &[("a", 50.0), ("b1", 16.7), ("b2", 16.7), ("b3", 16.7)]);
    // All traffic comes in here.
    let runtime = "zone: a, zone_traffic: { a: 1 }";
    let weir = Weir::start(&yaml(runtime, &origins, &zones, "health: none\n    spill: 100%"));
    expect_about(&shares(&weir), &[("a", 25.0), ("b1", 25.0), ("b2", 25.0), ("b3", 25.0)]);
    // And the large zone keeps its own.
    let weir = Weir::start(&yaml("zone: b", &origins, &zones, "health: none"));
    expect_about(&shares(&weir), &[("a", 0.0), ("b1", 33.3), ("b2", 33.3), ("b3", 33.3)]);
}

#[test]
fn priorities_hand_on_what_they_cannot_bear_and_backups_wait() {
    let origins = saying(&["a1", "a2", "b", "z"]);
    let keys = ["priority: 0", "priority: 0", "priority: 1", "backup: true"];
    let weir = Weir::start(&yaml("shutdown_grace: 1s", &origins, &keys, CHECKED));
    expect_about(&shares(&weir), &[("a1", 50.0), ("a2", 50.0), ("b", 0.0), ("z", 0.0)]);
    kill(&weir, &origins[0]);
    expect_about(&shares(&weir), &[("a1", 0.0), ("a2", 71.4), ("b", 28.6), ("z", 0.0)]);
    kill(&weir, &origins[1]);
    expect_about(&shares(&weir), &[("b", 100.0), ("z", 0.0)]);
    kill(&weir, &origins[2]);
    expect_about(&shares(&weir), &[("z", 100.0)]);
}

#[test]
fn a_key_keeps_its_server_when_its_zone_spills() {
    let origins = saying(&["a1", "a2", "b1", "b2"]);
    let zones = ["zone: a", "zone: a", "zone: b", "zone: b"];
    let settings = format!("balance: {{ hash: path }}\n    {CHECKED}");
    let weir = Weir::start(&yaml("zone: a", &origins, &zones, &settings));
    let homes = |weir: &Weir| {
        let mut client = weir.connect();
        (0..300).map(|key| client.get(&format!("/{key}")).text()).collect::<Vec<_>>()
    };
    let before = homes(&weir);
    kill(&weir, &origins[0]);
    let after = homes(&weir);
    assert_eq!(homes(&weir), after, "a key goes to one server, not to one of each zone");
    assert!(after.iter().any(|home| home.starts_with('b')), "{after:?}");
    // All keys of the lost one move, and a part of the others', since their zone is too weak now.
    let moved =
        before.iter().zip(&after).filter(|(before, after)| *before == "a2" && before != after).count();
    assert!(moved < 60, "{moved} of 300 moved that need not");
}

#[test]
fn a_zone_comes_and_goes_with_a_reload() {
    let origins = saying(&["a", "b"]);
    let zones = ["zone: a", "zone: b"];
    let mut weir = Weir::start(&yaml("zone: a", &origins, &zones, "health: none"));
    expect_about(&shares(&weir), &[("a", 100.0), ("b", 0.0)]);
    weir.reload(&yaml("zone: b", &origins, &zones, "health: none"));
    expect_about(&shares(&weir), &[("a", 0.0), ("b", 100.0)]);
    weir.reload(&yaml("shutdown_grace: 1s", &origins, &zones, "health: none"));
    expect_about(&shares(&weir), &[("a", 50.0), ("b", 50.0)]);
}
