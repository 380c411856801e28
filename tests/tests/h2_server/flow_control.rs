//! RFC 9113 sections 5.2, 6.9.1 and 6.9.2: windows.
//!
//! That no answer ever exceeds a window is watched in all tests; here windows are made so small that it matters.

use weir_tests::h2::{
    Event, Expect, H2Client, WINDOW_INITIAL, WINDOW_MAX, code, frame::*, setting, suite::Section,
};

const NEVER_MORE: &str = "6.9.1: The sender MUST NOT send a flow-controlled frame with a length that exceeds the space \
                          available in either of the flow-control windows advertised by the receiver.";
const OVERFLOW: &str = "6.9.1: A sender MUST NOT allow a flow-control window to exceed 2^31-1 octets. If a sender \
                        receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum, it MUST \
                        terminate either the stream or the connection.";
const ADJUST: &str = "6.9.2: When the value of SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of \
                      all stream flow-control windows that it maintains by the difference.";
const NEGATIVE: &str = "6.9.2: A sender MUST track the negative flow-control window and MUST NOT send new \
                        flow-controlled frames until it receives WINDOW_UPDATE frames that cause the window to become \
                        positive.";

/// Waits until the answer on stream 1 has this many octets, and makes sure that no more follow.
#[track_caller]
fn expect_octets(client: &mut H2Client, octets: usize) {
    client.wait_until(&format!("{octets} octets"), |client| client.so_far(1).body.len() >= octets);
    client.ping().ping();
    assert_eq!(client.so_far(1).body.len(), octets);
}

#[test]
fn windows_of_the_client() {
    let mut s = Section::new("6.9.1 windows of the client");
    s.talk("a window of one octet", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        expect_octets(&mut client, 1);
        client.send([window_update(1, 2)]);
        expect_octets(&mut client, 3);
        client.send([window_update(1, 2)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window of nothing", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.send([t.ask.get(1)]);
        client.head(1);
        client.ping().ping();
        assert!(client.so_far(1).body.is_empty() && !client.so_far(1).is_whole);
        client.send([window_update(1, 5)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk(
        "an answer without content needs no window",
        "6.9.1: Frames with zero length with the END_STREAM flag set \
        MAY be sent if there is no available space in either flow-control window.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
            client.send([t.ask.to("204").get(1), t.ask.to("large-0").get(3)]);
            assert_eq!((client.response(1).status, client.response(3).status), (204, 200));
        },
    );
    s.talk("the initial window of a stream", NEVER_MORE, |t| {
        t.client.link.manners.refill = false;
        t.client.send([window_update(0, 1 << 20), t.ask.to("large-100000").get(1)]);
        expect_octets(&mut t.client, WINDOW_INITIAL as usize);
        t.client.send([window_update(1, 100_000)]);
        assert_eq!(t.client.response(1).body.len(), 100_000);
    });
    s.talk("the initial window of the connection", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
        client.link.manners.refill = false;
        client.send([t.ask.to("large-100000").get(1)]);
        expect_octets(&mut client, WINDOW_INITIAL as usize);
        client.send([window_update(0, 10)]);
        expect_octets(&mut client, WINDOW_INITIAL as usize + 10);
        client.send([window_update(0, 100_000)]);
        assert_eq!(client.response(1).body.len(), 100_000);
    });
    s.talk("two streams share the connection's window", NEVER_MORE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
        client.link.manners.refill = false;
        let large = t.ask.to("large-50000");
        client.send([large.get(1), large.get(3)]);
        let sum = |client: &H2Client| client.so_far(1).body.len() + client.so_far(3).body.len();
        client.wait_until("the whole window", |client| sum(client) == WINDOW_INITIAL as usize);
        client.ping();
        client.send([window_update(0, 40_000)]);
        assert_eq!(client.response(1).body.len() + client.response(3).body.len(), 100_000);
    });
    s.talk(
        "a stream without window holds up no other one",
        "5.2.1: flow control ensures that streams on the same \
        connection do not destructively interfere with each other.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
            client.link.manners.refill = false;
            client.send([t.ask.to("large-1000").get(1)]);
            client.wait_until("ten octets", |client| client.so_far(1).body.len() == 10);
            client.send([t.ask.get(3)]);
            assert_eq!(client.response(3).text(), "hello");
        },
    );
    s.talk(
        "frames of all other types need no window",
        "5.2.1: only DATA frames are subject to flow control.",
        |t| {
            let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
            client.send([t.ask.get(1)]);
            assert_eq!(client.head(1).status, 200);
            client.ping();
        },
    );
    s.run();
}

#[test]
fn changes() {
    let mut s = Section::new("6.9.2 changes of the initial window");
    s.talk("a larger initial window is that of open streams too", ADJUST, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        client.head(1);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 1)])]);
        expect_octets(&mut client, 1);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)])]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window becomes negative", NEGATIVE, |t| {
        let mut client = t.connect_with(&[(setting::INITIAL_WINDOW_SIZE, 3)]);
        client.link.manners.refill = false;
        client.send([t.ask.get(1)]);
        expect_octets(&mut client, 3);
        client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 2)]), window_update(1, 1)]);
        expect_octets(&mut client, 3);
        client.send([window_update(1, 1)]);
        expect_octets(&mut client, 4);
        client.send([window_update(1, 1)]);
        assert_eq!(client.response(1).text(), "hello");
    });
    s.talk("a window becomes very negative", NEGATIVE, |t| {
        t.client.link.manners.refill = false;
        t.client.send([t.ask.to("large-100000").get(1)]);
        expect_octets(&mut t.client, 65_535);
        t.client.send([settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]), window_update(0, 1 << 20)]);
        t.client.send([window_update(1, 65_535)]);
        expect_octets(&mut t.client, 65_535);
        t.client.send([window_update(1, 34_465)]);
        assert_eq!(t.client.response(1).body.len(), 100_000);
    });
    s.talk(
        "the last of two values counts",
        "6.5: Settings are processed in the order in which they appear. The value \
        of a SETTINGS parameter is the last value that is seen by a receiver.",
        |t| {
            let values = [(setting::INITIAL_WINDOW_SIZE, 100), (setting::INITIAL_WINDOW_SIZE, 1)];
            t.client.link.manners.refill = false;
            t.client.send([settings(&values)]);
            t.client.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
            t.client.send([t.ask.get(1)]);
            expect_octets(&mut t.client, 1);
        },
    );
    s.talk(
        "the connection's window is nobody's setting",
        "6.9.2: A SETTINGS frame cannot alter the connection \
        flow-control window.",
        |t| {
            t.client.link.manners.refill = false;
            t.client.send([
                settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]),
                t.ask.to("large-100000").get(1),
            ]);
            expect_octets(&mut t.client, 65_535);
        },
    );
    s.check("a setting that lets an open stream's window overflow", "6.9.2: An endpoint MUST treat a change to \
        SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control window to exceed the maximum size as a connection \
        error of type FLOW_CONTROL_ERROR.", |ask| {
        vec![ask.to("hold").get(1), window_update(1, 1), settings(&[(setting::INITIAL_WINDOW_SIZE, WINDOW_MAX)])]
    }, Expect::connection(code::FLOW_CONTROL_ERROR));
    s.run();
}

#[test]
fn overflow() {
    let mut s = Section::new("6.9.1 overflow");
    let connection = || Expect::connection(code::FLOW_CONTROL_ERROR);
    s.check("of the connection's window", OVERFLOW, |_| vec![window_update(0, WINDOW_MAX)], connection());
    s.check(
        "of the connection's window, in two steps",
        OVERFLOW,
        |_| vec![window_update(0, WINDOW_MAX - WINDOW_INITIAL), window_update(0, 1)],
        connection(),
    );
    s.check(
        "the largest window of the connection",
        OVERFLOW,
        |_| vec![window_update(0, WINDOW_MAX - WINDOW_INITIAL)],
        Expect::nothing(),
    );
    // A connection error would be allowed (section 5.4.1), but costs all other streams.
    s.talk("of a stream's window", OVERFLOW, |t| {
        t.client.send([t.ask.to("hold").get(1), window_update(1, WINDOW_MAX)]);
        assert_eq!(t.client.reset(1), code::FLOW_CONTROL_ERROR);
        t.client.ping();
    });
    s.talk("of an open stream's window", OVERFLOW, |t| {
        t.client.send([t.ask.post(1), window_update(1, WINDOW_MAX), window_update(1, WINDOW_MAX)]);
        assert_eq!(t.client.reset(1), code::FLOW_CONTROL_ERROR);
        t.client.ping();
    });
    s.check(
        "the largest window of a stream",
        OVERFLOW,
        |ask| vec![ask.to("hold").get(1), window_update(1, WINDOW_MAX - WINDOW_INITIAL)],
        Expect::nothing(),
    );
    s.run();
}
