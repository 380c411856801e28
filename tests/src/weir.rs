//! The `weir` binary as a process of its own.

use std::{
    collections::HashMap,
    env, fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::{
    Client, Metrics, Origin, Response,
    folder::Folder,
    wait::{until, until_some},
};

/// The name of the configuration file in the process's directory.
const FILE: &str = "weir.yaml";

/// The section that every configuration gets which has none.
const METRICS: &str = "metrics:\n  bind: 127.0.0.1:0\n";

/// A running `weir run FILE`. It is killed when dropped.
#[derive(Debug)]
pub struct Weir {
    child: Child,
    listeners: HashMap<String, SocketAddr>,
    metrics: Option<SocketAddr>,
    log: Lines,
    out: Lines,
    folder: Folder,
}

impl Weir {
    /// Starts with this configuration and waits until it is ready. A `metrics` section is added where none is.
    #[track_caller]
    pub fn start(yaml: &str) -> Self {
        Self::launch(yaml, |_| {})
    }

    /// The simplest configuration: one listener `web`, one pool `web` of these servers, which are not checked.
    #[track_caller]
    pub fn before(origins: &[&Origin]) -> Self {
        Self::start(&simple(origins, "{}"))
    }

    /// The same with these settings of `http`, in YAML's flow form.
    #[track_caller]
    pub fn before_with(origins: &[&Origin], http: &str) -> Self {
        Self::start(&simple(origins, http))
    }

    /// Starts with `change` made to the command.
    #[track_caller]
    pub fn launch(yaml: &str, change: impl FnOnce(&mut Command)) -> Self {
        let folder = Folder::new("weir");
        folder.write(FILE, &with_metrics(yaml));
        let mut command = Command::new(binary());
        command.args(["run", FILE]);
        change(&mut command);
        Self::spawn(command, folder).wait_until_ready()
    }

    /// Starts `weir run --listen 127.0.0.1:0 SERVER…`.
    #[track_caller]
    pub fn of_servers(origins: &[&Origin]) -> Self {
        let mut command = Command::new(binary());
        command.args(["run", "--listen", "127.0.0.1:0"]);
        command.args(origins.iter().map(|origin| origin.to_string()));
        Self::spawn(command, Folder::new("weir")).wait_until_ready()
    }

    /// Starts with `socket` passed in as a service manager does it (`LISTEN_FDS`).
    #[track_caller]
    pub fn activated(yaml: &str, socket: impl Into<OwnedFd>) -> Self {
        let folder = Folder::new("weir");
        folder.write(FILE, &with_metrics(yaml));
        let mut command = Command::new("sh");
        // The socket comes as standard input, and the shell's process becomes Weir's, so its id is the right one.
        command.args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" run "$1" 3<&0 0</dev/null"#]);
        command.arg(binary()).arg(FILE).stdin(Stdio::from(socket.into()));
        Self::spawn(command, folder).wait_until_ready()
    }

    fn spawn(mut command: Command, folder: Folder) -> Self {
        command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        let log = Lines::collect(child.stderr.take().expect("piped"));
        let out = Lines::collect(child.stdout.take().expect("piped"));
        Self { child, listeners: HashMap::new(), metrics: None, log, out, folder }
    }

    #[track_caller]
    fn wait_until_ready(mut self) -> Self {
        until("Weir is ready", || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("Weir ended: {status}\n{}", self.log());
            }
            self.log.find(0, " ready ").is_some()
        });
        self.take_addresses(0);
        self
    }

    fn take_addresses(&mut self, from: usize) {
        for line in self.log.from(from) {
            if line.contains(" listening listener=")
                && let (Some(name), Some(address)) = (field(&line, "listener"), field(&line, "address"))
            {
                self.listeners.insert(name.to_owned(), address.parse().expect("an address"));
            } else if line.contains("info  metrics ") {
                self.metrics = field(&line, "address").map(|address| address.parse().expect("an address"));
            }
        }
    }

    /// Where the only listener listens.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        assert_eq!(self.listeners.len(), 1, "{:?}", self.listeners);
        *self.listeners.values().next().expect("there is one")
    }

    /// Where a listener listens.
    #[track_caller]
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        *self.listeners.get(listener).unwrap_or_else(|| panic!("no `{listener}` in {:?}", self.listeners))
    }

    /// Where metrics are answered.
    #[track_caller]
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics.expect("the configuration has metrics")
    }

    /// A new connection to the only listener.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    /// Sends these bytes on a connection of their own and gives the first answer.
    #[track_caller]
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().send(request).response()
    }

    /// The numbers of this moment.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let mut client = Client::connect(self.metrics_address());
        let response = client.get("/metrics");
        assert_eq!(response.status, 200);
        Metrics::parse(&response.text())
    }

    /// Waits until a limit has been reached so often.
    #[track_caller]
    pub fn wait_for_limit(&self, name: &str, times: f64) {
        until(&format!("the limit {name} is reached"), || self.metrics().limit(name) >= times);
        assert_eq!(self.metrics().limit(name), times, "{name}");
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in its directory.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes the configuration anew.
    pub fn write(&self, yaml: &str) {
        self.folder.write(FILE, &with_metrics(yaml));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child and not waited for");
    }

    /// Changes over to another configuration.
    #[track_caller]
    pub fn reload(&mut self, yaml: &str) {
        let mark = self.mark();
        self.write(yaml);
        self.signal(Signal::HUP);
        let line = self.log.wait_any(mark, &[" reloaded", "the reload changed nothing"]);
        assert!(line.contains(" reloaded"), "{}", self.log());
        // The log names new listeners only.
        self.take_addresses(mark);
    }

    /// Tries to change over to a configuration that is refused; gives what the log says.
    #[track_caller]
    pub fn reload_refused(&mut self, yaml: &str) -> Vec<String> {
        let mark = self.mark();
        self.write(yaml);
        self.signal(Signal::HUP);
        let line = self.log.wait_any(mark, &[" reloaded", "the reload changed nothing"]);
        assert!(line.contains("the reload changed nothing"), "{}", self.log());
        self.log.from(mark)
    }

    /// Lowers how many file descriptors the process may have.
    pub fn limit_descriptors(&self, descriptors: u64) {
        let limit = Rlimit { current: Some(descriptors), maximum: Some(descriptors) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).expect("it is our child");
    }

    /// How many lines its log has.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// Waits for a line of its log that contains `text`, from line `mark` on.
    #[track_caller]
    pub fn wait_for_log(&self, mark: usize, text: &str) -> String {
        self.log.wait_any(mark, &[text])
    }

    /// Its whole log.
    pub fn log(&self) -> String {
        self.log.from(0).join("\n")
    }

    /// Waits for so many lines on its standard output.
    #[track_caller]
    pub fn wait_for_output(&self, lines: usize) -> Vec<String> {
        until(&format!("{lines} lines of output"), || self.out.len() >= lines);
        self.out.from(0)
    }

    /// Waits until it ends and its last lines have been read.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let status = until_some("Weir ends", || self.child.try_wait().expect("a child"));
        self.log.join();
        self.out.join();
        status
    }

    /// It has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.join();
        self.out.join();
        let log = self.log();
        if thread::panicking() {
            eprintln!("--- the log of Weir ({ended:?}):\n{log}");
        } else {
            // A worker that panics is a bug, whatever else the test looked at.
            assert!(!log.contains("panicked at"), "{log}");
        }
    }
}

/// The configuration of [`Weir::before_with`].
pub fn simple(origins: &[&Origin], http: &str) -> String {
    let servers: Vec<String> = origins.iter().map(|origin| origin.to_string()).collect();
    format!(
        "
runtime:
  workers: 1
listeners:
  - name: web
    bind: 127.0.0.1:0
    http: {http}
    pool: web
pools:
  web:
    servers: [{}]
    health: none
",
        servers.join(", ")
    )
}

/// A listener `web` before a pool `web` of these servers, with these settings of the pool.
pub fn pool(servers: &[impl ToString], settings: &str) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{}]
    {settings}
",
        servers.join(", ")
    )
}

/// Runs `weir` with these arguments in `folder` to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).current_dir(folder).output().expect("the binary can be started")
}

/// A file in a directory of its own, for [`run`].
#[derive(Debug)]
pub struct File(Folder);

impl File {
    /// Writes it as `weir.yaml`.
    pub fn new(yaml: &str) -> Self {
        let folder = Folder::new("file");
        folder.write(FILE, yaml);
        Self(folder)
    }

    /// Its directory.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

fn with_metrics(yaml: &str) -> String {
    if yaml.contains("\nmetrics:") { yaml.to_owned() } else { format!("{METRICS}{yaml}") }
}

/// The value of `NAME=VALUE` in a line of the log.
pub fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The binary under test: `WEIR_BIN`, or what cargo builds beside the tests.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("WEIR_BIN") {
        Some(path) => fs::canonicalize(&path).unwrap_or_else(|error| panic!("WEIR_BIN {path:?}: {error}")),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = env::current_exe().expect("Linux tells it");
    let profile = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--package", "weir", "--target-dir"]).arg(profile.parent().expect("target"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo can be started").success(), "the binary does not build");
    profile.join("weir")
}

/// Lines of a stream, collected while they come.
#[derive(Debug)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        let thread = thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                collected.lock().expect("nobody panics while holding it").push(line);
            }
        });
        Self { lines, thread: Some(thread) }
    }

    fn len(&self) -> usize {
        self.lines.lock().expect("nobody panics while holding it").len()
    }

    fn from(&self, mark: usize) -> Vec<String> {
        self.lines.lock().expect("nobody panics while holding it")[mark..].to_vec()
    }

    fn find(&self, mark: usize, text: &str) -> Option<String> {
        self.from(mark).into_iter().find(|line| line.contains(text))
    }

    #[track_caller]
    fn wait_any(&self, mark: usize, texts: &[&str]) -> String {
        until_some(&format!("{texts:?} in the log"), || {
            self.from(mark).into_iter().find(|line| texts.iter().any(|text| line.contains(text)))
        })
    }

    /// Waits for the end of the stream.
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
