//! `pools.NAME.health`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{Once, to_u32, to_usize};
use crate::{
    Agent, Health, HttpProbe, JsonScalar, PoolProtocol, Probe, Sought, TcpExchange,
    filled::{Data, Entry, Filled},
    kind::Value,
    report::{Findings, shown},
};

/// How the servers of `pool` are checked; `None`: not at all.
pub(super) fn health(pool: &Filled, protocol: PoolProtocol, findings: &mut Findings) -> Option<Health> {
    let node = pool.get("health").filter(|health| health.section().is_some())?;
    grpc_needs_h2(pool, node, protocol, findings);
    one_name_in_handshakes(pool, node, findings);
    let (interval, timeout) = (node.duration("interval"), node.duration("timeout"));
    fits(node, "interval", findings);
    fits(node, "down_interval", findings);
    Some(Health {
        probe: probe(node, findings),
        agent: node.get("agent").map(|agent| agent_of(agent, findings)),
        interval,
        down_interval: match node.duration("down_interval") {
            Duration::ZERO => interval,
            written => written,
        },
        timeout,
        fall: to_u32(node.number("fall")),
        rise: to_u32(node.number("rise")),
        concurrency: to_usize(node.number("concurrency")),
    })
}

/// Where the checks of the server at `address` go, unless it says so itself.
pub(super) fn asked_at(pool: &Filled, address: SocketAddr) -> SocketAddr {
    let Some(health) = pool.get("health") else { return address };
    let ip = health.text("address").and_then(|text| text.parse::<IpAddr>().ok());
    let port = u16::try_from(health.number("port")).ok().filter(|port| *port > 0);
    SocketAddr::new(ip.unwrap_or(address.ip()), port.unwrap_or(address.port()))
}

/// gRPC is HTTP/2: in a pool that never speaks it, no check could pass.
fn grpc_needs_h2(pool: &Filled, health: &Filled, protocol: PoolProtocol, findings: &mut Findings) {
    let speaks = match protocol {
        PoolProtocol::Http1 => false,
        PoolProtocol::H2 => true,
        PoolProtocol::Auto => pool.get("tls").is_some(),
    };
    let refused = pool.get("protocol").is_none_or(Filled::is_bad);
    if let Some(entry) = entry(health, "grpc").filter(|_| !speaks && !refused) {
        findings
            .error(entry.span, "a check by `grpc` needs HTTP/2, which this pool does not speak")
            .help("write `protocol: h2` in the pool");
    }
}

/// With `tls`, the pool says which name is asked for, and its certificate is verified.
fn one_name_in_handshakes(pool: &Filled, health: &Filled, findings: &mut Findings) {
    let named = health.get("tls").and_then(|tls| entry(tls, "server_name"));
    if let Some(entry) = named.filter(|_| pool.get("tls").is_some()) {
        findings
            .error(entry.span, "this pool has `tls`, whose `server_name` holds for its checks too")
            .help("write `tls: handshake`");
    }
}

/// A timeout longer than an interval would let checks overlap.
fn fits(node: &Filled, interval: &str, findings: &mut Findings) {
    let (timeout, limit) = (node.duration("timeout"), node.duration(interval));
    // One that follows the other interval is not to blame.
    let is_own = interval == "interval" || node.get(interval).is_some_and(|interval| interval.written);
    if is_own && timeout > limit && !limit.is_zero() {
        let place = entry(node, "timeout").map_or(node.span, |entry| entry.value.span);
        findings
            .error(
                place,
                format!("`timeout` is longer than `{interval}`: checks of one server would overlap"),
            )
            .help(format!("shorten `timeout` or lengthen `{interval}`"));
    }
}

fn agent_of(node: &Filled, findings: &mut Findings) -> Agent {
    fits(node, "interval", findings);
    Agent {
        port: u16::try_from(node.number("port")).unwrap_or(0),
        send: node.text("send").unwrap_or_default().to_owned(),
        interval: node.duration("interval"),
        timeout: node.duration("timeout"),
    }
}

fn probe(node: &Filled, findings: &mut Findings) -> Probe {
    if let Some(service) = node.text("grpc") {
        return Probe::Grpc(service.to_owned());
    }
    if let Some(tls) = node.get("tls") {
        return Probe::Tls(tls.text("server_name").map(str::to_owned));
    }
    if let Some(program) = node.get("exec") {
        return Probe::Exec(exec(program, findings));
    }
    if let Some(path) = node.get("http") {
        return Probe::Http(http(path, node, findings));
    }
    let exchange = node.get("tcp").and_then(|tcp| Some((tcp, sought(tcp.get("expect")?)?)));
    exchange.map_or(Probe::Tcp, |(tcp, expect)| {
        Probe::TcpExchange(TcpExchange { send: tcp.text("send").unwrap_or_default().to_owned(), expect })
    })
}

/// A program by its whole path, since nobody looks for it.
fn exec(node: &Filled, findings: &mut Findings) -> Vec<String> {
    let words: Vec<String> =
        node.items().iter().filter_map(|item| item.as_text().map(str::to_owned)).collect();
    for item in node.items().iter().filter(|item| item.as_text().is_some_and(|text| text.contains('\0'))) {
        findings.error(item.span, "no argument of a program holds a zero byte");
    }
    if let (Some(item), Some(program)) = (node.items().first(), words.first())
        && (!program.starts_with('/') || is_command_line(&words))
    {
        let message = format!("`{}` is not the whole path of a program", shown(program));
        let found = findings.error(item.span, message);
        found.help(match is_command_line(&words) {
            true => "there is no shell: write the program and each argument as a value of its own",
            false => "write it from the root, like `/usr/local/bin/check`; it is not searched for",
        });
    }
    words
}

/// A single value with a space is what would be typed into a shell.
fn is_command_line(words: &[String]) -> bool {
    matches!(words, [line] if line.contains(char::is_whitespace))
}

fn http(path: &Filled, node: &Filled, findings: &mut Findings) -> HttpProbe {
    let ranges = node.list("expect").iter().filter_map(|range| match range.value() {
        Some(Value::Range(from, to)) => Some((*from, *to)),
        _ => None,
    });
    let method = node.text("method").unwrap_or("GET");
    for key in ["expect_body", "expect_json"] {
        if let Some(entry) = entry(node, key).filter(|_| method == "HEAD") {
            findings.error(entry.span, format!("`{key}` has no meaning with `HEAD`: its answer has no body"));
        }
    }
    let json = node.map("expect_json").iter().filter_map(|entry| match entry.value.value() {
        Some(Value::Json(scalar)) => Some((entry.name.clone(), scalar.clone())),
        _ => None,
    });
    HttpProbe {
        method: method.to_owned(),
        path: path.as_text().unwrap_or_default().to_owned(),
        host: node.text("host").map(str::to_owned),
        headers: fields(node, "headers", findings),
        body: node.text("body").unwrap_or_default().to_owned(),
        expect: ranges.collect(),
        expect_headers: fields(node, "expect_headers", findings),
        expect_body: node.get("expect_body").and_then(sought),
        expect_json: json.collect::<Vec<(String, JsonScalar)>>(),
    }
}

/// Fields with their names in lower case, each once.
fn fields(node: &Filled, key: &str, findings: &mut Findings) -> Vec<(String, String)> {
    let mut names = Once::default();
    let mut fields = Vec::new();
    for entry in node.map(key) {
        let name = entry.name.to_ascii_lowercase();
        if names.take(name.clone(), entry.span).is_some() {
            findings.error(entry.span, format!("`{}` is written twice", shown(&entry.name)));
        }
        if let Data::One(text, _) = &entry.value.data {
            fields.push((name, text.text.clone()));
        }
    }
    fields
}

fn sought(node: &Filled) -> Option<Sought> {
    match node.value() {
        Some(Value::Sought(sought)) => Some(sought.clone()),
        _ => None,
    }
}

fn entry<'a>(node: &'a Filled, name: &str) -> Option<&'a Entry> {
    node.section()?.entry(name)
}
