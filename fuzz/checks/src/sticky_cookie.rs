//! Cookies of Weir's own: what a client brings is believed only if it was sealed here, and servers see all other cookies
//! as they came.
//!
//! An input is the values of a request's `Cookie` fields, one per line.

use std::sync::{Arc, LazyLock};

use weir_config::{OwnCookie, Route, SameSite};
use weir_http::{
    CookieSite, fuzzing,
    h1::{HeadLimits, Progress, RequestParser},
    head::RequestHead,
};
use weir_tls::Seals;

/// The cookies that are Weir's own.
const NAMES: [&str; 2] = ["WEIR", "SIDE"];

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16 * 1024, fields_max: 64, uri_bytes_max: 64 };

const ROUTE: &str =
    "listeners: [{ bind: 127.0.0.1:80, pool: p }]\npools: { p: { servers: [127.0.0.1:81] } }\n";

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| crate::routes(ROUTE));

const NOW_S: u64 = 1_800_000_000;
const TTL_S: u64 = 3600;

/// With a secret that everybody may know: what is sealed with another one is tried on it, and the other way round.
fn site(secret: u8) -> CookieSite {
    let settings =
        OwnCookie { name: NAMES[0].to_owned(), same_site: SameSite::Lax, no_cache: false, keys: None };
    CookieSite { settings, ttl_s: TTL_S, seals: Arc::new(Seals::new(&[vec![secret; 32]], "fuzz")) }
}

static OWN: LazyLock<CookieSite> = LazyLock::new(|| site(1));

/// Panics when a cookie is lost or comes through, or when one is believed that nobody sealed.
pub fn check(data: &[u8]) {
    let fields: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(LIMITS.fields_max - 2).collect();
    let mut text = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for field in &fields {
        text.extend_from_slice(b"Cookie: ");
        text.extend_from_slice(field);
        text.extend_from_slice(b"\r\n");
        field.split(|byte| *byte == b';').for_each(believed);
    }
    text.extend_from_slice(b"X-Behind: 1\r\n\r\n");
    let mut head = RequestHead::default();
    if !matches!(RequestParser::default().parse(&text, &mut head, &LIMITS), Ok(Progress::Whole)) {
        return;
    }
    let sent = fuzzing::request_without(&head, &text, &ROUTES[0], NAMES);
    let mut seen = RequestHead::default();
    let read = RequestParser::default().parse(&sent, &mut seen, &LIMITS);
    assert!(matches!(read, Ok(Progress::Whole)), "it goes on as something else: {}", crate::lossy(&sent));
    assert_eq!(seen.len, sent.len(), "something is behind it");
    let is_own = |pair: &Vec<u8>| NAMES.iter().any(|name| name_of(pair) == Some(name.as_bytes()));
    let (before, after) = (pairs(&head, &text), pairs(&seen, &sent));
    let expected: Vec<Vec<u8>> = before.into_iter().filter(|pair| !is_own(pair)).collect();
    assert_eq!(after, expected, "in {}", crate::lossy(&sent));
    assert!(sent.ends_with(b"X-Behind: 1\r\n\r\n") && sent.starts_with(b"GET / HTTP/1.1\r\nHost: a\r\n"));
}

/// Whatever is believed can be changed in no bit, and is not believed with another key or later.
fn believed(pair: &[u8]) {
    let Some(at) = pair.iter().position(|byte| *byte == b'=') else { return };
    let value = pair[at + 1..].trim_ascii();
    if fuzzing::server_of_cookie(&OWN, value, NOW_S).is_none() {
        return;
    }
    assert_eq!(fuzzing::server_of_cookie(&site(2), value, NOW_S), None);
    for at in 0..value.len() {
        let mut changed = value.to_vec();
        changed[at] ^= 1;
        assert_eq!(fuzzing::server_of_cookie(&OWN, &changed, NOW_S), None, "changed at {at}");
    }
    assert_eq!(fuzzing::server_of_cookie(&OWN, value, u64::MAX / 2), None, "it never ends");
}

/// All cookies of a head that are any, in their order.
fn pairs(head: &RequestHead, text: &[u8]) -> Vec<Vec<u8>> {
    let fields = head.fields.iter().filter(|field| field.name.of(text).eq_ignore_ascii_case(b"cookie"));
    let pairs = fields.flat_map(|field| field.value.of(text).split(|byte| *byte == b';'));
    pairs.map(|pair| pair.trim_ascii().to_vec()).filter(|pair| !pair.is_empty()).collect()
}

fn name_of(pair: &[u8]) -> Option<&[u8]> {
    pair.iter().position(|byte| *byte == b'=').map(|at| pair[..at].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_here_is_believed() {
        for server in ["192.0.2.1:80", "[2001:db8::1]:8080"] {
            let line = fuzzing::cookie_for(&OWN, server.parse().unwrap(), NOW_S);
            let line = String::from_utf8(line).unwrap();
            let value =
                line.strip_prefix("set-cookie: WEIR=").and_then(|line| line.split(';').next()).unwrap();
            let named = |now_s| fuzzing::server_of_cookie(&OWN, value.as_bytes(), now_s);
            assert_eq!((named(NOW_S), named(NOW_S + TTL_S - 1)), (server.parse().ok(), server.parse().ok()));
            assert_eq!(named(NOW_S + TTL_S), None);
            check(format!("a=b; WEIR={value}; c=d").as_bytes());
        }
    }

    #[test]
    fn a_cookie_that_is_lost_or_comes_through_is_noticed() {
        let pairs_of = |cookies: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookies}\r\n\r\n").into_bytes();
            let mut head = RequestHead::default();
            RequestParser::default().parse(&text, &mut head, &LIMITS).unwrap();
            pairs(&head, &text)
        };
        assert_eq!(pairs_of("a=b; WEIR=x;; c"), [&b"a=b"[..], b"WEIR=x", b"c"]);
        assert_eq!((name_of(b"WEIR=x"), name_of(b"WEIR")), (Some(&b"WEIR"[..]), None));
    }
}
