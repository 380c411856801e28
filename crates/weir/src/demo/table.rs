//! How the demo looks: a table for terminals, a line for files. Pure.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use super::tally::Tally;

/// What is known of one server besides its counts.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// As Weir sees it.
    pub(super) state: String,
}

/// The table: requests over `all` the time, shares and latencies of `recent` (which may be all the time, too).
pub(super) fn table(servers: &[Server], all: &Tally, recent: &Tally) -> String {
    let mut table = format!(
        "  {:<8}{:<18}{:<9}{:>10}{:>8}{:>10}{:>10}\n",
        "server", "address", "state", "requests", "share", "p50", "p99"
    );
    for (index, server) in servers.iter().enumerate() {
        let seen = recent.server(index);
        writeln!(
            table,
            "  {:<8}{:<18}{:<9}{:>10}{:>8}{:>10}{:>10}",
            server.name,
            server.address.to_string(),
            server.state,
            all.server(index).total(),
            percent(recent.share(index)),
            latency(seen.percentile(0.5)),
            latency(seen.percentile(0.99)),
        )
        .expect("a string takes all");
    }
    writeln!(table, "  {:<35}{:>10}   failed {}", "all", all.requests(), all.failed())
        .expect("a string takes all");
    table
}

/// One second as one line.
pub(super) fn line(elapsed: Duration, servers: &[Server], all: &Tally, recent: &Tally) -> String {
    let mut line = time(elapsed);
    for (index, server) in servers.iter().enumerate() {
        let seen = recent.server(index);
        write!(
            line,
            "  {} {} {} {} p50 {} p99 {} |",
            server.name,
            server.state,
            seen.total(),
            percent(recent.share(index)),
            latency(seen.percentile(0.5)),
            latency(seen.percentile(0.99)),
        )
        .expect("a string takes all");
    }
    writeln!(line, "  requests {} failed {}", all.requests(), all.failed()).expect("a string takes all");
    line
}

/// Since the beginning, to the tenth of a second.
pub(super) fn time(elapsed: Duration) -> String {
    format!("{:>6.1}s", elapsed.as_secs_f64())
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn latency(latency: Option<Duration>) -> String {
    latency.map_or_else(|| "-".to_owned(), |latency| format!("{:.1}ms", latency.as_secs_f64() * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> (Vec<Server>, Tally) {
        let server = |name, port, state: &str| Server {
            name,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            state: state.to_owned(),
        };
        let servers = vec![server("one", 40001, "up"), server("two", 40002, "down")];
        let mut tally = Tally::new(2);
        for us in [1000, 2000, 30_000] {
            tally.record(0, Duration::from_micros(us));
        }
        tally.record_failure("refused".to_owned());
        (servers, tally)
    }

    #[test]
    fn for_terminals() {
        let (servers, tally) = seen();
        let expected = [
            "  server  address           state      requests   share       p50       p99",
            "  one     127.0.0.1:40001   up                3  100.0%     2.0ms    30.7ms",
            "  two     127.0.0.1:40002   down              0    0.0%         -         -",
            "  all                                         4   failed 1",
            "",
        ]
        .join("\n");
        assert_eq!(table(&servers, &tally, &tally), expected);
    }

    #[test]
    fn for_files() {
        let (servers, tally) = seen();
        let expected = "   3.0s  one up 3 100.0% p50 2.0ms p99 30.7ms |  two down 0 0.0% p50 - p99 - |  \
                        requests 4 failed 1\n";
        assert_eq!(line(Duration::from_secs(3), &servers, &tally, &tally), expected);
    }
}
