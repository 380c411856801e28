//! Checks of each kind against real servers, agents, and pools that lose their last server.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

use weir_tests::{
    Origin, Weir,
    folder::Folder,
    peer::Peer,
    pki::Authority,
    tls::TlsOrigin,
    until,
    weir::{field, pool},
};

/// Whether the only server is up with these `health` keys.
#[track_caller]
fn check(server: &impl ToString, health: &str, is_up: bool) {
    let yaml = pool(&[server.to_string()], &format!("health: {{ {health}, interval: 1h }}"));
    let weir = Weir::start(&yaml);
    let up = weir.metrics().sum("weir_server_up", &[]);
    assert_eq!(up == 1.0, is_up, "{health}\n{}", weir.log());
}

/// The reason why the only server is down.
#[track_caller]
fn reason(server: &impl ToString, settings: &str) -> String {
    let weir = Weir::start(&pool(&[server.to_string()], settings));
    let line = weir.wait_for_log(0, "to=down");
    let (_, reason) = line.split_once("reason=\"").unwrap_or_else(|| panic!("{line}"));
    reason.trim_end().strip_suffix('"').unwrap_or(reason).replace("\\\"", "\"")
}

/// A server in a few words: reads a line, answers it as `answer` says, and closes when that is `None`.
struct Talker {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Talker {
    fn start(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                // Who connects without a word is answered all the same, as banners and agents are.
                let mut line = Vec::new();
                let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(200)));
                while !line.ends_with(b"\n") {
                    let mut byte = [0];
                    match stream.read(&mut byte) {
                        Ok(1) => line.push(byte[0]),
                        _ => break,
                    }
                }
                if let Some(answer) = answer(&String::from_utf8_lossy(&line)) {
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Self { address, stopped, thread: Some(thread) }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        self.thread.take().map(JoinHandle::join);
    }
}

fn redis() -> Talker {
    Talker::start(|line| {
        Some(if line == "PING\r\n" { "+PONG\r\n" } else { "-ERR unknown command\r\n" }.into())
    })
}

#[test]
fn http_checks_ask_and_expect() {
    let body = r#"{"status": "ok", "db": {"up": true, "lag": 0.5}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let origin = Origin::answering(answer);
    check(&origin, "http: /, expect_json: { /status: ok, /db/up: true, /db/lag: 0.5 }", true);
    check(&origin, "http: /, expect_json: { /status: ok, /db/up: false }", false);
    check(&origin, "http: /, expect_json: { /status: ok, /cache: warm }", false);
    check(&origin, r#"http: /, expect_body: "~ ^.{5,100}$""#, true);
    check(&origin, r#"http: /, expect_body: "~ ^ok""#, false);

    origin.forget();
    let asked = r#"http: /deep, method: OPTIONS, headers: { X-Check: "1", user-agent: me }, expect: 200"#;
    check(&origin, asked, true);
    let request = &origin.wait_for_requests(1)[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("OPTIONS", "/deep"));
    assert_eq!((request.fields.get("x-check"), request.fields.get("user-agent")), (Some("1"), Some("me")));
    origin.forget();
    check(&origin, "http: /, method: POST, body: deep", true);
    assert_eq!(origin.wait_for_requests(1)[0].body, b"deep");

    let says = reason(&origin, "health: { http: /, expect_json: { /db/up: false } }");
    assert_eq!(says, "/db/up is true, expected false");
}

#[test]
fn real_servers_answer_head_requests() {
    let nginx = Peer::nginx_saying("fine");
    check(&nginx.address(), "http: /, method: HEAD, expect: 200", true);
    check(&nginx.address(), "http: /, expect_body: fine", true);
    check(&nginx.address(), "http: /, expect_body: \"~ ^bad\"", false);
}

#[test]
fn tcp_checks_send_and_expect() {
    let redis = redis();
    check(&redis.address, r#"tcp: { send: "PING\r\n", expect: "+PONG" }"#, true);
    check(&redis.address, r#"tcp: { send: "PING\r\n", expect: "~ ^[+]PONG\r\n" }"#, true);
    check(&redis.address, r#"tcp: { send: "QUIT\r\n", expect: "+PONG" }"#, false);
    check(&redis.address, "tcp: connect", true);
    let says = reason(&redis.address, r#"health: { tcp: { send: "INFO\r\n", expect: "+PONG" } }"#);
    assert_eq!(says, r#"answered "-ERR unknown command", which does not contain "+PONG""#);
}

#[test]
fn tls_checks_want_a_handshake_and_no_trust() {
    let authority = Authority::new();
    let tls = TlsOrigin::start(&authority.server(&["shop.example"]), None, "fine");
    let plain = Origin::saying("plain");
    check(&tls.address(), "tls: handshake", true);
    check(&tls.address(), "tls: { server_name: shop.example }", true);
    check(&plain, "tls: handshake", false);
    check(&plain, "tcp: connect", true);
}

#[test]
fn programs_check_and_say_why_not() {
    let folder = Folder::new("exec");
    let origin = Origin::saying("fine");
    let script = folder.write(
        "check.sh",
        "#!/bin/sh\n[ \"$1\" = deep ] || exit 2\n[ -e good ] && exit 0\n\
         echo \"$WEIR_POOL/$WEIR_SERVER at $WEIR_ADDRESS has no database\"; exit 1\n"
            .replace("good", &folder.path().join("good").display().to_string())
            .as_str(),
    );
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    // A busy machine may need a while for a shell.
    let health = format!("exec: [{}, deep], interval: 10s, down_interval: 1s, rise: 1", script.display());
    let servers = [format!("{{ address: \"{origin}\", name: web1 }}")];
    let weir = Weir::start(&pool(&servers, &format!("health: {{ {health} }}")));
    let line = weir.wait_for_log(0, "to=down");
    assert!(line.contains("reason=\"web/web1 at 127.0.0.1 has no database\""), "{line}");
    let mark = weir.mark();
    folder.write("good", "");
    weir.wait_for_log(mark, "to=up");
    assert_eq!(weir.get("/").text(), "fine");
    assert_eq!(zombies(weir.pid()), 0);
}

/// Children of a process that have ended and were not reaped.
fn zombies(parent: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let behind_name = |stat: String| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    stats
        .filter_map(behind_name)
        .filter(|rest| {
            let mut fields = rest.split(' ');
            fields.next() == Some("Z") && fields.next() == Some(&parent.to_string())
        })
        .count()
}

#[test]
fn checks_go_where_they_are_told_to() {
    let (origin, sick) =
        (Origin::saying("fine"), Origin::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
    let port = sick.address().port();
    check(&origin, "http: /", true);
    check(&origin, &format!("http: /, port: {port}"), false);
    check(&"127.0.0.2:1", &format!("http: /, address: 127.0.0.1, port: {}", origin.address().port()), true);
    let own = format!("{{ address: \"{origin}\", check: \"{sick}\" }}");
    check(&own, "http: /", false);
    // What is written at the server counts more.
    check(&own, &format!("http: /, port: {}", origin.address().port()), false);
}

#[test]
fn an_agent_drains_and_brings_back() {
    let origin = Origin::saying("fine");
    let line = Arc::new(Mutex::new("up\n"));
    let said = Arc::clone(&line);
    let agent = Talker::start(move |_| Some((*said.lock().unwrap()).into()));
    let settings = format!("{{ port: {}, interval: 100ms, send: \"hi\\n\" }}", agent.address.port());
    let yaml = pool(&[origin.to_string()], &format!("health: {{ agent: {settings}, interval: 1h }}"));
    let mut weir = Weir::start(&yaml);
    assert_eq!(weir.get("/").text(), "fine");
    let weight = |weir: &Weir| weir.metrics().sum("weir_server_weight_percent", &[("pool", "web")]);
    assert_eq!(weight(&weir), 100.0);

    let mark = weir.mark();
    *line.lock().unwrap() = "drain\n";
    let told = weir.wait_for_log(mark, "live weight changed");
    assert!(told.contains("from=100% to=0%") && told.contains("its agent says `drain`"), "{told}");
    weir.wait_for_log(mark, "no server of the pool takes requests");
    assert_eq!(weir.get("/").status, 503);
    assert_eq!(weir.metrics().sum("weir_server_up", &[("pool", "web")]), 1.0, "it is well, but drains");
    assert_eq!(weir.metrics().sum("weir_pool_all_down", &[("pool", "web")]), 1.0);

    // It is live state: a reload changes nothing about it.
    weir.reload(&yaml);
    assert_eq!((weight(&weir), weir.get("/").status), (0.0, 503));

    let mark = weir.mark();
    *line.lock().unwrap() = "up 50%\n";
    weir.wait_for_log(mark, "to=50%");
    weir.wait_for_log(mark, "a server of the pool takes requests again");
    assert_eq!(weir.get("/").text(), "fine");

    let mark = weir.mark();
    *line.lock().unwrap() = "down # disk full\n";
    let told = weir.wait_for_log(mark, "to=down");
    assert!(told.contains("its agent says: disk full"), "{told}");
    assert_eq!(weir.get("/").status, 503);
    let readings = |result| weir.metrics().sum("weir_agent_readings_total", &[("result", result)]);
    assert!(readings("understood") >= 4.0);
    *line.lock().unwrap() = "nonsense\n";
    until("it is not understood", || readings("failed") >= 2.0);
    assert_eq!(weir.metrics().sum("weir_server_up", &[("pool", "web")]), 0.0);
}

#[test]
fn a_pool_says_when_its_last_server_goes_and_when_the_first_is_back() {
    for (setting, then) in
        [("fail", "its requests are answered 503"), ("spread", "its requests are spread over all servers")]
    {
        let (one, two) = (Origin::saying("one"), Origin::saying("two"));
        let settings = format!(
            "health: {{ http: /healthz, interval: 50ms, fall: 1, rise: 1 }}\n    when_all_down: {setting}"
        );
        let weir = Weir::start(&pool(&[one.to_string(), two.to_string()], &settings));
        let all_down = || weir.metrics().sum("weir_pool_all_down", &[("pool", "web")]);
        assert_eq!(all_down(), 0.0);
        let mark = weir.mark();
        one.kill();
        two.kill();
        let line = weir.wait_for_log(mark, "no server of the pool takes requests");
        assert!(line.contains(then) && line.contains("pool=web") && line.contains("servers=2"), "{line}");
        assert_eq!(all_down(), 1.0);
        let mark = weir.mark();
        two.restart();
        let line = weir.wait_for_log(mark, "a server of the pool takes requests again");
        assert_eq!(field(&line, "pool"), Some("web"), "{line}");
        assert_eq!(all_down(), 0.0);
    }
}
