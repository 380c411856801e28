use std::time::Duration;

use super::load;
use crate::{HashKey, SameSite, Sticky, StickyBy};

#[test]
fn stickiness_has_its_defaults() {
    let config = load(
        r#"
listeners: [{ bind: ":80", routes: [{ match: { path: /x }, split: { a: 95, b: 5 }, split_sticky: { cookie: SIDE } }, { pool: c }] }]
pools:
  a: { servers: [10.0.0.1:80], sticky: { cookie: WEIR, keys: { file: /k }, same_site: strict } }
  b: { servers: [10.0.0.1:80], sticky: { app_cookie: ID, ttl: 5m } }
  c: { servers: [10.0.0.1:80], sticky: { table: "header:X-User", drain: 1m, size: 7 } }
"#,
    )
    .config;
    let secs = Duration::from_secs;
    let all: Vec<Sticky> = config.pools.iter().map(|pool| pool.sticky.clone().unwrap()).collect();
    let StickyBy::Cookie(cookie) = &all[0].by else { panic!("{all:?}") };
    assert_eq!((cookie.name.as_str(), cookie.same_site, cookie.no_cache), ("WEIR", SameSite::Strict, false));
    assert!(cookie.keys.is_some());
    assert_eq!((all[0].ttl, all[0].drain), (secs(8 * 3600), secs(8 * 3600)));
    assert_eq!(all[1].by, StickyBy::AppCookie { name: "ID".into(), size: 100_000 });
    assert_eq!((all[1].ttl, all[1].drain), (secs(300), secs(300)));
    assert_eq!(all[2].by, StickyBy::Table { key: HashKey::Header("x-user".into()), size: 7 });
    assert_eq!((all[2].ttl, all[2].drain), (secs(1800), secs(60)));
    let split = config.listeners[0].routes[0].split_sticky.as_ref().unwrap();
    assert_eq!((split.cookie.name.as_str(), split.ttl), ("SIDE", secs(24 * 3600)));
}

#[test]
fn the_effective_file_has_its_defaults_and_means_the_same() {
    let sticky = |sticky: &str| {
        let text = format!(
            "listeners: [{{ bind: \":80\", pool: a }}]\npools: {{ a: {{ servers: [10.0.0.1:80], sticky: {sticky} }} }}\n"
        );
        let checked = load(&text);
        let effective = checked.effective();
        assert_eq!(load(&effective).effective(), effective);
        assert_eq!(format!("{:?}", load(&effective).config), format!("{:?}", checked.config), "{effective}");
        effective
    };
    let own = sticky("{ cookie: WEIR, keys: { file: /k } }");
    for line in ["ttl: 8h", "drain: 8h", "same_site: lax", "no_cache: false"] {
        assert!(own.contains(line), "{line}\n{own}");
    }
    sticky("{ app_cookie: ID, size: 7 }");
    sticky("{ cookie: WEIR, no_cache: true, drain: 1m }");
    let table = sticky("{ table: client_ip, ttl: 5m }");
    assert!(
        table.contains("drain: 5m") && table.contains("size: 100000") && !table.contains("same_site"),
        "{table}"
    );
}

#[test]
fn cookies_that_take_each_other_away_are_warned_of() {
    let check = |routes: &str, expected: Option<&str>| {
        let pools = "
pools:
  a: { servers: [10.0.0.1:80], sticky: { cookie: WEIR } }
  b: { servers: [10.0.0.1:80], sticky: { cookie: WEIR } }
";
        let checked =
            load(&format!("listeners: [{{ name: web, bind: \":80\", routes: [{routes}] }}]{pools}"));
        let said: Vec<&str> = checked.warnings.iter().map(|warning| warning.message.as_str()).collect();
        let about = said.iter().find(|said| said.contains("both issue")).copied();
        assert_eq!(about, expected, "{routes}");
    };
    let both = Some("pool `a` and pool `b` both issue the cookie `WEIR`: a browser keeps only the last one");
    check("{ match: { path: /a }, pool: a }, { pool: b }", both);
    check("{ split: { a: 1, b: 1 } }", both);
    check(r#"{ match: { host: [a.de, b.de] }, pool: a }, { match: { host: "*.de" }, pool: b }"#, both);
    check("{ match: { host: a.de }, pool: a }, { match: { host: b.de }, pool: b }", None);
    check("{ match: { path: /a }, pool: a }, { pool: a }", None);
    let split = "split: { a: 1 }, split_sticky: { cookie: SIDE }";
    check(&format!("{{ match: {{ path: /a }}, {split} }}, {{ {split} }}"), None);
    let own = "route `web#1` and pool `a` both issue the cookie `WEIR`: a browser keeps only the last one";
    check("{ split: { a: 1 }, split_sticky: { cookie: WEIR } }", Some(own));
}
