/// Whether a route with the second match is reported after one with the first.
fn check(first: &str, second: &str, dead: bool) {
    let text = format!(
        "listeners:\n  - bind: :80\n    routes:\n      - {{ match: {{ {first} }}, pool: web }}\n      \
         - {{ match: {{ {second} }}, pool: web }}\npools:\n  web: {{ servers: [10.0.0.1:80] }}\n"
    );
    let found = match crate::check("f", &text) {
        Ok(_) => false,
        Err(errors) => {
            assert_eq!(errors.findings.len(), 1, "{errors}");
            assert!(errors.findings[0].message.starts_with("this route can never match"), "{errors}");
            assert_eq!(errors.findings[0].place.as_ref().unwrap().line, 5);
            true
        }
    };
    assert_eq!(found, dead, "{first} before {second}");
}

#[test]
fn everything_is_within_everything() {
    check("", "", true);
    check("", "path: /a, methods: [GET], client: [10.0.0.0/8]", true);
    check("path: /a", "", false);
}

#[test]
fn paths() {
    check("path: /a", "path: /a", true);
    check("path: /a", "path: /a/", false);
    check("path: /a", "path: /a/*", false);
    check("path: /a/*", "path: /a", true);
    check("path: /a/*", "path: /a/b/*", true);
    check("path: /a/*", "path: /ab", false);
    check("path: /*", "path: /a/*", true);
    // `OPTIONS *` has no path.
    check("path: /*", "methods: [OPTIONS]", false);
    check("path: \"~ ^/a\"", "path: /ab", true);
    check("path: \"~ ^/a$\"", "path: /ab", false);
    check("path: \"~ ^/a\"", "path: \"~ ^/a\"", true);
    check("path: \"~ ^/a\"", "path: /a/*", false);
    check("path: /a/*", "path: \"~ ^/a/\"", false);
}

#[test]
fn paths_in_another_form_than_they_are_compared_in() {
    check("path: \"~ ^/%61\"", "path: /%61dmin", false);
    check("path: /a/*", "path: /a/../b", false);
    check("path: /a/../b/*", "path: /a/../b/c", false);
    check("path: /a%2Fb", "path: /a%2Fb", true);
    check("path: /a%2Fb/*", "path: /a%2Fb/*", true);
    check("path: /a%2Fb/*", "path: /a%2Fb", false);
}

#[test]
fn hosts() {
    check("host: a.example", "host: A.example", true);
    check("host: a.example", "host: a.example:80", true);
    check("host: a.example:80", "host: a.example", false);
    check("host: \"*.example\"", "host: [a.example, b.a.example]", true);
    check("host: \"*.example\"", "host: [a.example, example]", false);
    check("host: \"*.example\"", "host: \"*.a.example\"", true);
    check("host: \"*.a.example\"", "host: \"*.example\"", false);
    check("host: \"*.example\"", "host: aexample", false);
    check("host: \"*.a.example\"", "host: \"*.a.example\"", true);
    check("host: [a.example, b.example]", "host: b.example", true);
    check("host: a.example", "path: /", false);
}

#[test]
fn methods_and_clients() {
    check("methods: [GET, HEAD]", "methods: [HEAD]", true);
    check("methods: [GET]", "methods: [GET, HEAD]", false);
    check("client: [10.0.0.0/8]", "client: [10.1.0.0/16, 10.2.0.1]", true);
    check("client: [10.0.0.0/8]", "client: [10.1.0.0/16, 192.0.2.1]", false);
    check("client: [10.0.0.0/8]", "methods: [GET]", false);
    // IPv4 addresses are compared as such, however they are written.
    check("client: [\"::/0\"]", "client: [\"::ffff:10.0.0.0/104\"]", false);
    check("client: [\"::ffff:10.0.0.0/104\"]", "client: [10.1.0.0/16]", true);
}

#[test]
fn values() {
    check("headers: { a: \"*\" }", "headers: { A: x }", true);
    check("headers: { a: x }", "headers: { a: \"*\" }", false);
    check("headers: { a: x }", "headers: { a: x, b: z }", true);
    check("headers: { a: x, b: z }", "headers: { a: x }", false);
    check("headers: { a: \"~ ^x\" }", "headers: { a: xy }", true);
    check("headers: { a: x }", "cookies: { a: x }", false);
    check("cookies: { a: x }", "cookies: { A: x }", false);
    check("query: { a: x }", "query: { a: x }, path: /b", true);
}
