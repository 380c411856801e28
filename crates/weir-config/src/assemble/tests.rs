use std::time::Duration;

use crate::{
    Action, Balance, Checked, ForwardedFields, HashKey, LogFormat, LogLevel, LogTarget, PathPattern,
    PoolIndex, Probe, ValuePattern, WhenAllDown, check, from_servers,
};

mod rehearsal;
mod resilience;
mod sticky;
mod tls;

fn load(text: &str) -> Checked {
    check("f", text).unwrap_or_else(|errors| panic!("{errors}"))
}

const WHOLE: &str = r#"
runtime: { workers: 4, max_connections: 1000, max_connections_per_worker: 500, shutdown_grace: 5s }
metrics: { bind: "127.0.0.1:9901" }
log: { level: debug, format: json, access: { to: /tmp/access.log, format: common } }
listeners:
  - name: front
    bind: ":8080"
    http:
      max_header_bytes: 4KiB
      max_body_bytes: 0B
      trusted_proxies: [10.0.0.0/8]
      forwarded: x_forwarded
    routes:
      - match:
          host: ["*.Example.com", "example.com:8080"]
          path: /a/*
          methods: [GET]
          headers: { X-Team: "~ ^web" }
          cookies: { Id: "*" }
          query: { q: "1" }
          client: [10.0.0.0/8]
        rewrite: { strip_prefix: /a, host: "b.example:81" }
        request_headers: { set: { X-Set: s }, add: { X-Add: a }, remove: [X-Gone] }
        timeout: 7s
        split: { b: 1, a: 3 }
      - redirect: { scheme: https, port: 8443, status: 301 }
  - { bind: ":8081", pool: b }
pools:
  a:
    balance: { hash: "header:X-User" }
    servers:
      - { address: "[fd00::1]:80", name: one, weight: 0 }
      - { address: 10.0.0.2:80 }
      - { address: 10.0.0.3:80, backup: true }
    health: { http: /h?x=1, host: h.example, expect: [204, 200-299], expect_headers: { X-Ok: fine }, interval: 500ms }
    when_all_down: spread
    keep_alive: { max: 0 }
  b: { servers: [10.0.0.4:80], health: none }
"#;

#[test]
fn a_whole_file_becomes_a_whole_configuration() {
    let Checked { config, warnings, .. } = load(WHOLE);
    assert_eq!(warnings, []);
    assert_eq!(config.runtime.workers.map(u16::from), Some(4));
    assert_eq!(config.runtime.max_connections, 1000);
    assert_eq!(config.runtime.max_connections_per_worker, Some(500));
    assert_eq!(config.runtime.shutdown_grace, Duration::from_secs(5));
    assert_eq!(config.metrics.unwrap().bind.to_string(), "127.0.0.1:9901");
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
    assert_eq!(config.log.access.unwrap().to, LogTarget::File("/tmp/access.log".into()));
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.pools.len(), 2);
}

#[test]
fn listeners_hold_their_limits_and_routes() {
    let config = load(WHOLE).config;
    let front = &config.listeners[0];
    assert_eq!((front.name.as_str(), front.bind.to_string().as_str()), ("front", "[::]:8080"));
    assert_eq!(front.http.max_header_bytes, 4096);
    assert_eq!(front.http.max_body_bytes, 0);
    assert_eq!(front.http.idle_timeout, Duration::from_secs(60));
    assert_eq!(front.http.trusted_proxies, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(front.http.forwarded, ForwardedFields::XForwarded);
    let names: Vec<&str> = front.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["front#1", "front#2"]);
    let whole = &config.listeners[1];
    assert_eq!((whole.name.as_str(), whole.routes[0].name.as_str()), (":8081", ":8081#1"));
    assert!(matches!(whole.routes[0].action, Action::Pool(PoolIndex(1))));
    assert!(whole.routes[0].matches.hosts.is_empty());
}

#[test]
fn routes_hold_what_they_match_do_and_edit() {
    let config = load(WHOLE).config;
    let route = &config.listeners[0].routes[0];
    let matches = &route.matches;
    let hosts: Vec<_> =
        matches.hosts.iter().map(|host| (host.name.as_str(), host.wildcard, host.port)).collect();
    assert_eq!(hosts, [("example.com", true, None), ("example.com", false, Some(8080))]);
    assert!(matches!(&matches.path, Some(PathPattern::Prefix(path)) if path == "/a"));
    assert_eq!(matches.methods, ["GET"]);
    assert!(matches!(&matches.headers[..], [(name, ValuePattern::Regex(_))] if name == "x-team"));
    assert!(matches!(&matches.cookies[..], [(name, ValuePattern::Present)] if name == "Id"));
    assert!(
        matches!(&matches.query[..], [(name, ValuePattern::Exact(value))] if name == "q" && value == "1")
    );
    assert_eq!(matches.clients.len(), 1);
    assert_eq!(route.rewrite.strip_prefix.as_deref(), Some("/a"));
    assert_eq!(route.rewrite.host.as_deref(), Some("b.example:81"));
    assert_eq!(route.request_headers.set, [("x-set".to_owned(), "s".to_owned())]);
    assert_eq!(route.request_headers.add, [("x-add".to_owned(), "a".to_owned())]);
    assert_eq!(route.request_headers.remove, ["x-gone"]);
    assert!(route.response_headers.is_empty());
    assert_eq!(route.timeout, Duration::from_secs(7));
    assert!(
        matches!(&route.action, Action::Split(split) if *split == [(PoolIndex(1), 1), (PoolIndex(0), 3)])
    );
    let Action::Redirect(redirect) = &config.listeners[0].routes[1].action else { panic!("no redirect") };
    assert_eq!(
        (redirect.scheme.as_deref(), redirect.port, redirect.status),
        (Some("https"), Some(8443), 301)
    );
}

#[test]
fn pools_hold_their_servers_and_checks() {
    let config = load(WHOLE).config;
    let pool = &config.pools[0];
    assert_eq!(
        pool.balance,
        Balance::Hash { key: HashKey::Header("x-user".to_owned()), bound_percent: None }
    );
    let servers: Vec<_> = pool.servers.iter().map(|s| (s.name.as_str(), s.weight, s.backup)).collect();
    assert_eq!(servers, [("one", 0, false), ("10.0.0.2:80", 1, false), ("10.0.0.3:80", 1, true)]);
    assert_eq!(pool.when_all_down, WhenAllDown::Spread);
    assert_eq!((pool.keep_alive.max, pool.keep_alive.timeout), (0, Duration::from_secs(30)));
    let health = pool.health.as_ref().unwrap();
    let Probe::Http(probe) = &health.probe else { panic!("no HTTP check") };
    assert_eq!((probe.path.as_str(), probe.host.as_deref()), ("/h?x=1", Some("h.example")));
    assert_eq!(probe.expect, [(204, 204), (200, 299)]);
    assert_eq!(probe.expect_headers, [("x-ok".to_owned(), "fine".to_owned())]);
    // The default of one second would be longer than the interval.
    assert_eq!((health.interval, health.timeout), (Duration::from_millis(500), Duration::from_millis(500)));
    assert!(config.pools[1].health.is_none());
}

#[test]
fn what_has_two_spellings_is_one_thing() {
    let balance = |written: &str| {
        let text = format!(
            "listeners:\n  - {{ bind: \":80\", pool: a }}\npools:\n  a: {{ balance: {written}, servers: [10.0.0.1:80] }}\n"
        );
        load(&text).config.pools[0].balance.clone()
    };
    assert_eq!(balance("least_connections"), Balance::LeastRequests);
    assert_eq!(balance("client_ip"), balance("{ hash: client_ip }"));
    let bounded = Balance::Hash { key: HashKey::ClientIp, bound_percent: Some(125) };
    assert_eq!(balance("{ hash: client_ip, bound: 1.25 }"), bounded);
    assert_eq!(
        balance("{ hash: path, bound: 2 }"),
        Balance::Hash { key: HashKey::Path, bound_percent: Some(200) }
    );
}

#[test]
fn the_effective_file_of_the_whole_loads_to_the_same() {
    let checked = load(WHOLE);
    let again = load(&checked.effective());
    assert_eq!(format!("{:?}", again.config), format!("{:?}", checked.config));
}

#[test]
fn json_is_read_too() {
    let json = r#"{"listeners":[{"bind":":80","pool":"a"}],"pools":{"a":{"servers":["10.0.0.1:80"]}}}"#;
    let yaml = "listeners:\n- bind: :80\n  pool: a\npools:\n  a:\n    servers:\n    - 10.0.0.1:80\n";
    assert_eq!(format!("{:?}", load(json).config), format!("{:?}", load(yaml).config));
}

#[test]
fn a_pool_that_nobody_uses_is_a_warning() {
    let checked = load(
        "listeners: [{ bind: :80, pool: a }]\npools:\n  a: { servers: [10.0.0.1:80] }\n  b: { servers: [10.0.0.1:80] }\n",
    );
    assert_eq!(checked.summary(), "f: ok, 1 listener, 1 route, 2 pools, 2 servers");
    let expected = concat!(
        "warning: no route uses the pool `b`\n",
        " --> f:4:3\n",
        "  |\n",
        "4 |   b: { servers: [10.0.0.1:80] }\n",
        "  |   ^\n\n",
    );
    assert_eq!(checked.render_warnings(false), expected);
}

#[test]
fn a_command_line_is_the_same_as_the_smallest_file() {
    let servers = ["10.0.0.1:80".to_owned(), "[::1]:81".to_owned()];
    let checked = from_servers(":8080", &servers).unwrap_or_else(|errors| panic!("{errors}"));
    let file = "listeners: [{ bind: :8080, pool: servers }]\npools: { servers: { servers: [10.0.0.1:80, \"[::1]:81\"] } }";
    assert_eq!(checked.effective(), load(file).effective());
    assert_eq!(format!("{:?}", checked.config), format!("{:?}", load(file).config));
}

#[test]
fn a_faulty_command_line_shows_every_error_in_it() {
    let servers = ["10.0.0.1".to_owned(), "app:80".to_owned()];
    let errors = from_servers("localhost:80", &servers).expect_err("nothing is right here").to_string();
    let expected = concat!(
        "error: `localhost:80` is not an address to listen on\n",
        " --> command line:1:19\n",
        "  |\n",
        "1 | weir run --listen localhost:80 10.0.0.1 app:80\n",
        "  |                   ^^^^^^^^^^^^\n",
        "  = help: names are not looked up: write the IP address\n",
        "\n",
        "error: `10.0.0.1` has no port\n",
        " --> command line:1:32\n",
        "  |\n",
        "1 | weir run --listen localhost:80 10.0.0.1 app:80\n",
        "  |                                ^^^^^^^^\n",
        "  = help: write it like `10.0.0.1:8080`\n",
        "\n",
        "error: `app` is a name, not an address\n",
        " --> command line:1:41\n",
        "  |\n",
        "1 | weir run --listen localhost:80 10.0.0.1 app:80\n",
        "  |                                         ^^^^^^\n",
        "  = help: write the IP address; names come with `discover`, which is not supported yet\n",
        "\n",
        "command line: 3 errors\n",
    );
    assert_eq!(errors, expected);
}

#[test]
fn a_command_line_without_servers_says_so() {
    let errors = from_servers(":8080", &[]).expect_err("there is no server");
    assert_eq!(errors.findings.len(), 1, "{errors}");
    assert_eq!(errors.findings[0].message, "`servers` must have at least 1 value");
}
