//! Interim responses, and clients that wait for one before they send their body.

use std::fs;

use weir_tests::{Origin, Weir, message::Framing, origin, peer};

/// Says `100 Continue` before it reads a body that waits for it, and echoes it.
fn polite() -> Origin {
    Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            if request.fields.get("expect") == Some("100-continue") {
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let mut body = Vec::new();
            connection.body(request.framing, &mut |data| body.extend_from_slice(data))?;
            connection.send(origin::ok(&String::from_utf8_lossy(&body)))?;
        }
        Ok(())
    })
}

#[test]
fn a_client_may_wait_for_100_continue() {
    let origin = polite();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.next_response("POST").status, 100);
        client.send("hello");
        assert_eq!(client.response().text(), "hello");
    }
}

#[test]
fn a_client_that_waits_may_be_refused() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")?;
        connection.wait_for_end()
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = client.next_response("POST");
    assert_eq!((answer.status, answer.fields.get("connection")), (417, Some("close")));
    client.expect_closed();
    origin.wait_until_closed(0);
}

#[test]
fn a_client_that_does_not_wait_after_all() {
    let origin = polite();
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.next_response("POST").status, 100);
    assert_eq!(client.next_response("POST").text(), "hello");
}

#[test]
fn curl_waits_and_is_answered() {
    let origin = polite();
    let weir = Weir::before(&[&origin]);
    let file = weir.folder().join("body");
    fs::write(&file, "from a file").expect("the folder is there");
    let url = format!("http://{}/", weir.address());
    let body = format!("@{}", file.display());
    let arguments =
        ["-v", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "--data-binary", &body, &url];
    let output = peer::curl(&arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from a file");
    assert!(String::from_utf8_lossy(&output.stderr).contains("< HTTP/1.1 100 Continue"));
}

#[test]
fn http_1_0_knows_no_interim_responses() {
    let origin = Origin::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned()
            + &origin::ok("done"),
    );
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.next_response("POST");
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    assert!(!origin.requests()[0].fields.has("expect"), "RFC 9110 section 10.1.1: it is ignored");
}

#[test]
fn early_hints_are_passed_on() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\nConnection: x\r\nX: y\r\n\r\n"
            .to_owned()
            + &origin::ok("done"),
    );
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let first = client.next_response("GET");
        assert_eq!((first.status, first.framing), (103, Framing::None));
        assert_eq!(first.fields.get("link"), Some("</a.css>; rel=preload"));
        let second = client.next_response("GET");
        assert_eq!(second.fields.get("link"), Some("</b.css>; rel=preload"));
        assert!(!second.fields.has("connection") && !second.fields.has("x"), "{second:?}");
        assert_eq!(client.next_response("GET").text(), "done");
    }
}

/// An interim response is a part of the answer: a request that got one is not sent again.
#[test]
fn a_server_that_dies_after_an_interim_response_has_answered() {
    let origins = [(); 2].map(|()| {
        Origin::start(|connection| {
            connection.request()?;
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        })
    });
    let weir = Weir::before(&[&origins[0], &origins[1]]);
    let mut client = weir.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.next_response("GET").status, 103);
    assert_eq!(client.next_response("GET").status, 502);
    assert_eq!(origins[0].count() + origins[1].count(), 1);
}
