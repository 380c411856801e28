use super::*;

#[track_caller]
fn check_host(written: &str, sent: &str, expected: bool) {
    check(&on_hosts(&[written]), &Sent { host: sent.into(), ..get("/") }, expected);
}

#[test]
fn a_name_matches_in_any_spelling() {
    check_host("shop.example.com", "shop.example.com", true);
    check_host("shop.example.com", "Shop.EXAMPLE.com", true);
    check_host("shop.example.com", "shop.example.com.", true);
    check_host("shop.example.com", "SHOP.example.com.:8080", true);
    check_host("shop.example.com", "shop.example.com:", true);
    check_host("shop.example.com.", "shop.example.com", true);
}

#[test]
fn another_name_does_not() {
    check_host("shop.example.com", "", false);
    check_host("shop.example.com", "example.com", false);
    check_host("shop.example.com", "a.shop.example.com", false);
    check_host("shop.example.com", "shop.example.com..", false);
    check_host("shop.example.com", "shop.example.com.evil.org", false);
    check_host("shop.example.com", "evil.org:shop.example.com", false);
}

#[test]
fn a_wildcard_stands_for_one_label_or_more() {
    check_host("*.example.com", "a.example.com", true);
    check_host("*.example.com", "A.b.Example.COM.:80", true);
    check_host("*.example.com", "example.com", false);
    check_host("*.example.com", ".example.com", false);
    check_host("*.example.com", "aexample.com", false);
    check_host("*.example.com", "evil-example.com", false);
    check_host("*.example.com", "a.example.com.org", false);
    check_host("*.example.com", "", false);
}

#[test]
fn a_port_must_be_the_one_that_was_sent() {
    check_host("example.com:8080", "example.com:8080", true);
    check_host("example.com:8080", "EXAMPLE.com.:8080", true);
    check_host("example.com:8080", "example.com:8081", false);
    check_host("example.com:80", "example.com", false);
    check_host("example.com:80", "example.com:+80", false);
    check_host("example.com:80", "example.com:65616", false);
    check_host("example.com:80", "example.com:80:80", false);
    check_host("*.example.com:8080", "a.example.com:8080", true);
    check_host("*.example.com:8080", "a.example.com", false);
}

#[test]
fn an_ipv6_address_keeps_its_colons() {
    check_host("[2001:db8::1]", "[2001:DB8::1]", true);
    check_host("[2001:db8::1]", "[2001:db8::1]:8080", true);
    check_host("[2001:db8::1]:8080", "[2001:db8::1]:8080", true);
    check_host("[2001:db8::1]:8080", "[2001:db8::1]", false);
    check_host("[2001:db8::1]", "[2001:db8::2]", false);
    check_host("[2001:db8::1]", "2001:db8::1", false);
}

#[test]
fn an_ipv6_address_matches_in_any_spelling() {
    check_host("[2001:db8::1]", "[2001:0DB8:0:0::0001]:8080", true);
    check_host("[2001:db8:0:0:0:0:0:1]", "[2001:db8::1]", true);
    check_host("[::ffff:192.0.2.1]", "[::ffff:c000:201]", true);
    check_host("[::ffff:192.0.2.1]", "192.0.2.1", false);
}

#[test]
fn one_of_several_is_enough() {
    let hosts = || on_hosts(&["a.example.com", "*.example.org"]);
    check(&hosts(), &get("a.example.com/"), true);
    check(&hosts(), &get("x.example.org/"), true);
    check(&hosts(), &get("x.example.com/"), false);
}

/// A table of many routes, each for one of `hosts`; which of them takes a request for `sent`.
fn find(hosts: &[String], sent: &str) -> Option<usize> {
    let many = hosts.iter().map(|host| on_hosts(&[host.as_str()])).collect::<Vec<_>>();
    assert!(many.len() >= crate::index::ROUTES_MIN);
    table(many).find(&Sent { host: sent.into(), ..get("/") }, &mut Vec::new())
}

#[test]
fn among_many_routes_the_first_in_the_written_order_takes_the_request() {
    let mut hosts: Vec<_> = (0..1000).map(|n| format!("site{n}.example.com")).collect();
    assert_eq!(find(&hosts, "SITE700.example.com.:80"), Some(700));
    assert_eq!(find(&hosts, "site1000.example.com"), None);
    assert_eq!(find(&hosts, ""), None);
    hosts[300] = "*.example.com".into();
    assert_eq!(find(&hosts, "site299.example.com"), Some(299));
    assert_eq!(find(&hosts, "site301.example.com"), Some(300));
    hosts[200] = "site301.example.com:81".into();
    assert_eq!(find(&hosts, "site301.example.com:81"), Some(200));
    assert_eq!(find(&hosts, "site301.example.com"), Some(300));
    hosts[100] = "[::1]".into();
    assert_eq!(find(&hosts, "[0:0::1]:8080"), Some(100));
}

#[test]
fn hosts_that_the_index_gives_up_on_are_found_all_the_same() {
    let name = |labels: usize| vec!["a"; labels].join(".");
    let hosts: Vec<_> = (1..=30).rev().map(|labels| format!("*.{}", name(labels))).collect();
    assert_eq!(find(&hosts, &name(31)), Some(0));
    assert_eq!(find(&hosts, &name(200)), Some(0));
    assert_eq!(find(&hosts, &name(3)), Some(28));
    assert_eq!(find(&hosts, "a"), None);
}
