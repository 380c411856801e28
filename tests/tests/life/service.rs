//! The service manager: what it is told, and the sockets that it passes.

use std::{
    net::TcpListener,
    os::unix::net::UnixDatagram,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use rustix::process::Signal;
use weir_tests::{Client, Weir, wait::DEADLINE};

const YAML: &str = "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes: [{ respond: { body: hello } }]
";

/// A socket as systemd has one, under an abstract or a file's name; gone with its directory.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weir-notify-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let socket = UnixDatagram::bind(&path).expect("a name of its own");
        socket.set_read_timeout(Some(DEADLINE)).expect("a socket");
        Self { socket, path }
    }

    #[track_caller]
    fn expect(&self, lines: &[&str]) {
        let mut message = [0; 1024];
        let len = self.socket.recv(&mut message).expect("a message");
        let message = String::from_utf8_lossy(&message[..len]).into_owned();
        for line in lines {
            assert!(message.lines().any(|l| l.starts_with(line)), "{lines:?} in {message:?}");
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn it_is_told_of_start_reload_and_stop() {
    let manager = Manager::new();
    let mut weir = Weir::launch(YAML, |command| {
        command.env("NOTIFY_SOCKET", &manager.path);
    });
    manager.expect(&["READY=1"]);
    weir.reload(YAML);
    manager.expect(&["RELOADING=1", "MONOTONIC_USEC="]);
    manager.expect(&["READY=1"]);
    weir.reload_refused("nonsense");
    manager.expect(&["RELOADING=1"]);
    manager.expect(&["READY=1"]);
    weir.signal(Signal::TERM);
    manager.expect(&["STOPPING=1"]);
    assert_eq!(weir.wait_for_exit().code(), Some(0));
}

#[test]
fn a_manager_that_is_gone_is_no_reason_to_fail() {
    let weir = Weir::launch(YAML, |command| {
        command.env("NOTIFY_SOCKET", "/nowhere/at/all");
    });
    assert_eq!(weir.get("/").text(), "hello");
}

#[test]
fn a_socket_that_is_passed_is_listened_on() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = socket.local_addr().expect("bound");
    let yaml = YAML.replace("127.0.0.1:0", &address.to_string());
    // Who connects before Weir is there waits for it.
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let kept = socket.try_clone().expect("descriptors are left");
    let mut weir = Weir::activated(&yaml, socket);
    assert_eq!(weir.address(), address);
    assert_eq!(early.response().text(), "hello");
    assert_eq!(weir.get("/").text(), "hello");
    weir.reload(&yaml.replace("hello", "changed"));
    assert_eq!(early.get("/").text(), "changed");
    weir.signal(Signal::TERM);
    assert_eq!(weir.wait_for_exit().code(), Some(0));

    // The manager still has it: who connects between two processes waits for the next one.
    let mut between = Client::connect(address);
    between.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let _next = Weir::activated(&yaml, kept);
    assert_eq!(between.response().text(), "hello");
}
