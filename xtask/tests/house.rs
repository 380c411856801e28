//! The house holds: crates depend downwards only, each foreign library stays in the one crate that may name it,
//! `unsafe` stays where it is allowed, and no banned crate comes in through the back door.
//!
//! The rules are those of ARCHITECTURE.md. A new crate is entered in [`FLOORS`] in the change that creates it.
//! The judging functions are pure, and shown below to refuse what they should: a rule that cannot fail is none.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// From the ground up. An arrow may only point to a lower floor, or sideways where [`SIDEWAYS`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Base,
    Pure,
    Engine,
    App,
}

const FLOORS: &[(Floor, &[&str])] = &[
    (Floor::App, &["weir", "weir-control"]),
    (
        Floor::Engine,
        &[
            "weir-net",
            "weir-http",
            "weir-stream",
            "weir-tls",
            "weir-check",
            "weir-xdp",
            "weir-ha",
            "weir-dnsd",
        ],
    ),
    (
        Floor::Pure,
        &["weir-balance", "weir-route", "weir-guard", "weir-waf", "weir-vrrp", "weir-bgp", "weir-dns"],
    ),
    (Floor::Base, &["weir-config", "weir-packet"]),
];

/// What may be reached from any crate of the same floor. `weir-http` and `weir-stream` are not here, so they never
/// import each other.
const SIDEWAYS: &[&str] = &["weir-control", "weir-net", "weir-tls", "weir-balance"];

/// Libraries that only the named crates may depend on (the ends of names count: `*-rustls`).
const OWNED: &[(&[&str], &[&str], &str)] = &[
    (&["rustls", "tokio-rustls", "hyper-rustls"], &["weir-tls"], "take the stream type that weir-tls offers"),
    (
        &["serde-saphyr", "saphyr", "saphyr-parser", "yaml-rust2", "marked-yaml"],
        &["weir-config"],
        "let weir-config read the file and hand over checked values",
    ),
    (&["aya", "aya-obj"], &["weir-xdp"], "let weir-xdp load and talk to the program"),
];

/// Libraries that do I/O, read a clock, or draw randomness: not in the pure and base crates.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "libc",
    "nix",
    "hyper",
    "reqwest",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "time",
    "arc-swap",
    "parking_lot",
    "crossbeam-channel",
];

/// What the source of a pure crate must not say outside its tests.
const IMPURE_WORDS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
];

/// Crates that may hold `unsafe`, each block with its `// SAFETY:`.
const UNSAFE_ALLOWED: &[&str] = &["weir-net", "weir-xdp"];

/// Crates that must not be in the binary, however deep; `deny.toml` has the same list.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "aws-lc-rs is the one crypto library"),
    ("openssl-sys", "aws-lc-rs is the one crypto library"),
    ("native-tls", "aws-lc-rs is the one crypto library"),
    ("ring", "aws-lc-rs is the one crypto library"),
    ("serde_yaml", "archived"),
    ("serde_yml", "archived"),
    ("dashmap", "deadlocks when a guard is held over another access"),
    ("async-std", "archived; tokio is the one runtime"),
];

/// One crate under `crates/`: its name and what it depends on outside its tests.
struct Member {
    name: String,
    folder: PathBuf,
    dependencies: BTreeSet<String>,
}

#[test]
fn arrows_point_down_only() {
    holds(&wrong_arrows(&members()));
}

#[test]
fn each_foreign_library_has_one_home() {
    holds(&libraries_away_from_home(&members()));
}

#[test]
fn pure_crates_do_no_io() {
    let members = members();
    let mut wrong = impure_libraries(&members);
    for member in members.iter().filter(|member| floor_of(&member.name) == Some(Floor::Pure)) {
        for file in sources(&member.folder.join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file is readable UTF-8");
            wrong.extend(impure_words(&text).into_iter().map(|found| format!("{}: {found}", shown(&file))));
        }
    }
    holds(&wrong);
}

#[test]
fn unsafe_stays_where_it_is_allowed() {
    let mut wrong = Vec::new();
    for member in members().iter().filter(|member| !UNSAFE_ALLOWED.contains(&member.name.as_str())) {
        for root in ["src/lib.rs", "src/main.rs"] {
            let file = member.folder.join(root);
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            if has_code(&text) && !forbids_unsafe(&text) {
                wrong.push(format!(
                    "{}: lacks `#![forbid(unsafe_code)]`; what needs `unsafe` belongs into weir-net",
                    shown(&file)
                ));
            }
        }
    }
    holds(&wrong);
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let mut wrong = Vec::new();
    for member in members() {
        let file = member.folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&file).expect("a manifest is readable");
        if !text.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{}: add `[lints]` with `workspace = true`", shown(&file)));
        }
    }
    holds(&wrong);
}

#[test]
fn no_banned_crate_is_in_the_graph() {
    // Not `cargo metadata`: it also lists what a feature would only refine if it were there (`ring?/alloc`).
    let tree =
        cargo(&["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("tokio"), "the graph lacks tokio, so it is not the whole graph");
    holds(&banned(names));
}

// The rules, as functions of what was found.

fn floor_of(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(_, names)| names.contains(&name)).map(|(floor, _)| *floor)
}

fn wrong_arrows(members: &[Member]) -> Vec<String> {
    let ours: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut wrong = Vec::new();
    for member in members {
        let Some(from) = floor_of(&member.name) else {
            wrong.push(format!(
                "{} is on no floor: enter it in FLOORS in xtask/tests/house.rs and in ARCHITECTURE.md",
                member.name
            ));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|name| ours.contains(name.as_str())) {
            // A crate without a floor is reported once, as itself.
            let Some(to) = floor_of(dependency) else { continue };
            let sideways = from == to && SIDEWAYS.contains(&dependency.as_str());
            if to < from || sideways {
                continue;
            }
            let way_out = match (from, to) {
                _ if to > from => "pass the value in from above, or move what both need down a floor",
                (Floor::Engine, _) => "what two engines need belongs into weir-net, weir-tls or weir-balance",
                (Floor::Pure, _) => {
                    "pure crates share the vocabulary of weir-balance only; let the engine join them"
                }
                _ => "move what both need into one of them, or into a floor below",
            };
            wrong.push(format!("{} ({from:?}) -> {dependency} ({to:?}): {way_out}", member.name));
        }
    }
    wrong
}

fn libraries_away_from_home(members: &[Member]) -> Vec<String> {
    let mut wrong = Vec::new();
    for member in members {
        for (libraries, homes, way_out) in OWNED {
            if homes.contains(&member.name.as_str()) {
                continue;
            }
            for library in libraries.iter().filter(|library| member.dependencies.contains(**library)) {
                let homes = homes.join(", ");
                wrong.push(format!("{} -> {library}: only {homes} may name it; {way_out}", member.name));
            }
        }
    }
    wrong
}

fn impure_libraries(members: &[Member]) -> Vec<String> {
    let mut wrong = Vec::new();
    for member in members {
        if !matches!(floor_of(&member.name), Some(Floor::Pure | Floor::Base)) {
            continue;
        }
        for library in IMPURE.iter().filter(|library| member.dependencies.contains(**library)) {
            wrong.push(format!(
                "{} -> {library}: pure crates do no I/O, read no clock and draw no randomness; take `now` and the \
                 random number as arguments, and leave the rest to an engine",
                member.name
            ));
        }
    }
    wrong
}

/// What a pure source file says that it must not; its test module, last in the file, may.
fn impure_words(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        let code = line.split("//").next().unwrap_or(line);
        for word in IMPURE_WORDS.iter().filter(|word| code.contains(**word)) {
            wrong
                .push(format!("line {}: `{word}` in a pure crate; take the value as an argument", index + 1));
        }
    }
    wrong
}

fn forbids_unsafe(root: &str) -> bool {
    root.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]")
}

/// A root that says nothing yet has nothing to forbid.
fn has_code(root: &str) -> bool {
    root.lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with("//") && line != "fn main() {}")
}

fn banned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let banned = BANNED.iter().filter(|(name, _)| names.contains(name));
    banned
        .map(|(name, reason)| {
            format!("{name} is banned ({reason}): `cargo tree -i {name}` shows who brings it; turn that feature off")
        })
        .collect()
}

// What is found in the workspace.

fn members() -> Vec<Member> {
    let metadata = metadata(&["--no-deps"]);
    let crates = root().join("crates");
    let members: Vec<Member> = array(&metadata["packages"])
        .iter()
        .filter_map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str()?);
            let folder = manifest.parent()?;
            if !folder.starts_with(&crates) {
                return None;
            }
            let name = package["name"].as_str()?.to_owned();
            let own_name = folder.file_name().and_then(|name| name.to_str());
            assert_eq!(own_name, Some(name.as_str()), "a crate's folder carries the crate's name");
            let dependencies = array(&package["dependencies"])
                .iter()
                // Tests may use what they like.
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned()))
                .collect();
            Some(Member { name, folder: folder.to_owned(), dependencies })
        })
        .collect();
    assert!(members.iter().any(|member| member.name == "weir"), "no crate `weir` under {}", crates.display());
    members
}

fn metadata(args: &[&str]) -> Value {
    let text = cargo(&[&["metadata", "--format-version", "1"], args].concat());
    serde_json::from_str(&text).expect("cargo metadata prints JSON")
}

/// What cargo says, in the workspace's root.
fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's root").to_owned()
}

/// All Rust files below a folder, but for test modules in files of their own.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a crate has a src folder") {
        let path = entry.expect("a folder's entry is readable").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A path as seen from the workspace's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn holds(wrong: &[String]) {
    assert!(wrong.is_empty(), "the house does not hold:\n  {}\n", wrong.join("\n  "));
}

// Each rule refuses what it is there to refuse.

/// A made-up house: `"weir-http -> weir-net tokio"` per crate.
fn house(lines: &[&str]) -> Vec<Member> {
    let mut crates: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        let (name, dependencies) = line.split_once(" ->").unwrap_or((line, ""));
        crates.entry(name).or_default().extend(dependencies.split_whitespace().map(str::to_owned));
        for dependency in dependencies.split_whitespace().filter(|name| name.starts_with("weir")) {
            crates.entry(dependency).or_default();
        }
    }
    crates
        .into_iter()
        .map(|(name, dependencies)| Member { name: name.to_owned(), folder: PathBuf::new(), dependencies })
        .collect()
}

fn check_arrows(lines: &[&str], expected: &[&str]) {
    let wrong = wrong_arrows(&house(lines));
    assert_eq!(wrong.len(), expected.len(), "{lines:?}: {wrong:?}");
    for (wrong, expected) in wrong.iter().zip(expected) {
        assert!(wrong.starts_with(expected), "{lines:?}: {wrong:?} does not begin with {expected:?}");
    }
}

#[test]
fn the_arrow_rule_takes_and_refuses() {
    check_arrows(&["weir -> weir-control weir-config", "weir-control -> weir-http weir-balance"], &[]);
    check_arrows(&["weir-http -> weir-net weir-tls weir-route weir-balance weir-config"], &[]);
    check_arrows(&["weir-route -> weir-balance weir-config"], &[]);

    check_arrows(&["weir-http -> weir-stream"], &["weir-http (Engine) -> weir-stream (Engine)"]);
    check_arrows(&["weir-stream -> weir-http"], &["weir-stream (Engine) -> weir-http (Engine)"]);
    check_arrows(&["weir-balance -> weir-route"], &["weir-balance (Pure) -> weir-route (Pure)"]);
    check_arrows(&["weir-route -> weir-net"], &["weir-route (Pure) -> weir-net (Engine)"]);
    check_arrows(&["weir-config -> weir-balance"], &["weir-config (Base) -> weir-balance (Pure)"]);
    check_arrows(&["weir-config -> weir-packet"], &["weir-config (Base) -> weir-packet (Base)"]);
    check_arrows(&["weir-check -> weir-control"], &["weir-check (Engine) -> weir-control (App)"]);
    check_arrows(&["weir-http -> weir-nonsense"], &["weir-nonsense is on no floor"]);
}

#[test]
fn the_library_rules_take_and_refuse() {
    assert_eq!(libraries_away_from_home(&house(&["weir-config -> serde-saphyr"])), [""; 0]);
    assert_eq!(
        libraries_away_from_home(&house(&["weir-control -> serde-saphyr", "weir-http -> rustls"])).len(),
        2
    );
    assert_eq!(impure_libraries(&house(&["weir-http -> tokio", "weir-route -> memchr"])), [""; 0]);
    assert_eq!(impure_libraries(&house(&["weir-route -> tokio", "weir-config -> libc"])).len(), 2);
    assert_eq!(banned(["tokio", "rustls", "aws-lc-rs"]), [""; 0]);
    assert_eq!(banned(["tokio", "ring", "dashmap"]).len(), 2);
}

#[test]
fn the_source_rules_take_and_refuse() {
    assert_eq!(
        impure_words("fn pick(now: Instant) {} // not Instant::now()\n#[cfg(test)]\nstd::fs"),
        [""; 0]
    );
    assert_eq!(impure_words("let now = Instant::now();\nuse std::fs;").len(), 2);
    assert!(forbids_unsafe("//! Pure.\n\n#![forbid(unsafe_code)]\n"));
    assert!(!forbids_unsafe("//! Says `#![forbid(unsafe_code)]` but does not do it.\n"));
    assert!(has_code("//! Pure.\n\nmod pool;\n") && !has_code("//! Nothing yet.\n\n"));
}
