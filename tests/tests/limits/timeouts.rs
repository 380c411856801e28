//! Timeouts: never early, and not much late.

use std::{
    io,
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketType};
use weir_tests::{Client, Origin, Weir, origin, until, weir::simple};

/// Long enough that a busy machine does not meet it by chance.
const TIMEOUT: Duration = Duration::from_millis(400);

/// How late an end may come on a busy machine.
const LATE: Duration = Duration::from_secs(4);

/// What lies between two pieces, when six of them take longer than a timeout of a second that each sets anew.
const BETWEEN: Duration = Duration::from_millis(250);

/// Runs `wait`, which must take as long as the timeout. What starts the timeout belongs into it: behind that, a busy
/// machine may leave this thread waiting while the time runs.
#[track_caller]
fn timed<T>(wait: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = wait();
    let took = begin.elapsed();
    assert!(took >= TIMEOUT && took < TIMEOUT + LATE, "after {took:?}");
    result
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn header_timeout_of_a_head_that_is_not_finished() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ header_timeout: 400ms }");
    for head in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: "] {
        let mut client = weir.connect();
        let answer = timed(|| client.send(head).response());
        assert_eq!((answer.status, answer.fields.get("connection")), (408, Some("close")));
        client.expect_closed();
    }
    weir.wait_for_limit("header_timeout", 3.0);
    // The same for a later request of a connection.
    let mut client = weir.connect();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(timed(|| client.send("GET /").response()).status, 408);
    weir.wait_for_limit("header_timeout", 4.0);
    assert_eq!(origin.count(), 1);
}

#[test]
fn header_timeout_is_not_put_off_by_single_bytes() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ header_timeout: 400ms }");
    timed(|| {
        let mut client = weir.connect();
        client.patience(Duration::from_millis(20)).send("GET / HTTP/1.1\r\n");
        // A byte of a field every 20 ms, until there is an answer.
        until("the client is answered", || match client.try_response("GET") {
            Ok(Some(answer)) => answer.status == 408,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.try_send("X").is_err(),
            other => panic!("{other:?}"),
        });
    });
}

#[test]
fn header_timeout_of_a_new_connection_that_says_nothing() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ header_timeout: 400ms, idle_timeout: 1h }");
    timed(|| weir.connect().expect_closed());
    weir.wait_for_limit("header_timeout", 1.0);
}

#[test]
fn slow_clients_do_not_keep_others_waiting() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ header_timeout: 3s }");
    let mut slow: Vec<Client> = (0..300).map(|_| weir.connect()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    }
    let begin = Instant::now();
    let mut client = weir.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/").status, 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(3));
    for client in &mut slow {
        assert_eq!(client.response().status, 408);
        client.expect_closed();
    }
    weir.wait_for_limit("header_timeout", 300.0);
}

#[test]
fn idle_timeout() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ idle_timeout: 400ms }");
    let mut client = weir.connect();
    timed(|| {
        client.get("/");
        client.expect_closed();
    });
    weir.wait_for_limit("idle_timeout", 1.0);
}

#[test]
fn body_timeout_of_a_request() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ body_timeout: 400ms }");
    for (n, start) in
        ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"].iter().enumerate()
    {
        let mut client = weir.connect();
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{start}");
        let answer = timed(|| client.send(request).response());
        assert_eq!((answer.status, answer.fields.get("connection")), (408, Some("close")));
        client.expect_closed();
        origin.wait_until_closed(n);
    }
    weir.wait_for_limit("body_timeout", 2.0);
    assert_eq!(origin.count(), 0);
}

#[test]
fn body_timeout_starts_anew_with_each_piece() {
    let origin = Origin::saying("ok");
    let weir = Weir::before_with(&[&origin], "{ body_timeout: 1s }");
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    timed(|| {
        for _ in 0..6 {
            // The time between two bytes is what this is about.
            client.patience(BETWEEN);
            assert!(client.try_response("GET").is_err());
            client.send("x");
        }
        assert_eq!(client.patience(LATE).response().status, 200);
    });
}

#[test]
fn body_timeout_of_an_answer() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        connection.wait_for_end()
    });
    let weir = Weir::before_with(&[&origin], "{ body_timeout: 400ms }");
    let mut client = weir.connect();
    timed(|| {
        client.send(REQUEST).head();
        assert_eq!(client.exactly(5), b"hello");
        client.expect_gone();
    });
    origin.wait_until_closed(0);
    weir.wait_for_limit("body_timeout", 1.0);
}

#[test]
fn body_timeout_of_a_client_that_does_not_read() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
        loop {
            connection.send(&chunk)?;
        }
    });
    let weir = Weir::before_with(&[&origin], "{ body_timeout: 400ms }");
    let mut client = weir.connect();
    timed(|| {
        client.send(REQUEST).head();
        origin.wait_until_closed(0);
    });
    assert_eq!(client.try_rest().expect_err("a cut").kind(), io::ErrorKind::ConnectionReset);
    weir.wait_for_limit("body_timeout", 1.0);
}

/// A listener whose queue is full: the kernel leaves further connects without an answer.
fn unreachable() -> (TcpListener, Vec<std::net::TcpStream>) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let any = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    rustix::net::bind(&socket, &any).expect("a port is free");
    rustix::net::listen(&socket, 0).expect("a socket");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("bound");
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    (listener, waiting)
}

#[test]
fn connect_timeout() {
    let (far, _waiting) = unreachable();
    let address = far.local_addr().expect("bound");
    let origin = Origin::saying("ok");
    let pool = |servers: &str| {
        format!(
            "
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{servers}]
    connect_timeout: 400ms
    health: none
"
        )
    };
    let weir = Weir::start(&pool(&address.to_string()));
    assert_eq!(timed(|| weir.get("/")).status, 502);
    weir.wait_for_limit("connect_timeout", 1.0);

    let weir = Weir::start(&pool(&format!("{address}, {{ address: \"{origin}\", backup: true }}")));
    let answer = timed(|| weir.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
    assert_eq!(answer.text(), "ok", "nothing was sent, so even a POST goes elsewhere");
}

#[test]
fn timeout_of_a_route_while_no_server_can_be_reached() {
    let far: Vec<_> = (0..4).map(|_| unreachable()).collect();
    let servers: Vec<_> = far.iter().map(|(far, _)| far.local_addr().expect("bound").to_string()).collect();
    let weir = Weir::start(&format!(
        "
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes: [{{ pool: web, timeout: 400ms }}]
pools:
  web:
    servers: [{}]
    connect_timeout: 300ms
    health: none
",
        servers.join(", ")
    ));
    assert_eq!(timed(|| weir.get("/")).status, 504);
    weir.wait_for_limit("timeout", 1.0);
    weir.wait_for_limit("connect_timeout", 1.0);
}

#[test]
fn timeout_of_a_route() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.wait_for_end()
    });
    let yaml =
        simple(&[&origin], "{}").replace("    pool: web", "    routes: [{ pool: web, timeout: 400ms }]");
    let weir = Weir::start(&yaml);
    let mut client = weir.connect();
    let answer = timed(|| client.get("/"));
    assert_eq!(answer.status, 504);
    origin.wait_until_closed(0);
    assert_eq!(origin.count(), 1, "nobody knows what became of it: it is not sent again");
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(timed(|| client.send(request).response()).status, 504);
    weir.wait_for_limit("timeout", 2.0);
    assert_eq!(weir.metrics().sum("weir_server_failures_total", &[]), 2.0);
}

#[test]
fn timeout_of_a_route_ends_with_the_first_bytes() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
        let _ = gone.lock().expect("one request waits").recv();
        connection.send("ok")
    });
    let yaml =
        simple(&[&origin], "{}").replace("    pool: web", "    routes: [{ pool: web, timeout: 400ms }]");
    let weir = Weir::start(&yaml);
    let mut client = weir.connect();
    client.send(REQUEST).head();
    client.patience(TIMEOUT * 2);
    assert!(client.try_response("GET").is_err(), "it waits on");
    go.send(()).expect("the server waits");
    assert_eq!(client.exactly(2), b"ok");
}

#[test]
fn tunnel_timeout() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")?;
        connection.echo()
    });
    let weir = Weir::before_with(&[&origin], "{ tunnel_timeout: 1s, idle_timeout: 400ms }");
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.next_response("GET").status, 101);
    timed(|| {
        for _ in 0..6 {
            client.patience(BETWEEN);
            assert!(client.try_response("GET").is_err(), "silent");
            assert_eq!(client.patience(LATE).send("x").exactly(1), b"x");
        }
    });
    timed(|| {
        client.send("x").exactly(1);
        client.expect_gone();
    });
    origin.wait_until_closed(0);
    weir.wait_for_limit("tunnel_timeout", 1.0);
}

#[test]
fn idle_connections_to_servers_have_an_end_too() {
    for setting in ["timeout: 400ms", "age: 400ms"] {
        let origin = Origin::saying("ok");
        let yaml = simple(&[&origin], "{}") + &format!("    keep_alive: {{ {setting} }}\n");
        let weir = Weir::start(&yaml);
        timed(|| {
            weir.get("/");
            origin.wait_until_closed(0);
        });
        assert_eq!(weir.get("/").text(), "ok");
        assert_eq!(weir.metrics().sum("weir_server_connects_total", &[]), 2.0, "{setting}");
    }
}

#[test]
fn an_old_connection_to_a_server_is_not_used_again() {
    let origin = Origin::start(|connection| {
        while connection.request()?.is_some() {
            connection.send(origin::ok(&connection.index().to_string()))?;
        }
        Ok(())
    });
    let weir = Weir::start(&(simple(&[&origin], "{}") + "    keep_alive: { age: 400ms }\n"));
    // Never idle for long, it ends all the same.
    let mut client = weir.connect();
    timed(|| until("another connection is used", || client.get("/").text() == "1"));
}
