//! Bodies in every framing, both ways.

use weir_tests::{
    Origin, Weir,
    message::{Fields, Framing},
    origin,
};

fn field(name: &str, value: &str) -> Fields {
    Fields(vec![(name.to_owned(), value.to_owned())])
}

#[test]
fn sized_and_chunked_requests_keep_their_framing() {
    let origin = Origin::saying("ok");
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("PUT /sized HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello there").response();
    client.send(
        "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n6;why=\"not\"\r\n there\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    assert_eq!(client.response().text(), "ok");
    client.send("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").response();
    client
        .send("POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .response();

    let [sized, chunked, none, nothing] = &origin.requests()[..] else { panic!("{:?}", origin.targets()) };
    assert_eq!((sized.framing, &sized.body[..]), (Framing::Sized(11), &b"hello there"[..]));
    assert_eq!((chunked.framing, &chunked.body[..]), (Framing::Chunked, &b"hello there"[..]));
    assert_eq!(chunked.trailers, field("x-sum", "42"));
    assert_eq!((none.framing, &none.body[..]), (Framing::Sized(0), &b""[..]));
    assert_eq!((nothing.framing, &nothing.body[..]), (Framing::Chunked, &b""[..]));
}

#[test]
fn chunked_answers_keep_their_chunks_and_trailers() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5;x=y\r\nhello\r\n6\r\n there\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.framing, answer.text().as_str()), (Framing::Chunked, "hello there"));
        assert_eq!(answer.trailers, field("x-sum", "42"));
    }
}

#[test]
fn chunked_answers_lose_their_chunks_for_http_1_0() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=y\r\nhello\r\n6\r\n there\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    let weir = Weir::before(&[&origin]);
    for connection in ["close", "keep-alive"] {
        let mut client = weir.connect();
        client.send(format!("GET / HTTP/1.0\r\nConnection: {connection}\r\n\r\n"));
        let answer = client.response();
        assert_eq!((answer.framing, answer.text().as_str()), (Framing::UntilClose, "hello there"));
        assert_eq!(answer.fields.get("connection"), Some("close"));
    }
    let mut client = weir.connect();
    let answer = client.send("HEAD / HTTP/1.0\r\n\r\n").response_to("HEAD");
    assert!(!answer.fields.has("transfer-encoding"), "a client of HTTP/1.0 does not know it");
}

#[test]
fn bodies_that_end_with_their_connection() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello")?;
        connection.send(" there")
    });
    let weir = Weir::before(&[&origin]);

    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.framing, answer.text().as_str()), (Framing::Chunked, "hello there"));
    }
    let mut client = weir.connect();
    let answer = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::UntilClose, "hello there"));
    assert_eq!(answer.fields.get("connection"), Some("close"));
}

#[test]
fn an_empty_body_that_ends_with_its_connection() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.0 200 OK\r\n\r\n")
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.framing, answer.text().as_str()), (Framing::Chunked, ""));
    }
}

#[test]
fn a_body_goes_on_as_it_comes() {
    // The server answers each piece when it has it: nothing waits for the rest.
    let origin = Origin::start(|connection| {
        let request = connection.head()?.expect("a request");
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut pieces = Vec::new();
        let mut send = Ok(());
        connection.body(request.framing, &mut |data| pieces.extend_from_slice(data))?;
        for piece in pieces.chunks(4) {
            send = send.and(connection.send(format!("{:x}\r\n", piece.len())));
            send = send.and(connection.send(piece)).and(connection.send("\r\n"));
        }
        send?;
        connection.send("0\r\n\r\n")
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["3\r\nabc\r\n", "1", "0\r\n01234567", "89abcdef\r", "\n0\r\n", "\r\n"] {
        client.send(piece).wait_until_read();
    }
    assert_eq!(client.response().text(), "abc0123456789abcdef");
}

#[test]
fn an_answer_may_overtake_the_body_that_it_answers() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n")?;
        connection.wait_for_end()
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nthe beginning");
    let answer = client.response();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no\n"));
    assert_eq!(answer.fields.get("connection"), Some("close"), "the rest of the body has nowhere to go");
    client.expect_closed();
    origin.wait_until_closed(0);
}

#[test]
fn an_answer_may_begin_while_the_body_is_on_its_way() {
    let origin = Origin::start(|connection| {
        while let Some(request) = connection.head()? {
            let Framing::Sized(length) = request.framing else { return Ok(()) };
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
            for _ in 0..length {
                let mut byte = Vec::new();
                connection.body(Framing::Sized(1), &mut |data| byte.extend_from_slice(data))?;
                connection.send(byte)?;
            }
        }
        Ok(())
    });
    let weir = Weir::before(&[&origin]);
    for _ in 0..2 {
        let mut client = weir.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        let head = client.head();
        assert_eq!(head.line, "HTTP/1.1 200 OK");
        assert_eq!(
            head.fields.get("connection"),
            Some("close"),
            "nobody knows yet whether the body will end"
        );
        for byte in ["a", "b", "c"] {
            // Each byte of the answer needs its byte of the request.
            assert_eq!(client.send(byte).exactly(1), byte.as_bytes());
        }
        client.expect_closed();
    }
    assert_eq!(origin.connections().len(), 1, "here the body did end");
}

#[test]
fn a_server_that_closes_before_the_body_is_whole_may_have_answered() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send(origin::ok("enough").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
    });
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    assert_eq!(client.response().text(), "enough");
}

#[test]
fn a_server_that_closes_without_an_answer_is_502() {
    let origin = Origin::start(|connection| connection.head().map(|_| ()));
    let weir = Weir::before(&[&origin]);
    let mut client = weir.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 502);
    assert_eq!(origin.count(), 1, "a POST is never sent twice");
}
