//! Clients that stay on their servers, from end to end: who moves, and why.

#[path = "sticky/attributes.rs"]
mod attributes;
#[path = "sticky/crowd.rs"]
mod crowd;
#[path = "sticky/keys.rs"]
mod keys;
#[path = "sticky/life.rs"]
mod life;
#[path = "sticky/split.rs"]
mod split;
#[path = "sticky/table.rs"]
mod table;

use weir_tests::{Client, Origin, Response, Weir};

/// One listener and one pool; `servers` and `rest` are YAML.
fn yaml(workers: usize, state: &str, servers: &str, rest: &str) -> String {
    format!(
        "
runtime: {{ workers: {workers}, state_dir: {state} }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{servers}]
    {rest}
"
    )
}

/// The simplest: these servers, which are not checked, and a cookie.
fn plain(origins: &[&Origin], sticky: &str) -> String {
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    yaml(1, "./state", &servers.join(", "), &format!("health: none\n    sticky: {sticky}"))
}

fn saying(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| Origin::saying(name)).collect()
}

/// `GET /` with these fields.
#[track_caller]
fn ask(client: &mut Client, fields: &str) -> Response {
    let answer = client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).response();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// `NAME=VALUE` of the first cookie that an answer sets.
fn set(answer: &Response) -> Option<String> {
    let line = *answer.fields.all("set-cookie").first()?;
    Some(line.split(';').next().unwrap_or_default().to_owned())
}

/// So many requests to the pool came to their server like this.
fn outcome(weir: &Weir, outcome: &str) -> usize {
    weir.metrics().sum("weir_sticky_requests_total", &[("pool", "web"), ("outcome", outcome)]) as usize
}
