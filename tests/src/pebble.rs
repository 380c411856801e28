//! A real ACME server: Debian's `pebble`, and `pebble-challtestsrv` as its DNS, for which every name is this machine.

use std::{
    collections::HashMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use serde_json::json;

use crate::{
    folder::Folder,
    pki::Authority,
    tls::{TlsClient, trusting},
    until,
};

/// How long its certificates last.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// A name that it has no certificate for.
pub const BLOCKED: &str = "blocked.example";

/// How often other ports are tried when somebody took those that were free.
const STARTS_MAX: u32 = 5;

/// What a test wants of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// Where http-01 is looked for.
    pub http_port: u16,
    /// Where tls-alpn-01 is looked for.
    pub tls_port: u16,
    /// How many percent of the nonces are refused although they are good.
    pub nonce_reject: u8,
    /// Key id and key that every account needs.
    pub external: Option<(&'static str, &'static str)>,
}

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Pebble {
    /// URL of the directory.
    pub directory: String,
    /// In the order in which they start: the DNS, then the server itself.
    programs: [Program; 2],
    dns: SocketAddr,
    acme: SocketAddr,
    known: Arc<ClientConfig>,
    log: PathBuf,
    _folder: Folder,
}

impl Pebble {
    /// One whose own certificate comes from `authority`.
    #[track_caller]
    pub fn start(authority: &Authority, setup: &Setup) -> Self {
        (0..STARTS_MAX)
            .find_map(|_| Self::try_start(authority, setup))
            .expect("pebble starts; `cargo xtask test` installs it")
    }

    /// Again at the same address, with nothing in its memory.
    #[track_caller]
    pub fn restart(&mut self) {
        self.programs[1].restart();
        assert!(self.answers(), "pebble did not start again");
    }

    /// How many lines of its log contain a text.
    pub fn logged(&self, text: &str) -> usize {
        let log = fs::read(&self.log).expect("the log is readable");
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count()
    }

    fn try_start(authority: &Authority, setup: &Setup) -> Option<Self> {
        let [acme, management, dns, dns_management] = free_ports().map(|port| (Ipv4Addr::LOCALHOST, port));
        let [acme, management, dns, dns_management] =
            [acme, management, dns, dns_management].map(SocketAddr::from);
        let folder = Folder::new("pebble");
        let identity = authority.server(&["127.0.0.1"]);
        let config = json!({ "pebble": {
            "listenAddress": acme,
            "managementListenAddress": management,
            "certificate": folder.write("cert.pem", &identity.cert),
            "privateKey": folder.write("key.pem", &identity.key),
            "httpPort": setup.http_port,
            "tlsPort": setup.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": setup.external.is_some(),
            "externalAccountMACKeys": setup.external.into_iter().collect::<HashMap<_, _>>(),
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": LIFETIME.as_secs(),
        }});
        let config = folder.write("pebble.json", &config.to_string());
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &dns.to_string()])
            .args(["-management", &dns_management.to_string()]);
        let mut pebble = Command::new("pebble");
        pebble
            .arg("-config")
            .arg(&config)
            .args(["-dnsserver", &dns.to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .env("PEBBLE_WFE_NONCEREJECT", setup.nonce_reject.to_string());
        let log = folder.path().join("pebble.log");
        let programs =
            [Program::start(resolver, &folder.path().join("dns.log")), Program::start(pebble, &log)];
        let directory = format!("https://{acme}/dir");
        let known = trusting(authority);
        let mut started = Self { directory, programs, dns, acme, known, log, _folder: folder };
        started.answers().then_some(started)
    }

    /// Waits until it answers; false if one of the programs ends before, because its port is taken. That something
    /// listens would not be enough: it may be another test's, which has a certificate of another authority.
    #[track_caller]
    fn answers(&mut self) -> bool {
        let mut runs = true;
        until("pebble answers", || {
            runs = self.programs.iter_mut().all(Program::runs);
            let named = || TcpStream::connect(self.dns).is_ok();
            !runs || (named() && TlsClient::try_connect(self.acme, &self.known, "127.0.0.1").is_ok())
        });
        runs
    }
}

/// A child process, ended when it is dropped.
#[derive(Debug)]
struct Program {
    command: Command,
    child: Child,
}

impl Program {
    #[track_caller]
    fn start(mut command: Command, log: &Path) -> Self {
        let output = File::create(log).expect("the folder is ours");
        let errors = output.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().expect("it is installed");
        Self { command, child }
    }

    fn restart(&mut self) {
        self.end();
        self.child = self.command.spawn().expect("it started before");
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ports that were free for TCP and UDP a moment ago, all different.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    while held.len() < N {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = tcp.local_addr().expect("it is bound").port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            held.push((tcp, udp, port));
        }
    }
    std::array::from_fn(|index| held[index].2)
}
