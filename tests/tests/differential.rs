//! Odd but valid requests, through Weir, nginx and HAProxy to the same server: it must see the same bodies.
//!
//! Where one of them refuses what the others take, that is its choice; where two take it, they must agree about where
//! it ends, or one of them could be made to hide a request from the other.

use std::net::SocketAddr;

use weir_tests::{Client, Origin, Weir, peer::Peer};

/// Each on one connection, with a last request behind it that shows whether all agree about its end.
const REQUESTS: &[(&str, &str)] = &[
    ("a plain GET", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a body with every length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("a body of nothing", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    ("no length at all", "POST /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("leading zeros in a length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello"),
    ("spaces around a length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: \t 5 \t\r\n\r\nhello"),
    ("no space before a length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length:5\r\n\r\nhello"),
    ("a length in another case", "POST /x HTTP/1.1\r\nHost: a\r\ncONTENT-lENGTH: 5\r\n\r\nhello"),
    ("a GET with a body", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("a DELETE with a body", "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "a body that looks like a request",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n",
    ),
    ("a body that looks like chunks", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("chunks", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    (
        "many chunks",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n",
    ),
    ("no chunk", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked in another case",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "spaces around chunked",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \t chunked \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "leading zeros in a size",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00005\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "hexadecimal in both cases",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
    ),
    (
        "many zeros as the last size",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n000\r\n\r\n",
    ),
    (
        "an extension",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "an extension in quotes",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b;c\"\r\nhello\r\n0;d\r\n\r\n",
    ),
    (
        "a trailer",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    ),
    (
        "chunk data that looks like an end",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    ),
    (
        "a GET with chunks",
        "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("an empty line before the request", "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form", "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "a length that Connection names",
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "chunks that Connection names",
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a length in a longer name",
        "POST /x HTTP/1.1\r\nHost: a\r\nX-Content-Length: 9\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "an underscore in a name",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent_Length: 9\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "a coding with an underscore",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "an upgrade with a body",
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "an expectation that is not met",
        "POST /x HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("another method", "FROBNICATE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    (
        "HTTP/1.0 with a body",
        "POST /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("HTTP/1.0 without a length", "POST /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
];

const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Method, path and body of all that reached the server, or `None` when the request was refused.
type Seen = Option<Vec<(String, String, Vec<u8>)>>;

/// Sends `request` and a last one behind it to `proxy`, and tells what `origin` saw.
#[track_caller]
fn seen(proxy: SocketAddr, origin: &Origin, request: &str) -> Seen {
    origin.forget();
    let mut client = Client::connect(proxy);
    client.send(format!("{request}{LAST}"));
    let first = client.response();
    let refused = first.status >= 400;
    if !refused {
        assert_eq!(client.response().status, 200, "{request:?}");
    }
    let requests = origin.requests();
    // HAProxy leaves absolute-form as it is.
    let path = |target: &str| target.trim_start_matches("http://a").to_owned();
    let seen =
        requests.into_iter().map(|request| (request.method, path(&request.target), request.body)).collect();
    if refused {
        assert_eq!(seen, Vec::new(), "what was refused went to the server: {request:?}");
    }
    (!refused).then_some(seen)
}

#[test]
fn all_agree_about_the_bodies() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    let nginx = Peer::nginx_before(&origin);
    let haproxy = Peer::haproxy_before(&origin);
    let mut compared = 0;
    for (name, request) in REQUESTS {
        let ours = seen(weir.address(), &origin, request);
        let ours = ours.unwrap_or_else(|| panic!("{name}: refused, though it is valid"));
        assert_eq!(ours.len(), 2, "{name}: {ours:?}");
        assert_eq!(ours[1], ("GET".to_owned(), "/last".to_owned(), Vec::new()), "{name}");
        for (peer, address) in [("nginx", nginx.address()), ("HAProxy", haproxy.address())] {
            match seen(address, &origin, request) {
                Some(theirs) => {
                    compared += 1;
                    assert_eq!(ours, theirs, "{name}: Weir and {peer}");
                }
                None => eprintln!("{peer} refuses {name}"),
            }
        }
    }
    assert!(compared > REQUESTS.len(), "the others refused too much to compare: {compared}");
}
