//! `docs/metrics.md` says what the metrics endpoint says: families, types, labels and limits, neither less nor more.

use std::collections::{BTreeMap, BTreeSet};

use weir_control::{Source, start};

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// One listener, one route, one server with an agent that is not there, a certificate of each kind: every family has a sample.
const FILE: &str = "\
log: { level: error }
runtime: { workers: 1, max_connections: 8, state_dir: FOLDER/state }
certificates:
  file: { cert: FOLDER/cert.pem }
  auto: { acme: { domains: [a.example], directory: \"https://127.0.0.1:1/\", ca: FOLDER/cert.pem } }
listeners: [{ bind: \"127.0.0.1:0\", tls: { certificates: [file, auto] }, routes: [{ pool: web, mirror: { pool: shadow }, faults: { abort: { share: 1% } } }] }]
pools: { shadow: { servers: [\"127.0.0.1:1\"], health: none }, web: { servers: [\"127.0.0.1:1\"], health: { agent: { port: 1 } }, sticky: { table: client_ip }, adaptive_concurrency: {} } }
";

/// A type and the names of all labels.
type Family = (String, BTreeSet<String>);

#[test]
fn the_page_lists_every_family_with_its_type_and_labels() {
    let (written, limits) = written();
    assert!(written.len() > 20 && limits.len() > 10, "{written:?} {limits:?}");
    assert_eq!(families_of_the_page(), written, "left: docs/metrics.md, right: the endpoint");
    assert_eq!(limits_of_the_page(), limits, "left: docs/metrics.md, right: the endpoint");
}

/// The families of a running Weir by the name that their samples carry, and the values of `limit`.
fn written() -> (BTreeMap<String, Family>, BTreeSet<String>) {
    let folder = std::env::temp_dir().join(format!("weir-metrics-page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    std::fs::write(folder.join("cert.pem"), pem).unwrap();
    let text = FILE.replace("FOLDER", folder.to_str().unwrap());
    let running = start(Source::Text { name: "test".to_owned(), text }).unwrap();
    let text = running.metrics_text();
    running.stop();
    std::fs::remove_dir_all(&folder).unwrap();

    let (mut families, mut limits) = (BTreeMap::<String, Family>::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("a name and a type");
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            current = format!("{name}{suffix}");
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(labels, _)| labels);
            for (name, value) in
                labels.unwrap_or_default().split(',').filter_map(|label| label.split_once('='))
            {
                if name == "limit" {
                    limits.insert(value.trim_matches('"').to_owned());
                }
                if name != "le" {
                    families.get_mut(&current).expect("samples follow their type").1.insert(name.to_owned());
                }
            }
        }
    }
    (families, limits)
}

/// The rows with a name, a type, labels and a meaning.
fn families_of_the_page() -> BTreeMap<String, Family> {
    let family = |cells: Vec<&str>| {
        let [name, kind, labels, meaning] = cells[..] else { return None };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let labels = labels.split(',').filter_map(quoted).map(str::to_owned).collect();
        Some((quoted(name)?.to_owned(), (kind.to_owned(), labels)))
    };
    rows().filter_map(family).collect()
}

/// The rows with a limit and when it is reached.
fn limits_of_the_page() -> BTreeSet<String> {
    rows().filter(|cells| cells.len() == 2).filter_map(|cells| quoted(cells[0]).map(str::to_owned)).collect()
}

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let cells = |line: &'static str| line.strip_prefix('|')?.strip_suffix('|');
    PAGE.lines().filter_map(cells).map(|cells| cells.split('|').map(str::trim).collect())
}

/// What stands between backquotes; heads of tables have none.
fn quoted(cell: &str) -> Option<&str> {
    cell.trim().strip_prefix('`')?.strip_suffix('`')
}
