//! Files that change are taken over once they rest, and what is not right never is.

use std::{fs, os::unix::fs::symlink};

use super::{Folder, checked, files, later, load, made, served};
use crate::certs::{Store, What};

/// What the looks at these moments told.
fn looks(store: &Store, count: u64) -> Vec<String> {
    let looks = (0..count).flat_map(|number| store.look(later(number * 2), false));
    looks
        .map(|change| match change.what {
            What::Taken { files } => format!("taken {files}"),
            What::Kept(problem) => format!("kept: {}", problem.message),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_changed_pair_is_taken_when_it_rests_and_fits() {
    let folder = Folder::new();
    let (one, two) = (made(&["one.example"]), made(&["two.example"]));
    let (cert, key) = (folder.write("a.pem", &one.cert), folder.write("a.key", &one.key));
    let store = load(&checked(&[("a", files(&cert, &key))])).store;
    assert_eq!(looks(&store, 3), [""; 0]);

    // Half of the pair: however long it stays so, the old one is served, and it is told once.
    folder.replace("a.pem", &two.cert);
    assert_eq!(
        looks(&store, 5),
        ["kept: the private key does not belong to the certificate in ".to_owned() + cert.to_str().unwrap()]
    );
    assert_eq!(served(&store, "a.example").as_deref(), Some("one.example"));

    folder.replace("a.key", &two.key);
    assert_eq!(looks(&store, 1), [""; 0], "it may still be written to");
    assert_eq!(served(&store, "a.example").as_deref(), Some("one.example"));
    assert_eq!(looks(&store, 2), ["taken 1"]);
    assert_eq!(served(&store, "a.example").as_deref(), Some("two.example"));
}

#[test]
fn a_file_that_is_written_slowly_is_never_served_in_part() {
    let folder = Folder::new();
    let path = folder.write("a.pem", made(&["one.example"]).both());
    let store = load(&checked(&[("a", format!("{{ cert: {} }}", path.display()))])).store;
    let new = made(&["two.example"]).both();
    for end in (0..new.len()).step_by(50) {
        fs::write(&path, &new[..end]).unwrap();
        store.look(later(0), false);
        assert_eq!(served(&store, "x.example").as_deref(), Some("one.example"), "after {end} bytes");
    }
    fs::write(&path, &new).unwrap();
    assert!(looks(&store, 3).contains(&"taken 1".to_owned()));
    assert_eq!(served(&store, "x.example").as_deref(), Some("two.example"));
}

#[test]
fn files_that_vanish_stay_served() {
    let folder = Folder::new();
    let path = folder.write("a.pem", made(&["one.example"]).both());
    let store = load(&checked(&[("a", format!("{{ cert: {} }}", path.display()))])).store;
    fs::remove_file(&path).unwrap();
    assert_eq!(looks(&store, 4), ["kept: cannot read the file: No such file or directory (os error 2)"]);
    assert_eq!(served(&store, "x.example").as_deref(), Some("one.example"));
}

/// Kubernetes: `a.pem` links into `..data`, which links to a version; the inner link is swapped.
#[test]
fn a_swapped_link_to_a_whole_directory_is_seen() {
    let folder = Folder::new();
    for (version, name) in [("..v1", "one.example"), ("..v2", "two.example")] {
        let made = made(&[name]);
        folder.write(&format!("{version}/tls.crt"), &made.cert);
        folder.write(&format!("{version}/tls.key"), &made.key);
    }
    symlink("..v1", folder.path("..data")).unwrap();
    symlink("..data/tls.crt", folder.path("tls.crt")).unwrap();
    symlink("..data/tls.key", folder.path("tls.key")).unwrap();
    let single = files(&folder.path("tls.crt"), &folder.path("tls.key"));
    let whole = format!("{{ dir: {} }}", folder.dir().display());
    let (single, whole) = (load(&checked(&[("a", single)])).store, load(&checked(&[("a", whole)])).store);
    for store in [&single, &whole] {
        assert_eq!(served(store, "x.example").as_deref(), Some("one.example"));
    }
    symlink("..v2", folder.path("..new")).unwrap();
    fs::rename(folder.path("..new"), folder.path("..data")).unwrap();
    for store in [&single, &whole] {
        assert_eq!(looks(store, 3), ["taken 1"]);
        assert_eq!(served(store, "x.example").as_deref(), Some("two.example"));
    }
}
