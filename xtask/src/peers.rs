//! The foreign programs that the end-to-end tests and the bench run against, and how they come here.
//!
//! A missing peer is installed from Debian's packages where that is allowed (root or password-less sudo).
//! Otherwise the run fails and says which command helps: a test that skips itself in silence proves nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::workspace::find_program;

/// A program and the Debian package that carries it.
pub(crate) struct Peer {
    program: &'static str,
    package: &'static str,
}

/// What the tests and the bench need beside Rust.
pub(crate) const PEERS: &[Peer] = &[
    Peer { program: "nginx", package: "nginx-light" },
    Peer { program: "haproxy", package: "haproxy" },
    Peer { program: "curl", package: "curl" },
    Peer { program: "openssl", package: "openssl" },
    Peer { program: "wrk", package: "wrk" },
    Peer { program: "strace", package: "strace" },
    Peer { program: "h2load", package: "nghttp2-client" },
    Peer { program: "python3", package: "python3" },
    Peer { program: "pebble", package: "pebble" },
    Peer { program: "pebble-challtestsrv", package: "pebble" },
];

/// What `cargo xtask picks` needs beside Rust.
pub(crate) const FOR_PICKS: &[Peer] = &[Peer { program: "valgrind", package: "valgrind" }];

/// Makes sure that every peer is there, installing what is missing; the error names what stays missing.
pub(crate) fn ensure(peers: &[Peer]) -> Result<(), String> {
    let missing = missing(peers);
    if missing.is_empty() {
        return Ok(());
    }
    let programs = join(missing.iter().map(|peer| peer.program));
    let packages = join(missing.iter().map(|peer| peer.package));
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {packages}");
    let Some(privilege) = Privilege::find() else {
        return Err(format!("missing: {programs}\ninstall them and run again:\n  sudo sh -c '{by_hand}'"));
    };

    println!("installing {packages}, for the missing {programs}");
    install(privilege, &missing);
    let still = self::missing(peers);
    if still.is_empty() {
        return Ok(());
    }
    Err(format!(
        "still missing after apt-get: {}\ninstall them by hand and run again, e.g.:\n  {by_hand}",
        join(still.iter().map(|peer| peer.program))
    ))
}

/// Tries to install a package that carries no program.
pub(crate) fn install_package(package: &'static str) {
    if let Some(privilege) = Privilege::find() {
        install(privilege, &[&Peer { program: "", package }]);
    }
}

fn missing(peers: &[Peer]) -> Vec<&Peer> {
    peers.iter().filter(|peer| find_program(peer.program).is_none()).collect()
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// Failures are not judged here but by what is there afterwards: an `update` with one dead mirror may be enough.
fn install(privilege: Privilege, missing: &[&Peer]) {
    let _no_services = NoServices::begin(privilege);
    privilege.run("apt-get", &["update"]);
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(missing.iter().map(|peer| peer.package));
    privilege.run("apt-get", &args);
}

/// By what right packages may be installed.
#[derive(Clone, Copy)]
enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    fn find() -> Option<Privilege> {
        find_program("apt-get")?;
        if rustix::process::geteuid().is_root() {
            return Some(Privilege::Root);
        }
        find_program("sudo")?;
        let allowed = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        allowed.then_some(Privilege::Sudo)
    }

    fn run(self, program: &str, args: &[&str]) -> bool {
        let mut command = match self {
            Privilege::Root => Command::new("env"),
            Privilege::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "env"]);
                sudo
            }
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", program]).args(args).stdin(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => true,
            Ok(status) => {
                eprintln!("{program} {}: {status}", args.join(" "));
                false
            }
            Err(error) => {
                eprintln!("{program}: {error}");
                false
            }
        }
    }
}

/// Keeps Debian's packages from starting nginx and HAProxy on the ports of this machine: as long as this lives,
/// `policy-rc.d` forbids it. A policy that is already there is left as it is.
struct NoServices {
    ours: Option<Privilege>,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin(privilege: Privilege) -> NoServices {
        if Path::new(POLICY).exists() {
            return NoServices { ours: None };
        }
        let draft = std::env::temp_dir().join(format!("weir-policy-rc.d.{}", std::process::id()));
        let written = std::fs::write(&draft, "#!/bin/sh\nexit 101\n").is_ok()
            && privilege.run("install", &["-m", "755", &draft.to_string_lossy(), POLICY]);
        // The draft is ours and already copied; if it stays behind it does no harm.
        let _ = std::fs::remove_file(&draft);
        NoServices { ours: written.then_some(privilege) }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(privilege) = self.ours {
            privilege.run("rm", &["-f", POLICY]);
        }
    }
}
