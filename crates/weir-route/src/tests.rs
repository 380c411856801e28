//! Routes are written as in the file, requests as `host/path?query`.

mod agreement;
mod conditions;
mod dead;
mod hosts;
mod parts;
mod paths;

use std::{net::IpAddr, time::Duration};

use weir_config::{
    Action, HeaderEdits, HostPattern, Match, PathPattern, Pattern, PoolIndex, Retry, Rewrite, Route,
    ValuePattern,
};

use crate::{Request, Table};

/// A request as a test writes it.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    client: IpAddr,
    fields: Vec<(String, Vec<u8>)>,
}

/// `GET` of `host/path?query`; the host may be empty.
fn get(url: &str) -> Sent {
    let (target, query) = match url.split_once('?') {
        Some((target, query)) => (target, Some(query.into())),
        None => (url, None),
    };
    let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
    Sent {
        method: "GET".into(),
        host: host.into(),
        path: path.into(),
        query,
        client: IpAddr::from([192, 0, 2, 1]),
        fields: Vec::new(),
    }
}

impl Sent {
    fn method(self, method: &str) -> Self {
        Self { method: method.into(), ..self }
    }

    fn from(self, client: &str) -> Self {
        Self { client: client.parse().expect("an address"), ..self }
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

impl Request for Sent {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn host(&self) -> &[u8] {
        &self.host
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref()
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn field(&self, name: &str, found: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.fields.iter().any(|(own, value)| own == name && found(value))
    }
}

fn host(written: &str) -> HostPattern {
    let (name, port) = match written.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().expect("a port"))),
        _ => (written, None),
    };
    let below = name.strip_prefix("*.");
    HostPattern { name: below.unwrap_or(name).into(), wildcard: below.is_some(), port }
}

fn pattern(text: &str) -> Pattern {
    let mut regex = regex::bytes::RegexBuilder::new(text);
    Pattern { text: text.into(), regex: regex.unicode(false).build().expect("a regular expression") }
}

fn path(written: &str) -> PathPattern {
    match (written.strip_prefix("~ "), written.strip_suffix("/*")) {
        (Some(text), _) => PathPattern::Regex(pattern(text)),
        (None, Some(prefix)) => PathPattern::Prefix(prefix.into()),
        (None, None) => PathPattern::Exact(written.into()),
    }
}

fn value(written: &str) -> ValuePattern {
    match (written, written.strip_prefix("~ ")) {
        ("*", _) => ValuePattern::Present,
        (_, Some(text)) => ValuePattern::Regex(pattern(text)),
        (exact, None) => ValuePattern::Exact(exact.into()),
    }
}

fn values(written: &[(&str, &str)]) -> Vec<(String, ValuePattern)> {
    written.iter().map(|(name, text)| ((*name).into(), value(text))).collect()
}

fn on_hosts(written: &[&str]) -> Match {
    Match { hosts: written.iter().copied().map(host).collect(), ..Match::default() }
}

fn on_path(written: &str) -> Match {
    Match { path: Some(path(written)), ..Match::default() }
}

fn table(matches: impl IntoIterator<Item = Match>) -> Table {
    let route = |matches| Route {
        name: String::new(),
        matches,
        action: Action::Pool(PoolIndex(0)),
        split_sticky: None,
        rewrite: Rewrite::default(),
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        timeout: Duration::from_secs(1),
        retry: Retry::default(),
        hedge: None,
        timeout_header: None,
        mirror: None,
        faults: None,
    };
    let routes: Vec<Route> = matches.into_iter().map(route).collect();
    Table::new(&routes)
}

/// Asserts whether a route that matches so takes a request.
#[track_caller]
fn check(matches: &Match, request: &Sent, expected: bool) {
    // What an earlier request left in the scratch space must not matter.
    for mut scratch in [Vec::new(), b"/rests/of/another".to_vec()] {
        let found = table([matches.clone()]).find(request, &mut scratch);
        assert_eq!(found, expected.then_some(0), "{matches:?} of {request:?}");
    }
}

#[test]
fn the_first_match_in_the_written_order_wins() {
    let routes = [
        Match { methods: vec!["POST".into()], ..on_path("/api/*") },
        on_path("/api/*"),
        on_hosts(&["shop.example.com"]),
        on_path("/api/v2/*"),
        Match::default(),
    ];
    let table = table(routes);
    let find = |request: Sent| table.find(&request, &mut Vec::new());
    assert_eq!(find(get("shop.example.com/api/v2/items").method("POST")), Some(0));
    assert_eq!(find(get("shop.example.com/api/v2/items")), Some(1));
    assert_eq!(find(get("shop.example.com/")), Some(2));
    assert_eq!(find(get("www.example.com/")), Some(4));
}

#[test]
fn what_no_route_takes_finds_none() {
    assert_eq!(table([on_path("/a"), on_path("/b")]).find(&get("host/c"), &mut Vec::new()), None);
    assert_eq!(table([]).find(&get("host/c"), &mut Vec::new()), None);
}

#[test]
fn all_that_is_written_must_hold() {
    let matches = || Match {
        methods: vec!["GET".into(), "HEAD".into()],
        headers: values(&[("x-team", "~ ^(web|qa)$")]),
        clients: vec!["10.0.0.0/8".parse().unwrap()],
        query: values(&[("beta", "1")]),
        path: Some(path("/a/*")),
        ..on_hosts(&["a.example.com", "b.example.com"])
    };
    let request = |url| get(url).field("x-team", "qa").from("10.1.2.3");
    check(&matches(), &request("b.example.com/a/x?beta=1"), true);
    check(&matches(), &request("b.example.com/a/x?beta=1").method("HEAD"), true);
    check(&matches(), &request("b.example.com/a/x?beta=1").method("head"), false);
    check(&matches(), &request("b.example.com/a/x?beta=1").from("11.1.2.3"), false);
    check(&matches(), &request("b.example.com/a/x?beta=2"), false);
    check(&matches(), &request("b.example.com/b/x?beta=1"), false);
    check(&matches(), &request("c.example.com/a/x?beta=1"), false);
    check(&matches(), &get("b.example.com/a/x?beta=1").from("10.1.2.3"), false);
}
