//! `weir check` reads what the file names, and says what is wrong with it at its place. So does a start.

use std::{os::unix::fs::PermissionsExt, path::Path};

use weir_tests::{
    pki::Authority,
    weir::{self, File},
};

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
    routes: [{{ respond: {{ status: 200 }} }}]
"
    );
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
        assert_eq!(text.lines().filter(|line| line.contains('^')).count(), 3, "{text}");
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
fn certificates_of_a_directory_are_read_with_their_keys() {
    let stage = Stage::new();
    let dir = Path::new(&stage.path("many")).to_owned();
    std::fs::create_dir(&dir).expect("the folder is ours");
    let identity = |name| stage.authority.server(&[name]);
    let cert = identity("c.example").cert;
    let encrypted_at = cert.lines().count() + 1;
    let encrypted = cert + AN_ENCRYPTED_KEY;
    let mismatch = identity("d.example").cert + &identity("d.example").key;
    for (name, text) in [
        ("a.pem", identity("a.example").both()),
        ("b.pem", stage.authority.expired_server(&["b.example"]).both()),
        ("c.pem", encrypted),
        ("d.pem", mismatch),
    ] {
        std::fs::write(dir.join(name), text).expect("ours");
    }
    let yaml = stage.yaml(&format!("many: {{ dir: {} }}", dir.display()), "certificates: [many]");
    let (code, text) = said("check", &yaml);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "b.pem: the certificate has expired on 2021-02-03",
        &format!("c.pem:{encrypted_at}: the private key is encrypted"),
        "d.pem: the private key does not belong to the certificate",
    ] {
        let expected = format!("warning: {}/{expected}", dir.display());
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    assert!(!text.contains("a.pem"), "{text}");
}

#[test]
fn what_an_order_needs_is_looked_at() {
    let stage = Stage::new();
    let (junk, hmac) = (stage.file("junk.pem", "no PEM"), stage.file("hmac", "no base64!"));
    let acme =
        |more: String| format!("{{ acme: {{ domains: [c.example], challenge: tls-alpn-01, {more} }} }}");
    let ca = acme(format!("ca: {junk}"));
    let eab = acme(format!("eab: {{ kid: k, hmac_key: {{ file: {hmac} }} }}"));
    let open = Path::new(&stage.path("state")).join("acme");
    std::fs::create_dir_all(&open).expect("the folder is ours");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let (code, text) =
        said("check", &stage.yaml(&format!("ca: {ca}, eab: {eab}"), "certificates: [ca, eab]"));
    assert_eq!(code, Some(2), "{text}");
    for expected in [
        "error: certificate `ca`: the `ca` for the ACME directory: ".to_owned(),
        "error: certificate `eab`: the HMAC key for the key id `k` is not base64url".to_owned(),
        format!("error: the state directory {} has mode 0755", open.display()),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}

#[test]
fn a_revocation_list_that_revokes_nothing_or_is_old_is_a_warning() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let crl = |text: &str| {
        let crl = stage.file("crl.pem", text);
        let tls = format!("certificates: [own], client_auth: {{ ca: {}, crl: {crl} }}", stage.path("ca.pem"));
        said("check", &stage.yaml(&format!("own: {{ cert: {own} }}"), &tls))
    };
    assert_eq!(crl(&stage.authority.revocations(&[])), (Some(0), String::new()));
    let (code, text) = crl(&Authority::new().revocations(&[]));
    assert!(
        code == Some(0) && text.contains("a revocation list of none of the authorities in `ca`"),
        "{text}"
    );
    let (code, text) = crl(&stage.authority.revocations_until(&[], 2025));
    assert!(code == Some(0) && text.contains("should have been replaced by 2025-01-01"), "{text}");
}

#[test]
fn a_pools_certificate_that_has_expired_is_a_warning() {
    let stage = Stage::new();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let old = stage.pem("old.pem", &stage.authority.expired_server(&["weir"]));
    let tls = format!("tls: {{ ca: {}, cert: {old} }}", stage.path("ca.pem"));
    let pool = format!("servers: [127.0.0.1:1], health: none, {tls}");
    let (code, text) =
        said("check", &stage.yaml_with(&format!("own: {{ cert: {own} }}"), "certificates: [own]", pool));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("warning: {old}: the certificate has expired on 2021-02-03")), "{text}");
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

    // All of it at once, and the certificate that is missing.
    let endless = stage.yaml(
        &format!("own: {{ cert: {} }}", stage.path("no-cert")),
        "certificates: [own], client_auth: { ca: /dev/zero }, tickets: { keys: { file: /dev/zero } }",
    );
    let (code, text) = said("check", &endless);
    let times = text.matches("error: /dev/zero: the file is larger than 64 MiB").count();
    assert_eq!((code, times, text.contains("weir.yaml: 3 errors")), (Some(2), 2, true), "{text}");

    let crl = stage.file("crl.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    let (code, text) = said(
        "check",
        &stage.yaml(
            &format!("own: {{ cert: {own} }}"),
            &format!("certificates: [own], client_auth: {{ ca: {}, crl: {crl} }}", stage.path("ca.pem")),
        ),
    );
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("error: {crl}: ")), "{text}");
}
