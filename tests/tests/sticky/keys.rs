//! Whose cookies are believed.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use weir_tests::{
    Weir,
    folder::Folder,
    weir::{self, File},
};

use super::{ask, outcome, plain, saying, set, yaml};

/// 32 bytes in base64.
const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

#[test]
fn what_weir_did_not_seal_is_ignored_and_replaced() {
    let origins = saying(&["a", "b"]);
    let servers = format!("{}, {}", origins[0], origins[1]);
    let file = format!(
        "{}  other:\n    servers: [{servers}]\n    health: none\n    sticky: {{ cookie: WEIR }}\n",
        yaml(1, "./state", &servers, "health: none\n    sticky: { cookie: WEIR }").replace(
            "    pool: web\n",
            "    routes: [{ match: { path: /other }, pool: other }, { pool: web }]\n"
        )
    );
    let weir = Weir::start(&file);
    let mut client = weir.connect();
    let own = set(&ask(&mut client, "")).expect("a cookie");
    let others = client.get("/other");
    let others = set(&others).expect("a cookie of the other pool");
    let mut changed = own.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let forged = [
        others,
        String::from_utf8(changed).unwrap(),
        own[..own.len() - 4].to_owned(),
        format!("{own}AAAA"),
        "WEIR=".to_owned(),
        "WEIR=a".to_owned(),
        "WEIR=../../../etc/passwd".to_owned(),
        format!("WEIR={}", "A".repeat(60)),
        format!("WEIR={}", "A".repeat(20_000)),
        format!("WEIR=\"{}\"", &own[5..]),
    ];
    for (index, forged) in forged.iter().enumerate() {
        let answer = ask(&mut client, &format!("Cookie: {forged}\r\n"));
        assert!(set(&answer).is_some(), "{forged}");
        assert_eq!(outcome(&weir, "unknown"), index + 1, "{forged}");
    }
    // A good one behind a bad one of the same name is found; hundreds are not looked for.
    let answer = ask(&mut client, &format!("Cookie: WEIR=bad; {own}\r\n"));
    assert_eq!((set(&answer), outcome(&weir, "kept")), (None, 1));
    let answer = ask(&mut client, &format!("Cookie: {}{own}\r\n", "WEIR=bad; ".repeat(100)));
    assert!(set(&answer).is_some());
}

#[test]
fn own_keys_are_kept_where_nobody_else_reads_them() {
    let origins = saying(&["a", "b"]);
    let weir = Weir::start(&plain(&[&origins[0], &origins[1]], "{ cookie: WEIR }"));
    let mode = |path: &str| {
        std::fs::metadata(weir.folder().join(path)).expect("Weir made it").permissions().mode() & 0o777
    };
    assert_eq!((mode("state/sticky"), mode("state/sticky/keys")), (0o700, 0o600));
    let key = weir.read("state/sticky/keys");
    let key = key.trim().rsplit(' ').next().expect("a key");
    assert!(key.len() >= 44 && !weir.log().contains(key), "no key in the log");
    // Another node has keys of its own.
    let cookie = format!("Cookie: {}\r\n", set(&ask(&mut weir.connect(), "")).expect("a cookie"));
    let other = Weir::start(&plain(&[&origins[0], &origins[1]], "{ cookie: WEIR }"));
    assert!(set(&ask(&mut other.connect(), &cookie)).is_some());
    assert_eq!(outcome(&other, "unknown"), 1);
}

#[test]
fn nodes_that_share_a_file_of_keys_know_each_others_clients() {
    let origins = saying(&["a", "b", "c", "d"]);
    let folder = Folder::new("sticky-keys");
    let keys = folder.write("keys", &format!("{OLD}\n"));
    let file = |order: [usize; 4]| {
        let servers: Vec<String> = order.iter().map(|index| origins[*index].to_string()).collect();
        let sticky =
            format!("health: none\n    sticky: {{ cookie: WEIR, keys: {{ file: {} }} }}", keys.display());
        yaml(1, "./state", &servers.join(", "), &sticky)
    };
    let (mut one, mut other) = (Weir::start(&file([0, 1, 2, 3])), Weir::start(&file([3, 1, 0, 2])));
    assert!(!one.folder().join("state").exists(), "shared keys need no state");
    let mut client = one.connect();
    let ask_new = |_| {
        let answer = ask(&mut client, "");
        (answer.text(), format!("Cookie: {}\r\n", set(&answer).expect("a cookie")))
    };
    let cookies: Vec<(String, String)> = (0..20).map(ask_new).collect();
    let kept = |weir: &Weir| {
        let mut client = weir.connect();
        let stays = |(server, cookie): &&(String, String)| {
            let answer = ask(&mut client, cookie);
            set(&answer).is_none() && answer.text() == *server
        };
        cookies.iter().filter(stays).count()
    };
    assert_eq!((kept(&one), kept(&other)), (20, 20));

    // A new key is first spread behind the old one, then put in front of it, and then the old one is taken away.
    let mut turn = |text: String| {
        folder.write("keys", &text);
        one.reload(&file([0, 1, 2, 3]));
        other.reload(&file([3, 1, 0, 2]));
        (kept(&one), kept(&other))
    };
    assert_eq!(turn(format!("{OLD}\n{NEW}\n")), (20, 20));
    assert_eq!(turn(format!("{NEW}\n{OLD}\n")), (20, 20));
    assert_eq!(turn(format!("{NEW}\n")), (0, 0));
    assert_eq!(outcome(&one, "unknown"), 20);
}

#[test]
fn a_restart_keeps_what_a_lost_state_directory_loses() {
    let origins = saying(&["a", "b"]);
    let state = Folder::new("sticky-state");
    let dir = state.path().join("state");
    let servers = format!("{}, {}", origins[0], origins[1]);
    let file = yaml(1, &dir.display().to_string(), &servers, "health: none\n    sticky: { cookie: WEIR }");
    let weir = Weir::start(&file);
    let cookie = format!("Cookie: {}\r\n", set(&ask(&mut weir.connect(), "")).expect("a cookie"));
    let again = |mut weir: Weir| {
        weir.signal(Signal::TERM);
        assert!(weir.wait_for_exit().success());
        drop(weir);
        let weir = Weir::start(&file);
        let set = set(&ask(&mut weir.connect(), &cookie));
        (weir, set)
    };
    let (weir, cookie_set) = again(weir);
    assert_eq!(cookie_set, None);
    std::fs::remove_dir_all(&dir).expect("it is ours");
    let (_weir, cookie_set) = again(weir);
    assert!(cookie_set.is_some());
}

#[test]
fn what_is_wrong_with_keys_is_told_at_its_place() {
    let refused = |file: &File, command: &[&str]| {
        let ran = weir::run(file.folder(), command);
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    let origins = saying(&["a"]);
    let file = File::new(&plain(&[&origins[0]], "{ cookie: WEIR, keys: { file: ./keys } }"));
    let said = refused(&file, &["check"]);
    assert!(said.contains("./keys: cannot read the file") && said.contains("weir.yaml:11:"), "{said}");
    std::fs::write(file.folder().join("keys"), "short\n").unwrap();
    let said = refused(&file, &["check"]);
    assert!(said.contains("./keys:1: this is not base64") && said.contains("openssl rand -base64"), "{said}");
    // A directory that others may enter, and a file that is none of ours.
    let file = File::new(&plain(&[&origins[0]], "{ cookie: WEIR }"));
    let dir = file.folder().join("state/sticky");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    for command in ["check", "run"] {
        let said = refused(&file, &[command]);
        let way_out = "run `chmod 700 ./state/sticky`";
        assert!(said.contains(way_out) && said.contains("weir.yaml:11:"), "{said}");
    }
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(dir.join("keys"), "mine\n").unwrap();
    let said = refused(&file, &["run"]);
    assert!(said.contains("./state/sticky/keys is not as Weir wrote it; remove it"), "{said}");
}
