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
