//! Host names: in matches, in edits, and in checks.

use std::net::Ipv6Addr;

use super::Fault;
use crate::{HostPattern, report::shown};

/// `shop.example.com` or `*.example.com`, each with or without `:PORT`.
pub(crate) fn pattern(text: &str) -> Result<HostPattern, Fault> {
    if text == "*" {
        return Err(Fault::new("`*` is not a host").help("take `host` away to match every host"));
    }
    if text.starts_with('~') {
        return Err(Fault::new("a host is not matched by a regular expression")
            .help("write a list of names, or `\"*.example.com\"` for all names below one"));
    }
    let (wildcard, rest) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (host, port) = split_port(rest)?;
    check(host, text)?;
    if wildcard && (host.starts_with('[') || is_ipv4(host)) {
        return Err(Fault::new(format!("`{}`: there are no names below an IP address", shown(text))));
    }
    Ok(HostPattern { name: host.to_ascii_lowercase(), wildcard, port })
}

/// A host with or without `:PORT`.
pub(crate) fn with_port(text: &str) -> Result<(), Fault> {
    let (host, _) = split_port(text)?;
    check(host, text)
}

/// A host without a port.
pub(crate) fn name(text: &str) -> Result<(), Fault> {
    match split_port(text)? {
        (host, None) => check(host, text),
        (_, Some(_)) => Err(Fault::new(format!("`{}` has a port, which does not belong here", shown(text)))),
    }
}

/// Takes `:PORT` off the end, beside the colons of a bracketed IPv6 address.
fn split_port(text: &str) -> Result<(&str, Option<u16>), Fault> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Fault::new(format!("an IPv6 address stands in brackets, did you mean `[{text}]`?")));
    }
    let colon = text.rfind(':').filter(|at| text.rfind(']').is_none_or(|bracket| *at > bracket));
    let Some(colon) = colon else { return Ok((text, None)) };
    let (host, digits) = (&text[..colon], &text[colon + 1..]);
    let port = digits.parse().ok().filter(|port| *port > 0 && digits.bytes().all(|b| b.is_ascii_digit()));
    match port {
        Some(port) => Ok((host, Some(port))),
        None if text.contains("://") => Err(not_a_host(text)),
        None => Err(Fault::new(format!("`{}` has no port after its colon", shown(text)))
            .help("a port is a number from 1 to 65535")),
    }
}

/// RFC 1123 section 2.1 and RFC 952, and `_`, which is out there. Length as in RFC 1035 section 2.3.4.
fn check(host: &str, text: &str) -> Result<(), Fault> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(not_a_host(text)),
        };
    }
    if !host.is_ascii() {
        return Err(not_a_host(text).help("write an international name in its ASCII form, `xn--…`"));
    }
    if let Some(name) = host.strip_suffix('.') {
        return Err(Fault::new(format!("a host ends without a dot, did you mean `{}`?", shown(name))));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.len() <= 253 && host.split('.').all(label) { Ok(()) } else { Err(not_a_host(text)) }
}

fn not_a_host(text: &str) -> Fault {
    let fault = Fault::new(format!("`{}` is not a host", shown(text)));
    match text.split_once("://") {
        Some(_) => fault.help("write the host without a scheme and a path"),
        None if text.contains('/') => fault.help("a path belongs into `path`"),
        None if text.contains('*') => {
            fault.help("`*.` may only stand at the front, like `\"*.example.com\"`")
        }
        None => fault,
    }
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}
