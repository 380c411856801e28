//! The proxies and how each is set up: as its manual advises for this work, one worker, no access log, connections
//! to the servers kept alive, forwarding headers set.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::first_line;
use crate::launch::{self, DeathSignal};
use crate::workspace::find_program;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proxy {
    Weir,
    Nginx,
    Haproxy,
    Envoy,
    Relay,
}

/// All of them, in the order of the report.
pub(crate) const PROXIES: &[Proxy] = &[Proxy::Weir, Proxy::Nginx, Proxy::Haproxy, Proxy::Envoy, Proxy::Relay];

/// Where their programs are.
pub(crate) struct Programs {
    /// The folder with what this workspace builds.
    pub(crate) built: PathBuf,
    pub(crate) envoy: Result<PathBuf, String>,
}

/// Where a proxy listens and what is behind it.
pub(crate) struct Place<'a> {
    pub(crate) port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) servers: &'a [u16],
    /// For its configuration and whatever else it writes.
    pub(crate) folder: &'a Path,
    pub(crate) cpu: usize,
}

impl Proxy {
    /// As on the command line and in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Proxy::Weir => "weir",
            Proxy::Nginx => "nginx",
            Proxy::Haproxy => "haproxy",
            Proxy::Envoy => "envoy",
            Proxy::Relay => "relay",
        }
    }

    /// What the reader of the results must know of its configuration.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Proxy::Weir => {
                "`runtime.workers: 1`, metrics endpoint and HTTP checks every 2 s, all else default: limits, timeouts, \
                 forwarding headers"
            }
            Proxy::Nginx => {
                "`worker_processes 1`, `keepalive 1024` to the servers, `keepalive_requests` without a limit, \
                 `X-Forwarded-For`, `-Proto` and `-Host` set, `proxy_buffering` as by default but without temporary \
                 files (`proxy_max_temp_file_size 0`), `proxy_request_buffering off`; it has no active checks"
            }
            Proxy::Haproxy => {
                "`nbthread 1`, `http-reuse always`, `option forwardfor`, HTTP checks every 2 s; no `splice`, as by \
                 default"
            }
            Proxy::Envoy => {
                "`--concurrency 1`, `use_remote_address` (sets `X-Forwarded-For` and `-Proto`), circuit breakers \
                 lifted, no active checks"
            }
            Proxy::Relay => {
                "bytes only, 32 KiB buffers, one server connection per client connection: the floor, not a balancer"
            }
        }
    }

    /// Writes its configuration and says how to start it.
    pub(crate) fn command(self, programs: &Programs, place: &Place<'_>) -> Result<Command, String> {
        let program = programs.path(self)?;
        let (config, text) = match self {
            Proxy::Weir => ("weir.yaml", weir(place)),
            Proxy::Nginx => ("nginx.conf", nginx(place)),
            Proxy::Haproxy => ("haproxy.cfg", haproxy(place)),
            Proxy::Envoy => ("envoy.yaml", envoy(place)),
            Proxy::Relay => ("relay.none", String::new()),
        };
        let config = place.folder.join(config);
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;

        // nginx must take its worker along when it goes.
        let signal = if self == Proxy::Nginx { DeathSignal::Term } else { DeathSignal::Kill };
        let mut command = launch::command(program, place.cpu, signal);
        match self {
            Proxy::Weir => command.arg("run").arg(config),
            Proxy::Nginx => command.arg("-e").arg(place.folder.join("nginx.log")).arg("-c").arg(config),
            Proxy::Haproxy => command.args(["-db", "-f"]).arg(config),
            Proxy::Envoy => command
                .args(["--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "-c"])
                .arg(config),
            Proxy::Relay => {
                command.arg(format!("127.0.0.1:{}", place.port));
                command.args(place.servers.iter().map(|port| format!("127.0.0.1:{port}")))
            }
        };
        Ok(command)
    }
}

impl Programs {
    pub(crate) fn path(&self, proxy: Proxy) -> Result<PathBuf, String> {
        match proxy {
            Proxy::Weir | Proxy::Relay => Ok(self.built.join(proxy.name())),
            Proxy::Nginx | Proxy::Haproxy => {
                find_program(proxy.name()).ok_or_else(|| format!("no {} on this machine", proxy.name()))
            }
            Proxy::Envoy => self.envoy.clone(),
        }
    }

    /// The version line of a proxy, or why it cannot take part.
    pub(crate) fn version(&self, proxy: Proxy) -> Result<String, String> {
        let args: &[&str] = match proxy {
            Proxy::Weir | Proxy::Envoy => &["--version"],
            Proxy::Nginx | Proxy::Haproxy => &["-v"],
            Proxy::Relay => {
                return first_line("rustc", &["--version"]).map(|rustc| format!("built by {rustc}"));
            }
        };
        let path = self.path(proxy)?;
        let line = match first_line(&path, args) {
            // A build that cannot say its version may still proxy.
            Err(_) if proxy == Proxy::Weir => "of this workspace".to_owned(),
            other => other?,
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match (proxy, words.as_slice()) {
            // nginx version: nginx/1.22.1
            (Proxy::Nginx, [.., version]) => (*version).to_owned(),
            // HAProxy version 2.6.12 2026/10/17 - https://haproxy.org/
            (Proxy::Haproxy, [_, _, version, ..]) => (*version).to_owned(),
            // PATH version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL
            (Proxy::Envoy, [.., build]) => build.split('/').nth(1).unwrap_or(build).to_owned(),
            _ => line,
        })
    }
}

fn weir(place: &Place<'_>) -> String {
    let servers: Vec<String> = place.servers.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!(
        "\
runtime: {{ workers: 1 }}
metrics: {{ bind: 127.0.0.1:{metrics} }}
listeners:
  - bind: 127.0.0.1:{port}
    pool: web
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

fn nginx(place: &Place<'_>) -> String {
    let servers = lines(place.servers, |port| format!("        server 127.0.0.1:{port};"));
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
        listen 127.0.0.1:{port} backlog=4096;
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

fn haproxy(place: &Place<'_>) -> String {
    let servers = lines(place.servers, |port| format!("    server s{port} 127.0.0.1:{port} check inter 2s"));
    format!(
        "\
global
    nbthread 1
    maxconn 12000
    no strict-limits
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
    bind 127.0.0.1:{port} backlog 4096
    default_backend web
backend web
    balance roundrobin
    option httpchk GET /small
{servers}
",
        port = place.port,
    )
}

fn envoy(place: &Place<'_>) -> String {
    let servers = lines(place.servers, |port| {
        format!(
            "        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}"
        )
    });
    format!(
        "\
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          use_remote_address: true
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes:
              - match: {{ prefix: / }}
                route: {{ cluster: web }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: web
    type: STATIC
    lb_policy: ROUND_ROBIN
    circuit_breakers:
      thresholds:
      - {{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }}
    load_assignment:
      cluster_name: web
      endpoints:
      - lb_endpoints:
{servers}
",
        port = place.port,
    )
}

fn lines(ports: &[u16], line: impl Fn(&u16) -> String) -> String {
    ports.iter().map(line).collect::<Vec<_>>().join("\n")
}
