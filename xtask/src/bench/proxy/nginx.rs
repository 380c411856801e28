//! nginx.

use super::{Place, lines};

/// What the reader of the results must know of it.
pub(super) const SETTINGS: &str = "`worker_processes 1`, `keepalive 1024` to the servers, `keepalive_requests` without a limit, \
     `X-Forwarded-For`, `-Proto` and `-Host` set, `proxy_buffering` as by default but without temporary \
     files (`proxy_max_temp_file_size 0`), `proxy_request_buffering off`; it has no active checks; \
     over TLS `ssl_protocols TLSv1.2 TLSv1.3`, `http2`, `http2_max_concurrent_streams 128`, tickets as by default";

pub(super) fn config(place: &Place<'_>) -> String {
    let servers = lines(place.servers, |port| format!("        server 127.0.0.1:{port};"));
    let (listen, tls) = match place.pair() {
        None => ("", String::new()),
        // Debian's version needs to be told of TLS 1.3.
        Some((certificate, key)) => (
            " ssl http2",
            format!(
                "
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        http2_max_concurrent_streams 128;"
            ),
        ),
    };
    format!(
        "\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    client_max_body_size 0;
    upstream web {{
{servers}
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port}{listen} backlog=4096;{tls}
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
",
        // Without root the directive would only be warned about.
        user = if rustix::process::geteuid().is_root() { "user root;" } else { "" },
        folder = place.folder.display(),
        port = place.port,
    )
}
