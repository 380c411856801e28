//! `pools.NAME.balance`.

use super::to_u32;
use crate::{Balance, HashKey, LoadSource, filled::Filled, kind::Value, report::Findings};

pub(super) fn balance(pool: &Filled, findings: &mut Findings) -> Balance {
    let Some(node) = pool.get("balance") else { return Balance::RoundRobin };
    match node.as_word() {
        // The model knows one word for one thing.
        Some("least_requests" | "least_connections") => Balance::LeastRequests,
        Some("random") => Balance::Random,
        Some("p2c") => Balance::P2c,
        Some("peak_ewma") => Balance::PeakEwma,
        Some("client_ip") => Balance::Hash { key: HashKey::ClientIp, bound_percent: None },
        Some(_) => Balance::RoundRobin,
        None => section(node, pool, findings),
    }
}

fn section(node: &Filled, pool: &Filled, findings: &mut Findings) -> Balance {
    if let Some(prequal) = node.get("prequal") {
        return Balance::Prequal(source(prequal, pool, findings));
    }
    match node.get("hash").and_then(Filled::value) {
        Some(Value::Hash(key)) => Balance::Hash {
            key: key.clone(),
            bound_percent: node
                .get("bound")
                .and_then(Filled::as_number)
                .map(|percent| u16::try_from(percent).unwrap_or(u16::MAX)),
        },
        _ => Balance::RoundRobin,
    }
}

fn source(prequal: &Filled, pool: &Filled, findings: &mut Findings) -> LoadSource {
    if let Some(header) = prequal.get("header").filter(|header| header.as_text() == Some("false")) {
        findings
            .error(header.span, "with `header: false`, nobody says anything")
            .help("write `header: true`, or `probe: PATH`");
    }
    let Some(probe) = prequal.get("probe") else { return LoadSource::Header };
    if let Some(word @ ("h2" | "auto")) = pool.word("protocol") {
        findings
            .error(probe.span, format!("probes are HTTP/1.1, and this pool has `protocol: {word}`"))
            .help("let answers carry the load: `prequal: { header: true }`");
    }
    LoadSource::Probe {
        target: probe.as_text().unwrap_or_default().to_owned(),
        timeout: prequal.duration("timeout"),
        max: to_u32(prequal.number("max_probes")),
    }
}
