//! RFC 9113 section 8.3: pseudo-header fields.

use weir_tests::h2::{Expect, suite::Section};

const ONLY: &str = "8.3: Endpoints MUST treat a request or response that contains undefined or invalid pseudo-header \
                    fields as malformed.";
const FIRST: &str = "8.3: Any request or response that contains a pseudo-header field that appears in a field block after a \
                     regular field line MUST be treated as malformed.";
const ONCE: &str = "8.3: A field block for an HTTP request or response that contains a repeated pseudo-header field name \
                    MUST be treated as malformed.";
const ALL: &str = "8.3.1: All HTTP/2 requests MUST include exactly one valid value for the \":method\", \":scheme\", and \
                   \":path\" pseudo-header fields, unless they are CONNECT requests. An HTTP request that omits mandatory \
                   pseudo-header fields is malformed.";
const PATH: &str = "8.3.1: This pseudo-header field MUST NOT be empty for \"http\" or \"https\" URIs; URIs that do not \
                    contain a path component MUST include a value of '/'.";
const USERINFO: &str = "8.3.1: \":authority\" MUST NOT include the deprecated userinfo subcomponent.";
const HOST: &str = "8.3.1: A server SHOULD treat a request as malformed if it contains a Host header field that identifies \
                    an entity that differs from the entity in the \":authority\" pseudo-header field.";
const NO_HOST: &str = "RFC 9110, 7.2: A server responds with 400 to a request that lacks a host where HTTP/1.1 needs one \
                       (RFC 9112, 3.2).";

type Fields = &'static [(&'static str, &'static str)];

const M: (&str, &str) = (":method", "GET");
const S: (&str, &str) = (":scheme", "http");
const P: (&str, &str) = (":path", "PATH");
const A: (&str, &str) = (":authority", "weir.test");

#[test]
fn requests() {
    let mut s = Section::new("8.3.1 request pseudo-header fields");
    let malformed: &[(&'static str, &'static str, Fields)] = &[
        ("no :method", ALL, &[S, P, A]),
        ("no :scheme", ALL, &[M, P, A]),
        ("no :path", ALL, &[M, S, A]),
        (":method alone", ALL, &[M]),
        ("none at all", ALL, &[("x-a", "b")]),
        ("an empty :method", ALL, &[(":method", ""), S, P, A]),
        ("an empty :scheme", ALL, &[M, (":scheme", ""), P, A]),
        ("an empty :path", PATH, &[M, S, (":path", ""), A]),
        ("a :method with a space", ALL, &[(":method", "GET /evil HTTP/1.1"), S, P, A]),
        ("a :method with CR LF", ALL, &[(":method", "GET\r\n"), S, P, A]),
        ("a :method that is no token", ALL, &[(":method", "G(T"), S, P, A]),
        ("a :path without a slash", PATH, &[M, S, (":path", "evil"), A]),
        ("a :path with a space", PATH, &[M, S, (":path", "/evil HTTP/1.1"), A]),
        ("a :path with CR LF", PATH, &[M, S, (":path", "/evil\r\nx: y"), A]),
        ("a :path with NUL", PATH, &[M, S, (":path", "/evil\0"), A]),
        ("a :path with a tab", PATH, &[M, S, (":path", "/evil\ta"), A]),
        ("a :path with a fragment", PATH, &[M, S, (":path", "/evil#a"), A]),
        ("a :path of * with GET", PATH, &[M, S, (":path", "*"), A]),
        ("a :path in absolute form", PATH, &[M, S, (":path", "http://weir.test/evil"), A]),
        ("a :scheme with a space", ALL, &[M, (":scheme", "http http"), P, A]),
        ("a :scheme with CR LF", ALL, &[M, (":scheme", "http\r\n"), P, A]),
        ("a :scheme with a slash", ALL, &[M, (":scheme", "http://evil/"), P, A]),
        ("an unknown one", ONLY, &[M, S, P, A, (":unknown", "x")]),
        (":status", ONLY, &[M, S, P, A, (":status", "200")]),
        (":protocol without CONNECT", ONLY, &[M, S, P, A, (":protocol", "websocket")]),
        ("an uppercase one", ONLY, &[(":METHOD", "GET"), S, P, A]),
        ("a colon alone", ONLY, &[M, S, P, A, (":", "x")]),
        (":method behind a regular field", FIRST, &[S, P, A, ("x-a", "b"), M]),
        (":path behind a regular field", FIRST, &[M, S, A, ("x-a", "b"), P]),
        (":scheme behind a regular field", FIRST, &[M, P, A, ("x-a", "b"), S]),
        (":authority behind a regular field", FIRST, &[M, S, P, ("x-a", "b"), A]),
        (":authority again behind a regular field", FIRST, &[M, S, P, A, ("x-a", "b"), A]),
        (":method twice", ONCE, &[M, M, S, P, A]),
        (":scheme twice", ONCE, &[M, S, S, P, A]),
        (":path twice", ONCE, &[M, S, P, P, A]),
        (":path twice, different", ONCE, &[M, S, P, (":path", "/evil"), A]),
        (":authority twice", ONCE, &[M, S, P, A, A]),
        (":authority twice, different", ONCE, &[M, S, P, A, (":authority", "evil.test")]),
        ("userinfo in :authority", USERINFO, &[M, S, P, (":authority", "user@weir.test")]),
        (
            "userinfo with a password in :authority",
            USERINFO,
            &[M, S, P, (":authority", "user:secret@weir.test")],
        ),
        ("a path in :authority", ALL, &[M, S, P, (":authority", "weir.test/evil")]),
        ("a space in :authority", ALL, &[M, S, P, (":authority", "weir.test evil")]),
        ("CR LF in :authority", ALL, &[M, S, P, (":authority", "weir.test\r\nx: y")]),
        ("another host than :authority", HOST, &[M, S, P, A, ("host", "evil.test")]),
        (
            "two hosts",
            "RFC 9112, 3.2: more than one Host field line: 400",
            &[M, S, P, A, ("host", "weir.test"), ("host", "weir.test")],
        ),
        ("an empty host beside :authority", HOST, &[M, S, P, A, ("host", "")]),
        ("neither :authority nor host", NO_HOST, &[M, S, P]),
    ];
    for &(name, cites, fields) in malformed {
        s.check(name, cites, move |ask| vec![ask.of(1, fields)], Expect::malformed());
    }
    let right: &[(&'static str, &'static str, Fields)] = &[
        (
            "in another order",
            "8.3: All pseudo-header fields MUST appear before all regular field lines.",
            &[A, P, S, M],
        ),
        ("with host that is equal", HOST, &[M, S, P, A, ("host", "weir.test")]),
        (
            "with host in another case",
            "8.3.1: servers MUST perform scheme-based normalization of the two fields.",
            &[M, S, P, A, ("host", "WEIR.test")],
        ),
        (
            "with host alone",
            "8.3.1: unless the original request's target URI does not contain authority information.",
            &[M, S, P, ("host", "weir.test")],
        ),
        (
            "with an unknown method",
            "RFC 9110, 9.1: method names are case-sensitive tokens.",
            &[(":method", "FROBNICATE"), S, P, A],
        ),
        ("with https", "8.3.1: \":scheme\" is not restricted.", &[M, (":scheme", "https"), P, A]),
        (
            "with a port",
            "8.3.1: the authority portion of the target URI",
            &[M, S, P, (":authority", "weir.test:8080")],
        ),
        (
            "with an IPv6 address",
            "8.3.1: the authority portion of the target URI",
            &[M, S, P, (":authority", "[::1]:8080")],
        ),
    ];
    for &(name, cites, fields) in right {
        s.check(name, cites, move |ask| vec![ask.of(1, fields)], Expect::status(&[200]));
    }
    s.run();
}

#[test]
fn on_the_way_to_http1() {
    let mut s = Section::new("8.3.1 on the way to HTTP/1.1");
    s.talk("all of them arrive", "8.3.1: the target URI is made of the pseudo-header fields.", |t| {
        let path = format!("/a%20b/c?d=e&f{}", t.ask.path);
        let fields =
            [(":method", "PUT"), (":scheme", "http"), (":path", &path[..]), (":authority", "weir.test:81")];
        t.client.send([t.ask.of(1, &fields)]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        assert_eq!(
            (&request.method[..], &request.target[..], &request.version[..]),
            ("PUT", &path[..], "HTTP/1.1")
        );
        assert!(!request.fields.0.iter().any(|(name, _)| name.starts_with(':')), "{:?}", request.fields);
    });
    s.talk(":authority becomes Host", "8.3.1: An intermediary that needs to generate a Host header field MUST use the \
        value from the \":authority\" pseudo-header field, unless the intermediary also changes the request target.", |t| {
        if t.target.passes_host() {
            t.client.send([t.ask.of(1, &[M, S, P, (":authority", "weir.test:81")])]);
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().fields.get("host"), Some("weir.test:81"));
        }
    });
    s.talk(
        "an asterisk with OPTIONS",
        "8.3.1: OPTIONS requests that do not include a path component MUST include a \
        \":path\" pseudo-header field with a value of '*'.",
        |t| {
            let fields = [(":method", "OPTIONS"), S, (":path", "*"), A, ("x-case", &t.ask.path)];
            t.client.send([t.ask.of(1, &fields)]);
            assert_eq!(t.client.response(1).status, 200);
            let requests = t.target.origin.requests();
            let mine = requests.iter().find(|request| request.fields.get("x-case") == Some(&t.ask.path));
            assert_eq!(mine.expect("it went on").target, "*");
        },
    );
    s.talk(
        "a GET without content has no framing",
        "RFC 9112, 6: a request without content needs no Content-Length.",
        |t| {
            t.client.send([t.ask.get(1)]);
            assert_eq!(t.client.response(1).status, 200);
            let request = t.seen_once();
            assert!(
                !request.fields.has("transfer-encoding")
                    && request.fields.get("content-length").unwrap_or("0") == "0"
            );
        },
    );
    s.talk("a POST without length is chunked or counted", "RFC 9112, 6.3: content needs framing.", |t| {
        t.client.send([t.ask.post(1), data_of("hel"), data_of("lo").end()]);
        assert_eq!(t.client.response(1).status, 200);
        let request = t.seen_once();
        assert_eq!(request.body, b"hello");
        assert_ne!(request.fields.has("transfer-encoding"), request.fields.has("content-length"));
    });
    s.talk("a length is kept", "RFC 9110, 8.6: Content-Length", |t| {
        t.client.send([t.ask.post_with(1, &[("content-length", "5")]), t.ask.body(1)]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().fields.get("content-length"), Some("5"));
    });
    s.run();
}

fn data_of(text: &str) -> weir_tests::h2::Frame {
    weir_tests::h2::frame::data(1, text)
}
