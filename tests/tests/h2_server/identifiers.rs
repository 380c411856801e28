//! RFC 9113 sections 5.1.1 and 5.1.2: identifiers of streams, and how many there may be.

use weir_tests::h2::{Event, Expect, WINDOW_MAX, code, frame::*, setting, suite::Section};

const ODD: &str = "5.1.1: Streams initiated by a client MUST use odd-numbered stream identifiers. An endpoint that \
                   receives an unexpected stream identifier MUST respond with a connection error of type \
                   PROTOCOL_ERROR.";
const RISING: &str = "5.1.1: The identifier of a newly established stream MUST be numerically greater than all streams \
                      that the initiating endpoint has opened or reserved.";
const CONCURRENCY: &str = "5.1.2: An endpoint that receives a HEADERS frame that causes its advertised concurrent \
                           stream limit to be exceeded MUST treat this as a stream error of type PROTOCOL_ERROR or \
                           REFUSED_STREAM.";

#[test]
fn identifiers() {
    let mut s = Section::new("5.1.1 identifiers");
    let protocol_error = || Expect::connection(code::PROTOCOL_ERROR);
    s.check("an even identifier", ODD, |ask| vec![ask.get(2)], protocol_error().unseen());
    s.check(
        "an even identifier behind an odd one",
        ODD,
        |ask| vec![ask.to("hold").get(1), ask.get(2)],
        protocol_error(),
    );
    s.check(
        "stream 0",
        "5.1.1: the stream identifier of zero cannot be used to establish a new stream.",
        |ask| vec![ask.get(0)],
        protocol_error().unseen(),
    );
    s.check(
        "a smaller identifier, both open",
        RISING,
        |ask| vec![ask.to("hold").get(5), ask.get(3)],
        protocol_error().or(Expect::connection(code::STREAM_CLOSED)),
    );
    s.talk_graded("a smaller identifier, the first one closed", RISING, move |t| {
        t.client.send([t.ask.get(5)]);
        t.client.response(5);
        t.client.send([t.ask.get(3)]);
        protocol_error().or(Expect::connection(code::STREAM_CLOSED)).check(&mut t.client)
    });
    s.talk(
        "identifiers may be skipped",
        "5.1.1: an endpoint may skip a stream identifier, with the effect being that \
        the skipped stream is immediately closed.",
        |t| {
            t.client.send([t.ask.get(7), t.ask.get(4711), t.ask.get(WINDOW_MAX)]);
            for stream in [7, 4711, WINDOW_MAX] {
                assert_eq!(t.client.response(stream).status, 200);
            }
        },
    );
    s.run();
}

#[test]
fn concurrency() {
    let mut s = Section::new("5.1.2 concurrency");
    s.talk("more streams than allowed", CONCURRENCY, |t| {
        let most =
            t.client.link.audit.setting(setting::MAX_CONCURRENT_STREAMS).expect("the server limits streams");
        assert!(most >= 100, "6.5.2: It is recommended that this value be no smaller than 100: {most}");
        let hold = t.ask.to("hold");
        let streams = |count: u32| (0..count).map(|n| hold.get(2 * n + 1));
        t.client.send(streams(most).collect::<Vec<_>>()).ping();
        let open = (0..most).all(|n| t.client.so_far(2 * n + 1).reset.is_none());
        assert!(open, "refused within the limit{}", t.client.state());
        let last = 2 * most + 1;
        t.client.try_send([hold.get(last)]);
        let code = t.client.wait_for("refusal", |event| match event {
            Event::Reset { stream, code } if *stream == last => Some(*code),
            Event::GoAway { code, .. } => Some(*code),
            _ => None,
        });
        assert!([code::PROTOCOL_ERROR, code::REFUSED_STREAM].contains(&code), "{code}");
    });
    s.talk(
        "a stream that ended counts no more",
        "5.1.2: Streams that are in the \"open\" state or in either of the \
        \"half-closed\" states count toward the maximum number of streams.",
        |t| {
            let most = t
                .client
                .link
                .audit
                .setting(setting::MAX_CONCURRENT_STREAMS)
                .expect("the server limits streams");
            let count = most.min(200) + 10;
            for n in 0..count {
                let stream = 2 * n + 1;
                t.client.send([t.ask.get(stream)]);
                assert_eq!(t.client.response(stream).status, 200);
            }
        },
    );
    s.talk(
        "many streams at once, answered in any order",
        "5: A single HTTP/2 connection can contain multiple \
        concurrently open streams, with either endpoint interleaving frames from multiple streams.",
        |t| {
            let streams: Vec<u32> = (0..50).map(|n| 2 * n + 1).collect();
            let echo = t.ask.to("echo");
            t.client.send(streams.iter().map(|&stream| echo.post(stream)).collect::<Vec<_>>());
            for &stream in streams.iter().rev() {
                t.client.send([data(stream, stream.to_string()).end()]);
            }
            for &stream in &streams {
                assert_eq!(t.client.response(stream).text(), stream.to_string());
            }
        },
    );
    s.talk(
        "a slow stream holds up no other one",
        "5.2.1: flow control ensures that streams on the same connection do \
        not destructively interfere with each other.",
        |t| {
            t.client.send([t.ask.to("hold").get(1), t.ask.post(3), data(3, *b"x"), t.ask.get(5)]);
            assert_eq!(t.client.response(5).status, 200);
        },
    );
    s.run();
}
