//! The binary from outside: what it prints and how it exits.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const FILE: &str = "listeners:
  - bind: \"127.0.0.1:8080\"
    pool: web
pools:
  web:
    servers: [10.0.0.11:8080]
";

/// A directory of its own for each test, gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-commands-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What came of `weir ARGUMENTS` in a directory.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn weir(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let Output { status, stdout, stderr } = command.args(arguments).current_dir(folder).output().unwrap();
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

#[test]
fn check_says_what_is_in_a_right_file() {
    let folder = Folder::new("right");
    folder.write("weir.yaml", FILE);
    for arguments in [&["check"][..], &["check", "weir.yaml"]] {
        let ran = weir(&folder.0, arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert_eq!(ran.out, "weir.yaml: ok, 1 listener, 1 route, 1 pool, 1 server\n");
    }
}

#[test]
fn check_shows_every_error_and_exits_2() {
    let folder = Folder::new("wrong");
    folder.write("weir.yaml", &FILE.replace("pool: web", "pool: wbe").replace("bind:", "bnd:"));
    let ran = weir(&folder.0, &["check"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("weir.yaml:2:5") && ran.err.contains("weir.yaml:3:11"), "{}", ran.err);
}

#[test]
fn the_effective_file_is_a_file() {
    let folder = Folder::new("effective");
    folder.write("weir.yaml", FILE);
    let first = weir(&folder.0, &["check", "--effective"]);
    assert_eq!((first.code, first.err.as_str()), (Some(0), ""));
    folder.write("effective.yaml", &first.out);
    let second = weir(&folder.0, &["check", "--effective", "effective.yaml"]);
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // The order of keys is free.
    assert_eq!((second.code, lines(&second.out)), (Some(0), lines(&first.out)));
}

#[test]
fn the_schema_is_json() {
    let ran = weir(&std::env::temp_dir(), &["schema"]);
    assert_eq!(ran.code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(schema["properties"]["pools"].is_object(), "{schema}");
}

#[test]
fn wrong_input_exits_2() {
    let folder = Folder::new("input");
    for arguments in [
        &["check", "missing.yaml"][..],
        &["run", "missing.yaml"],
        &["run", "--listen", "127.0.0.1:0"],
        &["run", "--listen", "nonsense", "127.0.0.1:1"],
        &["chek"],
        &["demo", "--for", "soon"],
        &[],
    ] {
        let ran = weir(&folder.0, arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_told() {
    let ran = weir(&std::env::temp_dir(), &["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("weir {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_demo_loses_no_request() {
    let ran = weir(&std::env::temp_dir(), &["demo", "--for", "6s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let summary = ran.out.lines().last().unwrap();
    let requests = summary.strip_prefix("requests=").and_then(|rest| rest.strip_suffix(" failed=0"));
    let requests: u64 = requests.unwrap_or_else(|| panic!("{summary}")).parse().unwrap();
    assert!(requests > 1000, "{summary}");
    let order = ["two is killed", "Weir sees two down", "two is started again", "Weir sees two up"];
    let places: Vec<_> = order.iter().map(|event| ran.out.find(event)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {}", ran.out);
    assert!(!ran.out.contains('\x1b'), "control sequences without a terminal");
}

#[test]
fn the_demo_does_not_share_a_chosen_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = weir(&std::env::temp_dir(), &["demo", "--for", "1s", "--listen", &address]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("cannot listen on {address}")), "{}", ran.err);
}
