//! Directories of certificates: found by the names inside, read when asked for, never trusted by the index.

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{KeyPair, date_time_ymd};

use super::{Folder, checked, later, load, made, served, signed};
use crate::certs::{Options, Store, entry::Cache, entry::Entry};

fn many(folder: &Folder) -> weir_config::Checked {
    checked(&[("many", format!("{{ dir: {} }}", folder.path("certs").display()))])
}

fn with_state(folder: &Folder) -> Options {
    Options { state_dir: Some(folder.path("state")), ..Options::default() }
}

#[test]
fn both_forms_of_files_are_found_by_the_names_inside() {
    let folder = Folder::new();
    let pair = made(&["pair.example", "*.pair.example"]);
    folder.write("certs/x.pem", made(&["single.example"]).both());
    folder.write("certs/y.crt", &pair.cert);
    folder.write("certs/y.key", &pair.key);
    folder.write("certs/readme.txt", "not a certificate");
    folder.write("certs/.hidden.pem", "not a certificate");
    let loaded = load(&many(&folder));
    assert!(loaded.warnings.is_empty());
    let store = loaded.store;
    assert_eq!(store.status(later(0))[0].loaded, 0, "nothing is read before it is asked for");
    assert_eq!(served(&store, "pair.example").as_deref(), Some("pair.example"));
    assert_eq!(served(&store, "www.pair.example").as_deref(), Some("pair.example"));
    assert_eq!(served(&store, "single.example").as_deref(), Some("single.example"));
    assert_eq!(served(&store, "other.example").as_deref(), Some("single.example"), "the first file by name");
    let status = &store.status(later(0))[0];
    assert_eq!((status.certificates, status.names, status.loaded, status.loads), (2, 3, 2, 2));
}

#[test]
fn what_is_not_right_is_warned_of_and_left_out() {
    let folder = Folder::new();
    folder.write("certs/a.pem", made(&["a.example"]).both());
    folder.write("certs/b.pem", "garbage");
    folder.write("certs/c.crt", made(&["c.example"]).cert);
    let d = made(&["d.example"]);
    folder.write("certs/d.pem", format!("{}{}", d.cert, made(&["d.example"]).key));
    let loaded = load(&many(&folder));
    let dir = folder.path("certs").display().to_string();
    let warned: Vec<String> = loaded.warnings.iter().map(|late| late.message.replace(&dir, "DIR")).collect();
    assert_eq!(
        warned,
        ["DIR/b.pem: there is no certificate in PEM", "DIR/c.crt: there is no `c.key` beside it"]
    );
    // A key that does not fit shows when it is asked for: then the default is served, and the log says why.
    assert_eq!(served(&loaded.store, "d.example").as_deref(), Some("a.example"));
    assert_eq!(loaded.store.status(later(0))[0].failures, 1);
    let told: Vec<String> = loaded.store.look(later(0), false).iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("d.pem: the private key does not belong")), "{told:?}");
    assert!(told.iter().all(|line| line.ends_with("; it is not served")), "{told:?}");
}

#[test]
fn a_thorough_look_finds_what_handshakes_would() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let ending = |year| signed(&["x.example"], &key, |params| params.not_after = date_time_ymd(year, 1, 1));
    folder.write("certs/a.pem", made(&["a.example"]).both());
    folder.write("certs/b.pem", ending(2021).both());
    folder.write("certs/c.pem", format!("{}{}", ending(2090).cert, made(&["c.example"]).key));
    let options = Options { thorough: true, ..Options::default() };
    let loaded = Store::load(&many(&folder).config, None, &options, SystemTime::now()).ok().unwrap();
    let dir = folder.path("certs").display().to_string();
    let warned: Vec<String> = loaded.warnings.iter().map(|late| late.message.replace(&dir, "DIR")).collect();
    assert_eq!(
        warned,
        [
            "DIR/b.pem: the certificate has expired on 2021-01-01",
            "DIR/c.pem: the private key does not belong to the certificate in DIR/c.pem"
        ]
    );
}

#[test]
fn when_they_end_is_known_without_a_handshake() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let write = |name: &str, year: i32| {
        let made = signed(&[name], &key, |params| params.not_after = date_time_ymd(year, 1, 1));
        folder.write(&format!("certs/{name}.pem"), made.both());
    };
    write("a.example", 2051);
    write("b.example", 2050);
    // From the files, and from the index.
    for _ in 0..2 {
        let store = Store::load(&many(&folder).config, None, &with_state(&folder), SystemTime::now());
        let store = store.ok().unwrap().store;
        let first = SystemTime::from(date_time_ymd(2050, 1, 1));
        let check = |days_before: u64, ending: [usize; 3]| {
            let status = store.status(first - Duration::from_secs(days_before * 86_400))[0].clone();
            assert_eq!((status.not_after, status.ending, status.loaded), (Some(first), ending, 0));
        };
        check(31, [0, 0, 0]);
        check(29, [0, 0, 1]);
        check(6, [0, 1, 1]);
        let status = store.status(first + Duration::from_secs(364 * 86_400))[0].clone();
        assert_eq!(status.ending, [1, 2, 2]);
    }
    // A renewed one, when it is taken.
    let store = load(&many(&folder)).store;
    write("b.example", 2052);
    (0..2).for_each(|_| drop(store.look(later(0), true)));
    assert_eq!(store.status(later(0))[0].not_after, Some(SystemTime::from(date_time_ymd(2051, 1, 1))));
}

#[test]
fn a_directory_without_a_certificate_is_refused() {
    let folder = Folder::new();
    let refused = |expected: &str| {
        let late = Store::load(&many(&folder).config, None, &Options::default(), SystemTime::now());
        let message = late.err().expect("it is refused")[0].message.clone();
        assert!(message.ends_with(expected), "{message}");
    };
    refused("cannot read the directory: No such file or directory (os error 2)");
    fs::create_dir(folder.path("certs")).unwrap();
    refused("there is no certificate in the directory");
}

fn index_file(folder: &Folder) -> std::path::PathBuf {
    fs::read_dir(folder.path("state/certificates")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn the_index_saves_reading_and_is_rebuilt_when_it_is_damaged() {
    let folder = Folder::new();
    folder.write("certs/a.pem", made(&["a.example"]).both());
    let start =
        || Store::load(&many(&folder).config, None, &with_state(&folder), SystemTime::now()).ok().unwrap();
    start();
    let good = fs::read_to_string(index_file(&folder)).unwrap();
    assert!(good.contains("\ta.pem\ta.example\n"), "{good}");
    for damaged in [String::new(), good[..20].to_owned(), good.replace("a.example", "b.example")] {
        fs::write(index_file(&folder), damaged).unwrap();
        assert_eq!(served(&start().store, "a.example").as_deref(), Some("a.example"));
        assert_eq!(fs::read_to_string(index_file(&folder)).unwrap(), good);
    }
    // Without a place to write it, everything is as before.
    fs::remove_dir_all(folder.path("state")).unwrap();
    folder.write("state", "a file where a directory should be");
    let loaded = start();
    assert_eq!(served(&loaded.store, "a.example").as_deref(), Some("a.example"));
    assert!(loaded.warnings[0].message.contains("cannot write the index"));
}

/// Somebody who can write the index must not be able to hand out a certificate for another name.
#[test]
fn an_index_that_lies_is_not_believed() {
    let folder = Folder::new();
    folder.write("certs/a.pem", made(&["a.example"]).both());
    folder.write("certs/b.pem", made(&["b.example"]).both());
    let start = || {
        Store::load(&many(&folder).config, None, &with_state(&folder), SystemTime::now()).ok().unwrap().store
    };
    start();
    let text = fs::read_to_string(index_file(&folder)).unwrap();
    let lie = text.replace("b.pem\tb.example", "b.pem\tbank.example b.example");
    let body = lie.trim_end().rsplit_once('\n').unwrap().0;
    let sum = xxhash_rust::xxh3::xxh3_64(body.as_bytes());
    fs::write(index_file(&folder), format!("{body}\nsum {sum:016x}\n")).unwrap();
    let store = start();
    assert_eq!(served(&store, "b.example").as_deref(), Some("b.example"), "loaded now, under its own name");
    assert_eq!(
        served(&store, "bank.example").as_deref(),
        Some("a.example"),
        "the default, not what the index says"
    );
}

#[test]
fn files_that_come_change_and_go_are_seen() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    folder.write("certs/a.pem", made(&["a.example"]).both());
    folder.write("certs/b.pem", signed(&["b.example"], &key, |_| {}).both());
    let store = load(&many(&folder)).store;
    assert_eq!(served(&store, "b.example").as_deref(), Some("b.example"));
    let look = || store.look(later(0), true).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(look(), [""; 0]);

    folder.write("certs/c.pem", made(&["c.example"]).both());
    assert_eq!(look(), ["certificate `many`: changed, and served from now on"]);
    assert_eq!(served(&store, "c.example").as_deref(), Some("c.example"));

    // The key of another certificate: b stays as it was, for as long as that lasts.
    let wrong = format!("{}{}", signed(&["b2.example"], &key, |_| {}).cert, made(&["x.example"]).key);
    folder.write("certs/b.pem", wrong);
    assert_eq!(look(), [""; 0], "it may still be written to");
    let told = look();
    assert!(told.len() == 1 && told[0].ends_with("the one before is still served"), "{told:?}");
    assert_eq!((look(), served(&store, "b.example").as_deref()), (vec![], Some("b.example")));
    folder.write("certs/b.pem", "garbage");
    look();
    assert_eq!(served(&store, "b.example").as_deref(), Some("b.example"));

    folder.write("certs/b.pem", signed(&["b.example", "b2.example"], &key, |_| {}).both());
    look();
    assert_eq!(look(), ["certificate `many`: changed, and served from now on"]);
    assert_eq!(served(&store, "b2.example").as_deref(), Some("b.example"));

    fs::remove_file(folder.path("certs/b.pem")).unwrap();
    assert_eq!(look(), ["certificate `many`: changed, and served from now on"]);
    assert_eq!(served(&store, "b2.example").as_deref(), Some("a.example"));
    fs::remove_dir_all(folder.path("certs")).unwrap();
    assert!(look()[0].contains("cannot read the directory"));
    assert_eq!(served(&store, "c.example").as_deref(), Some("c.example"));
}

#[test]
fn no_more_than_the_limit_is_held_with_keys_and_what_is_used_stays() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = (0..6).map(|number| format!("n{number}.example")).collect();
    for name in &names {
        folder.write(&format!("{name}.pem"), signed(&[name], &key, |_| {}).both());
    }
    let cache = Cache::new(folder.dir(), 3);
    let entries: Vec<Arc<Entry>> =
        names.iter().map(|name| Arc::new(Entry::new(&format!("{name}.pem"), 0, 0))).collect();
    for (name, entry) in names.iter().zip(&entries) {
        assert!(entry.get(Some(name), &cache).is_some());
        assert!(entries[0].get(Some(&names[0]), &cache).is_some(), "the first is used all the time");
        assert!(cache.loaded() <= 3);
    }
    let held: Vec<bool> = entries.iter().map(|entry| entry.is_loaded()).collect();
    assert_eq!(held, [true, false, false, false, true, true]);
    let counts = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((counts(&cache.loads), counts(&cache.evictions)), (6, 3));
    assert!(entries[1].get(Some(&names[1]), &cache).is_some(), "what was given up is read again");
}
