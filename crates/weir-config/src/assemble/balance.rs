//! `pools.NAME.balance`.

use crate::{Balance, HashKey, filled::Filled, kind::Value};

pub(super) fn balance(node: Option<&Filled>) -> Balance {
    let Some(node) = node else { return Balance::RoundRobin };
    match node.as_word() {
        // The model knows one word for one thing.
        Some("least_requests" | "least_connections") => Balance::LeastRequests,
        Some("random") => Balance::Random,
        Some("p2c") => Balance::P2c,
        Some("peak_ewma") => Balance::PeakEwma,
        Some("client_ip") => Balance::Hash { key: HashKey::ClientIp, bound_percent: None },
        Some(_) => Balance::RoundRobin,
        None => section(node),
    }
}

fn section(node: &Filled) -> Balance {
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
