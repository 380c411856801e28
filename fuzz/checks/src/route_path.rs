//! Paths and routes: one form for each path, and one route whatever form it was written in.
//!
//! An input is lines: host, path, query, and then cookies.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
};

use weir_route::{Request, Table, cookie, normalise, query_parameter};

use crate::lossy;

const ROUTES: &str = r#"
listeners:
  - bind: 127.0.0.1:80
    routes:
      - match: { host: "*.example.com", path: /admin/* }
        pool: p
      - match: { host: ["a.example.com:8080", "[::1]"], path: "~ ^/v[0-9]+/" }
        pool: p
      - match: { path: "/a%20b/%7Ec" }
        pool: p
      - match: { path: /admin/* }
        pool: p
      - match: { path: /, query: { a: "1" } }
        pool: p
      - match: { query: { b: "~ ^x+$", c: "*" } }
        pool: p
      - match: { cookies: { session: "~ ^[0-9]+$" } }
        pool: p
      - match: { path: "~ [.][.]" }
        pool: p
      - match: { methods: [POST] }
        pool: p
      - match: { path: /files/* }
        pool: p
pools:
  p: { servers: [127.0.0.1:81] }
"#;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&crate::routes(ROUTES)));

/// The most cookies and parameters that are looked at.
const PARTS_MAX: usize = 256;

struct Sent<'a> {
    host: &'a [u8],
    path: &'a [u8],
    query: Option<&'a [u8]>,
    cookies: Vec<&'a [u8]>,
}

impl Request for Sent<'_> {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn host(&self) -> &[u8] {
        self.host
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn query(&self) -> Option<&[u8]> {
        self.query
    }

    fn client(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn field(&self, name: &str, found: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        name == "cookie" && self.cookies.iter().any(|value| found(value))
    }
}

/// Panics when a path has two forms, or a request two routes.
pub fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let sent = Sent {
        host: lines.next().unwrap_or_default(),
        path: lines.next().unwrap_or_default(),
        query: lines.next(),
        cookies: lines.collect(),
    };
    let normal = normalise(sent.path, &mut Vec::new()).to_vec();
    assert_is_normal(sent.path, &normal);
    one_route(&sent, &normal);
    parts(&sent);
}

/// RFC 3986 section 6.2.2.
fn assert_is_normal(path: &[u8], normal: &[u8]) {
    let shown = (lossy(path), lossy(normal));
    assert_eq!(normalise(normal, &mut Vec::new()), normal, "a form of its own: {shown:?}");
    assert!(normal.iter().all(u8::is_ascii_graphic), "octets that no URI has: {shown:?}");
    for (at, _) in normal.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = normal.get(at + 1..at + 3).map(lossy).unwrap_or_default();
        let octet = u8::from_str_radix(&digits, 16);
        let octet = octet.unwrap_or_else(|_| panic!("an escape that is none: {shown:?}"));
        assert_eq!(digits, digits.to_ascii_uppercase(), "an escape in lower case: {shown:?}");
        let unreserved = octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        assert!(!unreserved, "an escape that need not be: {shown:?}");
    }
    if path.first() == Some(&b'/') {
        assert_eq!(normal.first(), Some(&b'/'), "no path any more: {shown:?}");
        let mut segments = normal.split(|byte| *byte == b'/');
        assert!(!segments.any(|segment| segment == b"." || segment == b".."), "dot segments: {shown:?}");
    }
}

fn one_route(sent: &Sent<'_>, normal: &[u8]) {
    let mut scratch = b"left over".to_vec();
    let route = TABLE.find(sent, &mut scratch);
    let host = sent.host.to_ascii_uppercase();
    let other = Sent { host: &host, path: normal, query: sent.query, cookies: sent.cookies.clone() };
    let shown = (lossy(sent.path), lossy(normal));
    assert_eq!(TABLE.find(&other, &mut scratch), route, "two forms, two routes: {shown:?}");
}

/// Cookies and parameters: all of one name are found, in order, until one is enough.
fn parts(sent: &Sent<'_>) {
    let mut scratch = Vec::new();
    let mut cookies = Vec::new();
    let found = cookie(sent, "session", &mut |value| {
        cookies.push(value.to_vec());
        false
    });
    assert!(!found && cookies.len() <= PARTS_MAX);
    let mut first = None;
    let found = cookie(sent, "session", &mut |value| {
        first = Some(value.to_vec());
        true
    });
    assert_eq!((found, first.as_ref()), (!cookies.is_empty(), cookies.first()), "the first cookie");

    let mut parameters = Vec::new();
    let found = query_parameter(sent, "a", &mut scratch, &mut |value| {
        parameters.push(value.to_vec());
        false
    });
    assert!(!found && parameters.len() <= PARTS_MAX);
    let mut first = None;
    let found = query_parameter(sent, "a", &mut scratch, &mut |value| {
        first = Some(value.to_vec());
        true
    });
    assert_eq!((found, first.as_ref()), (!parameters.is_empty(), parameters.first()), "the first parameter");
}
