//! Which deadline counts when.

use std::time::Duration;

use weir_tests::{Origin, Weir, weir::simple};

/// The route's `timeout` is for the beginning of the answer. Where the answer begins before the request's body has ended,
/// that end must not set it again: the answer's body may rest for as long as `body_timeout`.
#[test]
fn an_upload_that_ends_during_the_answer_does_not_shorten_it() {
    let origin = Origin::start(|connection| {
        let request = connection.head()?.expect("a request");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        connection.body(request.framing, &mut |_| {})?;
        // Nothing but time makes the difference here.
        connection.stream().set_read_timeout(Some(Duration::from_millis(1200)))?;
        let _ = connection.wait_for_end();
        connection.send("world")
    });
    let route = "routes: [{ pool: web, timeout: 300ms }]";
    let weir = Weir::start(&simple(&[&origin], "{ body_timeout: 30s }").replacen("pool: web", route, 1));
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").head();
    client.send("cd");
    assert_eq!(client.exactly(10), b"helloworld");
}
