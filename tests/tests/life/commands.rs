//! The command line: how it starts without a file, and how it says what is wrong.

use std::net::TcpListener;

use weir_tests::{
    Origin, Weir,
    weir::{self, File},
};

#[test]
fn it_runs_without_a_file() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let weir = Weir::of_servers(&[&one, &two]);
    let mut said: Vec<String> = (0..8).map(|_| weir.get("/").text()).collect();
    said.sort();
    said.dedup();
    assert_eq!(said, ["one", "two"]);
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("bound").to_string();
    for yaml in [
        format!("listeners: [{{ bind: \"{address}\", routes: [{{ respond: {{}} }}] }}]\n"),
        format!(
            "metrics: {{ bind: \"{address}\" }}\nlisteners: [{{ bind: \"127.0.0.1:0\", routes: [{{ respond: {{}} }}] }}]\n"
        ),
    ] {
        let file = File::new(&yaml);
        let ran = weir::run(file.folder(), &["run", "weir.yaml"]);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
    }
}

#[test]
fn another_weir_on_the_same_port() {
    let origin = Origin::saying("hello");
    let weir = Weir::before(&[&origin]);
    let file = File::new("");
    let address = weir.address().to_string();
    let ran = weir::run(file.folder(), &["run", "--listen", &address, &origin.to_string()]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("another process has it"));
    assert_eq!(weir.get("/").text(), "hello");
}

const WRONG: &str = "listeners:
  - bind: \":8080\"
    poool: web
  - bind: \":8081\"
    pool: wbe
pools:
  web:
    servers: [10.0.0.1]
    helth: none
";

#[test]
fn every_error_of_a_file_is_shown_at_its_place() {
    let file = File::new(WRONG);
    for command in ["check", "run"] {
        let ran = weir::run(file.folder(), &[command, "weir.yaml"]);
        assert_eq!(ran.status.code(), Some(2), "{command}");
        assert!(ran.stdout.is_empty());
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        for (place, line, word) in [
            ("weir.yaml:3:5", "    poool: web", "`pool`"),
            ("weir.yaml:5:11", "    pool: wbe", "`web`"),
            ("weir.yaml:8:15", "    servers: [10.0.0.1]", "port"),
            ("weir.yaml:9:5", "    helth: none", "`health`"),
        ] {
            assert!(
                said.contains(place) && said.contains(line.trim()) && said.contains(word),
                "{place}: {said}"
            );
        }
        assert!(said.contains('^'), "{said}");
    }
}

#[test]
fn what_is_not_built_yet_is_refused() {
    let file = File::new(
        "listeners:
  - bind: \":8443\"
    allow: [10.0.0.0/8]
    pool: web
pools:
  web:
    servers: [10.0.0.1:80]
    discover: { dns: api.internal:8443 }
",
    );
    let ran = weir::run(file.folder(), &["check"]);
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(said.matches("not supported yet").count(), 2, "{said}");
}

#[test]
fn a_right_file_is_summed_up_and_shown_whole() {
    let file = File::new(
        "listeners: [{ bind: \":8080\", pool: web }]\npools: { web: { servers: [10.0.0.1:80] } }\n",
    );
    let ran = weir::run(file.folder(), &["check"]);
    assert_eq!(ran.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("1 listener"), "{ran:?}");
    let ran = weir::run(file.folder(), &["check", "--effective"]);
    let whole = String::from_utf8_lossy(&ran.stdout).into_owned();
    for default in ["header_timeout: 10s", "balance: round_robin", "connect_timeout: 2s"] {
        assert!(whole.contains(default), "{default}: {whole}");
    }
}

#[test]
fn a_missing_file() {
    let file = File::new("");
    let ran = weir::run(file.folder(), &["run", "other.yaml"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("other.yaml"));
}
