//! TLS to servers: verified unless the file says otherwise, and what is wrong is said.

use weir_tests::{
    Weir,
    pki::Authority,
    tls::{TlsClient, TlsOrigin, trusting},
    until,
};

use super::stage::Stage;

/// Weir before `server`, with this `tls` of the pool.
#[track_caller]
fn before(stage: &Stage, server: &TlsOrigin, tls: &str) -> Weir {
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    Weir::start(&stage.yaml_with(
        &format!("own: {{ cert: {own} }}"),
        "certificates: [own]",
        format!("servers: [{}], health: none, tls: {{ {tls} }}", server.address()),
    ))
}

#[track_caller]
fn check(stage: &Stage, weir: &Weir, status: u16, text: &str) {
    let mut client = TlsClient::connect(weir.address(), &trusting(&stage.authority), "a.example");
    let answer = client.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (status, text));
}

#[test]
fn a_server_is_verified_by_its_authority_and_its_name() {
    let stage = Stage::new();
    let server = TlsOrigin::start(&stage.authority.server(&["api.internal", "127.0.0.1"]), None, "hello");
    let ca = stage.path("ca.pem");
    let stranger = stage.file("stranger.pem", &Authority::new().pem);
    let refused = |why: &str| {
        format!("502 Bad Gateway: no server of pool `web` could be reached; the last one {why}\n")
    };
    for (tls, status, text) in [
        (format!("ca: {ca}"), 200, "hello".to_owned()),
        (format!("ca: {ca}, server_name: api.internal"), 200, "hello".to_owned()),
        (
            format!("ca: {ca}, server_name: other.internal"),
            502,
            refused("shows a certificate that is not for `other.internal`"),
        ),
        (format!("ca: {stranger}"), 502, refused("shows a certificate of an authority that is not trusted")),
        ("danger_accept_any_certificate: true".to_owned(), 200, "hello".to_owned()),
    ] {
        let weir = before(&stage, &server, &tls);
        check(&stage, &weir, status, &text);
        let failures = if status == 502 { 1.0 } else { 0.0 };
        assert_eq!(weir.metrics().sum("weir_server_connect_failures_total", &[]), failures, "{tls}");
    }
    let hosts: Vec<_> =
        server.seen().requests.iter().map(|request| request.fields.all("host").join(",")).collect();
    assert_eq!(hosts, ["test"; 3]);
}

#[test]
fn a_server_that_has_expired_or_does_not_speak_tls() {
    let stage = Stage::new();
    let ca = stage.path("ca.pem");
    let expired = TlsOrigin::start(&stage.authority.expired_server(&["127.0.0.1"]), None, "hello");
    let weir = before(&stage, &expired, &format!("ca: {ca}"));
    let text = "502 Bad Gateway: no server of pool `web` could be reached; the last one shows a certificate that \
                has expired\n";
    check(&stage, &weir, 502, text);
    drop(weir);

    let plain = weir_tests::Origin::start(|connection| {
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        connection.wait_for_end()
    });
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let weir = Weir::start(&stage.yaml_with(
        &format!("own: {{ cert: {own} }}"),
        "certificates: [own]",
        format!("servers: [{plain}], health: none, tls: {{ ca: {ca} }}"),
    ));
    let text = "502 Bad Gateway: no server of pool `web` could be reached; the last one does not speak TLS\n";
    check(&stage, &weir, 502, text);
}

#[test]
fn a_server_is_shown_the_pools_certificate() {
    let stage = Stage::new();
    let identity = stage.authority.server(&["127.0.0.1"]);
    let server = TlsOrigin::start(&identity, Some(&stage.authority), "hello");
    let ca = stage.path("ca.pem");
    let own = stage.authority.client("weir", "spiffe://a/weir");
    let pem = stage.pem("weir.pem", &own);
    let weir = before(&stage, &server, &format!("ca: {ca}, cert: {pem}"));
    check(&stage, &weir, 200, "hello");
    assert_eq!(server.seen().clients, [Some(own.der)]);
    drop(weir);

    let weir = before(&stage, &server, &format!("ca: {ca}"));
    let mut client = TlsClient::connect(weir.address(), &trusting(&stage.authority), "a.example");
    assert_eq!(client.get("/").status, 502);
}

/// A port that is open is not enough: who listens there has to be the one that traffic will be trusted to.
#[test]
fn a_check_by_tcp_goes_as_far_as_the_handshake() {
    let stage = Stage::new();
    let good = TlsOrigin::start(&stage.authority.server(&["127.0.0.1"]), None, "hello").address();
    let stranger = TlsOrigin::start(&Authority::new().server(&["127.0.0.1"]), None, "hello").address();
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    // The last one speaks no TLS.
    for (server, is_up, why) in [
        (good.to_string(), true, "passed"),
        (stranger.to_string(), false, "TLS: invalid peer certificate: UnknownIssuer"),
        (stage.origin.to_string(), false, "TLS: "),
    ] {
        let weir = Weir::start(&stage.yaml_with(
            &format!("own: {{ cert: {own} }}"),
            "certificates: [own]",
            format!(
                "servers: [\"{server}\"], health: {{ tcp: connect, interval: 1h, timeout: 1s }}, tls: {{ ca: {} }}",
                stage.path("ca.pem")
            ),
        ));
        let log = weir.log();
        assert_eq!(weir.metrics().sum("weir_server_up", &[]) == 1.0, is_up, "{why}: {log}");
        assert!(log.contains(why), "{why}: {log}");
    }
}

#[test]
fn sessions_with_servers_resume() {
    let stage = Stage::new();
    let server = TlsOrigin::start(&stage.authority.server(&["127.0.0.1"]), None, "hello");
    // Each request on a connection of its own.
    let weir = {
        let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
        let ca = stage.path("ca.pem");
        Weir::start(&stage.yaml_with(
            &format!("own: {{ cert: {own} }}"),
            "certificates: [own]",
            format!(
                "servers: [{}], health: none, keep_alive: {{ max: 0 }}, tls: {{ ca: {ca} }}",
                server.address()
            ),
        ))
    };
    check(&stage, &weir, 200, "hello");
    until("a later connection resumes", || {
        check(&stage, &weir, 200, "hello");
        server.seen().resumed.iter().any(|resumed| *resumed)
    });
    assert!(!server.seen().resumed[0]);
}

#[test]
fn servers_of_one_name_have_sessions_of_their_own() {
    let stage = Stage::new();
    let identity = stage.authority.server(&["api.internal"]);
    // Each has keys of its own for its tickets, and they take turns.
    let servers = [(); 2].map(|()| TlsOrigin::start(&identity, None, "hello"));
    let own = stage.pem("own.pem", &stage.authority.server(&["a.example"]));
    let [one, other] = [servers[0].address(), servers[1].address()];
    let weir = Weir::start(&stage.yaml_with(
        &format!("own: {{ cert: {own} }}"),
        "certificates: [own]",
        format!(
            "servers: [\"{one}\", \"{other}\"], health: none, keep_alive: {{ max: 0 }}, \
             tls: {{ ca: {}, server_name: api.internal }}",
            stage.path("ca.pem")
        ),
    ));
    until("connections to both resume", || {
        check(&stage, &weir, 200, "hello");
        servers.iter().all(|server| server.seen().resumed.iter().any(|resumed| *resumed))
    });
}
