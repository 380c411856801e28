//! What is wrong with files is said with its place and the way out.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use rcgen::KeyPair;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::{Folder, checked, files, later, load, made, made_rsa, served, signed};
use crate::certs::{
    Options, Store,
    der::{self, Reader},
};

/// What `weir check` shows for a certificate with these two files, without the place. `DIR` is the directory.
fn check(cert: &[u8], key: &[u8], expected: &str) {
    let folder = Folder::new();
    let (cert, key) = (folder.write("a.pem", cert), folder.write("a.key", key));
    let checked = checked(&[("a", files(&cert, &key))]);
    let late = match Store::load(&checked.config, None, &Options::default(), SystemTime::now()) {
        Ok(loaded) => loaded.warnings,
        Err(late) => late,
    };
    let shown: Vec<String> = late
        .into_iter()
        .map(|late| match late.help {
            Some(help) => format!("{} = {help}", late.message),
            None => late.message,
        })
        .collect();
    let shown = shown.join("\n").replace(folder.dir().to_str().unwrap(), "DIR");
    assert_eq!(shown, expected);
}

#[test]
fn what_is_right_is_taken_without_a_word() {
    let (ecdsa, rsa) = (made(&["a.example"]), made_rsa(&["a.example"]));
    check(ecdsa.cert.as_bytes(), ecdsa.key.as_bytes(), "");
    check(rsa.cert.as_bytes(), rsa.key.as_bytes(), "");
    let other_lines = ecdsa.cert.replace('\n', "\r\n");
    check(format!("a comment\n{other_lines}").as_bytes(), ecdsa.key.as_bytes(), "");
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    check(ecdsa.cert.as_bytes(), format!("{parameters}{}", ecdsa.key).as_bytes(), "");
}

/// PKCS#8 is the common form; inside it lie the older ones, which old programs write bare.
#[test]
fn keys_of_all_kinds_are_read() {
    for (made, label) in
        [(made_rsa(&["a.example"]), "RSA PRIVATE KEY"), (made(&["a.example"]), "EC PRIVATE KEY")]
    {
        let pkcs8 = <PrivateKeyDer<'_> as PemObject>::from_pem_slice(made.key.as_bytes()).unwrap();
        let mut outer = Reader::new(pkcs8.secret_der()).enter(der::SEQUENCE).unwrap();
        outer.take(der::INTEGER).unwrap();
        outer.take(der::SEQUENCE).unwrap();
        let bare = base64(outer.take(der::OCTET_STRING).unwrap());
        let key = format!("-----BEGIN {label}-----\n{bare}\n-----END {label}-----\n");
        check(made.cert.as_bytes(), key.as_bytes(), "");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        let letter = |at: usize| match at <= three.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        [0, 1, 2, 3].map(letter).iter().collect::<String>()
    };
    bytes
        .chunks(3)
        .map(four)
        .collect::<Vec<_>>()
        .chunks(16)
        .map(<[String]>::concat)
        .collect::<Vec<_>>()
        .join("\n")
}

const MISMATCH: &str = "DIR/a.key: the private key does not belong to the certificate in DIR/a.pem = \
                        take the key that the certificate was ordered with";

#[test]
fn a_key_of_another_certificate_is_refused() {
    check(made(&["a.example"]).cert.as_bytes(), made(&["a.example"]).key.as_bytes(), MISMATCH);
}

#[test]
fn a_chain_in_the_wrong_order_is_refused() {
    let (leaf, issuer) = (made(&["a.example"]), made(&["b.example"]));
    check(
        format!("{}{}", issuer.cert, leaf.cert).as_bytes(),
        leaf.key.as_bytes(),
        "DIR/a.key: the private key does not belong to the certificate in DIR/a.pem = \
         it belongs to certificate 2 of the file, which must come first",
    );
}

#[test]
fn an_encrypted_key_is_refused_with_the_way_out() {
    let cert = made(&["a.example"]).cert;
    let said = |line: usize| {
        format!(
            "DIR/a.key:{line}: the private key is encrypted, and nobody is there to type a password = \
             decrypt it: `openssl pkey -in DIR/a.key -out NEW`, readable by Weir only"
        )
    };
    let pkcs8 = "\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(cert.as_bytes(), pkcs8.as_bytes(), &said(2));
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n\
               -----END RSA PRIVATE KEY-----\n";
    check(cert.as_bytes(), old.as_bytes(), &said(1));
}

#[test]
fn what_is_no_pem_is_refused_at_its_line() {
    let good = made(&["a.example"]);
    let cert = |text: &str, expected: &str| check(text.as_bytes(), good.key.as_bytes(), expected);
    cert("", "DIR/a.pem: the file is empty");
    cert("hello\n", "DIR/a.pem: there is no certificate in PEM");
    cert(&good.key, "DIR/a.pem: there is no certificate in PEM");
    let half = &good.cert[..good.cert.len() / 2];
    cert(
        half,
        "DIR/a.pem:1: the `CERTIFICATE` that begins here has no end = the file is cut off, or is being written",
    );
    let second = format!("{}\n{half}", good.cert);
    let line = good.cert.lines().count() + 2;
    cert(
        &second,
        &format!(
            "DIR/a.pem:{line}: the `CERTIFICATE` that begins here has no end = the file is cut off, or is being written"
        ),
    );
    cert(
        &good.cert.replace("END CERTIFICATE", "END PRIVATE KEY"),
        &format!("DIR/a.pem:{}: the `CERTIFICATE` that begins in line 1 ends as something else", line - 2),
    );
    cert(
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "DIR/a.pem:1: the `CERTIFICATE` that begins here is not base64 text",
    );
    cert(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "DIR/a.pem: the first certificate cannot be read",
    );
    check(
        &[0x30, 0x82, 1, 1],
        good.key.as_bytes(),
        "DIR/a.pem: this is DER, not PEM = convert it: `openssl x509 -inform der -in DIR/a.pem -out NEW`",
    );
    check(good.cert.as_bytes(), good.cert.as_bytes(), "DIR/a.key: there is no private key in PEM");
    let twice = format!("{0}{0}", good.key);
    let line = good.key.lines().count() + 1;
    check(
        good.cert.as_bytes(),
        twice.as_bytes(),
        &format!("DIR/a.key:{line}: a second private key = one file holds one key"),
    );
}

#[test]
fn certificates_out_of_their_time_or_without_a_name_are_warned_of() {
    let key = KeyPair::generate().unwrap();
    let old = signed(&["a.example"], &key, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2003, 2, 1);
    });
    let said =
        "DIR/a.pem: the certificate has expired on 2003-02-01 = renew it; it is refused wherever it is shown";
    check(old.cert.as_bytes(), old.key.as_bytes(), said);
    let young = signed(&["a.example"], &key, |params| params.not_before = rcgen::date_time_ymd(3001, 1, 31));
    check(
        young.cert.as_bytes(),
        young.key.as_bytes(),
        "DIR/a.pem: the certificate is not valid before 3001-01-31",
    );
    let nameless = signed(&[], &key, |_| {});
    check(
        nameless.cert.as_bytes(),
        nameless.key.as_bytes(),
        "DIR/a.pem: the certificate has no DNS name: it is only served as a default = \
         names stand in its subjectAltName; the common name does not count",
    );
}

#[test]
fn what_is_missing_is_said_where_the_file_names_it() {
    let folder = Folder::new();
    let good = made(&["a.example"]);
    let cert = folder.write("a.pem", &good.cert);
    let checked = checked(&[
        ("a", files(&cert, &folder.path("a.key"))),
        ("b", "{ cert: /c, key: { env: WEIR_NO_SUCH } }".replace("/c", cert.to_str().unwrap())),
    ]);
    let late =
        Store::load(&checked.config, None, &Options::default(), SystemTime::now()).err().expect("no keys");
    let errors = checked.report(late).expect_err("there are errors").to_string();
    let errors = errors.replace(folder.dir().to_str().unwrap(), "DIR");
    let places: Vec<&str> =
        errors.lines().filter(|line| line.contains("-->") || line.starts_with("error")).collect();
    let first = places[0];
    assert_eq!(first, "error: DIR/a.key: cannot read the file: No such file or directory (os error 2)");
    assert_eq!(places[2], "error: $WEIR_NO_SUCH: the environment variable is not set");
    assert!(places[1].contains("weir.yaml:2:") && places[3].contains("weir.yaml:3:"), "{errors}");
    assert!(errors.ends_with("weir.yaml: 2 errors\n"), "{errors}");
}

#[test]
fn an_ocsp_response_is_sent_along_until_it_ends() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let good = signed(&["a.example"], &key, |params| params.serial_number = Some(7_u64.into()));
    let cert = folder.write("a.pem", good.both());
    let with = |response: &[u8]| {
        let ocsp = folder.write("a.ocsp", response);
        let checked = checked(&[("a", format!("{{ cert: {}, ocsp: {} }}", cert.display(), ocsp.display()))]);
        Store::load(&checked.config, None, &Options::default(), SystemTime::now())
    };
    let staple =
        |store: &Store| super::resolve(store, "a.example", &super::Client::default()).unwrap().ocsp.clone();

    let response = ocsp(&[7], "20990101000000Z", 0x80);
    let loaded = with(&response).ok().unwrap();
    assert_eq!(loaded.warnings.len(), 0);
    assert_eq!(staple(&loaded.store).as_deref(), Some(&response[..]));
    let changes = loaded.store.look(SystemTime::now() + Duration::from_secs(100 * 366 * 86_400), false);
    assert!(
        matches!(changes[..], [crate::certs::Change { what: crate::certs::What::StapleEnded, .. }]),
        "{changes:?}"
    );
    assert_eq!(staple(&loaded.store), None);
    assert_eq!(served(&loaded.store, "a.example").as_deref(), Some("a.example"));

    let ended = with(&ocsp(&[7], "20010101000000Z", 0x80)).ok().unwrap();
    assert!(ended.warnings[0].message.ends_with("has ended on 2001-01-01, and is not used"));
    assert_eq!(staple(&ended.store), None);
    let revoked = with(&ocsp(&[7], "20990101000000Z", 0xa1)).ok().unwrap();
    assert!(revoked.warnings[0].message.ends_with("does not say that the certificate is good"));
    let refused = |response: &[u8]| with(response).err().expect("it is refused")[0].message.clone();
    assert!(refused(b"hello").ends_with("this is no OCSP response in DER"));
    for (unfit, expected) in [
        (ocsp(&[8], "20990101000000Z", 0x80), "is about another certificate, and is not used"),
        (vec![0x30, 3, 0x0a, 1, 6], "says that there was none, and is not used"),
    ] {
        let loaded = with(&unfit).ok().unwrap();
        assert!(loaded.warnings[0].message.ends_with(expected), "{:?}", loaded.warnings[0].message);
        assert_eq!(staple(&loaded.store), None);
    }
}

#[test]
fn a_renewed_certificate_does_not_wait_for_its_ocsp_response() {
    let folder = Folder::new();
    let numbered = |name: &str, serial: u64| {
        signed(&[name], &KeyPair::generate().unwrap(), |params| params.serial_number = Some(serial.into()))
    };
    let cert = folder.write("a.pem", numbered("old.example", 7).both());
    let response = folder.write("a.ocsp", ocsp(&[7], "20990101000000Z", 0x80));
    let store =
        load(&checked(&[("a", format!("{{ cert: {}, ocsp: {} }}", cert.display(), response.display()))]))
            .store;
    let staple = || super::resolve(&store, "x.example", &super::Client::default()).unwrap().ocsp.clone();
    assert!(staple().is_some());

    folder.replace("a.pem", numbered("new.example", 8).both());
    let told: Vec<String> =
        (0..3).flat_map(|_| store.look(later(0), false)).map(|change| change.to_string()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("is about another certificate, and is not used (fetch a new one)"), "{told:?}");
    assert_eq!((served(&store, "x.example").as_deref(), staple()), (Some("new.example"), None));

    let fresh = ocsp(&[8], "20990101000000Z", 0x80);
    folder.replace("a.ocsp", &fresh);
    (0..2).for_each(|_| drop(store.look(later(0), false)));
    assert_eq!(staple(), Some(fresh));
}

/// An OCSP response about one serial number, without a signature.
fn ocsp(serial: &[u8], next_update: &str, status: u8) -> Vec<u8> {
    fn of(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let content = parts.concat();
        let length = match content.len() {
            short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
            long => vec![0x82, u8::try_from(long >> 8).unwrap(), u8::try_from(long & 0xff).unwrap()],
        };
        [vec![tag], length, content].concat()
    }
    let time = |text: &str| of(0x18, &[text.as_bytes().to_vec()]);
    let hash = || of(4, &[vec![1; 20]]);
    let id = of(0x30, &[of(0x30, &[of(6, &[vec![0x2b]])]), hash(), hash(), of(2, &[serial.to_vec()])]);
    let details = if status == 0x80 { vec![] } else { time("20010101000000Z") };
    let single =
        of(0x30, &[id, of(status, &[details]), time("20010101000000Z"), of(0xa0, &[time(next_update)])]);
    let data = of(0x30, &[of(0xa2, &[hash()]), time("20010101000000Z"), of(0x30, &[single])]);
    let basic = of(0x30, &[data]);
    let oid = of(6, &[vec![0x2b, 6, 1, 5, 5, 7, 48, 1, 1]]);
    of(0x30, &[of(0x0a, &[vec![0]]), of(0xa0, &[of(0x30, &[oid, of(4, &[basic])])])])
}

#[test]
fn the_largest_file_is_bounded() {
    let checked = checked(&[("a", "{ cert: /dev/zero }".to_owned())]);
    let late =
        Store::load(&checked.config, None, &Options::default(), later(0)).err().expect("it never ends");
    assert_eq!(late[0].message, "/dev/zero: the file is larger than 1024 KiB");
}

#[test]
fn a_reload_that_is_refused_leaves_the_store_as_it_was() {
    let folder = Folder::new();
    let made = made(&["a.example"]);
    let cert = folder.write("a.pem", made.both());
    let checked = checked(&[("a", format!("{{ cert: {} }}", cert.display()))]);
    let store = load(&checked).store;
    fs::write(&cert, "garbage").unwrap();
    let again = Store::load(&checked.config, Some(&store), &Options::default(), SystemTime::now());
    assert!(again.is_err());
    assert_eq!(served(&store, "a.example").as_deref(), Some("a.example"));
}
