//! The directory, the authorities behind it, and the program before it.

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use weir_tests::{
    folder::Folder,
    pki::{Authority, Identity},
    tls::{ClientConfig, TlsClient, trusting_anew},
    weir::field,
};

use crate::{
    bench::process::Process,
    launch::{self, DeathSignal},
};

/// How long a start may take before it is given up.
const START_MAX: Duration = Duration::from_secs(60);
/// How often the log is looked at for the address.
const LOOK: Duration = Duration::from_millis(1);

/// Everything but the program.
pub(super) struct Stage {
    folder: Folder,
    /// Who signs all certificates, and is vouched for by the one that clients trust.
    issuer: Authority,
    clients: Arc<ClientConfig>,
    binary: PathBuf,
    count: usize,
}

/// The program, which ends when this is dropped.
pub(super) struct Started {
    process: Process,
    address: SocketAddr,
}

impl Stage {
    /// Writes the directory: each file with a key of its own, a certificate for two names, and the issuer's.
    pub(super) fn new(count: usize, binary: PathBuf) -> Result<Self, String> {
        let root = Authority::new();
        let (issuer, clients) = (root.intermediate(), trusting_anew(&root));
        let stage = Self { folder: Folder::new("certificates"), issuer, clients, binary, count };
        fs::create_dir(stage.folder.path().join("many")).map_err(|error| error.to_string())?;
        stage.folder.write("weir.yaml", &stage.yaml());
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| {
                    let mut numbers = (part..count).step_by(threads);
                    let stage = &stage;
                    scope.spawn(move || {
                        numbers.try_for_each(|number| {
                            fs::write(stage.file(number), stage.text(&stage.identity(number)))
                        })
                    })
                })
                .collect();
            parts.into_iter().try_for_each(|part| part.join().expect("it does not panic"))
        })
        .map_err(|error| format!("cannot write certificates: {error}"))?;
        Ok(stage)
    }

    fn yaml(&self) -> String {
        let path = |name| self.folder.path().join(name).display().to_string();
        format!(
            "runtime: {{ state_dir: {} }}\n\
             certificates: {{ many: {{ dir: {} }} }}\n\
             listeners:\n  - name: web\n    bind: 127.0.0.1:0\n    tls: {{ certificates: [many] }}\n    \
             routes: [{{ respond: {{ body: fine }} }}]\n",
            path("state"),
            path("many")
        )
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn bytes_per_file(&self) -> u64 {
        fs::metadata(self.file(self.count / 2)).map_or(0, |file| file.len())
    }

    /// The name of a certificate, which is that of its file, too.
    pub(super) fn name(number: usize) -> String {
        format!("site-{number:06}.example.test")
    }

    /// Where a certificate lies.
    pub(super) fn file(&self, number: usize) -> PathBuf {
        self.folder.path().join("many").join(Self::name(number) + ".pem")
    }

    /// A new certificate with a new key.
    pub(super) fn identity(&self, number: usize) -> Identity {
        let name = Self::name(number);
        self.issuer.long_server(&[&name, &format!("www.{name}")])
    }

    /// What a file holds: leaf, issuer, key.
    pub(super) fn text(&self, identity: &Identity) -> String {
        format!("{}{}{}", identity.cert, self.issuer.pem, identity.key)
    }

    /// As before the very first start.
    pub(super) fn forget_index(&self) -> Result<(), String> {
        match fs::remove_dir_all(self.folder.path().join("state")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("cannot remove the index: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// Drops the files' content from the page cache, as after a boot of the machine. Where they lie in memory only
    /// (tmpfs), this does nothing.
    pub(super) fn forget_content(&self) -> io::Result<()> {
        // What is not written yet would stay.
        rustix::fs::syncfs(fs::File::open(self.folder.path())?)?;
        (0..self.count).try_for_each(|number| {
            let file = fs::File::open(self.file(number))?;
            Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
        })
    }

    /// Starts the program, and asks for the name in the middle as soon as it listens. How long both took.
    pub(super) fn start(&self) -> Result<(Started, Duration), String> {
        let log = self.folder.path().join("weir.log");
        let mut command = launch::unpinned(&self.binary, DeathSignal::Kill);
        command.arg("run").arg("weir.yaml").current_dir(self.folder.path());
        let spawned = Instant::now();
        let mut process = Process::start("weir", command, &log)?;
        let address = loop {
            let said = fs::read_to_string(&log).map_err(|error| error.to_string())?;
            // The last line may be half written.
            let lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            let line = lines.lines().find(|line| line.contains(" listening listener=web "));
            if let Some(address) = line.and_then(|line| field(line, "address")?.parse().ok()) {
                break address;
            }
            if spawned.elapsed() > START_MAX || process.has_ended() {
                return Err(format!("weir does not start: {said}"));
            }
            thread::sleep(LOOK);
        };
        let started = Started { process, address };
        self.ask(&started, self.count / 2)?;
        Ok((started, spawned.elapsed()))
    }

    /// A full handshake and a request on a connection of its own; the certificate, which is for this name and was
    /// signed by our issuer, or else the handshake fails.
    pub(super) fn ask(&self, started: &Started, number: usize) -> Result<Vec<u8>, String> {
        let name = Self::name(number);
        let wrong = |what: String| format!("{name}: {what}");
        let mut client = TlsClient::try_connect(started.address, &self.clients, &name)
            .map_err(|error| wrong(error.to_string()))?;
        // In TLS 1.3 the client is ready before the server: only an answer shows that both were content.
        match client.try_get("/", "") {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => return Err(wrong(format!("answered with {}", answer.status))),
            Err(error) => return Err(wrong(error.to_string())),
        }
        let chain: Vec<&[u8]> = client.shown().collect();
        match chain[..] {
            [leaf, _] => Ok(leaf.to_vec()),
            _ => Err(wrong(format!("a chain of {}", chain.len()))),
        }
    }
}

impl Started {
    /// Resident, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.process.memory().resident
    }
}
