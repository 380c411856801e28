//! SIGHUP: what changes, what must not, and that nobody is hurt.

use std::{fmt::Write as _, net::TcpListener, thread};

use rustix::process::Signal;
use weir_tests::{
    Client, Load, Origin, Weir,
    message::Framing,
    origin, pattern, until,
    weir::{field, simple},
};

/// The size of the download that fifty reloads accompany, in bytes.
const DOWNLOAD: u64 = 1 << 30;

const RELOADS: u64 = 50;

/// Clients that ask meanwhile.
const CLIENTS: usize = 64;

/// One listener that answers everything with `text`.
fn saying(text: &str) -> String {
    format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - respond: {{ body: \"{text}\" }}
"
    )
}

#[test]
fn a_changed_file_takes_effect_and_closes_nothing() {
    let mut weir = Weir::start(&saying("one"));
    let address = weir.address();
    let mut client = weir.connect();
    assert_eq!(client.get("/").text(), "one");
    weir.reload(&saying("two"));
    assert_eq!(client.get("/").text(), "two");
    assert_eq!(weir.address(), address);
    assert_eq!(weir.get("/").text(), "two");
    assert_eq!(weir.metrics().sum("weir_reloads_total", &[("result", "changed")]), 1.0);
    until("counters go on", || weir.metrics().sum("weir_requests_total", &[("code", "2xx")]) == 3.0);
}

#[test]
fn a_broken_file_changes_nothing_and_the_log_says_where() {
    let mut weir = Weir::start(&saying("one"));
    let mut client = weir.connect();
    let broken = saying("two").replace("respond", "respnd").replace("127.0.0.1:0", "127.0.0.1");
    let log = weir.reload_refused(&broken).join("\n");
    for (text, line) in [("respnd", "line=8"), ("127.0.0.1", "line=6")] {
        assert!(log.lines().any(|entry| entry.contains(text) && entry.contains(line)), "{text}: {log}");
    }
    assert!(log.contains("errors=2"), "{log}");
    assert_eq!(client.get("/").text(), "one");
    assert_eq!(weir.get("/").text(), "one");
    assert_eq!(weir.metrics().sum("weir_reloads_total", &[("result", "refused")]), 1.0);
    weir.reload(&saying("three"));
    assert_eq!(client.get("/").text(), "three");
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let mut weir = Weir::start(&saying("one"));
    std::fs::remove_file(weir.folder().join("weir.yaml")).expect("it is there");
    let mark = weir.mark();
    weir.signal(Signal::HUP);
    weir.wait_for_log(mark, "the reload changed nothing");
    assert_eq!(weir.get("/").text(), "one");
    weir.reload(&saying("two"));
    assert_eq!(weir.get("/").text(), "two");
}

#[test]
fn what_cannot_be_had_changes_nothing() {
    let mut weir = Weir::start(&saying("one"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("bound");
    let mut more = saying("two");
    write!(more, "  - bind: {address}\n    routes: [{{ respond: {{}} }}]\n").expect("a string");
    let log = weir.reload_refused(&more).join("\n");
    assert!(log.contains(&address.to_string()) && log.contains("another process has it"), "{log}");
    assert_eq!(weir.get("/").text(), "one");

    let log =
        weir.reload_refused(&format!("log: {{ access: {{ to: /nowhere/at/all }} }}\n{}", saying("two")));
    assert!(log.join("\n").contains("/nowhere/at/all"), "{log:?}");
    assert_eq!(weir.get("/").text(), "one");
}

/// Two listeners, of which the second is there only if wanted.
fn two_listeners(origin: &Origin, second: bool) -> String {
    let mut yaml = "listeners:\n".to_owned();
    for name in ["first", "second"].iter().take(1 + usize::from(second)) {
        writeln!(yaml, "  - {{ name: {name}, bind: \"127.0.0.1:0\", pool: web }}").expect("a string");
    }
    writeln!(yaml, "pools:\n  web: {{ servers: [{origin}], health: none }}").expect("a string");
    yaml
}

#[test]
fn a_listener_that_is_gone_closes_its_connections_alone() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.target == "/slow" {
                let _ = gone.lock().expect("one request waits").recv();
            }
            connection.send(origin::ok("fine"))?;
        }
        Ok(())
    });
    let mut weir = Weir::start(&two_listeners(&origin, true));
    let (first, second) = (weir.address_of("first"), weir.address_of("second"));
    let mut stays = Client::connect(first);
    let mut idle = Client::connect(second);
    let mut fresh = Client::connect(second);
    let mut busy = Client::connect(second);
    stays.get("/");
    idle.get("/");
    origin.forget();
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);

    weir.reload(&two_listeners(&origin, false));
    idle.expect_closed();
    fresh.expect_closed();
    until("nobody listens", || Client::try_connect(second).is_err());
    assert!(stays.is_open());
    go.send(()).expect("the server waits");
    assert_eq!(busy.response().text(), "fine", "what had begun ends well");
    busy.expect_closed();
    assert_eq!(stays.get("/").text(), "fine");

    weir.reload(&two_listeners(&origin, true));
    assert_eq!(Client::connect(weir.address_of("second")).get("/").text(), "fine", "it can come back");
}

#[test]
fn the_number_of_workers_stays_until_the_next_start() {
    let mut weir = Weir::start(&format!("runtime: {{ workers: 1 }}\n{}", saying("one")));
    let mark = weir.mark();
    weir.reload(&format!("runtime: {{ workers: 2 }}\n{}", saying("two")));
    weir.wait_for_log(mark, "runtime.workers takes effect");
    assert_eq!(weir.metrics().sum("weir_workers", &[]), 1.0);
    assert_eq!(weir.get("/").text(), "two");
}

#[test]
fn requests_that_have_begun_end_under_the_old_configuration() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let old = Origin::start(move |connection| {
        while connection.request()?.is_some() {
            let _ = gone.lock().expect("one request waits").recv();
            connection.send(origin::ok("old"))?;
        }
        Ok(())
    });
    let new = Origin::saying("new");
    let mut weir = Weir::before(&[&old]);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    old.wait_for_requests(1);
    weir.reload(&simple(&[&new], "{}"));
    assert_eq!(weir.get("/").text(), "new");
    go.send(()).expect("the server waits");
    assert_eq!(client.response().text(), "old");
    assert_eq!(client.get("/").text(), "new");
    old.wait_until_closed(0);
}

/// A server that answers, echoes what is upgraded, and sends a large body.
fn many_sided(name: &'static str) -> Origin {
    Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            if request.fields.has("upgrade") {
                connection.send(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                )?;
                return connection.echo();
            }
            if request.target == "/large" {
                connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {DOWNLOAD}\r\n\r\n"))?;
                let mut at = 0;
                while at < DOWNLOAD {
                    let piece = pattern::at(at, 65_536.min((DOWNLOAD - at) as usize));
                    connection.send(piece)?;
                    at += piece.len() as u64;
                }
            } else {
                connection.send(origin::ok(name))?;
            }
        }
        Ok(())
    })
}

/// A form of the configuration: every second one has other servers, and the rest changes too.
fn nth(servers: &[Origin], n: u64) -> String {
    let chosen = match n / 2 % 3 {
        0 => [0, 1, 2],
        1 => [0, 1, 3],
        _ => [3, 2, 0],
    };
    let mut list = String::new();
    for index in chosen {
        let weight = 1 + (n / 4 + index) % 3;
        write!(list, "{{ address: \"{}\", weight: {weight} }}, ", servers[index as usize]).expect("a string");
    }
    let algorithm = ["round_robin", "least_requests", "p2c", "random"][n as usize / 10 % 4];
    format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    http: {{ max_headers: {} }}
    routes:
      - match: {{ path: /nowhere-{n} }}
        respond: {{ status: 410 }}
      - pool: web
pools:
  web:
    balance: {algorithm}
    servers: [{list}]
    health: {{ tcp: connect, interval: 1s }}
",
        50 + n
    )
}

#[test]
fn fifty_reloads_under_load_hurt_nobody() {
    let servers = [many_sided("a"), many_sided("b"), many_sided("c"), many_sided("d")];
    let mut weir = Weir::start(&nth(&servers, 0));
    let mut idle: Vec<Client> = (0..20).map(|_| weir.connect()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    let mut tunnels: Vec<Client> = (0..20).map(|_| weir.connect()).collect();
    for tunnel in &mut tunnels {
        tunnel.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(tunnel.next_response("GET").status, 101);
    }
    let mut download = weir.connect();
    let head = download.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(head.into_response("GET").expect("an answer").framing, Framing::Sized(DOWNLOAD));
    let mut check = pattern::Check::default();
    let load = Load::start(weir.address(), CLIENTS, "/");

    for n in 1..=RELOADS {
        weir.reload(&nth(&servers, n));
        for (index, tunnel) in tunnels.iter_mut().enumerate() {
            let message = format!("{index} after reload {n}");
            assert_eq!(tunnel.send(&message).exactly(message.len()), message.as_bytes());
        }
        // The download goes on for as long as there are reloads: backpressure holds back the rest.
        let upto = DOWNLOAD / RELOADS * n;
        let piece = Framing::Sized(upto - check.right);
        download.body(piece, &mut |data| check.take(data)).expect("the download goes on");
        check.expect(upto);
        load.wait_for(50);
    }

    let rest = Framing::Sized(DOWNLOAD - check.right);
    download.body(rest, &mut |data| check.take(data)).expect("the download goes on");
    check.expect(DOWNLOAD);
    let tally = load.stop();
    tally.expect_no_failure();
    assert_eq!(tally.connects, CLIENTS as u64, "no connection of the load was closed");
    assert!(download.is_open());
    for client in idle.iter_mut().chain([&mut download]) {
        assert!(client.is_open(), "an idle connection was closed");
        assert_eq!(client.get("/").status, 200);
    }
    for mut tunnel in tunnels {
        tunnel.half_close().expect_closed();
    }
    let reloads = weir.metrics().sum("weir_reloads_total", &[("result", "changed")]);
    assert_eq!(reloads, RELOADS as f64);
}

/// Connections that wait to be accepted are the hardest to keep: the kernel resets them with their socket.
#[test]
fn connects_during_reloads_are_all_served() {
    let mut weir = Weir::start(&saying("n"));
    let address = weir.address();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                for n in 0..500 {
                    let answer = Client::connect(address).get("/");
                    assert_eq!(answer.status, 200, "connection {n}");
                }
            })
        })
        .collect();
    let mut n = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        n += 1;
        weir.reload(&saying(&n.to_string()));
    }
    for client in clients {
        client.join().expect("every connection is served");
    }
}

#[test]
fn checks_and_counters_of_servers_go_on() {
    let (up, down) = (Origin::saying("up"), Origin::saying("down"));
    down.kill();
    let yaml = |weight: u32| {
        format!(
            "
runtime: {{ workers: 1 }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{{ address: \"{up}\", weight: {weight} }}, \"{down}\"]
    health: {{ tcp: connect, interval: 1h }}
"
        )
    };
    let mut weir = Weir::start(&yaml(1));
    assert_eq!(weir.get("/").text(), "up");
    let mark = weir.mark();
    weir.reload(&yaml(2));
    assert_eq!(weir.get("/").text(), "up");
    let metrics = weir.metrics();
    assert_eq!(metrics.sum("weir_server_responses_total", &[("code", "2xx")]), 2.0);
    assert_eq!(metrics.sum("weir_server_connects_total", &[]), 1.0, "the idle connection goes on too");
    let changes: Vec<String> = weir
        .log()
        .lines()
        .skip(mark)
        .filter(|line| line.contains("health changed"))
        .map(str::to_owned)
        .collect();
    assert!(changes.is_empty(), "nothing is judged anew: {changes:?}");
    let line = weir.log().lines().find(|line| line.contains("to=down")).map(str::to_owned);
    assert_eq!(line.as_deref().and_then(|line| field(line, "server")), Some(down.to_string().as_str()));
}

#[test]
fn new_limits_hold_for_the_next_request_of_an_open_connection() {
    let origin = Origin::saying("ok");
    let mut weir = Weir::before_with(&[&origin], "{ max_headers: 10 }");
    let mut client = weir.connect();
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5));
    assert_eq!(client.send(&request).response().status, 200);
    weir.reload(&simple(&[&origin], "{ max_headers: 5 }"));
    assert_eq!(client.send(&request).response().status, 431);
}
