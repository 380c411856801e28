use super::{Kind, Value};
use crate::tree::Scalar;

/// The value of unquoted text as it is debugged, or the message and the help.
fn check(kind: Kind, text: &str, expected: &str) {
    check_scalar(kind, text, false, expected);
}

fn check_quoted(kind: Kind, text: &str, expected: &str) {
    check_scalar(kind, text, true, expected);
}

fn check_scalar(kind: Kind, text: &str, quoted: bool, expected: &str) {
    let found = match kind.parse(&Scalar { text: text.to_owned(), quoted }) {
        Ok(Value::Text) => "fine".to_owned(),
        Ok(value) => format!("{value:?}"),
        Err(fault) => match fault.help {
            Some(help) => format!("{}; {help}", fault.message),
            None => fault.message,
        },
    };
    assert_eq!(found, expected, "{kind:?} {text:?}");
}

#[test]
fn durations() {
    check(Kind::Duration, "100ms", "Duration(100ms)");
    check(Kind::Duration, "2s", "Duration(2s)");
    check(Kind::Duration, "5m", "Duration(300s)");
    check(Kind::Duration, "8760h", "Duration(31536000s)");
    check(Kind::Duration, "8761h", "`8761h` is longer than a year");
    check(Kind::Duration, "99999999999999999999999h", "`99999999999999999999999h` is longer than a year");
    check(Kind::Duration, "0ms", "a duration must be longer than zero");
    check(Kind::Duration, "30", "`30` has no unit, did you mean `30s`?");
    check(Kind::Duration, "30S", "`30S` is not a duration, did you mean `30s`?");
    check(Kind::Duration, "2 min", "`2 min` is not a duration, did you mean `2m`?");
    check(Kind::Duration, "1.5s", "`1.5s` is not a whole number, did you mean `1500ms`?");
    let help = "write a whole number and a unit: `100ms`, `2s`, `5m` or `1h`";
    check(Kind::Duration, "1h30m", &format!("`1h30m` is not a duration; {help}"));
    check(Kind::Duration, "ms", &format!("`ms` is not a duration; {help}"));
    check(Kind::Duration, "1.5.5s", &format!("`1.5.5s` is not a duration; {help}"));
}

#[test]
fn sizes() {
    let kind = Kind::Size { min: 1024, max: 32 * 1024 };
    check(kind, "1KiB", "Number(1024)");
    check(kind, "2048B", "Number(2048)");
    check(kind, "1023B", "`1023B` is out of range: expected 1KiB to 32KiB");
    check(
        kind,
        "18446744073709551616TiB",
        "`18446744073709551616TiB` is out of range: expected 1KiB to 32KiB",
    );
    check(kind, "16K", "`16K` is not a size, did you mean `16KiB`?");
    check(kind, "16384", "`16384` has no unit, did you mean `16384B`?");
    let help = "write a whole number and a unit: `512B`, `16KiB`, `10MiB` or `1GiB`";
    check(kind, "large", &format!("`large` is not a size; {help}"));
}

#[test]
fn counts() {
    let kind = Kind::Count { min: 0, max: 1000 };
    check(kind, "0", "Number(0)");
    check(kind, "1000", "Number(1000)");
    check(kind, "1001", "`1001` is out of range: expected 0 to 1000");
    check(kind, "-1", "expected a whole number, found `-1`");
    check(kind, "010", "`010` begins with a zero, did you mean `10`?");
    check(kind, "1_000", "`1_000` is not a whole number, did you mean `1000`?");
    check(kind, "95%", "`95%` is not a whole number, did you mean `95`?");
    check_quoted(kind, "1", "expected a whole number, not text; take the quotes away");
    let kind = Kind::CountOrAuto { min: 1, max: 8 };
    check(kind, "auto", "Auto");
    check_quoted(kind, "auto", "Auto");
    check(kind, "all", "expected `auto` or a whole number, found `all`");
}

#[test]
fn shares() {
    let kind = Kind::Share { min: 1, max: 100 };
    check(kind, "20%", "Number(20)");
    check(kind, "0%", "`0%` is out of range: expected 1% to 100%");
    check(kind, "101%", "`101%` is out of range: expected 1% to 100%");
    check(kind, "20", "`20` has no unit, did you mean `20%`?");
    check(kind, "0.2", "`0.2` is not a share, did you mean `20%`?");
    check(kind, "some", "`some` is not a share; write a whole number: `20%`");
    check(
        kind,
        "99999999999999999999%",
        "`99999999999999999999%` is not a share; write a whole number: `20%`",
    );
}

#[test]
fn failures() {
    let kind = Kind::RetryCondition;
    check(kind, "connect_failure", "Retry(ConnectFailure)");
    check(kind, "503", "Retry(Status(503, 503))");
    check_quoted(kind, "502-504", "Retry(Status(502, 504))");
    check(kind, "grpc_unavailable", "Retry(Grpc(14))");
    let expected = "`connect_failure`, `reset`, `timeout`, `grpc_cancelled`, `grpc_deadline_exceeded`, `grpc_resource_exhausted`, `grpc_aborted`, `grpc_internal`, `grpc_unavailable`";
    let expected = format!("expected a status like `503` or `502-504`, {expected}");
    check(
        kind,
        "conect_failure",
        &format!("unknown value `conect_failure`, did you mean `connect_failure`?; {expected}"),
    );
    check(kind, "always", &format!("unknown value `always`; {expected}"));
    check(kind, "200", "`200` is not a failure; statuses from 400 to 599 can be tried again");
    check(kind, "5xx", "`5xx` is not a range, did you mean `500-599`?");
}

#[test]
fn delays_of_a_hedge() {
    check(Kind::HedgeDelay, "50ms", "Hedge(Time(50ms))");
    check(Kind::HedgeDelay, "p95", "Hedge(Percentile(95))");
    check(Kind::HedgeDelay, "p100", "`p100` is not a percentile; write `p50` to `p99`");
    check(Kind::HedgeDelay, "95%", "`95%` is not a duration; write a time like `50ms`, or `p95`");
}

#[test]
fn addresses_to_listen_on() {
    check(Kind::Bind, ":80", "Address([::]:80)");
    check(Kind::Bind, "127.0.0.1:0", "Address(127.0.0.1:0)");
    check(Kind::Bind, "[::1]:80", "Address([::1]:80)");
    let help = "write \":80\" to listen on every address of the host";
    check(Kind::Bind, "*:80", &format!("`*:80` is not an address to listen on; {help}"));
    check(Kind::Bind, "80", &format!("`80` is not an address to listen on; {help}"));
    check(Kind::Bind, "::1", "`::1` has no port; write it like `[::1]:8080`");
    check(Kind::Bind, "unix:/run/x", "unix sockets are not supported yet");
    let help = "write `\":8080\"` for every address of the host, or `IP:PORT`, or `[IPV6]:PORT`";
    check(Kind::Bind, ":65536", &format!("`:65536` is not an address to listen on; {help}"));
    check(Kind::Bind, ":+80", &format!("`:+80` is not an address to listen on; {help}"));
}

#[test]
fn addresses_of_servers() {
    check(Kind::ServerAddress, "10.0.0.1:80", "Address(10.0.0.1:80)");
    check(Kind::ServerAddress, "[fd00::1]:80", "Address([fd00::1]:80)");
    let help = "write the IP address; names come with `discover`, which is not supported yet";
    check(Kind::ServerAddress, "app", &format!("`app` is a name, not an address; {help}"));
    check(
        Kind::ServerAddress,
        "app.internal:80",
        &format!("`app.internal` is a name, not an address; {help}"),
    );
    let help = "write the IP address of one machine";
    check(
        Kind::ServerAddress,
        "224.0.0.1:80",
        &format!("`224.0.0.1:80` is not an address of a server; {help}"),
    );
    check(Kind::ServerAddress, "[::]:80", &format!("`[::]:80` is not an address of a server; {help}"));
}

#[test]
fn networks() {
    check(Kind::Network, "10.0.0.0/8", "Network(10.0.0.0/8)");
    check(Kind::Network, "10.1.2.3", "Network(10.1.2.3/32)");
    check(Kind::Network, "fd00::/8", "Network(fd00::/8)");
    check(Kind::Network, "::ffff:10.0.0.0/104", "Network(10.0.0.0/8)");
    check(Kind::Network, "::ffff:10.1.2.3", "Network(10.1.2.3/32)");
    check(Kind::Network, "::/0", "Network(::/0)");
    let message = "`10.1.2.3/8` has bits set behind its prefix, did you mean `10.0.0.0/8`?";
    check(Kind::Network, "10.1.2.3/8", message);
}

#[test]
fn hosts() {
    let host = |name: &str, wildcard, port: &str| {
        format!("Host(HostPattern {{ name: {name:?}, wildcard: {wildcard}, port: {port} }})")
    };
    check(Kind::HostPattern, "Shop.Example", &host("shop.example", false, "None"));
    check(Kind::HostPattern, "*.shop.example:8080", &host("shop.example", true, "Some(8080)"));
    check(Kind::HostPattern, "[::1]:80", &host("[::1]", false, "Some(80)"));
    check(Kind::HostPattern, "shop.example.", "a host ends without a dot, did you mean `shop.example`?");
    check(Kind::HostPattern, "::1", "an IPv6 address stands in brackets, did you mean `[::1]`?");
    check(Kind::HostPattern, "*.10.0.0.1", "`*.10.0.0.1`: there are no names below an IP address");
    check(Kind::HostPattern, "-a.example", "`-a.example` is not a host");
    check(Kind::Host, "files.internal:8080", "fine");
    check(Kind::HostName, "files.internal", "fine");
    check(Kind::HostName, "a.example:80", "`a.example:80` has a port, which does not belong here");
}

#[test]
fn paths() {
    check(Kind::PathPattern, "/api", "Path(Exact(\"/api\"))");
    check(Kind::PathPattern, "/api/*", "Path(Prefix(\"/api\"))");
    check(Kind::PathPattern, "/*", "Path(Prefix(\"\"))");
    check(Kind::PathPattern, "/", "Path(Exact(\"/\"))");
    check(Kind::PathPattern, "/a b", "a space cannot stand in a path; write it as `%20`");
    check(Kind::PathPattern, "/a#b", "`/a#b` has a fragment (`#`), which no request carries");
    let help = "`*` stands only at the end, after a `/`; for anything else there is `~ REGEX`";
    check(Kind::PathPattern, "/api*", &format!("`/api*` has a `*` where none can be; {help}"));
    check(Kind::PathPattern, "*.php", "`*.php` does not begin with `/`");
    check(Kind::PathPrefix, "/api", "fine");
    check(Kind::PathPrefix, "/api/", "a prefix ends without `/`, did you mean `/api`?");
    check(Kind::PathPrefix, "/", "`/` takes nothing away");
    check(Kind::Target, "/healthz?deep=1", "fine");
    check(Kind::Target, "/a[]=1;b@c:d", "fine");
    check(Kind::Target, "/<id>", "`<` cannot stand in a path; write it as `%3C`");
    check(Kind::Target, "/`", "``` cannot stand in a path; write it as `%60`");
    check(Kind::Target, &format!("/{}", "a".repeat(8192)), "the path is longer than 8192 bytes");
    check(Kind::Location, "https://shop.example/new#top", "fine");
    let help = "write a URL, `https://HOST/PATH`, or a path, `/PATH`";
    check(Kind::Location, "ftp://a/", &format!("`ftp://a/` is no place to redirect to; {help}"));
}

#[test]
fn regular_expressions_are_over_bytes_and_bounded() {
    let Ok(Value::Pattern(crate::ValuePattern::Regex(pattern))) =
        Kind::ValuePattern.parse(&Scalar { text: "~  ^\\w+$".to_owned(), quoted: true })
    else {
        panic!("not a regular expression");
    };
    assert_eq!(pattern.text, "^\\w+$");
    assert!(pattern.regex.is_match(b"web_1"));
    assert!(!pattern.regex.is_match("wéb".as_bytes()), "classes are ASCII");
    assert!(!pattern.regex.is_match(b"\xff"));
    check_quoted(Kind::ValuePattern, "~ [", "not a regular expression: unclosed character class");
    let message = "a regular expression is written as `~ REGEX`, with a space after `~`";
    check_quoted(Kind::ValuePattern, "~ ", message);
    check_quoted(Kind::ValuePattern, "~x", message);
    let help = "count less: `{1000}` repeats what stands before it a thousand times";
    let message = format!("the regular expression is too large; {help}");
    check_quoted(Kind::ValuePattern, "~ (a{1000}){1000}", &message);
}

#[test]
fn values_in_matches() {
    check(Kind::ValuePattern, "web", "Pattern(Exact(\"web\"))");
    check_quoted(Kind::ValuePattern, "*", "Pattern(Present)");
    check_quoted(Kind::ValuePattern, "1", "Pattern(Exact(\"1\"))");
    check_quoted(Kind::ValuePattern, "a\0", "a control character can stand in no value");
}

#[test]
fn text_that_other_readers_take_for_something_else() {
    let message = |text: &str, what: &str| {
        format!("plain `{text}` is {what} to some readers of YAML; write \"{text}\", in quotes")
    };
    for text in ["yes", "No", "ON", "off", "true", "y"] {
        check(Kind::HeaderValue, text, &message(text, "a boolean"));
        check_quoted(Kind::HeaderValue, text, "fine");
    }
    for text in ["1", "-1.5", "+1e3", "0x1f", "0o17", "1_000", "1:30", "1:30.5", ".5", ".inf", "-.NaN"] {
        check(Kind::HeaderValue, text, &message(text, "a number"));
    }
    check(Kind::HeaderValue, "2026-11-20", &message("2026-11-20", "a date"));
    for text in ["10.0.0.1", "1.2.3", "10.0.0.1:80", "a1", "1a", "v1.0", "-", "2026-11-20x", "12-34"] {
        check(Kind::HeaderValue, text, "fine");
    }
}

#[test]
fn methods_and_header_fields() {
    check(Kind::Method, "GET", "fine");
    check(Kind::Method, "PROPFIND", "fine");
    let help = "methods are written in capitals, as they are sent";
    check(Kind::Method, "post", &format!("`post` is not a known method, did you mean `POST`?; {help}"));
    check(Kind::Method, "G T", "`G T` is not a method");
    check(Kind::EditedHeader, "x-team", "fine");
    check(Kind::HeaderName, "content-length", "fine");
    let help = "it says where a message ends, and Weir writes it itself";
    check(Kind::EditedHeader, "Content-Length", &format!("`Content-Length` cannot be edited; {help}"));
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"] {
        let help = "it belongs to one connection, and Weir writes it itself";
        check(Kind::EditedHeader, name, &format!("`{name}` cannot be edited; {help}"));
    }
    check_quoted(Kind::HeaderValue, "a\r\nx: y", "a header field cannot hold a line break");
    check_quoted(Kind::HeaderValue, "", "fine");
}

#[test]
fn status_codes() {
    check(Kind::StatusRange, "200", "Range(200, 200)");
    check(Kind::StatusRange, "200-399", "Range(200, 399)");
    let help = "write `200` or `200-299`, from 200 to 599";
    check(Kind::StatusRange, "100", &format!("`100` is not a status code or a range of them; {help}"));
    check(Kind::StatusRange, "200-", &format!("`200-` is not a status code or a range of them; {help}"));
    check(Kind::RedirectStatus, "307", "Number(307)");
}

#[test]
fn names_and_targets() {
    check(Kind::Name, "pg-primary", "fine");
    check(Kind::Name, ":8080#12", "fine");
    let help = "a name is one word of at most 128 characters, without quotes";
    check(Kind::Name, "old blog", &format!("`old blog` is not a name; {help}"));
    check(Kind::Name, "a#b", &format!("`a#b` is not a name; {help}"));
    check(Kind::LogTarget, "stderr", "fine");
    check(Kind::LogTarget, "/var/log/weir.log", "fine");
    check(Kind::HashKey, "header:X-User", "Hash(Header(\"x-user\"))");
    check(Kind::HashKey, "cookie:id", "Hash(Cookie(\"id\"))");
    check(Kind::HashKey, "query:q", "Hash(Query(\"q\"))");
    check(Kind::HashKey, "path", "Hash(Path)");
    check(Kind::HashKey, "client_ip", "Hash(ClientIp)");
}

#[test]
fn files_and_variables() {
    check(Kind::File, "/etc/weir/shop.pem", "fine");
    check(Kind::File, "./shop.pem", "fine");
    let help = "a path is written with a `/`: `/etc/weir/shop.pem` or `./shop.pem`";
    check(Kind::File, "shop.pem", &format!("`shop.pem` is not the path of a file; {help}"));
    check(Kind::EnvName, "SHOP_KEY", "fine");
    check(Kind::EnvName, "8KEY", "`8KEY` is not the name of an environment variable");
    check(
        Kind::EnvName,
        "${KEY}",
        "`${KEY}` is not the name of an environment variable; did you mean `KEY`, without `$`?",
    );
}

#[test]
fn tls_versions_and_cipher_suites() {
    let help = "expected `\"1.2\"` or `\"1.3\"`";
    check_quoted(Kind::TlsVersion, "1.2", "Tls(Tls12)");
    check_quoted(Kind::TlsVersion, "1.3", "Tls(Tls13)");
    check(
        Kind::TlsVersion,
        "1.3",
        "plain `1.3` is a number to some readers of YAML; write \"1.3\", in quotes",
    );
    for text in ["TLSv1.2", "tls1_2", "TLS 1.2"] {
        let expected = format!("unknown value `{text}`, did you mean `\"1.2\"`?; {help}");
        check(Kind::TlsVersion, text, &expected);
    }
    check(
        Kind::TlsVersion,
        "TLSv1",
        &format!("`TLSv1` is no longer safe, and not supported (RFC 8996); {help}"),
    );
    check(Kind::CipherSuite, "TLS_AES_128_GCM_SHA256", "Cipher(TLS_AES_128_GCM_SHA256)");
    check(
        Kind::CipherSuite,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "unknown cipher suite `ECDHE-ECDSA-CHACHA20-POLY1305`, did you mean `TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256`?",
    );
    let words =
        |text: &str| Kind::CipherSuite.parse(&Scalar { text: text.to_owned(), quoted: false }).is_err();
    assert!(["HIGH:!aNULL", "TLS_RSA_WITH_AES_128_CBC_SHA", "RC4", ""].into_iter().all(words));
}

#[test]
fn acme() {
    check(Kind::AcmeDomain, "shop.example.com", "fine");
    check(Kind::AcmeDomain, "localhost", "fine");
    check(
        Kind::AcmeDomain,
        "[2001:db8::1]",
        "`[2001:db8::1]` is an IP address, for which no certificate is ordered",
    );
    check(
        Kind::AcmeDomain,
        "a.example.com:443",
        "`a.example.com:443` has a port, which does not belong here",
    );
    check(Kind::Challenge, "http-01", "Challenge(Http01)");
    check(Kind::Challenge, "tls-alpn-01", "Challenge(TlsAlpn01)");
    check(Kind::Email, "ops@example.com", "fine");
    check(Kind::Email, "ops", "`ops` is not an address of mail");
    check(Kind::HttpsUrl, "https://acme.example.com:14000/dir", "fine");
    check(Kind::HttpsUrl, "acme.example.com", "`acme.example.com` is not a URL; write `https://HOST/PATH`");
    check(Kind::HttpsUrl, "https://a b/", "`https://a b/` is not a URL; write `https://HOST/PATH`");
}

#[test]
fn grpc_services_and_rates() {
    check_quoted(Kind::GrpcService, "", "fine");
    check(Kind::GrpcService, "shop.v1.Orders", "fine");
    check(Kind::Rate, "100/s", "Rate(Rate { count: 100, per: 1s })");
    check(Kind::Rate, "7/h", "Rate(Rate { count: 7, per: 3600s })");
    let help = "write a whole number and a unit: `100/s`, `600/m` or `1000/h`";
    for text in ["100", "/s", "1.5/s", "-1/s", "100/d", "+1/s"] {
        check(Kind::Rate, text, &format!("`{text}` is not a rate; {help}"));
    }
}
