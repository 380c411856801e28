//! A real authority: Debian's `pebble`, and `pebble-challtestsrv` as its DNS, for which every name is this machine.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use crate::folder::Folder;
use crate::pki::Pki;

/// How long a program may take to listen, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Free ports may be taken by somebody else before pebble has them.
const START_TRIES: u32 = 5;

/// What a test wants of its authority.
pub(crate) struct Setup {
    /// Where http-01 is looked for.
    pub(crate) http_port: u16,
    /// Where tls-alpn-01 is looked for.
    pub(crate) tls_port: u16,
    /// How many percent of the nonces are refused although they are good.
    pub(crate) nonce_reject: u8,
    /// Key id and key that every account needs.
    pub(crate) external: Option<(&'static str, &'static str)>,
}

/// The authority, until it is dropped.
pub(crate) struct Pebble {
    /// URL of the directory.
    pub(crate) directory: String,
    log: PathBuf,
    pebble: Program,
    resolver: Program,
    dns_port: u16,
    _folder: Folder,
}

impl Pebble {
    pub(crate) async fn start(pki: &Pki, setup: &Setup) -> Pebble {
        for _ in 0..START_TRIES {
            if let Some(pebble) = Pebble::try_start(pki, setup).await {
                return pebble;
            }
        }
        panic!("pebble did not start in {START_TRIES} tries; is Debian's package `pebble` installed?");
    }

    async fn try_start(pki: &Pki, setup: &Setup) -> Option<Pebble> {
        let folder = Folder::new("pebble");
        let [acme, management, dns, dns_management] = free_ports();
        let (certificate, key) = pki.localhost();
        std::fs::write(folder.path().join("cert.pem"), certificate).expect("the folder is ours");
        std::fs::write(folder.path().join("key.pem"), key).expect("the folder is ours");
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{acme}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.path().join("cert.pem"),
            "privateKey": folder.path().join("key.pem"),
            "httpPort": setup.http_port,
            "tlsPort": setup.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": setup.external.is_some(),
            "externalAccountMACKeys": setup.external.iter().copied().collect::<std::collections::HashMap<_, _>>(),
            "domainBlocklist": ["blocked.example"],
            "certificateValidityPeriod": crate::LIFETIME.as_secs(),
        }});
        let config_file = folder.path().join("pebble.json");
        std::fs::write(&config_file, config.to_string()).expect("the folder is ours");

        let mut resolver = Command::new("pebble-challtestsrv");
        resolver
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let resolver = Program::start(resolver, &folder.path().join("dns.log"))?;

        let log = folder.path().join("pebble.log");
        let mut pebble = Command::new("pebble");
        pebble
            .arg("-config")
            .arg(&config_file)
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .env("PEBBLE_WFE_NONCEREJECT", setup.nonce_reject.to_string());
        let pebble = Program::start(pebble, &log)?;
        let directory = format!("https://127.0.0.1:{acme}/dir");
        let mut pebble = Pebble { directory, log, pebble, resolver, dns_port: dns, _folder: folder };
        pebble.answers(pki).await.then_some(pebble)
    }

    /// The authority with the same address, but nothing in its memory.
    pub(crate) async fn restart(&mut self, pki: &Pki) {
        self.pebble.end();
        self.pebble.child = self.pebble.command.spawn().expect("it started before");
        assert!(self.answers(pki).await, "pebble did not start again");
    }

    /// Waits until it answers; false if one of the programs ends before, because its port is taken. That something
    /// listens would not be enough: it may be another test's.
    async fn answers(&mut self, pki: &Pki) -> bool {
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline && self.pebble.runs() && self.resolver.runs() {
            let named = TcpStream::connect(("127.0.0.1", self.dns_port)).await.is_ok();
            if named && crate::fetch::try_get(pki, &self.directory).await.is_some() {
                return self.resolver.runs();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// How many lines of its log contain a text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = std::fs::read(&self.log).expect("the log is readable");
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count()
    }
}

/// A child process, ended when it is dropped.
struct Program {
    command: Command,
    child: Child,
}

impl Program {
    fn start(mut command: Command, log: &Path) -> Option<Program> {
        let output = File::create(log).expect("the folder is ours");
        let errors = output.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().ok()?;
        Some(Program { command, child })
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ports that were free for TCP and UDP a moment ago, all different.
fn free_ports<const N: usize>() -> [u16; N] {
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
