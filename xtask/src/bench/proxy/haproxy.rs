//! HAProxy.

use super::{Place, lines};

/// What the reader of the results must know of it.
pub(super) const SETTINGS: &str = "`nbthread 1`, `http-reuse always`, `option forwardfor`, HTTP checks every 2 s; no `splice`, as by \
     default; over TLS `alpn h2,http/1.1`, `tune.h2.max-concurrent-streams 128`, tickets and session cache as by default";

pub(super) fn config(place: &Place<'_>) -> String {
    let servers = lines(place.servers, |port| format!("    server s{port} 127.0.0.1:{port} check inter 2s"));
    // It looks for the key itself, beside the certificate.
    let (tune, tls) = match place.pair() {
        None => ("", String::new()),
        Some((certificate, _)) => {
            ("\n    tune.h2.max-concurrent-streams 128", format!(" ssl crt {certificate} alpn h2,http/1.1"))
        }
    };
    format!(
        "\
global
    nbthread 1
    maxconn 12000
    no strict-limits{tune}
defaults
    mode http
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 60s
frontend in
    bind 127.0.0.1:{port}{tls} backlog 4096
    default_backend web
backend web
    balance roundrobin
    option httpchk GET /small
{servers}
",
        port = place.port,
    )
}
