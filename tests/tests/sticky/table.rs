//! Clients that carry nothing of Weir's: what is remembered of them, by all workers, and how much of it.

use std::collections::HashMap;

use weir_tests::{Origin, Weir, kernel, until};

use super::{ask, outcome, saying, yaml};

fn file(workers: usize, origins: &[Origin], sticky: &str) -> String {
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    yaml(workers, "./state", &servers.join(", "), &format!("health: none\n    sticky: {sticky}"))
}

#[test]
fn one_address_is_at_one_server_whatever_worker_it_meets() {
    let origins = saying(&["a", "b", "c"]);
    let mut weir = Weir::start(&file(2, &origins, "{ table: client_ip }"));
    let server = weir.get("/").text();
    for _ in 0..40 {
        assert_eq!(weir.get("/").text(), server);
    }
    assert_eq!((outcome(&weir, "new"), outcome(&weir, "kept")), (1, 40));
    assert!(!weir.folder().join("state").exists(), "tables need no keys");
    // Other places, other servers, the same table.
    let more: Vec<Origin> = [saying(&["d"]), origins].into_iter().flatten().collect();
    weir.reload(&file(2, &more, "{ table: client_ip }"));
    assert_eq!(weir.get("/").text(), server);
    // Another table.
    weir.reload(&file(2, &more, "{ table: client_ip, size: 10 }"));
    weir.get("/");
    assert_eq!(outcome(&weir, "new"), 2);
}

#[test]
fn a_field_of_the_head_tells_who_a_client_is() {
    let origins = saying(&["a", "b", "c", "d"]);
    let weir = Weir::start(&file(2, &origins, "{ table: \"header:X-User\" }"));
    let mut servers = HashMap::new();
    for round in 0..5 {
        let mut client = weir.connect();
        for user in 0..200 {
            let answer = ask(&mut client, &format!("X-User: user-{user}\r\n"));
            assert!(!answer.fields.has("set-cookie"));
            let server = answer.text();
            assert_eq!(
                servers.entry(user).or_insert_with(|| server.clone()),
                &server,
                "{user} in round {round}"
            );
        }
    }
    assert_eq!((outcome(&weir, "new"), outcome(&weir, "kept")), (200, 800));
    // Who has no such field is balanced.
    let mut client = weir.connect();
    let said: std::collections::HashSet<String> = (0..8).map(|_| ask(&mut client, "").text()).collect();
    assert_eq!(said.len(), 4);
}

#[test]
fn a_server_that_goes_gives_its_clients_to_others_for_good() {
    let origins = saying(&["a", "b", "c"]);
    let mut weir = Weir::start(&file(1, &origins, "{ table: \"header:X-User\" }"));
    let users = |weir: &Weir| -> Vec<String> {
        let mut client = weir.connect();
        (0..300).map(|user| ask(&mut client, &format!("X-User: {user}\r\n")).text()).collect()
    };
    let before = users(&weir);
    weir.reload(&file(1, &origins[1..], "{ table: \"header:X-User\" }"));
    let after = users(&weir);
    let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert_eq!((moved, outcome(&weir, "removed")), (100, 100));
    weir.reload(&file(1, &origins, "{ table: \"header:X-User\" }"));
    assert_eq!(users(&weir), after);
}

#[test]
fn a_flood_of_new_clients_takes_no_more_memory_than_was_asked_for() {
    const FLOOD: usize = 50_000;
    let origins = saying(&["a"]);
    let weir = Weir::start(&file(1, &origins, "{ table: \"header:X-User\", size: 1000 }"));
    let mut client = weir.connect();
    let mut flood = |from: usize, count: usize| {
        for user in from..from + count {
            ask(&mut client, &format!("X-User: flood-{user}\r\n"));
            if user % 5000 == 0 {
                origins[0].forget();
            }
        }
    };
    flood(0, 2000);
    let before = kernel::memory_kib(weir.pid());
    flood(2000, FLOOD);
    let grown = kernel::memory_kib(weir.pid()).saturating_sub(before);
    println!("resident memory grew by {grown} KiB over {FLOOD} new clients of a table of 1,000");
    assert!(grown < 1024, "{grown} KiB");
    let replaced = weir.metrics().limit("sticky_table");
    assert!(replaced > FLOOD as f64 * 0.95, "{replaced}");
}

/// Issues a session to who has none.
fn application(name: &'static str) -> Origin {
    Origin::start(move |connection| {
        let mut issued = 0;
        while let Some(request) = connection.request()? {
            let set = match request.fields.get("cookie") {
                None => {
                    issued += 1;
                    format!(
                        "Set-Cookie: other=1\r\nSet-Cookie: SID={name}-{}-{issued}; Path=/\r\n",
                        connection.index()
                    )
                }
                Some(_) => String::new(),
            };
            let (len, head) = (name.len(), "HTTP/1.1 200 OK\r\nContent-Length:");
            connection.send(format!("{head} {len}\r\n{set}\r\n{name}"))?;
        }
        Ok(())
    })
}

#[test]
fn an_applications_cookie_leads_to_the_server_that_issued_it() {
    let origins = [application("a"), application("b"), application("c")];
    let mut weir = Weir::start(&file(2, &origins, "{ app_cookie: SID }"));
    let mut sessions = Vec::new();
    let mut client = weir.connect();
    for _ in 0..100 {
        let answer = ask(&mut client, "");
        let sid = answer.fields.all("set-cookie")[1].split(';').next().unwrap().to_owned();
        assert!(sid.starts_with(&format!("SID={}-", answer.text())));
        sessions.push((answer.text(), format!("Cookie: other=1; {sid}\r\n")));
    }
    let check = |weir: &Weir| {
        for (server, cookie) in &sessions {
            assert_eq!(ask(&mut weir.connect(), cookie).text(), *server, "{cookie}");
        }
    };
    check(&weir);
    weir.reload(&file(2, &origins, "{ app_cookie: SID }"));
    check(&weir);
    assert_eq!((outcome(&weir, "new"), outcome(&weir, "kept")), (100, 200));

    // A session that nobody has heard of stays where it went first.
    let unknown = "Cookie: SID=from-before-the-restart\r\n";
    let server = ask(&mut weir.connect(), unknown).text();
    for _ in 0..20 {
        assert_eq!(ask(&mut weir.connect(), unknown).text(), server);
    }
    assert_eq!(outcome(&weir, "unknown"), 1);
}

#[test]
fn made_up_sessions_take_nobodys_place() {
    let origins = [application("a"), application("b")];
    let weir = Weir::start(&file(1, &origins, "{ app_cookie: SID, size: 100 }"));
    let mut client = weir.connect();
    let mut sessions = Vec::new();
    for _ in 0..50 {
        let answer = ask(&mut client, "");
        let sid = answer.fields.all("set-cookie")[1].split(';').next().unwrap().to_owned();
        sessions.push((answer.text(), format!("Cookie: {sid}\r\n")));
    }
    for n in 0..5000 {
        ask(&mut client, &format!("Cookie: SID=made-up-{n}\r\n"));
    }
    assert!(weir.metrics().limit("sticky_table") > 4000.0);
    for (server, cookie) in &sessions {
        assert_eq!(ask(&mut client, cookie).text(), *server);
    }
}

#[test]
fn who_was_away_for_too_long_is_forgotten() {
    let origins = saying(&["a", "b"]);
    let weir = Weir::start(&file(1, &origins, "{ table: client_ip, ttl: 1s }"));
    let server = weir.get("/").text();
    assert_eq!(weir.get("/").text(), server);
    // Each look renews it, so there must be none for a while.
    let since = std::time::Instant::now();
    until("the time is over", || since.elapsed() > std::time::Duration::from_millis(3100));
    weir.get("/");
    assert_eq!(outcome(&weir, "new"), 2);
}
