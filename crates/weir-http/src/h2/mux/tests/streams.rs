//! RFC 9113 section 5.1, the states of streams, and what is malformed (section 8.1.1).

use super::wire::{Expected::*, *};
use crate::h2::{ErrorCode as E, Mux, Settings};

/// A server with stream 1 in both directions ended, and released.
fn answered() -> Mux {
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("the stream is open");
    mux.release(key, E::INTERNAL_ERROR);
    output(&mut mux);
    mux
}

/// A server that has reset stream 1.
fn has_reset() -> Mux {
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    mux.reset(key, E::CANCEL);
    mux.release(key, E::CANCEL);
    output(&mut mux);
    mux
}

/// A server that has answered stream 1, and not seen its end.
fn answered_early() -> Mux {
    let mut mux = server();
    feed(&mut mux, &post_sized(1, "3"));
    let key = accept(&mut mux);
    mux.send_head(key, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("the stream is open");
    mux.release(key, E::INTERNAL_ERROR);
    output(&mut mux);
    mux
}

#[test]
fn idle() {
    // RFC 9113 section 5.1, "idle": any frame other than HEADERS or PRIORITY is a connection error PROTOCOL_ERROR.
    check(server, "DATA", &[data(1, 1, b"x")], Fatal(E::PROTOCOL_ERROR));
    check(server, "RST_STREAM", &[rst(1, E::CANCEL)], Fatal(E::PROTOCOL_ERROR));
    check(server, "WINDOW_UPDATE", &[window(1, 100)], Fatal(E::PROTOCOL_ERROR));
    check(server, "CONTINUATION", &[frame(k::CONTINUATION, 4, 1, b"")], Fatal(E::PROTOCOL_ERROR));
    check(server, "PRIORITY", &[frame(k::PRIORITY, 0, 1, &[0, 0, 0, 3, 9])], Fine);
    check(server, "HEADERS", &[get(1)], Fine);
    // RFC 9113 section 5.1.1: odd, and increasing.
    check(server, "even", &[get(2)], Fatal(E::PROTOCOL_ERROR));
    check(server, "passed over", &[get(5), get(3)], Fatal(E::PROTOCOL_ERROR));
    check(server, "with gaps", &[get(1), get(77), get(0x7fff_ffff)], Fine);
}

#[test]
fn open() {
    check(server, "a body", &[post(1), data(1, 0, b"abc"), data(1, 1, b"")], Fine);
    // RFC 9113 section 6.9: an increment of 0 is a stream error; 6.9.1: so is a window beyond 2^31-1.
    check(server, "WINDOW_UPDATE of 0", &[post(1), window(1, 0)], Reset(1, E::PROTOCOL_ERROR));
    let much = window(1, 0x7fff_ffff);
    check(server, "WINDOW_UPDATE beyond", &[post(1), much], Reset(1, E::FLOW_CONTROL_ERROR));
    // RFC 9113 section 6.3, 6.4: lengths.
    check(
        server,
        "PRIORITY of 4",
        &[post(1), frame(k::PRIORITY, 0, 1, &[0; 4])],
        Reset(1, E::FRAME_SIZE_ERROR),
    );
    check(
        server,
        "RST_STREAM of 3",
        &[post(1), frame(k::RST_STREAM, 0, 1, &[0; 3])],
        Fatal(E::FRAME_SIZE_ERROR),
    );
    // RFC 7540 section 5.3.1: a stream cannot depend on itself.
    let itself = frame(k::PRIORITY, 0, 1, &[0, 0, 0, 1, 9]);
    check(server, "PRIORITY on itself", &[post(1), itself.clone()], Reset(1, E::PROTOCOL_ERROR));
    check(server, "PRIORITY on itself, idle", &[itself], Fatal(E::PROTOCOL_ERROR));
    let headers = [&[0, 0, 0, 1, 9][..], &request_block("GET", &[])].concat();
    check(server, "HEADERS on itself", &[frame(k::HEADERS, 0x25, 1, &headers)], Reset(1, E::PROTOCOL_ERROR));
    let headers = [&[0, 0, 0, 3, 9][..], &request_block("GET", &[])].concat();
    check(server, "HEADERS with priority", &[frame(k::HEADERS, 0x25, 1, &headers)], Fine);
    // RFC 9113 section 7: unknown error codes have no special meaning.
    check(server, "an unknown code", &[post(1), rst(1, E(0xdead_beef))], Fine);
}

#[test]
fn half_closed_remote() {
    // RFC 9113 section 5.1: anything but WINDOW_UPDATE, PRIORITY, RST_STREAM is a stream error STREAM_CLOSED.
    check(server, "DATA", &[get(1), data(1, 0, b"x")], Reset(1, E::STREAM_CLOSED));
    check(server, "HEADERS", &[get(1), get(1)], Reset(1, E::STREAM_CLOSED));
    check(server, "WINDOW_UPDATE", &[get(1), window(1, 5)], Fine);
    check(server, "PRIORITY", &[get(1), frame(k::PRIORITY, 0, 1, &[0; 5])], Fine);
    check(server, "RST_STREAM", &[get(1), rst(1, E::CANCEL)], Fine);
    // RFC 9113 section 6.2, 6.10: CONTINUATION continues nothing.
    check(server, "CONTINUATION", &[get(1), frame(k::CONTINUATION, 4, 1, b"")], Fatal(E::PROTOCOL_ERROR));
}

#[test]
fn closed() {
    // RFC 9113 section 5.1: after END_STREAM both ways, WINDOW_UPDATE, RST_STREAM and PRIORITY may come late.
    check(answered, "WINDOW_UPDATE", &[window(1, 5)], Fine);
    check(answered, "RST_STREAM", &[rst(1, E::NO_ERROR)], Fine);
    check(answered, "PRIORITY", &[frame(k::PRIORITY, 0, 1, &[0; 5])], Fine);
    // RFC 9113 section 6.3: a wrong length is an error on any stream.
    check(answered, "a short PRIORITY", &[frame(k::PRIORITY, 0, 1, &[0; 4])], Reset(1, E::FRAME_SIZE_ERROR));
    check(answered, "DATA", &[data(1, 0, b"x")], Fatal(E::STREAM_CLOSED));
    check(answered, "HEADERS", &[get(1)], Fatal(E::STREAM_CLOSED));
    // RFC 9113 section 5.1: behind the peer's RST_STREAM, a stream error STREAM_CLOSED.
    check(
        server,
        "DATA behind RST_STREAM",
        &[post(1), rst(1, E::CANCEL), data(1, 0, b"x")],
        Reset(1, E::STREAM_CLOSED),
    );
    check(
        server,
        "HEADERS behind RST_STREAM",
        &[post(1), rst(1, E::CANCEL), get(1)],
        Reset(1, E::STREAM_CLOSED),
    );
    // RFC 9113 section 5.1: who has sent RST_STREAM must ignore what was under way, and keep the tables right.
    check(has_reset, "DATA crosses ours", &[data(1, 0, b"x"), data(1, 1, b"y")], Fine);
    check(
        has_reset,
        "trailers cross ours",
        &[frame(k::HEADERS, WHOLE, 1, &block(&[("a", "b")])), get(3)],
        Fine,
    );
    check(has_reset, "WINDOW_UPDATE crosses ours", &[window(1, 5), rst(1, E::CANCEL)], Fine);
}

#[test]
fn half_closed_local() {
    let check = |what, input: &[_], expected| check(answered_early, what, input, expected);
    let trailers = |end, fields| frame(k::HEADERS, flag::END_HEADERS | end, 1, &block(fields));
    let end = flag::END_STREAM;
    // RFC 9113 section 5.1: any frame may come.
    check("the end", &[data(1, 0, b"ab"), data(1, 1, b"c")], Fine);
    check("WINDOW_UPDATE", &[window(1, 5)], Fine);
    check("PRIORITY", &[frame(k::PRIORITY, 0, 1, &[0; 5])], Fine);
    // Closed by RST_STREAM, it is as any other.
    check("RST_STREAM", &[rst(1, E::CANCEL), window(1, 5), rst(1, E::CANCEL)], Fine);
    check("DATA behind RST_STREAM", &[rst(1, E::CANCEL), data(1, 0, b"x")], Reset(1, E::STREAM_CLOSED));
    check("HEADERS behind RST_STREAM", &[rst(1, E::CANCEL), get(1)], Reset(1, E::STREAM_CLOSED));
    check("DATA behind the end", &[data(1, 1, b"abc"), data(1, 1, b"")], Fatal(E::STREAM_CLOSED));
    // RFC 9113 section 8.1.1: what is malformed is so behind the answer too.
    check("less than announced", &[data(1, 1, b"ab")], Reset(1, E::PROTOCOL_ERROR));
    check("more than announced", &[data(1, 1, b"abcd")], Reset(1, E::PROTOCOL_ERROR));
    check("trailers without END_STREAM", &[trailers(0, &[("a", "b")])], Reset(1, E::PROTOCOL_ERROR));
    check("a short PRIORITY", &[frame(k::PRIORITY, 0, 1, &[0; 4])], Reset(1, E::FRAME_SIZE_ERROR));
    check("pseudo-trailers", &[trailers(end, &[(":path", "/")])], Reset(1, E::PROTOCOL_ERROR));
}

#[test]
fn header_blocks() {
    let whole = request_block("GET", &[]);
    let (a, b) = whole.split_at(9);
    let start = frame(k::HEADERS, flag::END_STREAM, 1, a);
    let end = frame(k::CONTINUATION, flag::END_HEADERS, 1, b);
    check(server, "in two", &[start.clone(), end.clone()], Fine);
    check(
        server,
        "with an empty piece",
        &[start.clone(), frame(k::CONTINUATION, 0, 1, b""), end.clone()],
        Fine,
    );
    // RFC 9113 section 6.10: nothing else in between, of any type or stream.
    let between = [frame(k::PING, 0, 0, &[0; 8]), frame(0xee, 0, 1, b""), data(1, 0, b"x"), settings(&[])];
    for frame in between {
        check(server, "interrupted", &[start.clone(), frame, end.clone()], Fatal(E::PROTOCOL_ERROR));
    }
    check(server, "another's", &[start.clone(), frame(k::CONTINUATION, 4, 3, b)], Fatal(E::PROTOCOL_ERROR));
    // RFC 9113 section 4.3: a decoding error is a connection error COMPRESSION_ERROR.
    check(server, "no HPACK", &[frame(k::HEADERS, WHOLE, 1, &[0xff; 20])], Fatal(E::COMPRESSION_ERROR));
    check(
        has_reset,
        "no HPACK on a closed stream",
        &[frame(k::HEADERS, 5, 1, &[0xff; 20])],
        Fatal(E::COMPRESSION_ERROR),
    );
    // RFC 9113 section 6.1, 6.2: padding.
    let padded =
        |padding: u8, rest: &[u8]| frame(k::HEADERS, 0x0d, 1, &[&[padding][..], &whole, rest].concat());
    check(server, "padded", &[padded(3, &[0; 3])], Fine);
    check(server, "all padding", &[padded(255, &[])], Fatal(E::PROTOCOL_ERROR));
    check(server, "no padding length", &[frame(k::HEADERS, 0x0d, 1, b"")], Fatal(E::FRAME_SIZE_ERROR));
    check(server, "no priority", &[frame(k::HEADERS, 0x25, 1, &[0; 4])], Fatal(E::FRAME_SIZE_ERROR));
    check(server, "padded DATA", &[post(1), data(1, 9, &[2, b'x', 0, 0])], Fine);
    check(server, "DATA of padding alone", &[post(1), data(1, 9, &[2, 0, 0])], Fine);
    check(server, "too much padding", &[post(1), data(1, 9, &[3, 0, 0])], Fatal(E::PROTOCOL_ERROR));
}

#[test]
fn malformed_messages() {
    // RFC 9113 section 8.1.1: stream errors of type PROTOCOL_ERROR.
    let bad = frame(k::HEADERS, WHOLE, 1, &block(&[(":method", "GET"), (":scheme", "http")]));
    check(server, "no :path", &[bad], Reset(1, E::PROTOCOL_ERROR));
    let bad = frame(k::HEADERS, WHOLE, 1, &request_block("GET", &[("connection", "close")]));
    check(server, "connection", &[bad, get(3)], Reset(1, E::PROTOCOL_ERROR));
    check(
        server,
        "more than announced",
        &[post_sized(1, "3"), data(1, 0, b"abcd")],
        Reset(1, E::PROTOCOL_ERROR),
    );
    check(
        server,
        "less than announced",
        &[post_sized(1, "3"), data(1, 1, b"ab")],
        Reset(1, E::PROTOCOL_ERROR),
    );
    check(server, "as announced", &[post_sized(1, "3"), data(1, 0, b"a"), data(1, 1, b"bc")], Fine);
    let trailers = |flags| frame(k::HEADERS, flags, 1, &block(&[("x-sum", "1")]));
    check(server, "trailers", &[post(1), data(1, 0, b"a"), trailers(WHOLE)], Fine);
    // RFC 9113 section 8.1: HEADERS behind the head without END_STREAM.
    check(server, "trailers that do not end", &[post(1), trailers(4)], Reset(1, E::PROTOCOL_ERROR));
    check(
        server,
        "trailers before the end",
        &[post_sized(1, "3"), trailers(WHOLE)],
        Reset(1, E::PROTOCOL_ERROR),
    );
    let pseudo = frame(k::HEADERS, WHOLE, 1, &block(&[(":path", "/")]));
    check(server, "pseudo-field in trailers", &[post(1), pseudo], Reset(1, E::PROTOCOL_ERROR));
}

#[test]
fn more_streams_than_allowed() {
    // RFC 9113 section 5.1.2: PROTOCOL_ERROR or REFUSED_STREAM, which is safe to retry.
    let two = || server_with(Settings { streams_max: 2, ..Settings::default() }, &[]);
    check(two, "three", &[get(1), post(3), get(5)], Reset(5, E::REFUSED_STREAM));
    check(two, "another after one was reset", &[get(1), post(3), rst(3, E::CANCEL), get(5)], Fine);
    check(
        two,
        "DATA for a refused one",
        &[get(1), get(3), post(5), data(5, 1, b"x")],
        Reset(5, E::REFUSED_STREAM),
    );
}
