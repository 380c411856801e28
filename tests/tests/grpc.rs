//! gRPC through Weir, between the client and the server of the library that most others are compared with.

use std::{fs, net::SocketAddr, process::Command};

use weir_tests::{
    Client, Origin, Weir,
    h2::{Block, H2Client, H2Origin, frame::*},
    python::Script,
    until,
};

/// Everything that is quick.
const CASES: [&str; 2] = ["basics", "large"];

/// Makes a certificate for `weir.test` and its key.
fn certificate(folder: &std::path::Path) -> [String; 2] {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=weir.test", "-addext", "subjectAltName=DNS:weir.test"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .expect("openssl is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [cert, key]
}

fn pool(name: &str, server: SocketAddr, more: &str) -> String {
    format!("  {name}: {{ servers: [\"{server}\"], protocol: h2, {more} }}\n")
}

fn listener(name: &str, more: &str) -> String {
    format!("  - {{ name: {name}, bind: 127.0.0.1:0, pool: {name}{more} }}\n")
}

fn target(address: SocketAddr) -> String {
    address.to_string()
}

#[test]
fn all_kinds_of_calls() {
    let (_server, address) = Script::server("grpc_server", &[]);
    let yaml = format!(
        "\nlisteners:\n{}pools:\n{}",
        listener("calls", ""),
        pool(
            "calls",
            address,
            "health: { grpc: work, address: 127.0.0.1, down_interval: 10s, concurrency: 1 }"
        )
    );
    let weir = Weir::start(&yaml);
    for case in CASES {
        Script::run("grpc_client", &[&target(weir.address()), case]);
    }
    let metrics = weir.metrics();
    let server = address.to_string();
    let count = |status: &str| {
        let labels = [("pool", "calls"), ("server", &server[..]), ("status", status)];
        metrics.sum("weir_server_grpc_answers_total", &labels)
    };
    // One each of `errors`, and one more that broke off late.
    for (status, times) in [("NOT_FOUND", 1.0), ("UNAUTHENTICATED", 1.0), ("DATA_LOSS", 2.0)] {
        assert_eq!(count(status), times, "{status}");
    }
    assert!(count("OK") > 300.0);
    let labels = [("listener", "calls"), ("route", "calls#1"), ("status", "NOT_FOUND")];
    assert_eq!(metrics.sum("weir_grpc_answers_total", &labels), 1.0);
}

#[test]
fn within_tls_on_both_sides() {
    let folder = std::env::temp_dir().join(format!("weir-tests-grpc-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a directory for temporary files");
    let [cert, key] = certificate(&folder);
    let (_server, address) = Script::server("grpc_server", &[&cert, &key]);
    let tls = format!("tls: {{ ca: {cert}, server_name: weir.test }}, health: {{ grpc: work }}");
    let weir = Weir::start(&format!(
        "
certificates:
  test: {{ cert: {cert}, key: {{ file: {key} }} }}
listeners:
{}pools:
{}",
        listener("calls", ", tls: { certificates: [test] }"),
        pool("calls", address, &tls)
    ));
    Script::run("grpc_client", &[&target(weir.address()), "basics", &cert]);
    fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn checks_speak_what_traffic_speaks() {
    let folder = std::env::temp_dir().join(format!("weir-tests-checks-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a directory for temporary files");
    let [cert, key] = certificate(&folder);
    let answer = "routes: [{ match: { path: /healthz }, respond: { status: 200, body: fine } }]";
    let server = Weir::start(&format!(
        "
certificates:
  test: {{ cert: {cert}, key: {{ file: {key} }} }}
listeners:
  - {{ name: plain, bind: 127.0.0.1:0, http: {{ protocols: [h2] }}, {answer} }}
  - {{ name: tls, bind: 127.0.0.1:0, http: {{ protocols: [h2] }}, tls: {{ certificates: [test] }}, {answer} }}
  - {{ name: old, bind: 127.0.0.1:0, http: {{ protocols: [http1] }}, tls: {{ certificates: [test] }}, {answer} }}
"
    ));
    let health = "health: { http: /healthz, expect_body: fine }";
    let trusting = format!("tls: {{ ca: {cert}, server_name: weir.test }}, {health}");
    let stranger = format!("tls: {{ ca: {cert}, server_name: other.test }}, {health}");
    let pools = [
        ("plain", "plain", health),
        ("agreed", "tls", &trusting),
        ("disagreed", "old", &trusting),
        ("stranger", "tls", &stranger),
    ];
    let mut yaml = format!("\nlisteners:\n{}pools:\n", listener("plain", ""));
    for (name, server_listener, more) in pools {
        yaml += &pool(name, server.address_of(server_listener), more);
    }
    for (name, ..) in &pools[1..] {
        yaml = yaml.replacen("pools:\n", &format!("{}pools:\n", listener(name, "")), 1);
    }
    let weir = Weir::start(&yaml);
    let is_up = |pool: &str| weir.metrics().sum("weir_server_up", &[("pool", pool)]) == 1.0;
    let up = pools.map(|(name, ..)| is_up(name));
    assert_eq!(up, [true, true, false, false], "{}", weir.log());
    assert!(weir.log().contains("not valid for name"), "{}", weir.log());
    fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn weirs_own_answers_have_a_status_of_grpc() {
    let (_server, address) = Script::server("grpc_server", &[]);
    let weir = Weir::start(&format!(
        "
listeners:
{}{}pools:
{}{}",
        listener("dead", ""),
        listener("small", ", http: { max_body_bytes: 1000B }"),
        pool("dead", SocketAddr::from(([127, 0, 0, 1], 1)), "health: none"),
        pool("small", address, "health: none"),
    ));
    let refused = |listener: &str, expected: &str, size: &str| {
        let target = target(weir.address_of(listener));
        Script::run("grpc_client", &[&target, "refused", "-", expected, size]);
    };
    refused("dead", "UNAVAILABLE no server of pool", "0");
    refused("small", "RESOURCE_EXHAUSTED the body is larger", "5000");
    let labels = [("listener", "dead"), ("route", "dead#1"), ("status", "UNAVAILABLE")];
    assert_eq!(weir.metrics().sum("weir_grpc_answers_total", &labels), 1.0);
}

/// gRPC is HTTP/2, but all that it needs of it is streams both ways and trailers, which HTTP/1.1 has in chunks: a hop of
/// HTTP/1.1 between two of HTTP/2 is not seen from either end.
#[test]
fn a_hop_of_http1_carries_all_kinds_of_calls() {
    let (_server, address) = Script::server("grpc_server", &[]);
    let near = Weir::start(&format!(
        "\nlisteners:\n{}pools:\n{}",
        listener("near", ", http: { protocols: [http1] }"),
        pool("near", address, "health: none")
    ));
    let far = Weir::start(&format!(
        "\nlisteners:\n{}pools:\n  far: {{ servers: [\"{}\"], protocol: http1, health: none }}\n",
        listener("far", ""),
        near.address()
    ));
    for case in CASES {
        Script::run("grpc_client", &[&target(far.address()), case]);
    }
    // What is told in trailers is read on either kind of connection.
    for (weir, name, server) in [(&far, "far", near.address()), (&near, "near", address)] {
        let labels = [("pool", name), ("server", &server.to_string()[..]), ("status", "NOT_FOUND")];
        assert_eq!(weir.metrics().sum("weir_server_grpc_answers_total", &labels), 1.0, "{name}");
    }
}

const CALL: &str = "POST /test.Work/Any HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\
    TE: trailers\r\nConnection: TE\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";

/// What a client of HTTP/1.1 sees of a call: its status among the trailers, in chunks; or in the head, if there is no more.
#[test]
fn a_client_of_http1_gets_the_status_of_a_call() {
    let head = |more: &[(&str, &str)]| Block::of(&[&[(":status", "200"), GRPC], more].concat());
    let origin = H2Origin::start(move |connection| {
        while let Some(request) = connection.request()? {
            let stream = request.stream;
            assert_eq!(request.fields.get("te"), Some("trailers"));
            let status = Block::of(&[("grpc-status", "5"), ("grpc-message", "no such thing")]);
            connection.send(&match request.fields.get("x-form") {
                Some("head") => vec![headers(stream, head(&[("grpc-status", "5")])).end()],
                _ => vec![
                    headers(stream, head(&[])),
                    data(stream, *b"\0\0\0\0\0"),
                    headers(stream, status).end(),
                ],
            })?;
        }
        Ok(())
    });
    let weir = Weir::start(&format!(
        "\nlisteners:\n{}{}pools:\n{}{}",
        listener("calls", ""),
        listener("dead", ""),
        pool("calls", origin.address(), "health: none"),
        pool("dead", SocketAddr::from(([127, 0, 0, 1], 1)), "health: none"),
    ));
    let ask =
        |listener: &str, request: &str| Client::connect(weir.address_of(listener)).send(request).response();
    let answer = ask("calls", CALL);
    assert_eq!((answer.status, &answer.body[..]), (200, &b"\0\0\0\0\0"[..]));
    assert_eq!(answer.trailers.get("grpc-status"), Some("5"), "{answer:?}");
    assert_eq!(answer.trailers.get("grpc-message"), Some("no such thing"));
    let answer = ask("calls", &CALL.replace("Host", "X-Form: head\r\nHost"));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.fields.get("grpc-status"), Some("5"));
    // An answer of Weir's own.
    let answer = ask("dead", CALL);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.fields.get("grpc-status"), Some("14"), "{answer:?}");
    assert_eq!(answer.fields.get("content-type"), Some("application/grpc"));
    let count = |status: &str| weir.metrics().sum("weir_grpc_answers_total", &[("status", status)]);
    until("all have been counted", || (count("NOT_FOUND"), count("UNAVAILABLE")) == (2.0, 1.0));
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// A server of HTTP/1.1 that knows nothing of gRPC says no status of it. Nothing is made up: the client makes of it what
/// the mapping of gRPC says, and the metrics do so too.
#[test]
fn a_server_of_http1_need_not_know_grpc() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            assert_eq!(request.fields.get("te"), Some("trailers"));
            connection.send(match request.target.as_str() {
                "/trailers" => {
                    "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\
                     5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 0\r\n\r\n"
                }
                _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            })?;
        }
        Ok(())
    });
    let weir = Weir::start(&format!(
        "\nlisteners:\n{}pools:\n  calls: {{ servers: [\"{origin}\"], protocol: http1, health: none }}\n",
        listener("calls", "")
    ));
    let mut client = H2Client::connect(weir.address());
    let call = |path| {
        let fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a"), GRPC];
        Block::of(&[&fields[..], &[("te", "trailers")]].concat())
    };
    client.send([headers(1, call("/trailers")), data(1, *b"\0\0\0\0\0").end()]);
    let answer = client.response(1);
    assert_eq!((answer.status, answer.trailers.get("grpc-status")), (200, Some("0")));
    client.send([headers(3, call("/none")), data(3, *b"\0\0\0\0\0").end()]);
    let answer = client.response(3);
    assert_eq!((answer.status, &answer.text()[..], answer.trailers.get("grpc-status")), (404, "no", None));
    let count = |status: &str| weir.metrics().sum("weir_grpc_answers_total", &[("status", status)]);
    until("both have been counted", || (count("OK"), count("UNIMPLEMENTED")) == (1.0, 1.0));
}

#[test]
fn checks_ask_the_health_service() {
    let (mut server, address) = Script::server("grpc_server", &[]);
    let health = |service: &str| {
        format!("health: {{ grpc: {service}, interval: 100ms, timeout: 100ms, fall: 1, rise: 1 }}")
    };
    let weir = Weir::start(&format!(
        "
listeners:
{}{}{}pools:
{}{}{}",
        listener("work", ""),
        listener("whole", ""),
        listener("other", ""),
        pool("work", address, &health("work")),
        pool("whole", address, &health("\"\"")),
        pool("other", address, &health("unknown")),
    ));
    let is_up = |pool: &str| {
        let labels = [("pool", pool), ("server", &address.to_string()[..])];
        weir.metrics().sum("weir_server_up", &labels) == 1.0
    };
    assert!(is_up("work") && is_up("whole") && !is_up("other"));
    assert!(
        weir.log().contains("the server does not know the service `unknown` (NOT_FOUND)"),
        "{}",
        weir.log()
    );
    for (status, up) in [("NOT_SERVING", false), ("SERVING", true)] {
        server.tell(status);
        assert_eq!(server.line(), "set");
        until(status, || is_up("work") == up);
    }
    assert!(weir.log().contains("the service is NOT_SERVING"), "{}", weir.log());
}
