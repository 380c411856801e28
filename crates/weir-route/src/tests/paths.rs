use proptest::prelude::*;

use super::*;
use crate::normalise;

#[track_caller]
fn check_path(written: &str, sent: &str, expected: bool) {
    check(&on_path(written), &Sent { path: sent.into(), ..get("host") }, expected);
}

#[test]
fn exact_is_exact() {
    check_path("/api", "/api", true);
    check_path("/api", "/api/", false);
    check_path("/api/", "/api", false);
    check_path("/api", "/api/x", false);
    check_path("/api", "/API", false);
}

#[test]
fn a_prefix_ends_at_a_slash() {
    check_path("/api/*", "/api", true);
    check_path("/api/*", "/api/", true);
    check_path("/api/*", "/api/x/y", true);
    check_path("/api/*", "/apix", false);
    check_path("/api/*", "/ap", false);
    check_path("/api//*", "/api/", true);
    check_path("/api//*", "/api//x", true);
    check_path("/api//*", "/api/x", false);
    check_path("/*", "/", true);
    check_path("/*", "/anything", true);
    check_path("/*", "*", true);
    check_path("/*", "", true);
}

#[test]
fn a_regular_expression_finds_its_place_anywhere() {
    check_path("~ ^/v[0-9]+/", "/v12/x", true);
    check_path("~ ^/v[0-9]+/", "/a/v12/x", false);
    check_path("~ \\.php$", "/a/b.php", true);
    check_path("~ ^/v1/", "/x/../%76%31/", true);
}

#[test]
fn another_spelling_does_not_pass_by() {
    for sent in [
        "/admin",
        "/%61dmin",
        "/%61%64%6D%69%6e",
        "/x/../admin",
        "/./admin",
        "/x/%2e%2E/admin",
        "/%2e/admin",
        "/../../admin",
        "/.%2e/admin",
        "/x/y/.././../admin",
    ] {
        check_path("/admin", sent, true);
        check_path("/admin/*", sent, true);
        check_path("~ ^/admin$", sent, true);
        check_path("/x/*", sent, false);
    }
    check_path("/admin/*", "/admin/x/..", true);
    check_path("/admin/*", "/admin/..", false);
    check_path("/admin/*", "/admin/../", false);
}

#[test]
fn other_paths_are_not_the_same() {
    check_path("/admin", "//admin", false);
    check_path("/admin", "/admin//", false);
    check_path("/a/b", "/a%2Fb", false);
    check_path("/admin", "/%2561dmin", false);
    check_path("/admin", "/...admin", false);
    check_path("/admin", "/.../admin", false);
    check_path("/admin", "admin", false);
}

#[test]
fn a_route_may_be_written_in_any_spelling() {
    check_path("/%61dmin", "/admin", true);
    check_path("/caf\u{e9}/*", "/caf%C3%A9/x", true);
    check_path("/caf%c3%a9", "/caf%C3%a9", true);
    check_path("/a b", "/a%20b", true);
    check_path("/100%", "/100%25", true);
    check_path("/x/../*", "/anything", true);
}

#[test]
fn normal_forms() {
    for (sent, normal) in [
        ("", ""),
        ("*", "*"),
        ("/", "/"),
        ("/a/b.c/~d", "/a/b.c/~d"),
        ("/.", "/"),
        ("/..", "/"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/../..", "/"),
        ("/a//../b", "/a/b"),
        ("//..", "/"),
        ("//../", "/"),
        ("/.a/..b/c..", "/.a/..b/c.."),
        ("/%7e%2D%5f%2E", "/~-_."),
        ("/%2f%3F%41", "/%2F%3FA"),
        ("/%", "/%25"),
        ("/%4", "/%254"),
        ("/%zz", "/%25zz"),
        ("/%%34%31", "/%2541"),
        ("/%%2e/x", "/%25./x"),
        ("/\u{e9} \t\u{7f}", "/%C3%A9%20%09%7F"),
        // RFC 3986 section 5.2.4
        ("/a/b/c/./../../g", "/a/g"),
        // no path: its dots mean nothing
        ("a/../b%61", "a/../ba"),
    ] {
        let mut scratch = Vec::new();
        let found = normalise(sent.as_bytes(), &mut scratch);
        assert_eq!(str::from_utf8(found), Ok(normal), "{sent}");
    }
}

#[test]
fn contested_paths() {
    for (sent, contested) in [
        ("/x/../admin", false),
        ("/../admin", false),
        ("//admin", false),
        ("/a//b/../c", false),
        ("/x;y/a/../b", false),
        ("/x/..%2Fadmin", false),
        ("/x//./admin", false),
        ("/x//../admin", true),
        ("/x//%2e%2E/admin", true),
        ("/x//./../admin", true),
        ("/x//y/../../admin", true),
        ("//../admin", true),
        ("/x/%2f/../admin", true),
        ("/x/a%5cb/../admin", true),
        ("/x/a\\b/../admin", true),
        ("/x/;/../admin", true),
        ("/x/a;b=c/../../admin", true),
        ("*", false),
    ] {
        let routes = table([on_path("/admin/*")]);
        assert_eq!(routes.is_contested(&get(sent), &mut Vec::new()), contested, "{sent}");
    }
    // Without a route that asks for a path, none can be passed by.
    assert!(!table([Match::default()]).is_contested(&get("/x//../admin"), &mut Vec::new()));
}

#[test]
fn most_paths_are_not_copied() {
    let mut scratch = Vec::new();
    let path = b"/assets/img/logo-2.min.svg";
    assert_eq!(normalise(path, &mut scratch).as_ptr(), path.as_ptr());
    assert_eq!(scratch.capacity(), 0);
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own(path in "[/.%a2eE5\u{e9} ]{0,24}") {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        let once = normalise(path.as_bytes(), &mut once);
        prop_assert_eq!(normalise(once, &mut twice), once);
    }

    #[test]
    fn any_bytes_have_a_form(path in prop::collection::vec(any::<u8>(), 0..64)) {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        let once = normalise(&path, &mut once);
        prop_assert!(once.iter().all(u8::is_ascii_graphic));
        prop_assert_eq!(normalise(once, &mut twice), once);
    }
}
