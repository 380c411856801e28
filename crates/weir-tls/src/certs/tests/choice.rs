//! Which certificate a client gets.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use rustls::{SignatureAlgorithm, SignatureScheme, sign::CertifiedKey};

use super::{Client, Folder, checked, load, made, made_rsa, resolve, served};
use crate::{
    acme::{Challenges, Origin},
    certs::{Options, Store, pair::Pair, pair::Text, problem::Part},
};

fn store(folder: &Folder, certificates: &[&[&str]]) -> Store {
    let mut lines = Vec::new();
    for (number, names) in certificates.iter().enumerate() {
        let path = folder.write(&format!("{number}.pem"), made(names).both());
        lines.push((format!("c{number}"), format!("{{ cert: {} }}", path.display())));
    }
    let lines: Vec<(&str, String)> =
        lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    load(&checked(&lines)).store
}

#[test]
fn exact_before_wildcard_before_default() {
    let folder = Folder::new();
    let store = store(
        &folder,
        &[
            &["first.example"],
            &["*.shop.example", "shop.example"],
            &["api.shop.example", "API2.shop.example"],
        ],
    );
    let mut shown = String::new();
    for asked in [
        "shop.example",
        "www.shop.example",
        "WWW.Shop.Example",
        "api.shop.example",
        "api2.shop.example",
        "a.b.shop.example",
        "example",
        "other.example",
        "192.0.2.1",
    ] {
        writeln!(shown, "{asked}: {}", served(&store, asked).unwrap()).unwrap();
    }
    let expected = "\
shop.example: *.shop.example
www.shop.example: *.shop.example
WWW.Shop.Example: *.shop.example
api.shop.example: api.shop.example
api2.shop.example: api.shop.example
a.b.shop.example: first.example
example: first.example
other.example: first.example
192.0.2.1: first.example
";
    assert_eq!(shown, expected);
}

#[test]
fn of_two_kinds_for_one_name_the_client_gets_what_suits_it() {
    let folder = Folder::new();
    let rsa = folder.write("rsa.pem", made_rsa(&["a.example"]).both());
    let ecdsa = folder.write("ecdsa.pem", made(&["a.example"]).both());
    let lines = [
        ("rsa", format!("{{ cert: {} }}", rsa.display())),
        ("ecdsa", format!("{{ cert: {} }}", ecdsa.display())),
    ];
    let store = load(&checked(&lines)).store;
    let kind = |asked: &str, schemes: &[SignatureScheme]| {
        let client = Client { schemes: schemes.to_vec(), alpn: Vec::new() };
        resolve(&store, asked, &client).unwrap().key.algorithm()
    };
    let (rsa, ecdsa) = (SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256);
    assert_eq!(kind("a.example", &[rsa, ecdsa]), SignatureAlgorithm::ECDSA);
    assert_eq!(kind("a.example", &[rsa]), SignatureAlgorithm::RSA);
    assert_eq!(kind("a.example", &[ecdsa]), SignatureAlgorithm::ECDSA);
    // The default, RSA, does not suit; its twin does.
    assert_eq!(kind("other.example", &[ecdsa]), SignatureAlgorithm::ECDSA);
    assert_eq!(kind("other.example", &[rsa, ecdsa]), SignatureAlgorithm::RSA);
}

#[test]
fn what_the_acme_client_puts_in_is_served_and_survives_a_reload() {
    let folder = Folder::new();
    let acme = "{ acme: { domains: [auto.example] } }".to_owned();
    let path = folder.write("a.pem", made(&["a.example"]).both());
    let lines = [("files", format!("{{ cert: {} }}", path.display())), ("auto", acme)];
    let checked = checked(&lines);
    let store = load(&checked).store;
    assert_eq!(served(&store, "auto.example").as_deref(), Some("a.example"));

    // A placeholder counts for nothing, and no date stands for it.
    assert!(store.put("auto", certified(&["auto.example"]), Origin::Placeholder));
    assert_eq!(served(&store, "auto.example").as_deref(), Some("auto.example"));
    let status = &store.status(SystemTime::now())[1];
    assert_eq!((status.certificates, status.not_after), (0, None));

    assert!(store.put("auto", certified(&["auto.example"]), Origin::Issued));
    assert!(
        !store.put("files", certified(&["auto.example"]), Origin::Issued),
        "files are not the ACME client's"
    );
    assert!(!store.put("nobody", certified(&["auto.example"]), Origin::Issued));
    assert_eq!(served(&store, "auto.example").as_deref(), Some("auto.example"));

    let again =
        Store::load(&checked.config, Some(&store), &Options::default(), SystemTime::now()).ok().unwrap();
    assert_eq!(served(&again.store, "auto.example").as_deref(), Some("auto.example"));
    let status = again.store.status(SystemTime::now());
    assert_eq!(
        (status[1].name.as_str(), status[1].certificates, status[1].not_after.is_some()),
        ("auto", 1, true)
    );
}

#[test]
fn a_swap_leaves_no_handshake_without_a_certificate() {
    const SWAPS: usize = 200;
    let folder = Folder::new();
    let path = folder.write("a.pem", made(&["a.example"]).both());
    let acme = "{ acme: { domains: [auto.example] } }".to_owned();
    let store = load(&checked(&[("auto", acme), ("a", format!("{{ cert: {} }}", path.display()))])).store;
    let both = [certified(&["auto.example"]), certified(&["auto.example"])];
    assert!(store.put("auto", Arc::clone(&both[0]), Origin::Issued));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let shakes = || {
            let mut seen = [false; 2];
            while !done.load(Ordering::Relaxed) || seen != [true; 2] {
                let found = resolve(&store, "auto.example", &Client::default()).expect("there is always one");
                let which = both.iter().position(|one| Arc::ptr_eq(one, &found)).expect("one of the two");
                seen[which] = true;
            }
        };
        let workers = [scope.spawn(shakes), scope.spawn(shakes)];
        let mut swaps = 0;
        while swaps < SWAPS || workers.iter().any(|worker| !worker.is_finished()) {
            swaps += 1;
            store.put("auto", Arc::clone(&both[swaps % 2]), Origin::Issued);
            done.store(swaps >= SWAPS, Ordering::Relaxed);
        }
    });
}

#[test]
fn a_question_of_an_acme_server_comes_before_all_else() {
    let folder = Folder::new();
    let path = folder.write("a.pem", made(&["a.example"]).both());
    let checked = checked(&[("a", format!("{{ cert: {} }}", path.display()))]);
    let special = certified(&["challenge.example"]);
    let challenges = Challenges::new();
    let options = Options { challenges: challenges.clone(), ..Options::default() };
    let store = Store::load(&checked.config, None, &options, SystemTime::now()).ok().unwrap().store;
    let question = Client { alpn: vec![b"acme-tls/1".to_vec()], ..Client::default() };
    let special_is_served = || Arc::ptr_eq(&resolve(&store, "a.example", &question).unwrap(), &special);
    assert!(!special_is_served());
    let offered = challenges.offer_tls_alpn_01("a.example", &special).expect("there is room");
    assert!(special_is_served());
    assert_eq!(served(&store, "a.example").as_deref(), Some("a.example"), "everybody else");
    drop(offered);
    assert!(!special_is_served());
}

fn certified(names: &[&str]) -> Arc<CertifiedKey> {
    let text = Text { part: Part::Cert, shown: "made".to_owned(), bytes: made(names).both().into_bytes() };
    Pair::new(&text, None).unwrap().certified
}
