//! The table agrees with a reference that is slow and plain: text is split, copied and decoded at will.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

/// Few words, so that routes and requests often meet.
fn host_name() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "B", "example", "com", "", "[::1]"]), 0..4).prop_map(|labels| labels.join("."))
}

fn host_pattern() -> impl Strategy<Value = HostPattern> + Clone {
    let name = vec(select(vec!["a", "b", "example", "com"]), 1..4).prop_map(|labels| labels.join("."));
    (name, any::<bool>(), option::of(select(vec![80, 8080]))).prop_map(|(name, wildcard, port)| HostPattern {
        name,
        wildcard,
        port,
    })
}

fn some_path() -> impl Strategy<Value = String> {
    let piece = select(vec!["/", "/", "a", "b", ".", "..", "%61", "%2e", "%2F", "%", "%C3", "\u{fc}", " "]);
    vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn path_pattern() -> impl Strategy<Value = PathPattern> {
    let written =
        select(vec!["/", "/a", "/a/*", "/*", "/a/b", "/a/b/*", "/%62", "~ ^/a", "~ b$", "/b/../a/*"]);
    written.prop_map(path)
}

fn value_pattern() -> impl Strategy<Value = (String, ValuePattern)> + Clone {
    let written = select(vec!["1", "a b", "*", "", "~ ^1", "~ b$"]);
    (select(vec!["x", "y"]), written).prop_map(|(name, written)| (name.to_owned(), value(written)))
}

/// Mostly nothing: a route with many conditions takes hardly any request.
fn rarely<T: std::fmt::Debug + Clone>(
    one: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![6 => Just(Vec::new()), 1 => vec(one, 1..3)]
}

fn matches() -> impl Strategy<Value = Match> {
    let networks = select(vec!["10.0.0.0/8", "2001:db8::/32", "::/0"]);
    (
        prop_oneof![Just(Vec::new()), vec(host_pattern(), 1..3)],
        option::of(path_pattern()),
        rarely(select(vec!["GET", "POST"]).prop_map(str::to_owned)),
        rarely(value_pattern()),
        rarely(value_pattern()),
        rarely(value_pattern()),
        rarely(networks),
    )
        .prop_map(|(hosts, path, methods, headers, cookies, query, clients)| Match {
            hosts,
            path,
            methods,
            headers,
            cookies,
            query,
            clients: clients.into_iter().map(|network| network.parse().expect("a network")).collect(),
        })
}

pub(super) fn request() -> impl Strategy<Value = Sent> {
    let port = select(vec!["", ":", ":80", ":8080", ".:80", ":x", ":080", ":+80"]);
    let query = "[xy=&+%12b ]{0,12}".prop_map(String::into_bytes);
    let cookies = vec("[xy=; 1ab]{0,12}".prop_map(|value| ("cookie".to_owned(), value.into_bytes())), 0..3);
    let fields = vec(select(vec![("x", "1"), ("x", "a b"), ("y", "12"), ("y", "")]), 0..3)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
    let client = select(vec!["10.1.1.1", "::ffff:10.1.1.1", "2001:db8::1", "192.0.2.1"]);
    (
        select(vec!["GET", "POST"]),
        (host_name(), port),
        some_path(),
        option::of(query),
        client,
        cookies,
        fields,
    )
        .prop_map(|(method, (name, port), path, query, client, cookies, fields)| Sent {
            method: method.into(),
            host: format!("{name}{port}").into(),
            path: path.into(),
            query,
            client: client.parse().expect("an address"),
            fields: cookies.into_iter().chain(fields).collect(),
        })
}

fn reference(routes: &[Match], request: &Sent) -> Option<usize> {
    routes.iter().position(|route| {
        (route.methods.is_empty() || route.methods.contains(&request.method))
            && (route.hosts.is_empty() || route.hosts.iter().any(|host| host_matches(host, &request.host)))
            && route.path.as_ref().is_none_or(|path| path_matches(path, &request.path))
            && (route.clients.is_empty() || client_matches(route, request.client))
            && route.headers.iter().all(|wanted| has(wanted, &named(request, &wanted.0)))
            && route.cookies.iter().all(|wanted| has(wanted, &cookies(request, &wanted.0)))
            && route.query.iter().all(|wanted| has(wanted, &parameters(request, &wanted.0)))
    })
}

fn has((_, wanted): &(String, ValuePattern), values: &[Vec<u8>]) -> bool {
    values.iter().any(|value| match wanted {
        ValuePattern::Exact(exact) => exact.as_bytes() == value,
        ValuePattern::Regex(pattern) => pattern.regex.is_match(value),
        ValuePattern::Present => true,
    })
}

fn host_matches(pattern: &HostPattern, sent: &[u8]) -> bool {
    let sent = String::from_utf8(sent.to_vec()).expect("the strategy makes text").to_lowercase();
    let (name, port) = match sent.find(']') {
        Some(bracket) => {
            let (address, rest) = sent.split_at(bracket);
            let (end, port) = rest.split_once(':').unwrap_or((rest, ""));
            (format!("{address}{end}"), port.to_owned())
        }
        None => {
            let (name, port) = sent.split_once(':').unwrap_or((&sent, ""));
            (name.to_owned(), port.to_owned())
        }
    };
    let port = if port.starts_with('+') { None } else { port.parse::<u16>().ok() };
    let name = name.strip_suffix('.').unwrap_or(&name);
    let name_matches = if pattern.wildcard {
        name.strip_suffix(&format!(".{}", pattern.name)).is_some_and(|labels| !labels.is_empty())
    } else {
        name == pattern.name
    };
    name_matches && (pattern.port.is_none() || pattern.port == port)
}

fn path_matches(pattern: &PathPattern, sent: &[u8]) -> bool {
    let path = normal_path(sent);
    match pattern {
        PathPattern::Exact(exact) => path == normal_path(exact.as_bytes()),
        PathPattern::Prefix(prefix) => {
            let below = normal_path(format!("{prefix}/").as_bytes());
            format!("{path}/") == below || path.starts_with(&below)
        }
        PathPattern::Regex(pattern) => pattern.regex.is_match(path.as_bytes()),
    }
}

fn normal_path(path: &[u8]) -> String {
    // Escape by escape, then segment by segment.
    let mut text = String::new();
    let mut at = 0;
    while at < path.len() {
        let digits = path.get(at + 1..at + 3).and_then(|digits| str::from_utf8(digits).ok());
        let escaped = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .filter(|_| path[at] == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = escaped.unwrap_or(path[at]);
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let stands = if escaped.is_some() { is_unreserved } else { byte.is_ascii_graphic() && byte != b'%' };
        text += &if stands { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        at += if escaped.is_some() { 3 } else { 1 };
    }
    let mut segments: Vec<&str> = Vec::new();
    let written: Vec<&str> = text.split('/').skip(1).collect();
    for (place, segment) in written.iter().enumerate() {
        let is_last = place + 1 == written.len();
        match *segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => {
                segments.push(other);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

fn client_matches(route: &Match, client: IpAddr) -> bool {
    let as_v6 = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    route.clients.iter().any(|network| {
        let bits = u32::from(network.prefix_len()) + if network.addr().is_ipv4() { 96 } else { 0 };
        // No IPv4 client is in a network that is wider than all of IPv4.
        let is_v4 = client.to_canonical().is_ipv4();
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        (!is_v4 || bits >= 96) && as_v6(client) & mask == as_v6(network.addr()) & mask
    })
}

fn named(request: &Sent, name: &str) -> Vec<Vec<u8>> {
    request.fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
}

fn cookies(request: &Sent, name: &str) -> Vec<Vec<u8>> {
    let text = named(request, "cookie").into_iter().map(|value| String::from_utf8(value).expect("text"));
    let pairs = text.flat_map(|field| field.split(';').map(str::to_owned).collect::<Vec<_>>());
    let split =
        pairs.filter_map(|pair| pair.split_once('=').map(|(n, v)| (n.trim().to_owned(), v.trim().into())));
    split.filter(|(own, _)| own == name).map(|(_, value)| value).collect()
}

fn parameters(request: &Sent, name: &str) -> Vec<Vec<u8>> {
    let query = String::from_utf8(request.query.clone().unwrap_or_default()).expect("text");
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::new();
        for (place, part) in text.split('%').enumerate() {
            let octet = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            match octet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(octet) if place > 0 => {
                    bytes.push(octet);
                    bytes.extend(part[2..].bytes());
                }
                _ => {
                    bytes.extend((place > 0).then_some(b'%'));
                    bytes.extend(part.bytes());
                }
            }
        }
        bytes
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let split = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    split.filter(|(own, _)| decoded(own) == name.as_bytes()).map(|(_, value)| decoded(value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_table_agrees_with_the_reference(
        // Some tables are large enough for an index of hosts.
        routes in prop_oneof![vec(matches(), 0..8), vec(matches(), 0..40)],
        requests in vec(request(), 1..12),
    ) {
        let table = table(routes.clone());
        let mut scratch = Vec::new();
        for request in &requests {
            prop_assert_eq!(table.find(request, &mut scratch), reference(&routes, request), "{:?}", request);
        }
    }

    #[test]
    fn no_request_panics(
        routes in vec(matches(), 0..4),
        host in vec(any::<u8>(), 0..20),
        path in vec(any::<u8>(), 0..20),
        query in option::of(vec(any::<u8>(), 0..20)),
        cookie in vec(any::<u8>(), 0..20),
    ) {
        let request = Sent { host, path, query, fields: vec![("cookie".into(), cookie)], ..get("") };
        table(routes).find(&request, &mut Vec::new());
    }
}
