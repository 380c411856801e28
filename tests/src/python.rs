//! Peers in Python: gRPC and WebSocket as their own libraries speak them.
//!
//! `WEIR_PYTHON` names a Python with the packages of `tests/python/requirements.txt`; `cargo xtask test` makes one and sets
//! it. A test that needs it and does not find it fails: it never passes by not running.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::wait::DEADLINE;

/// A script that runs. It is killed when dropped.
#[derive(Debug)]
pub struct Script {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Script {
    /// Starts `tests/python/NAME.py`.
    #[track_caller]
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python");
        let python = env::var_os("WEIR_PYTHON").unwrap_or_else(|| {
            panic!(
                "WEIR_PYTHON is not set: it names a Python with the packages of {}; `cargo xtask test` makes one",
                folder.join("requirements.txt").display()
            )
        });
        let mut child = Command::new(&python)
            .arg(folder.join(format!("{name}.py")))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("WEIR_PYTHON {python:?}: {error}"));
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("piped"));
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { name: format!("{name} {arguments:?}"), child, input, lines }
    }

    /// Starts a server, whose first line of output is its port.
    #[track_caller]
    pub fn server(name: &str, arguments: &[&str]) -> (Self, SocketAddr) {
        let script = Self::start(name, arguments);
        let port = script.line().parse().expect("the first line is a port");
        (script, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Runs one to its end; it must succeed.
    #[track_caller]
    pub fn run(name: &str, arguments: &[&str]) {
        Self::start(name, arguments).finish();
    }

    /// The next line of its output.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|error| panic!("{}: no line of output: {error}", self.name))
    }

    /// Gives it a line of input.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Ends its input, and waits until it has said that all is well.
    #[track_caller]
    pub fn finish(mut self) {
        self.input = None;
        while self.line() != "done" {}
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "{}: {status}", self.name);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
