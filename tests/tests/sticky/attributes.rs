//! The cookie itself: what it says to browsers, what servers see of it, how it ages.

use weir_tests::{
    Client, Origin, Weir,
    folder::Folder,
    pki::Authority,
    tls::{TlsClient, trusting},
    until,
};

use super::{ask, outcome, plain, saying, set};

fn line(answer: &weir_tests::Response) -> String {
    let line = answer.fields.get("set-cookie").expect("a cookie");
    let (value, attributes) = line.split_once("; ").expect("attributes");
    assert!(value.starts_with("WEIR=") && value.len() < 100, "{value}");
    attributes.to_owned()
}

#[test]
fn browsers_are_told_what_is_right_for_the_connection() {
    let origins = saying(&["a"]);
    let check = |sticky: &str, http: &str, fields: &str, expected: &str, cache: Option<&str>| {
        let file = plain(&[&origins[0]], sticky)
            .replace("    pool: web\n", &format!("    http: {http}\n    pool: web\n"));
        let weir = Weir::start(&file);
        let answer = ask(&mut weir.connect(), fields);
        assert_eq!((line(&answer).as_str(), answer.fields.get("cache-control")), (expected, cache));
    };
    let lax = "Path=/; Max-Age=28800; HttpOnly; SameSite=Lax";
    check("{ cookie: WEIR }", "{}", "", lax, None);
    let strict = "Path=/; Max-Age=60; HttpOnly; SameSite=Strict";
    check("{ cookie: WEIR, ttl: 1m, same_site: strict, no_cache: true }", "{}", "", strict, Some("private"));
    check(
        "{ cookie: WEIR, same_site: none }",
        "{}",
        "",
        "Path=/; Max-Age=28800; HttpOnly; SameSite=None; Secure",
        None,
    );
    // A proxy in front may say that its client came over HTTPS; a stranger may not.
    let https = "X-Forwarded-Proto: https\r\n";
    check("{ cookie: WEIR }", "{}", https, lax, None);
    check("{ cookie: WEIR }", "{ trusted_proxies: [127.0.0.0/8] }", https, &format!("{lax}; Secure"), None);
}

#[test]
fn over_tls_it_is_secure() {
    let authority = Authority::new();
    let folder = Folder::new("sticky-tls");
    let pem = folder.write("own.pem", &authority.server(&["a.example"]).both());
    let origins = saying(&["a"]);
    let file = plain(&[&origins[0]], "{ cookie: WEIR }")
        .replace("    pool: web\n", "    tls: { certificates: [own] }\n    pool: web\n");
    let file = format!("certificates: {{ own: {{ cert: {} }} }}\n{file}", pem.display());
    let weir = Weir::start(&file);
    let mut client = TlsClient::connect(weir.address(), &trusting(&authority), "a.example");
    assert!(line(&client.get("/")).ends_with("; Secure"));
}

#[test]
fn servers_do_not_see_it_and_see_all_others() {
    let origin = Origin::saying("a");
    let weir = Weir::start(&plain(&[&origin], "{ cookie: WEIR }"));
    let mut client = weir.connect();
    let own = set(&ask(&mut client, "")).expect("a cookie");
    let mut check = |cookies: &str, expected: Option<&str>| {
        origin.forget();
        ask(&mut client, &format!("Cookie: {cookies}\r\nX-Behind: 1\r\n"));
        let request = origin.requests().remove(0);
        assert_eq!(
            (request.fields.get("cookie"), request.fields.get("x-behind")),
            (expected, Some("1")),
            "{cookies}"
        );
    };
    check(&own, None);
    check(&format!("a=b; {own}; c=d"), Some("a=b; c=d"));
    check(&format!("{own}; a=b"), Some("a=b"));
    check("WEIR=forged; a=b", Some("a=b"));
    check("a=b; WEIRD=x", Some("a=b; WEIRD=x"));
}

#[test]
fn it_is_renewed_in_its_second_half_and_ends_after_its_time() {
    let origins = saying(&["a", "b"]);
    let weir = Weir::start(&plain(&[&origins[0], &origins[1]], "{ cookie: WEIR, ttl: 4s }"));
    let mut client = weir.connect();
    let first = ask(&mut client, "");
    let cookie = format!("Cookie: {}\r\n", set(&first).expect("a cookie"));
    assert_eq!(set(&ask(&mut client, &cookie)), None, "nothing new, nothing said");
    let mut renewed = None;
    until("it is renewed", || {
        let answer = ask(&mut client, &cookie);
        assert_eq!(answer.text(), first.text());
        renewed = set(&answer);
        renewed.is_some()
    });
    assert_eq!((outcome(&weir, "expired"), outcome(&weir, "new")), (0, 1));
    let renewed = format!("Cookie: {}\r\n", renewed.expect("waited for"));
    until("the first one has ended", || {
        ask(&mut client, &cookie);
        outcome(&weir, "expired") > 0
    });
    let kept = outcome(&weir, "kept");
    ask(&mut client, &renewed);
    assert_eq!(outcome(&weir, "kept"), kept + 1, "the new one lives on");
}

#[test]
fn an_upgrade_carries_it_and_an_answer_of_weirs_own_does_not() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection
            .send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n")?;
        connection.echo()
    });
    let weir = Weir::start(&plain(&[&origin], "{ cookie: WEIR }"));
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n");
    let head = client.head();
    assert!(head.line.contains("101") && head.fields.has("set-cookie"), "{head:?}");
    origin.kill();
    let mut client = Client::connect(weir.address());
    let answer = client.get("/");
    assert_eq!((answer.status, answer.fields.has("set-cookie")), (502, false));
}
