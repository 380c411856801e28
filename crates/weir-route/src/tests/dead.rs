//! A route that the check of the configuration calls dead takes no request that the earlier one would not.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{agreement::request, *};

/// A `match` as in the file.
fn written() -> impl Strategy<Value = String> {
    let one = |key: &'static str, values: Vec<&'static str>| {
        option::weighted(0.3, select(values))
            .prop_map(move |value| value.map(|value| format!("{key}: {value}")))
    };
    let host =
        vec!["example", "B.com", "\"*.com\"", "\"*.b.com\"", "\"a:80\"", "[a, \"*.example\"]", "\"[::1]\""];
    let path =
        vec!["/a", "/b", "/*", "/a/*", "/a/b", "/a/../b", "/%61", "/b/../a/*", "\"~ ^/a\"", "\"~ %\"", "//"];
    let client =
        vec!["[10.0.0.0/8]", "[10.1.0.0/16]", "[\"::/0\"]", "[\"::ffff:10.0.0.0/104\"]", "[0.0.0.0/0]"];
    let values = vec![
        "{ x: \"*\" }",
        "{ x: \"1\" }",
        "{ x: \"~ ^1\" }",
        "{ \"y\": \"12\" }",
        "{ x: \"1\", \"y\": \"*\" }",
    ];
    let keys = (
        one("host", host),
        one("path", path),
        one("client", client),
        one("methods", vec!["[GET]", "[GET, POST]"]),
        one("headers", values.clone()),
        one("cookies", values.clone()),
        one("query", values),
    );
    keys.prop_map(|(host, path, client, methods, headers, cookies, query)| {
        let keys = [host, path, client, methods, headers, cookies, query];
        format!("{{ {} }}", keys.into_iter().flatten().collect::<Vec<_>>().join(", "))
    })
}

fn load(matches: &[&str]) -> Result<Table, weir_config::Errors> {
    let routes: String = matches
        .iter()
        .map(|written| format!("      - {{ match: {written}, respond: {{ status: 200 }} }}\n"))
        .collect();
    let text = format!("listeners:\n  - bind: 127.0.0.1:0\n    routes:\n{routes}");
    weir_config::check("f", &text).map(|checked| Table::new(&checked.config.listeners[0].routes))
}

proptest! {
    #[test]
    fn a_dead_route_is_dead(first in written(), second in written(), requests in vec(request(), 40)) {
        let Err(errors) = load(&[&first, &second]) else { return Ok(()) };
        prop_assert!(errors.findings[0].message.starts_with("this route can never match"), "{}", errors);
        let (first_table, second_table) = (load(&[&first]).expect("right"), load(&[&second]).expect("right"));
        for sent in requests {
            let taken = |table: &Table| table.find(&sent, &mut Vec::new()).is_some();
            prop_assert!(!taken(&second_table) || taken(&first_table), "{first} before {second}: {sent:?}");
        }
    }
}
