//! Hosts: names in any case, with or without a final dot and a port.

use std::net::Ipv6Addr;

use weir_config::HostPattern;

/// A host as sent, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    /// Without port and final dot; an IPv6 address keeps its brackets.
    name: &'a [u8],
    /// The port, where one is written that can be one.
    port: Option<u16>,
}

impl<'a> Host<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        // The colons of an IPv6 address are all inside its brackets.
        let bracket = value.iter().position(|&byte| byte == b']').unwrap_or(0);
        let colon = value[bracket..].iter().position(|&byte| byte == b':').map(|at| bracket + at);
        let (name, port) = match colon {
            Some(colon) => (&value[..colon], port(&value[colon + 1..])),
            None => (value, None),
        };
        Self { name: name.strip_suffix(b".").unwrap_or(name), port }
    }

    pub(crate) fn name(&self) -> &'a [u8] {
        self.name
    }
}

/// A decimal number and nothing else: `u16::from_str` would take `+80` too.
fn port(digits: &[u8]) -> Option<u16> {
    let digits = str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// An IPv6 address in brackets (RFC 3986 section 3.2.2).
fn ipv6(name: &[u8]) -> Option<Ipv6Addr> {
    let inner = name.strip_prefix(b"[")?.strip_suffix(b"]")?;
    str::from_utf8(inner).ok()?.parse().ok()
}

/// A host in a route.
#[derive(Debug, Clone)]
pub(crate) struct HostMatch {
    name: Box<[u8]>,
    /// What `name` says, if it is an IPv6 address: there are many ways to write one.
    address: Option<Ipv6Addr>,
    wildcard: bool,
    port: Option<u16>,
}

impl HostMatch {
    pub(crate) fn new(pattern: &HostPattern) -> Self {
        let name = pattern.name.strip_suffix('.').unwrap_or(&pattern.name);
        let name = name.as_bytes();
        Self { name: name.into(), address: ipv6(name), wildcard: pattern.wildcard, port: pattern.port }
    }

    /// The name that is compared, of a wildcard that behind `*.`.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// It is an address that has more spellings than its name.
    pub(crate) fn is_address(&self) -> bool {
        self.address.is_some()
    }

    pub(crate) fn matches(&self, host: &Host<'_>) -> bool {
        if self.port.is_some() && self.port != host.port {
            return false;
        }
        if self.address.is_some() {
            return ipv6(host.name) == self.address;
        }
        if !self.wildcard {
            return host.name.eq_ignore_ascii_case(&self.name);
        }
        // At least one label and its dot stand before the name.
        let Some(at) = host.name.len().checked_sub(self.name.len()) else { return false };
        let (labels, name) = host.name.split_at(at);
        labels.len() > 1 && labels.ends_with(b".") && name.eq_ignore_ascii_case(&self.name)
    }
}
