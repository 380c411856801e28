//! `listeners[].tls` and `pools.NAME.tls`.

use std::{net::Ipv6Addr, time::Duration};

use super::{
    certificate::{file, secret},
    named::Named,
};
use crate::{
    CertificateIndex, CipherSuite, ClientAuth, ClientAuthMode, Hsts, ListenerTls, Place, PoolTls, Tickets,
    TlsVersion,
    filled::{Entry, Filled},
    kind::Value,
    report::{Findings, shown},
};

/// RFC 8446 section 4.6.1: no ticket is used for longer.
const TICKET_LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// What the list of names that browsers come with asks for.
const PRELOAD_AGE_MIN: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) fn listener(node: &Filled, certificates: &mut Named, findings: &mut Findings) -> ListenerTls {
    let list = node.list("certificates");
    let found: Vec<CertificateIndex> =
        list.iter().filter_map(|item| certificates.find(item, findings)).map(CertificateIndex).collect();
    let min_version = version(node);
    ListenerTls {
        place: Place(node.span),
        default: default(node, &found, certificates, findings),
        certificates: found,
        min_version,
        ciphers: node.get("ciphers").map(|ciphers| suites(ciphers, min_version, findings)),
        handshake_timeout: node.duration("handshake_timeout"),
        client_auth: node.get("client_auth").and_then(client_auth),
        tickets: node
            .get("tickets")
            .filter(|node| node.section().is_some())
            .map(|node| tickets(node, findings)),
        hsts: node.get("hsts").map(|node| hsts(node, findings)),
    }
}

pub(super) fn pool(pool: &Entry, node: &Filled, findings: &mut Findings) -> PoolTls {
    let danger = flag(node, "danger_accept_any_certificate");
    if danger
        && let Some(place) = node.section().and_then(|section| section.entry("danger_accept_any_certificate"))
    {
        let message = format!(
            "the servers of `{}` are not verified: whoever is in between can read and change everything",
            shown(&pool.name)
        );
        if node.get("ca").is_some() {
            findings
                .error(place.span, "`ca` means nothing where any certificate is taken")
                .help("take one of both away");
        }
        findings
            .warning(place.span, message)
            .help("for servers with certificates of your own: `ca: PATH`, and `server_name: NAME` if they name no address");
    }
    let name = node.text("server_name").map(|name| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<Ipv6Addr>().map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_string())
    });
    PoolTls {
        place: Place(node.span),
        ca: file(node, "ca"),
        server_name: name,
        cert: file(node, "cert"),
        key: secret(node, "key"),
        min_version: version(node),
        danger_accept_any_certificate: danger,
    }
}

fn default(
    node: &Filled,
    found: &[CertificateIndex],
    certificates: &mut Named,
    findings: &mut Findings,
) -> CertificateIndex {
    let first = found.first().copied().unwrap_or(CertificateIndex(0));
    let Some(place) = node.get("default").filter(|place| place.written) else { return first };
    let Some(index) = certificates.find(place, findings).map(CertificateIndex) else { return first };
    if !found.contains(&index) && found.len() == node.list("certificates").len() {
        let name = shown(place.as_text().unwrap_or_default());
        findings
            .error(place.span, format!("`{name}` is not among the `certificates` of this listener"))
            .help("add it to `certificates`");
    }
    index
}

fn version(node: &Filled) -> TlsVersion {
    match node.get("min_version").and_then(Filled::value) {
        Some(Value::Tls(version)) => *version,
        _ => TlsVersion::Tls12,
    }
}

/// Every version that is spoken has a suite: a list that was copied from a program where it only concerns TLS 1.2
/// would switch TLS 1.3 off without a word.
fn suites(node: &Filled, min: TlsVersion, findings: &mut Findings) -> Vec<CipherSuite> {
    let mut suites = Vec::new();
    for item in node.items() {
        let Some(Value::Cipher(suite)) = item.value() else { continue };
        if suite.version() < min {
            let message = format!("`{}` belongs to TLS 1.2, which `min_version` excludes", suite.name());
            findings.error(item.span, message);
        }
        suites.push(*suite);
    }
    if suites.len() < node.items().len() || suites.is_empty() {
        return suites;
    }
    let has = |version| suites.iter().any(|suite| suite.version() == version);
    if !has(TlsVersion::Tls13) {
        findings
            .error(node.span, "no suite of TLS 1.3 is in the list, which would switch it off")
            .help("add `TLS_AES_256_GCM_SHA384`, `TLS_AES_128_GCM_SHA256` or `TLS_CHACHA20_POLY1305_SHA256`");
    } else if !has(TlsVersion::Tls12) && min == TlsVersion::Tls12 {
        findings
            .error(node.span, "no suite of TLS 1.2 is in the list, which would switch it off")
            .help("add one, or write `min_version: \"1.3\"`");
    }
    suites
}

fn client_auth(node: &Filled) -> Option<ClientAuth> {
    Some(ClientAuth {
        ca: file(node, "ca")?,
        mode: match node.word("mode") {
            Some("optional") => ClientAuthMode::Optional,
            _ => ClientAuthMode::Required,
        },
        crl: file(node, "crl"),
    })
}

fn tickets(node: &Filled, findings: &mut Findings) -> Tickets {
    let lifetime = node.duration("lifetime");
    if let Some(place) = node.get("lifetime").filter(|_| lifetime > TICKET_LIFETIME_MAX) {
        findings
            .error(place.span, "a ticket is good for seven days at most (RFC 8446 section 4.6.1)")
            .help("write `168h` or less");
    }
    if let Some(place) = node.get("lifetime").filter(|_| lifetime < Duration::from_secs(1)) {
        findings.error(place.span, "a ticket is good for a second at least").help("write `1s` or more");
    }
    Tickets { keys: secret(node, "keys"), lifetime }
}

fn hsts(node: &Filled, findings: &mut Findings) -> Hsts {
    let (include_subdomains, preload) = (flag(node, "include_subdomains"), flag(node, "preload"));
    let max_age = node.duration("max_age");
    let short = max_age < PRELOAD_AGE_MIN || !include_subdomains;
    if let Some(place) = node.get("preload").filter(|_| preload && short) {
        findings
            .error(
                place.span,
                "browsers only come with names whose `max_age` is a year, with all names below",
            )
            .help("write `max_age: 8760h` and `include_subdomains: true`, or take `preload` away");
    }
    if let Some(place) = node.get("max_age").filter(|_| max_age.subsec_millis() > 0) {
        findings.error(place.span, "`max_age` is counted in whole seconds");
    }
    Hsts { max_age, include_subdomains, preload }
}

fn flag(node: &Filled, name: &str) -> bool {
    matches!(node.get(name).and_then(Filled::value), Some(Value::Bool(true)))
}
