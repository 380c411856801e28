//! Weir in front of the demo's servers: the real one, in this process.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use super::server::{DemoServer, HEALTH_PATH};

/// How often Weir checks a server of the demo.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(300);

/// Where Weir listens unless somebody else does.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A running Weir.
pub(super) struct Front {
    weir: weir_control::Running,
    address: SocketAddr,
}

impl Front {
    /// Starts Weir. It logs no more than `log_level`.
    pub(super) fn start(
        listen: SocketAddr,
        servers: &[DemoServer],
        log_level: &str,
    ) -> Result<Self, weir_control::Error> {
        let text = configuration(listen, servers, log_level);
        let source = weir_control::Source::Text { name: "demo".to_owned(), text };
        let weir = weir_control::start(source)?;
        let address = weir.addresses().first().map_or(listen, |(_, address)| *address);
        Ok(Self { weir, address: reachable(address) })
    }

    /// Where a client of this machine reaches it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What Weir knows of a server, in its own word.
    pub(super) fn state(&self, server: &str) -> String {
        state_in(&self.weir.metrics_text(), server).to_owned()
    }

    pub(super) fn stop(self) {
        self.weir.stop();
    }
}

/// The chosen address if it is free, else why it cannot be had; without a choice the usual one or any that is
/// free.
pub(super) fn free_address(chosen: Option<SocketAddr>) -> Result<SocketAddr, String> {
    // Weir's own sockets share their port among its workers, and so could share it with another Weir without
    // noticing: a socket that shares nothing finds out.
    let free = |address: SocketAddr| TcpListener::bind(address).and_then(|socket| socket.local_addr());
    match chosen {
        Some(address) => free(address).map_err(|error| format!("cannot listen on {address}: {error}")),
        None => free(USUAL)
            .or_else(|_| free(SocketAddr::new(USUAL.ip(), 0)))
            .map_err(|error| format!("cannot listen on {}: {error}", USUAL.ip())),
    }
}

/// The demo's file, as it would stand on disk.
fn configuration(listen: SocketAddr, servers: &[DemoServer], log_level: &str) -> String {
    let servers: String = servers
        .iter()
        .map(|server| format!("      - {{ address: \"{}\", name: {} }}\n", server.address(), server.name()))
        .collect();
    let interval = CHECK_INTERVAL.as_millis();
    format!(
        "runtime: {{ max_connections: 1000 }}
log: {{ level: {log_level} }}
listeners:
  - bind: \"{listen}\"
    pool: demo
pools:
  demo:
    servers:
{servers}    health: {{ http: {HEALTH_PATH}, interval: {interval}ms, timeout: {interval}ms, fall: 3, rise: 2 }}
"
    )
}

/// A socket that listens on every address is reached on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Finds the server's health in the text of Weir's metrics.
fn state_in<'a>(metrics: &'a str, server: &str) -> &'a str {
    let label = format!("server=\"{server}\"");
    let line = metrics.lines().find(|line| line.starts_with("weir_server_up{") && line.contains(&label));
    match line.and_then(|line| line.rsplit_once(' ')) {
        Some((_, "1")) => "up",
        Some(_) => "down",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_address_that_is_taken_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = free_address(Some(address)).unwrap_err();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
    }

    #[test]
    fn without_a_choice_there_is_always_one() {
        // The usual one is taken now, if it was not before.
        let _taken = TcpListener::bind(USUAL);
        let free = free_address(None).unwrap();
        assert!(free.ip().is_loopback() && free.port() != 0 && free != USUAL, "{free}");
    }

    #[test]
    fn health_is_read_from_metrics() {
        let metrics = "# TYPE weir_server_up gauge\n\
                       weir_server_up{pool=\"demo\",server=\"one\"} 1\n\
                       weir_server_up{pool=\"demo\",server=\"two\"} 0\n";
        assert_eq!(state_in(metrics, "one"), "up");
        assert_eq!(state_in(metrics, "two"), "down");
        assert_eq!(state_in(metrics, "three"), "unknown");
    }
}
