//! Random input: nothing panics, and what is taken survives its effective file.

use proptest::{collection::vec, prelude::*, sample::select};
use weir_config::check;

const FILE: &str = include_str!("../../../examples/routing.yaml");

/// Pieces that mean something to YAML or to the check.
const PIECES: &[&str] = &[
    " ",
    "\n",
    "\n  ",
    "\n    - ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "#",
    "|\n",
    ">\n",
    "&a ",
    "*a",
    "!t ",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "~",
    "\t",
    "\r",
    "\u{feff}",
    "\u{85}",
    "é",
    "😀",
    "\0",
    "<<",
    "listeners",
    "pools",
    "routes",
    "bind",
    "pool",
    "match",
    "path",
    "health",
    "servers",
    ":80",
    "10.0.0.1:80",
    "web",
    "/a/*",
    "2s",
    "200-299",
    "~ ^(a",
    "*.example.com",
    "none",
    "0",
    "-1",
    "99999999999999999999",
    "null",
    "true",
    "on",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        shown(&text);
    }

    #[test]
    fn arbitrary_pieces_never_panic(pieces in vec(select(PIECES), 0..60)) {
        shown(&pieces.concat());
    }

    #[test]
    fn a_damaged_file_never_panics(
        edits in vec((0..FILE.len(), 0..30_usize, select(PIECES)), 1..6)
    ) {
        let mut text: Vec<char> = FILE.chars().collect();
        for (at, cut, piece) in edits {
            let at = at.min(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        shown(&text.into_iter().collect::<String>());
    }

    #[test]
    fn what_is_taken_survives_its_effective_file(file in file()) {
        let checked = match check("f", &file) {
            Ok(checked) => checked,
            Err(errors) => return Err(TestCaseError::fail(format!("{errors}\n{file}"))),
        };
        let effective = checked.effective();
        match check("effective", &effective) {
            Ok(again) => {
                prop_assert_eq!(format!("{:?}", again.config), format!("{:?}", checked.config));
                prop_assert_eq!(again.effective(), effective);
            }
            Err(errors) => return Err(TestCaseError::fail(format!("{errors}\n{effective}"))),
        }
    }
}

/// Checks, and shows what was found: the rendering must hold on anything as well.
fn shown(text: &str) {
    match check("f", text) {
        Ok(checked) => {
            let _ = (checked.effective(), checked.summary(), checked.render_warnings(true));
        }
        Err(errors) => {
            assert!(!errors.findings.is_empty());
            for finding in &errors.findings {
                assert!(!finding.message.contains('\n'), "{:?}", finding.message);
            }
            let _ = errors.render(true);
        }
    }
}

/// Right files with odd texts in all places that take text.
fn file() -> impl Strategy<Value = String> {
    let text = "[ -~\u{a1}-\u{ff}\n\t\u{1F600}]{0,20}";
    let value = "[!-~]([ -~]{0,10}[!-~])?";
    let durations = select(vec!["1ms", "90s", "5m", "2h", "8760h"]);
    let balance = select(vec!["random", "{ hash: path }", "client_ip", "{ hash: \"cookie:a\" }"]);
    let health = select(vec![
        "none",
        "{ tcp: connect, interval: 100ms }",
        "{ http: /x, expect: 204 }",
        "{ http: \"/x?y\", expect: [200, 300-399], host: a.example, interval: 1h, timeout: 59m }",
    ]);
    let servers = vec((1..250_u8, 1..=u16::MAX, 1..=1000_u16, any::<bool>()), 1..5);
    (text, value, "[a-zA-Z0-9:/._-]{1,12}", durations, balance, health, servers).prop_map(
        |(text, value, name, duration, balance, health, servers)| {
            let quoted = |text: &str| serde_json::to_string(text).expect("text is JSON");
            let (text, value, name) =
                (quoted(&text), quoted(value.trim_start_matches(['~', ' '])), quoted(&name));
            let mut list = String::from("{ address: 10.1.0.0:1 }");
            for (index, (host, port, weight, backup)) in servers.into_iter().enumerate() {
                list.push_str(&format!(
                    ", {{ address: 10.0.{index}.{host}:{port}, weight: {weight}, backup: {backup} }}"
                ));
            }
            format!(
                "listeners:\n  - bind: 127.0.0.1:0\n    name: {name}\n    routes:\n      \
                 - {{ match: {{ headers: {{ x: {value} }} }}, respond: {{ body: {text} }} }}\n      \
                 - {{ response_headers: {{ set: {{ x-b: {value} }} }}, timeout: {duration}, pool: {name} }}\n\
                 pools:\n  {name}:\n    balance: {balance}\n    servers: [{list}]\n    health: {health}\n"
            )
        },
    )
}
