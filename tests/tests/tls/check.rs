//! `weir check` reads what the file names, and says what is wrong with it at its place. So does a start.

use std::path::Path;

use weir_tests::weir::{self, File};

use super::stage::Stage;

const AN_ENCRYPTED_KEY: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";

/// What a command says of `yaml`, with its exit code.
fn said(command: &str, yaml: &str) -> (Option<i32>, String) {
    let file = File::new(yaml);
    let ran = weir::run(file.folder(), &[command, "weir.yaml"]);
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn every_wrong_certificate_is_told_with_its_place() {
    let stage = Stage::new();
    let (one, other) = (stage.authority.server(&["a.example"]), stage.authority.server(&["a.example"]));
    let cert = stage.file("cert.pem", &one.cert);
    let mismatch = stage.file("other.key", &other.key);
    let encrypted = stage.file("encrypted.key", AN_ENCRYPTED_KEY);
    let missing = stage.path("missing.pem");
    let yaml = format!(
        "certificates:
  mismatch: {{ cert: {cert}, key: {{ file: {mismatch} }} }}
  encrypted: {{ cert: {cert}, key: {{ file: {encrypted} }} }}
  missing: {{ cert: {missing} }}
listeners:
  - bind: 127.0.0.1:0
    tls: {{ certificates: [mismatch, encrypted, missing] }}
    respond: {{ status: 200 }}
"
    )
    .replace("    respond: { status: 200 }\n", "    routes: [{ respond: { status: 200 } }]\n");
    for command in ["check", "run"] {
        let (code, text) = said(command, &yaml);
        assert_eq!(code, Some(2), "{command}: {text}");
        for expected in [
            format!("error: {mismatch}: the private key does not belong to the certificate in {cert}"),
            "take the key that the certificate was ordered with".to_owned(),
            format!("error: {encrypted}:1: the private key is encrypted"),
            format!("error: {missing}: "),
            format!("  mismatch: {{ cert: {cert}, key: {{ file: {mismatch} }} }}"),
            "weir.yaml:2:".to_owned(),
            "weir.yaml:3:".to_owned(),
            "weir.yaml:4:".to_owned(),
            "weir.yaml: 3 errors\n".to_owned(),
        ] {
            assert!(text.contains(&expected), "{command}, {expected}: {text}");
        }
        assert_eq!(text.matches('^').count(), 3, "{text}");
    }
}

#[test]
fn the_whole_text_of_a_finding() {
    let stage = Stage::new();
    let (one, other) = (stage.authority.server(&["a.example"]), stage.authority.server(&["a.example"]));
    let (cert, key) = (stage.file("c.pem", &one.cert), stage.file("k.pem", &other.key));
    let yaml = format!(
        "certificates:
  shop:
    cert: {cert}
    key: {{ file: {key} }}
listeners:
  - {{ bind: 127.0.0.1:0, tls: {{ certificates: [shop] }}, routes: [{{ respond: {{ status: 200 }} }}] }}
"
    );
    let (code, text) = said("check", &yaml);
    let carets = "^".repeat(key.len());
    let expected = format!(
        "error: {key}: the private key does not belong to the certificate in {cert}
  --> weir.yaml:4:18
   |
 4 |     key: {{ file: {key} }}
   |                  {carets}
   = help: take the key that the certificate was ordered with

weir.yaml: 1 error
"
    );
    assert_eq!((code, text), (Some(2), expected));
}

#[test]
fn what_has_expired_is_a_warning_and_nothing_is_written() {
    let stage = Stage::new();
    let old = stage.pem("old.pem", &stage.authority.expired_server(&["a.example"]));
    let dir = Path::new(&stage.path("many")).to_owned();
    std::fs::create_dir(&dir).expect("the folder is ours");
    std::fs::write(dir.join("b.pem"), stage.authority.server(&["b.example"]).both()).expect("ours");
    let yaml = stage.yaml(
        &format!(
            "old: {{ cert: {old} }}, many: {{ dir: {} }}, auto: {{ acme: {{ domains: [c.example] }} }}",
            dir.display()
        ),
        "certificates: [old, many, auto]",
    );
    let (code, text) = said("check", &yaml);
    assert_eq!(code, Some(0), "{text}");
    let expected = format!("warning: {old}: the certificate has expired on 2021-02-03");
    assert!(text.contains(&expected) && text.contains("weir.yaml:3:"), "{text}");
    assert!(!Path::new(&stage.path("state")).exists());
}

#[test]
fn files_beside_certificates_are_read_too() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let (empty, keys) = (stage.file("empty.pem", ""), stage.file("keys", "c2hvcnQ=\n"));
    let yaml = stage.yaml_with(
        &format!("own: {{ cert: {own} }}, auto: {{ acme: {{ domains: [c.example], ca: {} }} }}", stage.path("no-ca")),
        &format!("certificates: [own, auto], client_auth: {{ ca: {empty} }}, tickets: {{ keys: {{ file: {keys} }} }}"),
        format!("servers: [127.0.0.1:1], health: none, tls: {{ ca: {empty} }}"),
    );
    let (code, text) = said("check", &yaml);
    assert_eq!(code, Some(2), "{text}");
    for expected in [
        format!("error: {keys}:1: a key has at least 32 bytes"),
        format!("error: {empty}: there is no certificate in it"),
        format!("error: {}: ", stage.path("no-ca")),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}
