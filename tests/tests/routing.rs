//! Routes, as their users see them: what matches, what wins, what is answered, what is changed.

use weir_tests::{Origin, Response, Weir};

/// Routes of one listener before two servers, `one` and `two`, each in a pool of its name.
struct Stage {
    one: Origin,
    two: Origin,
    weir: Weir,
}

impl Stage {
    /// `routes` is the YAML of the list, indented by six.
    #[track_caller]
    fn new(routes: &str) -> Self {
        let (one, two) = (Origin::saying("one"), Origin::saying("two"));
        let weir = Weir::start(&format!(
            "
runtime:
  workers: 1
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
{routes}
pools:
  one: {{ servers: [{one}], health: none }}
  two: {{ servers: [{two}], health: none }}
"
        ));
        Self { one, two, weir }
    }

    /// The answer to a request with this line and these fields, each with its CRLF.
    #[track_caller]
    fn ask(&self, line: &str, fields: &str) -> Response {
        let host = if fields.to_lowercase().contains("host:") { "" } else { "Host: test\r\n" };
        self.weir.ask(format!("{line} HTTP/1.1\r\n{host}{fields}\r\n"))
    }

    /// Who answers; 404 is `none`.
    #[track_caller]
    fn expect(&self, line: &str, fields: &str, expected: &str) {
        let answer = self.ask(line, fields);
        let who = if answer.status == 404 { "none".to_owned() } else { answer.text() };
        assert_eq!(who, expected, "{line} {fields:?}");
    }
}

/// A route for each match, which goes to `one`; what matches nothing is 404.
#[track_caller]
fn check(matches: &str, requests: &[(&str, &str, bool)]) {
    let stage = Stage::new(&format!("      - match: {{ {matches} }}\n        pool: one"));
    for (line, fields, is_match) in requests {
        stage.expect(line, fields, if *is_match { "one" } else { "none" });
    }
}

#[test]
fn hosts() {
    check(
        "host: Shop.example.com",
        &[
            ("GET /", "Host: shop.example.com\r\n", true),
            ("GET /", "Host: SHOP.example.COM:8080\r\n", true),
            ("GET /", "Host: shop.example.com.\r\n", true),
            ("GET /", "Host: www.shop.example.com\r\n", false),
            ("GET /", "Host: example.com\r\n", false),
            ("GET http://shop.example.com/x", "Host: shop.example.com\r\n", true),
        ],
    );
    check(
        "host: [\"*.example.com\", \"other.org:81\"]",
        &[
            ("GET /", "Host: a.example.com\r\n", true),
            ("GET /", "Host: a.b.example.com\r\n", true),
            ("GET /", "Host: example.com\r\n", false),
            ("GET /", "Host: aexample.com\r\n", false),
            ("GET /", "Host: other.org:81\r\n", true),
            ("GET /", "Host: other.org\r\n", false),
            ("GET /", "Host: other.org:82\r\n", false),
        ],
    );
}

#[test]
fn paths() {
    check(
        "path: /api",
        &[
            ("GET /api", "", true),
            ("GET /api?x", "", true),
            ("GET /api/", "", false),
            ("GET /apis", "", false),
        ],
    );
    check(
        "path: /api/*",
        &[
            ("GET /api", "", true),
            ("GET /api/", "", true),
            ("GET /api/x/y", "", true),
            ("GET /apis", "", false),
            ("GET /API/x", "", false),
            ("GET /", "", false),
        ],
    );
    check(
        "path: \"~ ^/v[0-9]+/\"",
        &[
            ("GET /v1/x", "", true),
            ("GET /v12/", "", true),
            ("GET /v/", "", false),
            ("GET /x/v1/", "", false),
        ],
    );
}

/// A path in another spelling must not get around its route.
#[test]
fn paths_in_disguise() {
    check(
        "path: /admin/*",
        &[
            ("GET /%61dmin/x", "", true),
            ("GET /x/../admin/y", "", true),
            ("GET /./admin/y", "", true),
            // Servers differ over these, and an application may mean them: no slash is added or taken away.
            ("GET //admin/y", "", false),
            ("GET /%2fadmin/y", "", false),
            ("GET /admin/../x", "", false),
            ("GET /admin/%2e%2e/x", "", false),
        ],
    );
}

#[test]
fn methods_fields_cookies_and_queries() {
    check(
        "methods: [GET, POST]",
        &[
            ("GET /", "", true),
            ("POST /", "Content-Length: 0\r\n", true),
            ("PUT /", "", false),
            ("get /", "", false),
        ],
    );
    check(
        "headers: { X-Team: \"~ ^(web|qa)$\", x-here: \"*\" }",
        &[
            ("GET /", "X-Team: web\r\nX-Here:\r\n", true),
            ("GET /", "x-team: qa\r\nX-HERE: 1\r\n", true),
            ("GET /", "X-Team: other\r\nX-Team: qa\r\nX-Here: 1\r\n", true),
            ("GET /", "X-Team: web\r\n", false),
            ("GET /", "X-Team: webs\r\nX-Here: 1\r\n", false),
        ],
    );
    check(
        "cookies: { beta: \"1\" }",
        &[
            ("GET /", "Cookie: a=b; beta=1; c=d\r\n", true),
            ("GET /", "Cookie: a=b\r\nCookie: beta=1\r\n", true),
            ("GET /", "Cookie: beta=10\r\n", false),
            ("GET /", "Cookie: Beta=1\r\n", false),
            ("GET /", "Cookie: xbeta=1\r\n", false),
        ],
    );
    check(
        "query: { v: \"2\", debug: \"*\" }",
        &[
            ("GET /?v=2&debug", "", true),
            ("GET /?debug=yes&v=2", "", true),
            ("GET /?v=%32&debug=", "", true),
            ("GET /?v=2", "", false),
            ("GET /?v=20&debug", "", false),
        ],
    );
    check("client: [127.0.0.0/8]", &[("GET /", "", true)]);
    check("client: [10.0.0.0/8, \"::1\"]", &[("GET /", "", false)]);
}

#[test]
fn the_first_match_wins_in_the_written_order() {
    let stage = Stage::new(
        "      - match: { path: /api/*, methods: [POST] }
        pool: two
      - match: { path: /api/* }
        pool: one
      - match: { host: special }
        respond: { body: special }
      - match: { path: /special }
        respond: { body: path }",
    );
    stage.expect("POST /api/x", "Content-Length: 0\r\n", "two");
    stage.expect("GET /api/x", "Host: special\r\n", "one");
    stage.expect("GET /special", "Host: special\r\n", "special");
    stage.expect("GET /special", "", "path");
    stage.expect("GET /", "", "none");
    let answer = stage.ask("GET /", "");
    assert_eq!(answer.status, 404);
    assert_eq!(stage.weir.metrics().sum("weir_requests_unrouted_total", &[]), 2.0);
}

#[test]
fn redirects() {
    for (redirect, line, host, status, location) in [
        (
            "to: \"https://shop.example/new?a=b\", status: 301",
            "GET /old?x",
            "a",
            301,
            "https://shop.example/new?a=b",
        ),
        ("to: /other", "GET /old", "a", 308, "/other"),
        ("scheme: https", "GET /x?y", "a:8080", 308, "https://a/x?y"),
        ("scheme: https, port: 8443", "GET /x", "a:8080", 308, "https://a:8443/x"),
        ("scheme: https, port: 443", "GET /x", "a", 308, "https://a/x"),
        ("host: www.a", "GET /x?y=z", "a:81", 308, "http://www.a/x?y=z"),
        ("path: /new, status: 302", "GET /old?x", "a:81", 302, "http://a:81/new"),
        ("host: b, status: 303", "POST /", "[::1]:81", 303, "http://b/"),
        ("path: /y, status: 307", "GET /x", "[::1]:81", 307, "http://[::1]:81/y"),
    ] {
        let stage = Stage::new(&format!("      - redirect: {{ {redirect} }}"));
        let answer = stage.ask(line, &format!("Host: {host}\r\nContent-Length: 0\r\n"));
        assert_eq!((answer.status, answer.fields.get("location")), (status, Some(location)), "{redirect}");
        assert!(answer.body.is_empty() && answer.fields.has("date"));
    }
}

/// An answer of Weir's own must not let a client write fields into it.
#[test]
fn a_redirect_repeats_nothing_dangerous() {
    let stage = Stage::new("      - redirect: { scheme: https }");
    let answer = stage.ask("GET /%0d%0aX-Evil:%20yes", "");
    assert_eq!(answer.fields.get("location"), Some("https://test/%0d%0aX-Evil:%20yes"));
    assert!(!answer.fields.has("x-evil"));
}

#[test]
fn answers_of_its_own() {
    let stage = Stage::new(
        "      - match: { path: /json }
        respond: { status: 418, body: '{\"short\": \"stout\"}', content_type: application/json }
        response_headers: { set: { x-pot: tea } }
      - match: { path: /empty }
        respond: { status: 204 }
      - respond: {}",
    );
    let answer = stage.ask("GET /json", "");
    assert_eq!((answer.status, answer.text().as_str()), (418, "{\"short\": \"stout\"}"));
    assert_eq!(answer.fields.get("content-type"), Some("application/json"));
    assert_eq!(answer.fields.get("x-pot"), Some("tea"));
    let answer = stage.ask("GET /empty", "");
    assert_eq!((answer.status, answer.fields.has("content-length")), (204, false));
    assert_eq!(stage.ask("GET /", "").status, 200);

    let mut client = stage.weir.connect();
    client.send("HEAD /json HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.response_to("HEAD");
    assert_eq!((answer.status, answer.fields.get("content-length")), (418, Some("18")));
    assert_eq!(client.get("/json").status, 418, "and the connection is in step");
    assert_eq!((stage.one.count(), stage.two.count()), (0, 0));
}

/// A body that nobody reads must not be taken for the next request.
#[test]
fn an_answer_of_its_own_to_a_request_with_a_body() {
    let stage = Stage::new("      - match: { path: / }\n        respond: { body: mine }\n      - pool: one");
    let mut client = stage.weir.connect();
    let smuggled = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    client
        .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()));
    assert_eq!(client.response().text(), "mine");
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    // The connection may have been closed over the unread body, or the next request is answered: nothing else.
    if let Ok(Some(answer)) = client.try_response("GET") {
        assert_eq!(answer.text(), "one");
    }
    assert!(!stage.one.targets().contains(&"/evil".to_owned()), "{:?}", stage.one.targets());
}

#[test]
fn rewrites() {
    let stage = Stage::new(
        "      - match: { path: /api/* }
        pool: one
        rewrite: { strip_prefix: /api, host: internal.example }
      - pool: two
        rewrite: { strip_prefix: /x/y }",
    );
    for (target, expected) in [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api/v1/x?y=/api", "/v1/x?y=/api"),
        ("/api?z", "/?z"),
        ("/api//x", "//x"),
    ] {
        stage.one.forget();
        stage.expect(&format!("GET {target}"), "", "one");
        let request = &stage.one.requests()[0];
        assert_eq!(request.target, expected, "{target}");
        assert_eq!(request.fields.get("host"), Some("internal.example"));
        assert_eq!(request.fields.get("x-forwarded-host"), Some("test"));
    }
    for (target, expected) in [("/x/y/z", "/z"), ("/x/yz", "/x/yz"), ("/x", "/x")] {
        stage.two.forget();
        stage.expect(&format!("GET {target}"), "", "two");
        assert_eq!(stage.two.requests()[0].target, expected, "{target}");
    }
}

#[test]
fn edits_of_fields() {
    let stage = Stage::new(
        "      - pool: one
        request_headers:
          remove: [X-Debug]
          set: { x-beta: \"1\" }
          add: { x-via: weir }
        response_headers:
          remove: [server]
          set: { cache-control: no-store }
          add: { x-served-by: weir }",
    );
    let answer =
        stage.ask("GET /", "x-debug: 1\r\nX-DEBUG: 2\r\nX-Beta: 0\r\nX-Via: other\r\nX-Kept: yes\r\n");
    let request = &stage.one.requests()[0];
    assert!(!request.fields.has("x-debug"));
    assert_eq!(request.fields.all("x-beta"), ["1"]);
    assert_eq!(request.fields.all("x-via"), ["other", "weir"]);
    assert_eq!(request.fields.all("x-kept"), ["yes"]);
    assert_eq!(answer.fields.get("cache-control"), Some("no-store"));
    assert_eq!(answer.fields.get("x-served-by"), Some("weir"));

    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nServer: secret\r\nCache-Control: public\r\ncache-control: x\r\nX-Served-By: me\r\nContent-Length: 0\r\n\r\n",
    );
    let yaml = "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - pool: web
        response_headers:
          remove: [server]
          set: { cache-control: no-store }
          add: { x-served-by: weir }
pools:
  web: { servers: [ORIGIN], health: none }
";
    let weir = Weir::start(&yaml.replace("ORIGIN", &origin.to_string()));
    let answer = weir.get("/");
    assert!(!answer.fields.has("server"));
    assert_eq!(answer.fields.all("cache-control"), ["no-store"]);
    assert_eq!(answer.fields.all("x-served-by"), ["me", "weir"]);
}

#[test]
fn a_split_gives_each_pool_its_share() {
    const REQUESTS: usize = 2000;
    let stage = Stage::new(
        "      - match: { path: /all }
        split: { one: 1, two: 0 }
      - split: { one: 75, two: 25 }",
    );
    let mut client = stage.weir.connect();
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/").status, 200);
    }
    // Twelve standard deviations of 2000 draws with a chance of a quarter.
    let (expected, span) = (REQUESTS / 4, 12 * 19);
    assert!(stage.two.count().abs_diff(expected) < span, "{} of {REQUESTS}", stage.two.count());
    assert_eq!(stage.one.count() + stage.two.count(), REQUESTS);
    stage.two.forget();
    for _ in 0..100 {
        client.get("/all");
    }
    assert_eq!(stage.two.count(), 0);
}

#[test]
fn each_route_has_its_own_timeout() {
    let silent = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let yaml = "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - match: { path: /short }
        timeout: 100ms
        pool: web
      - timeout: 1h
        pool: web
pools:
  web: { servers: [ORIGIN], health: none }
";
    let weir = Weir::start(&yaml.replace("ORIGIN", &silent.to_string()));
    let mut long = weir.connect();
    long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    silent.wait_for_requests(1);
    assert_eq!(weir.get("/short").status, 504);
    assert!(long.is_open());
}

#[test]
fn every_listener_has_its_own_routes() {
    let weir = Weir::start(
        "
listeners:
  - name: first
    bind: 127.0.0.1:0
    routes: [{ respond: { body: first } }]
  - name: second
    bind: 127.0.0.1:0
    routes: [{ match: { path: /x }, respond: { body: second } }]
",
    );
    let ask = |listener, path| weir_tests::Client::connect(weir.address_of(listener)).get(path);
    assert_eq!(ask("first", "/x").text(), "first");
    assert_eq!(ask("second", "/x").text(), "second");
    assert_eq!(ask("second", "/y").status, 404);
}

#[test]
fn a_path_that_servers_read_differently_reaches_none() {
    // To a server that merges slashes first, or takes what stands behind `;` away, each of these is `/admin`.
    let stage =
        Stage::new("      - match: { path: /admin/* }\n        respond: { status: 403 }\n      - pool: one");
    for path in ["/x//../admin", "/x//%2e%2e/admin", "/x/%2f/../admin", "/x/;/../admin", "/x/\\/../admin"] {
        assert_eq!(stage.ask(&format!("GET {path}"), "").status, 400, "{path}");
    }
    assert_eq!(stage.ask("GET /x/../admin", "").status, 403);
    assert_eq!(stage.ask("GET /x//y/../admin", "").status, 200);
    assert_eq!(stage.one.targets(), ["/x//y/../admin"]);
}
