//! RFC 9113 sections 8.1, 8.2.2 and 8.3.2: what HTTP/1.1 servers say, as HTTP/2.

use weir_tests::h2::{Expect, code, frame::*, suite::Section};

#[test]
fn responses() {
    let mut s = Section::new("8.1 responses");
    s.talk(
        "GET",
        "8.8.1: a request that includes control data and no content is a single HEADERS frame.",
        |t| {
            t.client.send([t.ask.get(1)]);
            let response = t.client.response(1);
            assert_eq!((response.status, response.text()), (200, "hello".into()));
            assert_eq!(response.fields.get("content-length"), Some("5"));
        },
    );
    s.talk("HEAD", "RFC 9110, 9.3.2: the server MUST NOT send content in the response to HEAD.", |t| {
        t.client.send([headers(1, t.ask.fields("HEAD")).end()]);
        let response = t.client.response(1);
        assert_eq!((response.status, response.text()), (200, String::new()));
        assert_eq!(response.fields.get("content-length"), Some("5"));
    });
    s.talk("POST", "8.8.3: a request with content is HEADERS and DATA.", |t| {
        t.client.send([t.ask.to("echo").post(1), t.ask.body(1)]);
        assert_eq!(t.client.response(1).text(), "hello");
    });
    s.talk("OPTIONS, PUT, DELETE, PATCH", "RFC 9110, 9: methods", |t| {
        for (stream, method) in [(1, "OPTIONS"), (3, "PUT"), (5, "DELETE"), (7, "PATCH")] {
            t.client.send([headers(stream, t.ask.fields(method)).end()]);
            assert_eq!(t.client.response(stream).status, 200);
        }
    });
    s.talk("204", "RFC 9110, 15.3.5: a 204 response is terminated by the end of the header section.", |t| {
        t.client.send([t.ask.to("204").get(1)]);
        let response = t.client.response(1);
        assert_eq!((response.status, response.body.len()), (204, 0));
    });
    s.talk("304", "RFC 9110, 15.4.5: a 304 response is terminated by the end of the header section.", |t| {
        t.client.send([t.ask.to("304").get(1)]);
        let response = t.client.response(1);
        assert_eq!((response.status, response.body.len()), (304, 0));
    });
    s.talk(
        "chunked",
        "8.1: HTTP/2 uses DATA frames; the \"chunked\" transfer encoding cannot be used.",
        |t| {
            t.client.send([t.ask.to("chunked").get(1)]);
            let response = t.client.response(1);
            assert_eq!((response.text(), response.fields.has("transfer-encoding")), ("hello".into(), false));
        },
    );
    s.talk(
        "trailers",
        "8.1: optionally, one HEADERS frame, followed by zero or more CONTINUATION frames containing the \
        trailer section.",
        |t| {
            if t.target.passes_trailers() {
                t.client.send([t.ask.to("trailers").get_with(1, &[("te", "trailers")])]);
                let response = t.client.response(1);
                assert_eq!((response.text(), response.trailers.get("x-sum")), ("hello".into(), Some("7")));
            }
        },
    );
    s.talk(
        "an interim response",
        "8.1: HEADERS frames containing interim responses precede the final one.",
        |t| {
            if t.target.passes_hints() {
                t.client.send([t.ask.to("hints").get(1)]);
                let response = t.client.response(1);
                assert_eq!((response.status, response.text()), (200, "hinted".into()));
                let interim: Vec<_> =
                    response.interim.iter().map(|(status, fields)| (*status, fields.get("link"))).collect();
                assert_eq!(interim, [(103, Some("</a.css>"))]);
            }
        },
    );
    s.talk("100 and then the body", "8.8.4: the client sends the content behind a 100 response.", |t| {
        let head = t.ask.to("continue").post_with(1, &[("expect", "100-continue"), ("content-length", "5")]);
        t.client.send([head]);
        t.client
            .wait_until("100", |client| client.so_far(1).interim.iter().any(|(status, _)| *status == 100));
        t.client.send([t.ask.body(1)]);
        assert_eq!(t.client.response(1).status, 200);
        assert_eq!(t.seen_once().body, b"hello");
    });
    s.talk(
        "a body that does not wait for 100",
        "RFC 9110, 10.1.1: a client that waits for 100 need not wait \
        indefinitely.",
        |t| {
            let head = t.ask.post_with(1, &[("expect", "100-continue"), ("content-length", "5")]);
            t.client.send([head, t.ask.body(1)]);
            assert_eq!(t.client.response(1).status, 200);
            assert_eq!(t.seen_once().body, b"hello");
        },
    );
    s.talk("an answer before the request ends", "8.1: A server can send a complete response prior to the client sending \
        an entire request. It MAY request that the client abort transmission by sending RST_STREAM with an error code of \
        NO_ERROR after sending a complete response.", |t| {
        t.client.send([t.ask.to("early").post(1), data(1, *b"x")]);
        let response = t.client.response(1);
        assert_eq!((response.status, response.text()), (200, "early".into()));
        t.client.ping();
        assert!(t.client.so_far(1).reset.is_none_or(|came| came == code::NO_ERROR), "{}", t.client.state());
        t.client.send([t.ask.get(3)]);
        assert_eq!(t.client.response(3).status, 200);
    });
    s.talk(
        "fields of the connection are taken out",
        "8.2.2: An intermediary transforming an HTTP/1.x message to HTTP/2 \
        MUST remove connection-specific header fields.",
        |t| {
            t.client.send([t.ask.to("fields").get(1)]);
            let response = t.client.response(1);
            // The audit refuses the connection-specific ones themselves, and uppercase names.
            assert_eq!(response.fields.get("x-upper"), Some("Value"));
            assert_eq!(response.fields.all("set-cookie"), ["a=1", "b=2"]);
        },
    );
    s.talk("what Connection names is taken out", "8.2.2: as discussed in RFC 9110, section 7.6.1", |t| {
        if t.target.removes_named() {
            t.client.send([t.ask.to("fields").get(1)]);
            assert!(!t.client.response(1).fields.has("x-hop"));
        }
    });
    s.talk("a server's answer that nobody can read", "RFC 9110, 15.6.3: 502", |t| {
        t.client.send([t.ask.to("bad").get(1)]);
        assert_eq!(t.client.response(1).status, 502);
    });
    s.talk(
        "a server's answer that is cut",
        "8.1.1: Intermediaries MUST NOT forward a malformed response; a response cut \
        short must not look whole.",
        |t| {
            t.client.send([t.ask.to("cut").get(1)]);
            let code = t.client.reset(1);
            assert_ne!(code, code::NO_ERROR);
            assert!(!t.client.so_far(1).is_whole);
        },
    );
    s.talk("a large answer", "6.9: flow control", |t| {
        t.client.send([t.ask.to("large-3000000").get(1)]);
        assert_eq!(t.client.response(1).body.len(), 3_000_000);
    });
    s.talk(
        "many answers on one connection",
        "8.1: Each request/response exchange fully consumes a single stream.",
        |t| {
            for n in 0..200 {
                t.client.send([t.ask.get(2 * n + 1)]);
                assert_eq!(t.client.response(2 * n + 1).text(), "hello");
            }
        },
    );
    s.check(
        "a body of an unknown expectation",
        "RFC 9110, 10.1.1: a server that receives another expectation MAY respond \
        with 417.",
        |ask| vec![ask.post_with(1, &[("expect", "nothing")]), ask.body(1)],
        Expect::status(&[200, 417]),
    );
    s.run();
}
