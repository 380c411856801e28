//! Addresses to listen on, addresses of servers, and networks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::Fault;
use crate::report::shown;

/// `":80"` (every address of the host), `IP:PORT`, `[IPV6]:PORT`. Port 0 takes a free one.
pub(crate) fn bind(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = |text: &str| -> Option<u16> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    if let Some(port) = text.strip_prefix(':').and_then(port) {
        return Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    if text.starts_with("unix:") || text.starts_with('/') {
        return Err(Fault::new("unix sockets are not supported yet"));
    }
    let not = Fault::new(format!("`{}` is not an address to listen on", shown(text)));
    if let Some(port) = text.strip_prefix("*:").or(Some(text)).and_then(port) {
        return Err(not.help(format!("write \":{port}\" to listen on every address of the host")));
    }
    Err(match text.rsplit_once(':') {
        _ if text.parse::<IpAddr>().is_ok() => no_port(text),
        Some((host, after)) if port(after).is_some() && !host.is_empty() && !host.contains(['/', ':']) => {
            not.help("names are not looked up: write the IP address")
        }
        _ => not.help("write `\":8080\"` for every address of the host, or `IP:PORT`, or `[IPV6]:PORT`"),
    })
}

/// `IP:PORT` or `[IPV6]:PORT` of one machine.
pub(crate) fn server(text: &str) -> Result<SocketAddr, Fault> {
    let not = || Fault::new(format!("`{}` is not an address of a server", shown(text)));
    let address: SocketAddr = match text.parse() {
        Ok(address) => address,
        Err(_) => return Err(not_a_server(text, not())),
    };
    if address.port() == 0 {
        return Err(not().help("a server listens on a port from 1 to 65535"));
    }
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(not().help("write the IP address of one machine"));
    }
    Ok(address)
}

/// An IP address of one machine.
pub(crate) fn ip(text: &str) -> Result<(), Fault> {
    let not = || Fault::new(format!("`{}` is not an IP address", shown(text)));
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() => {
            Err(not().help("write the IP address of one machine"))
        }
        Ok(_) => Ok(()),
        Err(_) if text.parse::<SocketAddr>().is_ok() => Err(not().help("the port stands in `port`")),
        Err(_) => Err(not()),
    }
}

fn not_a_server(text: &str, not: Fault) -> Fault {
    if text.parse::<IpAddr>().is_ok() {
        return no_port(text);
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        return match host.parse::<SocketAddr>() {
            Ok(_) => Fault::new(format!("a server is no URL, did you mean `{}`?", shown(host))),
            Err(_) => not.help("write `IP:PORT`, without a scheme and a path"),
        };
    }
    if text.starts_with("unix:") || text.starts_with('/') {
        return Fault::new("unix sockets are not supported yet");
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if text.starts_with(':') {
        return not.help("write the IP address before the port, like `127.0.0.1:8080`");
    }
    let letters = host.bytes().any(|b| b.is_ascii_alphabetic());
    if letters && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return Fault::new(format!("`{}` is a name, not an address", shown(host)))
            .help("write the IP address; names come with `discover`, which is not supported yet");
    }
    not.help("write `IP:PORT` or `[IPV6]:PORT`, like `10.0.0.11:8080`")
}

/// `10.0.0.0/8`, `fd00::/8`, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, Fault> {
    if let Ok(network) = text.parse::<IpNet>() {
        if network.addr() != network.network() {
            let message = format!("`{}` has bits set behind its prefix", shown(text));
            return Err(Fault::new(format!("{message}, did you mean `{}`?", network.trunc())));
        }
        return Ok(canonical(network));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    Err(Fault::new(format!("`{}` is not a network", shown(text)))
        .help("write `10.0.0.0/8`, `fd00::/8`, or one IP address"))
}

/// A network of IPv4 addresses written as IPv6 is one of IPv4, as clients are compared.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(wide) = network else { return network };
    match (wide.addr().to_ipv4_mapped(), wide.prefix_len().checked_sub(MAPPED_BITS)) {
        (Some(address), Some(bits)) => Ipv4Net::new(address, bits).map_or(network, IpNet::V4),
        _ => network,
    }
}

fn no_port(text: &str) -> Fault {
    let example = if text.contains(':') { format!("[{text}]:8080") } else { format!("{text}:8080") };
    Fault::new(format!("`{}` has no port", shown(text))).help(format!("write it like `{example}`"))
}
