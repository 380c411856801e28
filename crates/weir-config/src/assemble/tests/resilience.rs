use std::time::Duration;

use super::load;
use crate::{CircuitBreaker, Hedge, HedgeAfter, Queue, Retry, RetryCondition::*};

fn route(section: &str, pool: &str) -> crate::Checked {
    load(&format!(
        "listeners:\n  - bind: ':80'\n    routes: [{{ pool: a{section} }}]\npools: {{ a: {{ servers: [{{ address: 10.0.0.1:80, max_connections: 200 }}]{pool} }} }}\n"
    ))
}

fn retry(section: &str) -> Retry {
    route(section, "").config.listeners[0].routes[0].retry.clone()
}

#[test]
fn an_empty_section_is_none() {
    assert_eq!(retry(""), Retry::default());
    assert_eq!(retry(", retry: {}"), Retry::default());
}

#[test]
fn a_whole_retry() {
    let written = ", timeout: 9s, retry: { attempts: 3, connects: 4, when: [connect_failure, reset, timeout, 429, '502-504', grpc_unavailable], methods: [GET, POST], per_try_timeout: 2s, max_body_bytes: 64KiB, budget: 30% }";
    let expected = Retry {
        attempts: 3,
        connects: 4,
        when: vec![ConnectFailure, Reset, Timeout, Status(429, 429), Status(502, 504), Grpc(14)],
        methods: vec!["GET".into(), "POST".into()],
        per_try_timeout: Some(Duration::from_secs(2)),
        body_bytes_max: 64 * 1024,
        budget_percent: 30,
    };
    assert_eq!(retry(written), expected);
}

#[test]
fn hedge_queue_and_breaker() {
    let config =
        route(", hedge: {}", ", queue: { max: 7 }, circuit_breaker: { max_requests: 9, max_retries: 3 }")
            .config;
    let hedge = Hedge { after: HedgeAfter::Percentile(95), budget_percent: 10 };
    assert_eq!(config.listeners[0].routes[0].hedge, Some(hedge));
    let pool = &config.pools[0];
    assert_eq!(pool.queue, Some(Queue { max: 7, timeout: Duration::from_secs(5) }));
    let breaker = CircuitBreaker { requests_max: Some(9), pending_max: None, retries_max: Some(3) };
    assert_eq!(pool.circuit_breaker, breaker);
    assert_eq!(pool.servers[0].requests_max, Some(200));
    assert_eq!(route("", "").config.pools[0].queue, None);
}
