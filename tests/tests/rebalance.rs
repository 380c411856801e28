//! Long connections of HTTP/2 and gRPC: a server that joins gets its share of what comes on them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_tests::{
    Origin, Weir,
    h2::{Block, H2Client, H2Origin, frame::*},
};

/// Within so long the new server is to have its share.
const NOTICE: Duration = Duration::from_secs(5);

fn yaml(servers: &[String], protocol: &str, balance: &str) -> String {
    format!(
        "
runtime: {{ workers: 2 }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    balance: {balance}
    protocol: {protocol}
    servers: [{}]
    health: {{ tcp: connect, interval: 100ms, rise: 1 }}
",
        servers.join(", ")
    )
}

/// One client that never reconnects, and the number of its next stream.
struct Long {
    client: H2Client,
    stream: u32,
}

impl Long {
    fn connect(weir: &Weir) -> Self {
        Self { client: H2Client::connect(weir.address()), stream: 1 }
    }

    /// Who answered each of so many streams, one after the other.
    fn ask(&mut self, streams: u32, is_grpc: bool) -> BTreeMap<String, u32> {
        let mut shares = BTreeMap::new();
        for _ in 0..streams {
            let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "a")];
            let grpc: &[_] =
                if is_grpc { &[("content-type", "application/grpc"), ("te", "trailers")] } else { &[] };
            let head = headers(self.stream, Block::of(&[&fields[..], grpc].concat()));
            self.client.send([head, data(self.stream, *b"\0\0\0\0\0").end()]);
            let answer = self.client.response(self.stream);
            assert_eq!(answer.status, 200, "{}", answer.text());
            *shares.entry(answer.text()).or_default() += 1;
            self.stream += 2;
        }
        shares
    }
}

/// A client with one connection sees two servers, then three.
fn check(servers: &[String], protocol: &str, balance: &str, is_grpc: bool) {
    let mut weir = Weir::start(&yaml(&servers[..2], protocol, balance));
    let mut long = Long::connect(&weir);
    let before = long.ask(90, is_grpc);
    assert!(before.len() == 2 && !before.contains_key("c"), "{before:?}");
    weir.reload(&yaml(servers, protocol, balance));
    let joined = Instant::now();
    // At once, and for as long as anybody looks.
    let after = long.ask(300, is_grpc);
    assert!(joined.elapsed() < NOTICE, "{:?}", joined.elapsed());
    let share = after.get("c").copied().unwrap_or_default();
    assert!((60..=150).contains(&share), "{balance}: {after:?}");
    let labels = [("listener", "web")];
    assert_eq!(weir.metrics().sum("weir_connections_accepted_total", &labels), 1.0, "it never reconnected");
}

#[test]
fn a_long_connection_reaches_a_server_that_joins() {
    let origins = ["a", "b", "c"].map(H2Origin::saying);
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    for balance in ["round_robin", "least_requests", "random", "p2c"] {
        check(&servers, "h2", balance, false);
    }
    check(&servers, "h2", "round_robin", true);
    let origins = ["a", "b", "c"].map(Origin::saying);
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    check(&servers, "http1", "least_requests", false);
}

/// What is under way stays where it is, and all that comes later is spread.
#[test]
fn a_long_stream_stays_and_others_go_around_it() {
    let holding = |name: &'static str| {
        Origin::start(move |connection| {
            while let Some(request) = connection.request()? {
                if request.target == "/long" {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n.")?;
                    return connection.wait_for_end();
                }
                connection.send(weir_tests::origin::ok(name))?;
            }
            Ok(())
        })
    };
    let origins = ["a", "b"].map(holding);
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    let mut weir = Weir::start(&yaml(&servers[..1], "http1", "least_requests"));
    let mut long = Long::connect(&weir);
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/long"), (":authority", "a")];
    long.client.send([headers(1, Block::of(&get)).end()]);
    assert_eq!(long.client.head(1).status, 200);
    long.stream = 3;
    weir.reload(&yaml(&servers, "http1", "least_requests"));
    assert_eq!(long.ask(50, false), BTreeMap::from([("b".to_owned(), 50)]), "the first has something to do");
    assert_eq!(weir.metrics().sum("weir_server_requests_in_flight", &[("server", &servers[0])]), 1.0);
}
