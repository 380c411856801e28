//! Hashes with a bound, from end to end: a key that all ask for spreads, and comes back.

use weir_tests::{Client, Origin, Weir, origin::ok, until};

const SERVERS: usize = 4;

/// Clients that ask for one key at the same time.
const CLIENTS: usize = 16;

/// With a bound of 1.25: 16 requests, of which each server has a quarter as its share.
const MOST: usize = 5;

fn yaml(origins: &[Origin], balance: &str) -> String {
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    format!(
        "
runtime: {{ workers: 1 }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    balance: {balance}
    servers: [{}]
    health: none
",
        servers.join(", ")
    )
}

/// Answers `/hold` never, and all else at once.
fn origins() -> Vec<Origin> {
    let origin = |number: usize| {
        Origin::start(move |connection| {
            while let Some(request) = connection.request()? {
                if request.target == "/hold" {
                    return connection.wait_for_end();
                }
                connection.send(ok(&number.to_string()))?;
            }
            Ok(())
        })
    };
    (0..SERVERS).map(origin).collect()
}

/// How many of the requests that are not answered each server has.
fn held(balance: &str, check: impl FnOnce(&Weir, &[usize])) {
    let origins = origins();
    let weir = Weir::start(&yaml(&origins, balance));
    let mut waiting: Vec<Client> = Vec::new();
    for n in 1..=CLIENTS {
        let mut client = weir.connect();
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\nX-User: hot\r\n\r\n");
        waiting.push(client);
        until("the request has come to a server", || origins.iter().map(Origin::count).sum::<usize>() == n);
    }
    let counts: Vec<usize> = origins.iter().map(Origin::count).collect();
    drop(waiting);
    check(&weir, &counts);
}

#[test]
fn a_hot_key_spreads_up_to_the_bound_and_comes_home() {
    for key in ["\"header:x-user\"", "client_ip"] {
        held(&format!("{{ hash: {key}, bound: 1.25 }}"), |weir, counts| {
            assert!(counts.iter().all(|count| *count <= MOST), "{key}: {counts:?}");
            assert_eq!(counts.iter().max(), Some(&MOST), "{key}: its home has all that it may: {counts:?}");
            until("all have gone", || weir.metrics().sum("weir_server_requests_in_flight", &[]) == 0.0);
            let mut client = weir.connect();
            let said = |client: &mut Client| {
                client.send("GET / HTTP/1.1\r\nHost: a\r\nX-User: hot\r\n\r\n").response().text()
            };
            let first = said(&mut client);
            assert_eq!(
                counts[first.parse::<usize>().expect("a number")],
                MOST,
                "{first} is its home: {counts:?}"
            );
            assert!((0..20).all(|_| said(&mut client) == first), "{key}");
        });
    }
}

#[test]
fn without_a_bound_it_does_not() {
    held("{ hash: \"header:x-user\" }", |_, counts| {
        assert_eq!(counts.iter().max(), Some(&CLIENTS), "{counts:?}");
    });
}
