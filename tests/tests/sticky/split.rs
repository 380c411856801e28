//! Clients that stay on their side of a split.

use rustix::process::Signal;
use weir_tests::{Weir, folder::Folder};

use super::{ask, saying, set};

const CLIENTS: usize = 2000;

#[test]
fn clients_stay_on_their_side_and_a_change_of_shares_moves_only_its_own() {
    let origins = saying(&["web", "next"]);
    let state = Folder::new("sticky-split");
    let file = |web: u32, next: u32| {
        format!(
            "
runtime: {{ workers: 2, state_dir: {}/state }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes: [{{ split: {{ web: {web}, next: {next} }}, split_sticky: {{ cookie: SIDE }} }}]
pools:
  web: {{ servers: [{}], health: none, sticky: {{ cookie: WEIR }} }}
  next: {{ servers: [{}], health: none }}
",
            state.path().display(),
            origins[0],
            origins[1]
        )
    };
    let mut weir = Weir::start(&file(95, 5));
    let mut sides: Vec<(String, String)> = Vec::new();
    let mut client = weir.connect();
    for _ in 0..CLIENTS {
        let answer = ask(&mut client, "");
        let cookies: Vec<&str> = answer.fields.all("set-cookie");
        assert_eq!(cookies.len(), if answer.text() == "web" { 2 } else { 1 }, "its side, and its server");
        assert!(
            cookies[0].starts_with("SIDE=") && cookies[0].contains("; Max-Age=86400; HttpOnly; SameSite=Lax")
        );
        let all: Vec<&str> = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
        sides.push((answer.text(), format!("Cookie: a=b; {}\r\n", all.join("; "))));
    }
    let at_next = sides.iter().filter(|(side, _)| side == "next").count();
    // 5% of 2,000, with a standard deviation of 10.
    assert!(at_next.abs_diff(100) < 60, "{at_next}");
    assert!(
        origins.iter().all(|origin| origin.requests().iter().all(|request| !request.fields.has("cookie")))
    );

    let moves = |weir: &Weir, sides: &[(String, String)]| {
        let (mut client, mut to_next, mut to_web) = (weir.connect(), 0_usize, 0_usize);
        for (side, cookies) in sides {
            let answer = ask(&mut client, cookies);
            assert!(set(&answer).is_none_or(|set| !set.starts_with("SIDE=")));
            match (side.as_str(), answer.text().as_str()) {
                ("web", "next") => to_next += 1,
                ("next", "web") => to_web += 1,
                _ => {}
            }
        }
        (to_next, to_web)
    };
    assert_eq!(moves(&weir, &sides), (0, 0));
    // Servers see nothing of either.
    let seen = origins[0].requests().pop().expect("requests");
    assert_eq!(seen.fields.get("cookie"), Some("a=b"));

    weir.reload(&file(90, 10));
    let (to_next, to_web) = moves(&weir, &sides);
    assert!(to_next.abs_diff(100) < 60 && to_web == 0, "{to_next} {to_web}");
    println!("from 95:5 to 90:10, {to_next} of {CLIENTS} clients change sides");
    weir.reload(&file(95, 5));
    assert_eq!(moves(&weir, &sides), (0, 0));
    // A route more above it, which makes it `web#2`.
    let other = "routes: [{ match: { path: /x }, pool: web }, {";
    weir.reload(&file(95, 5).replace("routes: [{", other));
    assert_eq!(moves(&weir, &sides), (0, 0));

    weir.signal(Signal::TERM);
    assert!(weir.wait_for_exit().success());
    drop(weir);
    let weir = Weir::start(&file(95, 5));
    assert_eq!(moves(&weir, &sides), (0, 0), "a restart");

    // Nobody chooses a side.
    let (_, theirs) = sides.iter().find(|(side, _)| side == "next").expect("there are some");
    let mut client = weir.connect();
    let changed = theirs.replace("SIDE=", "SIDE=A");
    assert!(set(&ask(&mut client, &changed)).is_some_and(|set| set.starts_with("SIDE=")));
}
