use super::*;

#[track_caller]
fn check_header(wanted: &str, sent: &[&str], expected: bool) {
    let request = sent.iter().fold(get("host/"), |request, value| request.field("x-team", value));
    check(&Match { headers: values(&[("x-team", wanted)]), ..Match::default() }, &request, expected);
}

#[test]
fn headers() {
    check_header("web", &["web"], true);
    check_header("web", &["Web"], false);
    check_header("web", &["web, qa"], false);
    check_header("web", &["qa", "web"], true);
    check_header("web", &[], false);
    check_header("", &[""], true);
    check_header("~ ^(web|qa)$", &["qa"], true);
    check_header("~ ^(web|qa)$", &["qas"], false);
    check_header("*", &[""], true);
    check_header("*", &[], false);
}

#[track_caller]
fn check_cookie(wanted: (&str, &str), sent: &[&str], expected: bool) {
    let request = sent.iter().fold(get("host/"), |request, value| request.field("cookie", value));
    check(&Match { cookies: values(&[wanted]), ..Match::default() }, &request, expected);
}

#[test]
fn cookies() {
    check_cookie(("beta", "1"), &["beta=1"], true);
    check_cookie(("beta", "1"), &["a=b; beta=1;c=d"], true);
    check_cookie(("beta", "1"), &["a=b", "c=d; beta=1"], true);
    check_cookie(("beta", "1"), &["beta=2; beta=1"], true);
    check_cookie(("beta", "1"), &["alphabeta=1"], false);
    check_cookie(("beta", "1"), &["Beta=1"], false);
    check_cookie(("beta", "1"), &["beta=11"], false);
    check_cookie(("beta", "1"), &["beta=\"1\""], false);
    check_cookie(("beta", "1"), &["a=;beta=1"], true);
    check_cookie(("beta", "1"), &["a=beta=1"], false);
    check_cookie(("a", "b=c"), &["a=b=c"], true);
    check_cookie(("beta", "1"), &["beta"], false);
    check_cookie(("beta", "*"), &["beta="], true);
    check_cookie(("beta", "*"), &["beta"], false);
    check_cookie(("beta", "*"), &[], false);
    check_cookie(("beta", "~ ^1"), &[";; ; beta = 123 "], true);
}

#[test]
fn cookies_after_the_last_that_is_looked_at_are_not_there() {
    let cookies = |before: usize| format!("{}beta=1", "a=b; ".repeat(before));
    check_cookie(("beta", "1"), &[&cookies(255)], true);
    check_cookie(("beta", "1"), &[&cookies(256)], false);
    check_cookie(("beta", "1"), &[&cookies(200), &cookies(200)], true);
    check_cookie(("beta", "1"), &["a=b;".repeat(300).as_str(), "beta=1"], false);
}

#[track_caller]
fn check_query(wanted: (&str, &str), sent: &str, expected: bool) {
    check(&Match { query: values(&[wanted]), ..Match::default() }, &get(&format!("host/{sent}")), expected);
}

#[test]
fn query_parameters() {
    check_query(("q", "1"), "?q=1", true);
    check_query(("q", "1"), "?a=b&q=1&c=d", true);
    check_query(("q", "1"), "?q=2&q=1", true);
    check_query(("q", "1"), "?q=11", false);
    check_query(("q", "1"), "?Q=1", false);
    check_query(("q", "1"), "?a=q=1", false);
    check_query(("q", "1"), "?a;q=1", false);
    check_query(("q", "1"), "?", false);
    check_query(("q", "1"), "", false);
    check_query(("q", "*"), "?q", true);
    check_query(("q", "*"), "?&&q=&", true);
    check_query(("q", "*"), "", false);
    check_query(("q", ""), "?q", true);
    check_query(("a=b", "c=d"), "?a%3Db=c=d", true);
}

#[test]
fn query_parameters_are_decoded() {
    check_query(("q", "a b"), "?q=a+b", true);
    check_query(("q", "a b"), "?q=a%20b", true);
    check_query(("q", "a+b"), "?q=a%2Bb", true);
    check_query(("q", "\u{fc}"), "?%71=%c3%BC", true);
    check_query(("q", "100%"), "?q=100%", true);
    check_query(("q", "%zz"), "?q=%zz", true);
    check_query(("q", "~ ^a b$"), "?x=%20&q=a+b", true);
}

#[test]
fn a_path_and_a_query_are_both_decoded() {
    let matches = |query| Match { query: values(&[("q", query)]), ..on_path("~ ^/a-b$") };
    check(&matches("~ ^x y$"), &get("host/./a%2db?q=x+y"), true);
    check(&matches("x y"), &get("host/./a%2db?q=x%20y"), true);
    check(&matches("x z"), &get("host/./a%2db?q=x%20y"), false);
}

#[test]
fn parameters_after_the_last_that_is_looked_at_are_not_there() {
    check_query(("q", "1"), &format!("?{}q=1", "a=b&".repeat(255)), true);
    check_query(("q", "1"), &format!("?{}q=1", "a=b&".repeat(256)), false);
}

#[track_caller]
fn check_client(networks: &[&str], client: &str, expected: bool) {
    let clients = networks.iter().map(|network| network.parse().expect("a network")).collect();
    check(&Match { clients, ..Match::default() }, &get("host/").from(client), expected);
}

#[test]
fn clients() {
    check_client(&["10.0.0.0/8"], "10.255.0.1", true);
    check_client(&["10.0.0.0/8"], "11.0.0.1", false);
    check_client(&["192.168.0.0/16", "10.0.0.0/8"], "10.0.0.1", true);
    check_client(&["2001:db8::/32"], "2001:db8:1::1", true);
    check_client(&["2001:db8::/32"], "2001:db9::1", false);
    check_client(&["10.0.0.0/8"], "2001:db8::1", false);
    check_client(&["0.0.0.0/0"], "10.0.0.1", true);
    check_client(&["::/0"], "10.0.0.1", false);
}

#[test]
fn an_ipv4_client_is_the_same_on_an_ipv6_socket() {
    check_client(&["10.0.0.0/8"], "::ffff:10.1.2.3", true);
    check_client(&["::/0"], "::ffff:10.1.2.3", false);
}

#[test]
fn methods_are_told_apart_by_case() {
    let matches = || Match { methods: vec!["PURGE".into(), "get".into()], ..Match::default() };
    check(&matches(), &get("host/").method("PURGE"), true);
    check(&matches(), &get("host/").method("get"), true);
    check(&matches(), &get("host/"), false);
}
