//! The access log: one line per exchange, whatever became of it.

use std::fs;

use serde_json::Value;
use weir_tests::{Origin, Weir, until, until_lines, weir::simple};

fn with_log(origin: &Origin, log: &str) -> String {
    format!("log: {{ access: {{ {log} }} }}\n{}", simple(&[origin], "{}"))
}

#[track_caller]
fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_line_in_json_tells_everything() {
    let origin = Origin::saying("hello");
    let weir = Weir::start(&with_log(&origin, "to: stdout, format: json"));
    let mut client = weir.connect();
    client.send(
        "POST /a?b=\"c HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: me/1.0 é\\\r\nReferer: http://x/\r\n\
         Content-Length: 4\r\n\r\nbody",
    );
    assert_eq!(client.response().status, 200);
    let line = json(&weir.wait_for_output(1)[0]);
    for (name, value) in [
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("host", "shop.example"),
        ("target", "/a?b=\"c"),
        ("referer", "http://x/"),
        ("listener", "web"),
        ("route", "web#1"),
        ("pool", "web"),
        ("server", &origin.to_string()),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    for (name, value) in [("status", 200), ("request_bytes", 4), ("response_bytes", 5)] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["duration_us"].as_u64().is_some_and(|us| us < 10_000_000), "{line}");
    let time = line["time"].as_str().expect("a time");
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    assert!(line["user_agent"].as_str().is_some_and(|agent| agent.starts_with("me/1.0 ")), "{line}");
}

#[test]
fn every_end_has_its_line() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.request()? {
            match request.target.as_str() {
                "/bad" => connection.send("nonsense\r\n\r\n")?,
                "/short" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
                    return Ok(());
                }
                "/never" => connection.wait_for_end()?,
                _ => connection.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?,
            }
        }
        Ok(())
    });
    let weir = Weir::start(&with_log(&origin, "to: ./access.log"));
    let mut lines = 0;
    let mut next = || {
        lines += 1;
        json(&until_lines(&weir.folder().join("access.log"), lines)[lines - 1])
    };
    weir.get("/good");
    let line = next();
    assert_eq!((&line["status"], &line["target"]), (&201.into(), &"/good".into()));
    weir.get("/bad");
    let line = next();
    assert_eq!(line["status"], 502);
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("not acceptable")), "{line}");
    weir.ask("GET / HTTP/1.1\r\n\r\n");
    let line = next();
    assert_eq!((&line["status"], &line["reason"]), (&400.into(), &"Host is missing".into()));
    let _ = weir.connect().send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n").try_rest();
    let line = next();
    assert_eq!((&line["status"], &line["response_bytes"]), (&200.into(), &5.into()));
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("body")), "{line}");
    let mut client = weir.connect();
    origin.forget();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_for_requests(1);
    client.reset();
    let line = next();
    assert_eq!((&line["status"], &line["target"]), (&499.into(), &"/never".into()));
}

#[test]
fn a_line_in_the_common_format() {
    let origin = Origin::saying("hello");
    let weir = Weir::start(&with_log(&origin, "to: stdout, format: common"));
    weir.get("/a?b");
    weir.ask("GET /\"evil\\ HTTP/1.0\r\n\r\n");
    let lines = weir.wait_for_output(2);
    let (front, back) = lines[0].split_once(" [").expect("a time");
    assert_eq!(front, "127.0.0.1 - -");
    let (time, rest) = back.split_once("] ").expect("a time");
    assert!(time.len() == 26 && time.ends_with(" +0000"), "{time}");
    assert_eq!(rest, "\"GET /a?b HTTP/1.1\" 200 5");
    assert!(lines[1].ends_with(r#""GET /\"evil\\ HTTP/1.0" 200 5"#), "{}", lines[1]);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_by_a_reload() {
    let origin = Origin::saying("hello");
    let yaml = with_log(&origin, "to: ./access.log");
    let mut weir = Weir::start(&yaml);
    let (file, old) = (weir.folder().join("access.log"), weir.folder().join("access.log.1"));
    weir.get("/before");
    until_lines(&file, 1);
    fs::rename(&file, &old).expect("it is there");
    weir.get("/between");
    until_lines(&old, 2);
    weir.reload(&yaml);
    weir.get("/after");
    let lines = until_lines(&file, 1);
    assert_eq!(json(&lines[0])["target"], "/after");
    assert_eq!(until_lines(&old, 2).len(), 2);
    assert!(fs::read_to_string(&old).is_ok_and(|text| text.contains("/between")));
}

#[test]
fn a_full_disk_stops_no_traffic_and_is_not_silent() {
    let origin = Origin::saying("hello");
    let weir = Weir::start(&with_log(&origin, "to: /dev/full"));
    let mark = weir.mark();
    assert_eq!(weir.get("/").text(), "hello");
    let line = weir.wait_for_log(mark, "access log lines are lost");
    assert!(line.contains("/dev/full"), "{line}");
    assert_eq!(weir.get("/").text(), "hello");
    until("both blocks are counted", || weir.metrics().sum("weir_access_log_write_errors_total", &[]) == 2.0);
}

#[test]
fn no_line_is_lost_when_weir_stops() {
    let origin = Origin::saying("hello");
    let mut weir = Weir::start(&with_log(&origin, "to: ./access.log"));
    let mut client = weir.connect();
    for n in 0..500 {
        client.get(&format!("/{n}"));
    }
    weir.signal(rustix::process::Signal::TERM);
    weir.wait_for_exit();
    let lines = until_lines(&weir.folder().join("access.log"), 500);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(json(line)["target"], format!("/{n}"));
    }
    until("that is all", || lines.len() == 500);
}

/// A body that is refused with its head is refused before the route is looked for: the line must tell of this very
/// request, not of the one that the same worker served before, perhaps for another client.
#[test]
fn a_refused_body_is_logged_with_its_own_request() {
    let origin = Origin::saying("ok");
    let log = "log:\n  access: { to: ./access.log, format: json }\n";
    let weir = Weir::start(&format!("{log}{}", simple(&[&origin], "{ max_body_bytes: 10B }")));
    assert_eq!(weir.get("/first?secret=1").status, 200);
    let large = weir.ask("POST /large HTTP/1.1\r\nHost: b\r\nContent-Length: 11\r\n\r\n");
    assert_eq!(large.status, 413);
    let chunk = weir.ask("PUT /chunk HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
    assert_eq!(chunk.status, 400);
    until("all lines are written", || weir.read("access.log").lines().count() >= 3);
    let log = weir.read("access.log");
    let lines: Vec<&str> = log.lines().collect();
    for (line, target, status) in
        [(lines[0], "/first?secret=1", 200), (lines[1], "/large", 413), (lines[2], "/chunk", 400)]
    {
        assert!(line.contains(&format!("\"target\":\"{target}\"")), "{line}");
        assert!(line.contains(&format!("\"status\":{status}")), "{line}");
    }
}
