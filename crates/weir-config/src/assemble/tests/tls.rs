//! Certificates, TLS and HTTP/2 in the model, and what is found in the files that they name.

use std::{path::Path, time::Duration};

use super::load;
use crate::{
    CertificateIndex, CertificateSource, Challenge, CipherSuite, ClientAuthMode, HttpProtocols, KeyType,
    Late, PoolProtocol, Probe, Rate, Secret, Severity, TlsVersion,
};

const WHOLE: &str = r#"
runtime: { state_dir: /srv/weir }
certificates:
  shop: { cert: /c/shop.pem, key: { env: SHOP_KEY }, ocsp: /c/shop.ocsp }
  many: { dir: /c/many }
  auto: { acme: { domains: [Shop.Example.com], key_type: rsa, challenge: tls-alpn-01, ca: /c/ca.pem, eab: { kid: k, hmac_key: { file: /c/hmac } } } }
listeners:
  - bind: ":443"
    tls:
      certificates: [many, shop]
      default: shop
      min_version: "1.3"
      ciphers: [TLS_AES_128_GCM_SHA256]
      client_auth: { ca: /c/clients.pem, mode: optional }
      tickets: { keys: { file: /c/tickets }, lifetime: 1h }
      hsts: { include_subdomains: true }
    http: { protocols: [h2], http2: { max_concurrent_streams: 7, max_resets: 600/m } }
    pool: a
  - { bind: ":444", tls: { certificates: [auto, many], tickets: none }, pool: b }
pools:
  a:
    servers: [10.0.0.1:443]
    protocol: h2
    tls: { ca: /c/ca.pem, server_name: "[2001:DB8::1]", cert: /c/client.pem }
    health: { grpc: "" }
  b: { servers: [10.0.0.1:443], protocol: auto, tls: { server_name: B.Internal } }
"#;

#[test]
fn certificates_hold_their_sources() {
    let config = load(WHOLE).config;
    assert_eq!(config.runtime.state_dir.path, Path::new("/srv/weir"));
    let names: Vec<&str> = config.certificates.iter().map(|certificate| certificate.name.as_str()).collect();
    assert_eq!(names, ["shop", "many", "auto"]);
    let CertificateSource::Files(files) = &config.certificates[0].source else { panic!("{config:?}") };
    assert_eq!(files.cert.path, Path::new("/c/shop.pem"));
    assert!(matches!(&files.key, Some(Secret::Env { name, .. }) if name == "SHOP_KEY"));
    assert!(
        matches!(&config.certificates[1].source, CertificateSource::Directory(dir) if dir.path == Path::new("/c/many"))
    );
    let CertificateSource::Acme(acme) = &config.certificates[2].source else { panic!("{config:?}") };
    assert_eq!(acme.domains, ["shop.example.com"]);
    assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((acme.challenge, acme.key_type), (Challenge::TlsAlpn01, KeyType::Rsa));
    assert_eq!(acme.eab.as_ref().unwrap().kid, "k");
}

#[test]
fn listeners_hold_tls_and_http2() {
    let config = load(WHOLE).config;
    let (front, tls) = (&config.listeners[0], config.listeners[0].tls.as_ref().unwrap());
    assert_eq!(tls.certificates, [CertificateIndex(1), CertificateIndex(0)]);
    assert_eq!(tls.default, CertificateIndex(0));
    assert_eq!(tls.min_version, TlsVersion::Tls13);
    assert_eq!(tls.ciphers.as_deref(), Some(&[CipherSuite::TLS_AES_128_GCM_SHA256][..]));
    assert_eq!(tls.client_auth.as_ref().unwrap().mode, ClientAuthMode::Optional);
    assert_eq!(tls.tickets.as_ref().unwrap().lifetime, Duration::from_secs(3600));
    assert_eq!(tls.hsts.as_ref().unwrap().value(), "max-age=31536000; includeSubDomains");
    assert_eq!(front.http.protocols, HttpProtocols { http1: false, h2: true });
    assert_eq!(front.http.http2.max_concurrent_streams, 7);
    assert_eq!(front.http.http2.max_resets, Rate { count: 600, per: Duration::from_secs(60) });
    let second = config.listeners[1].tls.as_ref().unwrap();
    assert_eq!(second.default, CertificateIndex(2));
    assert!(second.tickets.is_none() && second.ciphers.is_none() && second.hsts.is_none());
    assert_eq!(second.handshake_timeout, Duration::from_secs(10));
}

#[test]
fn pools_hold_tls_and_their_protocol() {
    let config = load(WHOLE).config;
    let tls = |pool: usize| config.pools[pool].tls.clone().unwrap();
    assert_eq!(
        config.pools.iter().map(|pool| pool.protocol).collect::<Vec<_>>(),
        [PoolProtocol::H2, PoolProtocol::Auto]
    );
    assert_eq!(tls(0).server_name.as_deref(), Some("2001:db8::1"));
    assert_eq!(tls(1).server_name.as_deref(), Some("b.internal"));
    assert!(tls(0).cert.is_some() && tls(0).key.is_none() && tls(1).ca.is_none());
    assert!(
        matches!(&config.pools[0].health.as_ref().unwrap().probe, Probe::Grpc(service) if service.is_empty())
    );
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let text = "
certificates:
  unused: { dir: /c }
  auto: { acme: { domains: [a.example.com] } }
listeners: [{ bind: ':443', tls: { certificates: [auto] }, pool: a }]
pools: { a: { servers: ['10.0.0.1:1'], tls: { danger_accept_any_certificate: true } } }
";
    let warnings: Vec<String> = load(text).warnings.iter().map(|warning| warning.message.clone()).collect();
    let expected = [
        "no listener uses the certificate `unused`",
        "`auto` is ordered by `http-01`, but no listener is without `tls`",
        "the servers of `a` are not verified: whoever is in between can read and change everything",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn an_acme_server_has_no_certificate_to_show() {
    let check = |modes: &[&str], expected: &[&str]| {
        let listener = |mode: &&str| {
            format!(
                "  - {{ bind: ':44{}', tls: {{ certificates: [auto], client_auth: {{ ca: /ca, mode: {mode} }} }}, pool: a }}\n",
                mode.len()
            )
        };
        let text = format!(
            "
certificates: {{ auto: {{ acme: {{ domains: [a.example.com], challenge: tls-alpn-01 }} }} }}
listeners:
{}
pools: {{ a: {{ servers: ['10.0.0.1:1'] }} }}
",
            modes.iter().map(listener).collect::<String>()
        );
        let checked = load(&text);
        let warnings: Vec<&str> = checked.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, expected, "{modes:?}");
    };
    let expected =
        "`auto` is ordered by `tls-alpn-01`, but no listener has `tls` that lets in who shows no certificate";
    check(&["required"], &[expected]);
    // The question may be asked at any of them.
    check(&["required", "optional "], &[]);
}

#[test]
fn what_is_found_in_files_is_shown_at_its_place() {
    let checked = load(WHOLE);
    let CertificateSource::Files(files) = &checked.config.certificates[0].source else { panic!("no files") };
    let place = files.cert.place;
    let late = |severity| Late {
        severity,
        place,
        message: "the certificate has expired".to_owned(),
        help: Some("renew it".to_owned()),
    };
    let shown = " --> f:4:17
  |
4 |   shop: { cert: /c/shop.pem, key: { env: SHOP_KEY }, ocsp: /c/shop.ocsp }
  |                 ^^^^^^^^^^^
  = help: renew it
";
    let warned = checked.clone().report(vec![late(Severity::Warning)]).expect("a warning is no error");
    assert_eq!(warned.render_warnings(false), format!("warning: the certificate has expired\n{shown}\n"));
    let errors =
        checked.report(vec![late(Severity::Warning), late(Severity::Error)]).expect_err("an error is one");
    assert_eq!(errors.to_string(), format!("error: the certificate has expired\n{shown}\nf: 1 error\n"));
}
