//! Header fields: what goes on as it came, what is left out, what is added.

use weir_tests::{Origin, Request, Weir};

/// What a server gets of one request, with these settings of `http`.
#[track_caller]
fn forwarded(http: &str, request: &str) -> Request {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], http);
    assert_eq!(weir.ask(request).status, 200);
    origin.requests().remove(0)
}

#[test]
fn other_fields_go_on_as_they_came() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    weir.ask(b"GET /a%20b;c?d=e&f HTTP/1.1\r\nHost: Shop.example:81\r\nX-CamelCase:  two  words \r\nCookie: a=b\r\nCookie: c=d\r\nX-Empty:\r\nX-Bytes: \xe9\r\n\r\n");
    let sent = String::from_utf8_lossy(&origin.connections()[0].bytes).into_owned();
    assert!(sent.starts_with("GET /a%20b;c?d=e&f HTTP/1.1\r\n"), "{sent}");
    for line in ["X-CamelCase:  two  words \r\n", "Cookie: a=b\r\nCookie: c=d\r\n", "X-Empty:\r\n"] {
        assert!(sent.contains(line), "{sent}");
    }
    let request = &origin.requests()[0];
    assert_eq!(request.fields.get("host"), Some("Shop.example:81"));
}

#[test]
fn fields_of_the_connection_stay_on_it() {
    let request = forwarded(
        "{}",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, x-other , keep-alive\r\nX-Secret: s\r\nX-Other: o\r\n\
         X-Kept: k\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: x\r\n\r\n",
    );
    for gone in ["connection", "x-secret", "x-other", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(!request.fields.has(gone), "{gone}: {request:?}");
    }
    assert_eq!(request.fields.get("x-kept"), Some("k"));
}

/// A client must not be able to take away what says where the message ends, or whom it is for.
#[test]
fn connection_cannot_name_essential_fields_away() {
    let request = forwarded(
        "{}",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length, x-forwarded-for\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(request.fields.get("host"), Some("a"));
    assert_eq!(request.body, b"hello");
    assert_eq!(request.fields.get("x-forwarded-for"), Some("127.0.0.1"));
    let request = forwarded(
        "{}",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(request.body, b"hello");
}

#[test]
fn the_wish_for_trailers_is_passed_on() {
    let request = forwarded("{}", "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    assert_eq!(request.fields.get("te"), Some("trailers"));
    assert_eq!(request.fields.get("connection").map(str::to_lowercase).as_deref(), Some("te"));
}

#[test]
fn fields_of_the_servers_connection_stay_on_it() {
    let origin = Origin::answering(
        "HTTP/1.1 200 Very Well\r\nConnection: x-secret, keep-alive\r\nX-Secret: s\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: x\r\nX-Kept:  k \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nServer: s\r\nContent-Length: 0\r\n\r\n",
    );
    let weir = Weir::before(&[&origin]);
    let answer = weir.get("/");
    assert_eq!(answer.line, "HTTP/1.1 200 Very Well");
    for gone in ["connection", "x-secret", "keep-alive", "proxy-connection"] {
        assert!(!answer.fields.has(gone), "{gone}: {answer:?}");
    }
    assert_eq!(answer.fields.get("x-kept"), Some("k"));
    assert_eq!(answer.fields.all("set-cookie"), ["a", "b"]);
    assert_eq!(answer.fields.get("server"), Some("s"));
}

const CLAIMS: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n\
     X-Forwarded-Host: other.example\r\nForwarded: for=10.1.2.3;proto=https\r\n\r\n";

#[test]
fn what_a_stranger_claims_is_replaced() {
    let request = forwarded("{}", CLAIMS);
    assert_eq!(request.fields.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.fields.all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.fields.all("x-forwarded-host"), ["shop.example"]);
    assert_eq!(request.fields.all("forwarded"), ["for=127.0.0.1;host=\"shop.example\";proto=http"]);
}

#[test]
fn what_a_trusted_proxy_says_is_kept_and_extended() {
    let request = forwarded("{ trusted_proxies: [127.0.0.0/8] }", CLAIMS);
    assert_eq!(request.fields.all("x-forwarded-for").join(", "), "10.1.2.3, 127.0.0.1");
    assert_eq!(request.fields.all("x-forwarded-proto"), ["https"]);
    assert_eq!(request.fields.all("x-forwarded-host"), ["other.example"]);
    let forwarded = request.fields.all("forwarded").join(", ");
    assert!(forwarded.starts_with("for=10.1.2.3;proto=https, for=127.0.0.1;"), "{forwarded}");
}

#[test]
fn others_than_the_trusted_proxies_are_strangers() {
    let request = forwarded("{ trusted_proxies: [10.0.0.0/8, \"::1\"] }", CLAIMS);
    assert_eq!(request.fields.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[test]
fn the_fields_about_the_client_can_be_chosen() {
    for (choice, x, standard) in [
        ("all", true, true),
        ("x_forwarded", true, false),
        ("forwarded", false, true),
        ("none", false, false),
    ] {
        let request = forwarded(&format!("{{ forwarded: {choice} }}"), CLAIMS);
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
            assert_eq!(request.fields.has(name), x, "{choice}: {request:?}");
        }
        assert_eq!(request.fields.has("forwarded"), standard, "{choice}: {request:?}");
    }
}

#[test]
fn a_host_with_a_port_is_quoted_in_forwarded() {
    let request = forwarded("{}", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
    assert_eq!(request.fields.get("forwarded"), Some("for=127.0.0.1;host=\"[::1]:8080\";proto=http"));
}

#[test]
fn absolute_form_becomes_origin_form() {
    for (target, host, expected) in [
        ("http://a/x?y", "a", "/x?y"),
        ("http://A:8080/x", "a:8080", "/x"),
        ("HTTP://a", "a", "/"),
        ("https://a/", "a", "/"),
    ] {
        let request = forwarded("{}", &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!((request.target.as_str(), request.fields.get("host")), (expected, Some(host)), "{target}");
    }
    let request = forwarded("{}", "GET http://a/x HTTP/1.0\r\n\r\n");
    assert_eq!((request.target.as_str(), request.fields.get("host")), ("/x", Some("a")));
}

#[test]
fn options_may_ask_for_the_server_itself() {
    let request = forwarded("{}", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((request.method.as_str(), request.target.as_str()), ("OPTIONS", "*"));
    // RFC 9112 section 3.2.4: the last proxy makes it `*` again.
    let request = forwarded("{}", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((request.method.as_str(), request.target.as_str()), ("OPTIONS", "*"));
    let request = forwarded("{}", "OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((request.method.as_str(), request.target.as_str()), ("OPTIONS", "/"));
}

#[test]
fn any_token_is_a_method() {
    for method in ["PROPFIND", "M-SEARCH", "get", "X!#$%&'*+-.^_`|~1"] {
        let request = forwarded("{}", &format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(request.method, method);
    }
}

#[test]
fn trace_is_not_carried() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    assert_eq!(weir.ask("TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n").status, 501);
    assert_eq!(origin.count(), 0);
}

#[test]
fn heads_may_be_as_large_as_the_limit() {
    const LIMIT: usize = 32 * 1024;
    let fill = |start: &str, end: &str| {
        let mut head = start.to_owned();
        // Some fields, none of them long, and one that fills up.
        for n in 0..50 {
            head += &format!("X-{n}: {}\r\n", "v".repeat(400));
        }
        let left = LIMIT - head.len() - end.len() - "X: \r\n".len();
        head + &format!("X: {}\r\n{end}", "w".repeat(left))
    };
    let answer = fill("HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n\r\n");
    let request = fill("GET /large HTTP/1.1\r\nHost: a\r\n", "\r\n");
    assert_eq!((answer.len(), request.len()), (LIMIT, LIMIT));
    let origin = Origin::answering(answer);
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for n in 1..=3 {
        let answer = client.send(&request).response();
        assert_eq!((answer.status, answer.fields.0.len()), (200, 52));
        assert_eq!(origin.requests().len(), n);
        let came = &origin.requests()[n - 1];
        assert_eq!(came.fields.get("x-49").map(str::len), Some(400));
        assert!(came.fields.get("x").is_some_and(|x| x.len() > 10_000));
    }
    let mut larger = request.clone();
    larger.insert(larger.len() - 4, 'w');
    assert_eq!(client.send(larger).response().status, 431);
}

/// CGI and WSGI turn both spellings into the same variable.
#[test]
fn what_a_stranger_claims_with_underscores_is_left_out_too() {
    let claims = "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 10.1.2.3\r\nx-forwarded_host: evil\r\nX_FORWARDED-PROTO: https\r\nX_Forwarded_Port: 1\r\n\r\n";
    let names = ["x_forwarded_for", "x-forwarded_host", "x_forwarded-proto"];
    let request = forwarded("{}", claims);
    assert!(names.iter().all(|name| !request.fields.has(name)), "{request:?}");
    assert!(request.fields.has("x_forwarded_port"), "others are not ours to judge");
    let request = forwarded("{ trusted_proxies: [127.0.0.0/8] }", claims);
    assert!(names.iter().all(|name| request.fields.has(name)), "{request:?}");
}

/// A listener on every address of the host sees clients of IPv4 in a form of IPv6.
#[test]
fn clients_of_ipv4_have_their_own_address_everywhere() {
    let origin = Origin::saying("ok");
    let text = weir_tests::weir::simple(&[&origin], "{ trusted_proxies: [10.0.0.0/8] }");
    let weir = Weir::start(&text.replace("bind: 127.0.0.1:0\n    http", "bind: \":0\"\n    http"));
    let listener = weir.address();
    assert!(listener.is_ipv6(), "{listener}");
    let mut client = weir_tests::Client::connect(([127, 0, 0, 1], listener.port()).into());
    assert_eq!(client.get("/").status, 200);
    let request = &origin.requests()[0];
    assert_eq!(request.fields.get("x-forwarded-for"), Some("127.0.0.1"));
    assert!(request.fields.get("forwarded").is_some_and(|value| value.starts_with("for=127.0.0.1;")));
}
