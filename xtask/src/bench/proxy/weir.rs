//! Weir.

use super::Place;

/// What the reader of the results must know of it.
pub(super) const SETTINGS: &str = "`runtime.workers: 1`, metrics endpoint and HTTP checks every 2 s, all else default: limits, timeouts, \
     forwarding headers";

pub(super) fn config(place: &Place<'_>) -> String {
    let servers: Vec<String> = place.servers.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (certificates, tls) = match place.pair() {
        None => (String::new(), ""),
        Some((certificate, key)) => (
            format!("certificates: {{ bench: {{ cert: {certificate}, key: {{ file: {key} }} }} }}\n"),
            "    tls: { certificates: [bench] }\n",
        ),
    };
    format!(
        "\
runtime: {{ workers: 1 }}
metrics: {{ bind: 127.0.0.1:{metrics} }}
{certificates}listeners:
  - bind: 127.0.0.1:{port}
{tls}    pool: web
pools:
  web:
    servers: [{servers}]
    health: {{ http: /small, interval: 2s }}
",
        metrics = place.metrics_port,
        port = place.port,
        servers = servers.join(", "),
    )
}
