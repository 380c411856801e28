//! What the access log says of exchanges that went wrong.

use weir_tests::{Origin, Weir, until, weir::simple};

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
