//! Real programs beside Weir: nginx and HAProxy as servers and for comparison, curl as a client.
//!
//! A test that needs one and does not find it fails: it never passes by not running. `cargo xtask test` installs them.

use std::{
    ffi::OsString,
    fmt, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    thread,
};

use crate::{Origin, folder::Folder, wait::until_some};

/// How often another port is tried when somebody took the one that was free.
const STARTS_MAX: usize = 5;

/// A program that listens on a loopback port. It is killed when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Peer {
    /// nginx as a proxy before `origin`.
    #[track_caller]
    pub fn nginx_before(origin: &Origin) -> Self {
        let location = format!(
            "proxy_pass http://{origin};
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_request_buffering off;"
        );
        Self::nginx(|address| {
            format!("client_max_body_size 0; server {{ listen {address}; location / {{ {location} }} }}")
        })
    }

    /// nginx as a server that answers everything with `text`.
    #[track_caller]
    pub fn nginx_saying(text: &str) -> Self {
        Self::nginx(|address| {
            format!("server {{ listen {address}; location / {{ return 200 \"{text}\"; }} }}")
        })
    }

    /// nginx as a proxy before `origin` that speaks HTTP/2 with clients that know it.
    #[track_caller]
    pub fn nginx_h2_before(origin: &Origin) -> Self {
        let location = format!(
            "proxy_pass http://{origin};
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_request_buffering off;"
        );
        Self::nginx(|address| {
            format!(
                "client_max_body_size 0; server {{ listen {address} http2; location / {{ {location} }} }}"
            )
        })
    }

    #[track_caller]
    fn nginx(http: impl Fn(SocketAddr) -> String) -> Self {
        Self::start("nginx", |folder, address| {
            let http = http(address);
            let text = format!(
                "daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
                events {{ worker_connections 1024; }}
                http {{
                    access_log off; keepalive_requests 1000000;
                    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                    {http}
                }}"
            );
            let file = folder.write("nginx.conf", &text);
            let mut command = Command::new("nginx");
            // As root, its workers would be somebody else and could be killed by nobody but root.
            command.arg("-p").arg(folder.path()).arg("-c").arg(file).args(["-g", "master_process off;"]);
            command
        })
    }

    /// HAProxy as a proxy before `origin`.
    #[track_caller]
    pub fn haproxy_before(origin: &Origin) -> Self {
        Self::haproxy(origin, "", "")
    }

    /// HAProxy as a proxy before `origin` that speaks HTTP/2 with clients that know it.
    #[track_caller]
    pub fn haproxy_h2_before(origin: &Origin) -> Self {
        Self::haproxy(origin, "proto h2", "")
    }

    /// HAProxy as a proxy that speaks HTTP/1.1 with clients and HTTP/2 with the server at `server`.
    #[track_caller]
    pub fn haproxy_before_h2(server: impl fmt::Display) -> Self {
        Self::haproxy(server, "", "proto h2")
    }

    #[track_caller]
    fn haproxy(server: impl fmt::Display, downstream: &str, upstream: &str) -> Self {
        Self::start("haproxy", |folder, address| {
            let text = format!(
                "global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend web
    bind {address} {downstream}
    default_backend web
backend web
    server origin {server} {upstream}
"
            );
            let file = folder.write("haproxy.cfg", &text);
            let mut command = Command::new("haproxy");
            command.args(["-db", "-f"]).arg(file);
            command
        })
    }

    #[track_caller]
    fn start(program: &str, command: impl Fn(&Folder, SocketAddr) -> Command) -> Self {
        for _ in 0..STARTS_MAX {
            let folder = Folder::new(program);
            // These programs cannot tell which port they got, so they are told one that was free a moment ago.
            let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
            let address = address.expect("a loopback port is free");
            let mut command = command(&folder, address);
            let stderr = fs::File::create(folder.path().join("stderr")).expect("it can be written");
            command.env("PATH", path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
            let child = command.spawn();
            let child = child.unwrap_or_else(|error| {
                panic!("{program} cannot be started ({error}); `cargo xtask test` installs it")
            });
            let mut peer = Self { child, address, folder };
            if peer.wait_until_it_listens() {
                return peer;
            }
            eprintln!("{program}: {:?}", fs::read_to_string(peer.folder.path().join("stderr")));
        }
        panic!("{program} does not start");
    }

    /// False when it has ended instead.
    fn wait_until_it_listens(&mut self) -> bool {
        until_some("the peer listens", || {
            if self.child.try_wait().expect("a child").is_some() {
                return Some(false);
            }
            TcpStream::connect(self.address).is_ok().then_some(true)
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- a peer: {:?}", fs::read_to_string(self.folder.path().join("stderr")));
        }
    }
}

/// Runs curl to its end.
#[track_caller]
pub fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20"]).args(arguments);
    command.output().unwrap_or_else(|error| panic!("curl: {error}; `cargo xtask test` installs it"))
}

/// Runs h2load, nghttp2's load generator, to its end.
#[track_caller]
pub fn h2load(arguments: &[&str]) -> Output {
    let output = Command::new("h2load").args(arguments).output();
    output.unwrap_or_else(|error| panic!("h2load: {error}; `cargo xtask test` installs it"))
}

/// What `openssl s_client` says of a connection to `address`.
#[track_caller]
pub fn s_client(address: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string()]).args(arguments).stdin(Stdio::null());
    let output =
        command.output().unwrap_or_else(|error| panic!("openssl: {error}; `cargo xtask test` installs it"));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `PATH` with the directories of daemons.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}
