//! The heads and bodies of the corpora, as they go upstream, before a real nginx: it reads each body as we read it, or
//! refuses the request.
//!
//! nginx cannot run inside a fuzz target, so it judges what the targets have found worth keeping. Behind each request
//! comes another; nginx passes the first on to a second server of its own, which says how long the body was.

#![forbid(unsafe_code)]

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use weir_fuzz_checks::{
    chunked_body::upstream,
    readers::tokenizer,
    request_head::{MARKER, accepted, fitting_body, upstream_forms},
};

/// The most inputs that are tried.
const INPUTS_MAX: usize = 5_000;

/// How long nginx may take to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_header_buffer_size 32k;
    large_client_header_buffers 4 64k;
    client_max_body_size 0;
    client_body_buffer_size 64k;
    keepalive_requests 1000000;
    server {
        listen unix:front.sock;
        location = /marker {
            # A byte too many for the body before would leave `ET`.
            if ($request_method != GET) { return 400; }
            return 299;
        }
        location / {
            proxy_pass http://unix:behind.sock;
            proxy_http_version 1.1;
            # We say that we are done before we are answered.
            proxy_ignore_client_abort on;
        }
    }
    server {
        listen unix:behind.sock;
        add_header x-body-bytes "=$content_length" always;
        location / { return 200 "read"; }
    }
}
"#;

#[test]
fn heads_are_read_with_the_same_body() {
    let nginx = Nginx::start();
    let mut tally = Tally::default();
    for input in inputs("request_head") {
        let text = std::fs::read(&input).expect("an input is readable");
        let Some(head) = accepted(&text) else { continue };
        let Some((framed, body)) = fitting_body(&head, &text) else { continue };
        let is_head = head.method.of(&text) == b"HEAD";
        for upstream in upstream_forms(&head, &text) {
            let answers = nginx.answers(&[&upstream, &framed[..], MARKER].concat(), is_head);
            tally.add(&answers, body.len(), &input);
        }
    }
    tally.print_for("heads");
}

#[test]
fn chunked_bodies_are_read_to_the_same_end() {
    let nginx = Nginx::start();
    let mut tally = Tally::default();
    for input in inputs("chunked_body") {
        let (sent, data_len) = upstream(&std::fs::read(&input).expect("an input is readable"));
        match data_len {
            Some(len) => tally.add(&nginx.answers(&[&sent, MARKER].concat(), false), len, &input),
            None => {
                let answers = nginx.answers(&sent, false);
                let is_taken = answers.iter().any(|answer| answer.status < 400);
                assert!(!is_taken, "{}: nginx takes for whole what is not: {answers:?}", input.display());
                tally.refused += 1;
            }
        }
    }
    tally.print_for("chunked bodies");
}

/// How often nginx agreed, or would have nothing of it.
#[derive(Default)]
struct Tally {
    read: usize,
    refused: usize,
}

impl Tally {
    /// Judges the answers to a request with a body of `len` bytes, and to the marker behind it.
    fn add(&mut self, answers: &[Answer], len: usize, input: &Path) {
        let shown = format!("{}: {answers:?}", input.display());
        match answers {
            [only] if only.status >= 400 => self.refused += 1,
            [first, marker] => {
                assert_eq!(marker.status, 299, "another next request: {shown}");
                if first.status == 200 {
                    assert_eq!(first.body_bytes, Some(len), "another body: {shown}");
                }
                self.read += 1;
            }
            _ => panic!("another number of requests: {shown}"),
        }
    }

    fn print_for(&self, what: &str) {
        let Self { read, refused } = self;
        println!("{what}: nginx read {read} as we do, and refused {refused}");
        assert!(*read >= 10, "nginx took only {read}, and refused {refused}: nothing is shown");
    }
}

#[test]
fn another_length_is_seen() {
    let nginx = Nginx::start();
    let sent = |length: usize| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nhello");
        let answers = nginx.answers(&[head.as_bytes(), MARKER].concat(), false);
        (answers.last().map(|answer| answer.status), answers.first().and_then(|answer| answer.body_bytes))
    };
    assert_eq!(sent(5), (Some(299), Some(5)));
    assert_ne!(sent(4).0, Some(299));
    assert_ne!(sent(6).0, Some(299));
    // It waits for more than there is, and then says nothing.
    assert_eq!(sent(500), (None, None));
}

/// Seeds and corpus of a target.
fn inputs(target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("checks lie in fuzz/");
    let folders = ["seeds", "corpus"].map(|kind| fuzz.join(kind).join(target));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("seeds and corpora are part of the repository"));
    let mut inputs: Vec<_> = entries.map(|entry| entry.expect("an entry is readable").path()).collect();
    inputs.sort();
    inputs.truncate(INPUTS_MAX);
    inputs
}

/// A running nginx, and the folder that it lives in.
struct Nginx {
    child: Child,
    folder: PathBuf,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// As the server behind saw it; `None` if the request did not come so far.
    body_bytes: Option<usize>,
}

impl Nginx {
    fn start() -> Self {
        // One per test: tests of one process run at once.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("weir-fuzz-nginx-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder for nginx");
        std::fs::write(folder.join("nginx.conf"), CONFIGURATION).expect("its configuration");
        let child = Command::new(program())
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(&folder)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Self { child, folder };
        let began = Instant::now();
        while UnixStream::connect(nginx.folder.join("front.sock")).is_err() {
            let ended = nginx.child.try_wait().expect("nginx can be asked");
            assert!(ended.is_none(), "nginx ended at once: {ended:?}");
            assert!(began.elapsed() < PATIENCE, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        nginx
    }

    /// All final answers to what is sent on one connection.
    fn answers(&self, bytes: &[u8], is_head: bool) -> Vec<Answer> {
        let mut stream = UnixStream::connect(self.folder.join("front.sock")).expect("nginx listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        // It may refuse, answer and close before all is written; what it said is still there.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "nginx neither answers nor closes");
        }
        split(&answer, is_head)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn split(mut answers: &[u8], is_head: bool) -> Vec<Answer> {
    let mut found = Vec::new();
    while !answers.is_empty() {
        let head = tokenizer::response(answers)
            .unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(answers)));
        answers = &answers[head.len..];
        let status = head.target.parse().expect("httparse takes numbers only");
        if status < 200 {
            continue;
        }
        let text = |name| head.values(name).first().map(|value| String::from_utf8_lossy(value).into_owned());
        let length = text("content-length").map_or(0, |length| length.parse().expect("nginx knows lengths"));
        if !(is_head && found.is_empty()) {
            answers = answers.get(length..).expect("nginx sends what it announces");
        }
        let body_bytes = text("x-body-bytes").map(|bytes| match bytes.trim_start_matches('=') {
            "" => 0,
            bytes => bytes.parse().expect("nginx knows lengths"),
        });
        found.push(Answer { status, body_bytes });
    }
    found
}

/// From `PATH`, or from where Debian keeps daemons.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(daemons)
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
        .expect("nginx is missing: `cargo xtask test` installs it, or `apt-get install nginx-light`")
}
