//! The page of made-up results.

use super::*;

fn sample(us: f64) -> Sample {
    Sample {
        us_per_request: us,
        busy: 1.0,
        others_busy: 0.5,
        load_us_per_request: 3.0,
        per_second: 1.0,
        p50_us: 1.0,
        p99_us: 1.0,
    }
}

#[test]
fn a_spread_is_the_median_between_least_and_most() {
    assert_eq!(Spread::of(vec![]), None);
    assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
    assert_eq!(Spread { median: 0.851, min: 0.8, max: 0.9 }.show(2), "0.85 (0.80 – 0.90)");
}

#[test]
fn ratios_compare_within_a_round() {
    let load = |round, us| Outcome::Load { round, sample: sample(us) };
    let mut results = Results::default();
    // The machine was twice as slow in the second round; nginx lost its third.
    for (proxy, round, us) in [
        (Proxy::Weir, 0, 8.0),
        (Proxy::Nginx, 0, 10.0),
        (Proxy::Weir, 1, 16.0),
        (Proxy::Nginx, 1, 20.0),
        (Proxy::Weir, 2, 8.0),
    ] {
        results.outcomes.push(("get-64", Some(proxy), load(round, us)));
    }
    let spread = results.ratios("get-64", Proxy::Weir, Proxy::Nginx).expect("two rounds");
    assert_eq!(spread, Spread { median: 0.8, min: 0.8, max: 0.8 });
    assert_eq!(results.ratios("get-1", Proxy::Weir, Proxy::Nginx), None);
}

#[test]
fn the_page_says_what_was_reached_missed_and_failed() {
    let mut results = Results::default();
    for (proxy, us) in [(Proxy::Weir, 9.0), (Proxy::Nginx, 10.0), (Proxy::Haproxy, 15.0)] {
        results.versions.push((proxy, "1.0".into()));
        results.outcomes.push(("get-64", Some(proxy), Outcome::Load { round: 0, sample: sample(us) }));
    }
    results.versions.push((Proxy::Relay, "1.0".into()));
    results.left_out.push((Proxy::Envoy, "pip is missing".into()));
    results.failures.push("get-64, relay: ended".into());
    for (case, proxy, each) in [
        ("idle", Proxy::Weir, 600.0),
        ("tls-idle", Proxy::Weir, 9000.0),
        ("tls-idle", Proxy::Haproxy, 20_000.0),
    ] {
        let process = Some(ProcessMemory { each, whole_mib: 9.5 });
        results.outcomes.push((case, Some(proxy), Outcome::Idle { process, kernel_each: 8000.0 }));
    }
    results.outcomes.push(("tls-resume", Some(Proxy::Weir), Outcome::Load { round: 0, sample: sample(9.0) }));
    let calls = vec![("recvfrom".to_owned(), 2.0), ("sendto".to_owned(), 2.0), ("futex".to_owned(), 0.001)];
    results.outcomes.push(("calls", Some(Proxy::Weir), Outcome::Calls(calls)));

    let options = Options {
        rounds: 1,
        seconds: 1.0,
        cases: super::super::CASES
            .iter()
            .filter(|case| ["get-64", "idle", "calls", "tls-resume", "tls-idle"].contains(&case.name))
            .collect(),
        proxies: vec![],
        whole: false,
    };
    let page = write(&options, &results).expect("a page");
    for line in [
        "| get-64, CPU per request / nginx | 0.85 | 0.90 (0.90 – 0.90) | missed |",
        "| get-64, CPU per request / haproxy | 0.7 | 0.60 (0.60 – 0.60) | reached |",
        "| bytes of process memory per idle connection | 1024 | 600 | reached |",
        "| system calls per request | 4.3 | 4.00 | reached |",
        "| get-64 | 0.90 (0.90 – 0.90) | 0.60 (0.60 – 0.60) | – | – |",
        "| relay | failed, see below | | | | | | |",
        "| envoy | left out: pip is missing | |",
        "| tls-idle, process memory / haproxy | 0.4 | 0.45 | missed |",
        "| weir | 9.00 (9.00 – 9.00) | 100 % | 50 % | 3.0 | 1 (1 – 1) | 1 | 1 (1 – 1) |",
        "| weir | 4.00 | recvfrom 2.00, sendto 2.00 |",
        "| weir | 600 | 8000 | 9.5 |",
        "- get-64, relay: ended",
    ] {
        assert!(page.lines().any(|have| have == line), "the page lacks `{line}`:\n{page}");
    }
    let resume =
        page.split("## tls-resume").nth(1).and_then(|rest| rest.split("##").next()).expect("its table");
    assert!(!resume.contains("relay"), "who does not take part has not failed:\n{resume}");
}
