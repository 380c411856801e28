//! RFC 9113 section 6.5: SETTINGS.

use weir_tests::h2::{Event, Expect, Frame, code, frame::*, kind, setting, suite::Section};

const STREAM: &str = "6.5: If an endpoint receives a SETTINGS frame whose Stream Identifier field is anything other than \
                      0x00, the endpoint MUST respond with a connection error of type PROTOCOL_ERROR.";
const ACK_LENGTH: &str = "6.5: Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0 \
                          MUST be treated as a connection error of type FRAME_SIZE_ERROR.";
const LENGTH: &str = "6.5: A SETTINGS frame with a length other than a multiple of 6 octets MUST be treated as a \
                      connection error of type FRAME_SIZE_ERROR.";
const PUSH: &str = "6.5.2: SETTINGS_ENABLE_PUSH: Any value other than 0 or 1 MUST be treated as a connection error of \
                    type PROTOCOL_ERROR.";
const WINDOW: &str = "6.5.2: SETTINGS_INITIAL_WINDOW_SIZE: Values above the maximum flow-control window size of 2^31-1 \
                      MUST be treated as a connection error of type FLOW_CONTROL_ERROR.";
const FRAME: &str = "6.5.2: SETTINGS_MAX_FRAME_SIZE: between this initial value and 2^24-1, inclusive. Values outside \
                     this range MUST be treated as a connection error of type PROTOCOL_ERROR.";
const UNKNOWN: &str = "6.5.2: An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST \
                       ignore that setting.";
const ACKNOWLEDGE: &str = "6.5.3: Once all values have been processed, the recipient MUST immediately emit a SETTINGS \
                           frame with the ACK flag set.";

#[test]
fn settings_frames() {
    let mut s = Section::new("6.5 SETTINGS");
    s.talk("acknowledged", ACKNOWLEDGE, |t| {
        t.client.send([settings(&[(setting::MAX_CONCURRENT_STREAMS, 100)])]);
        t.client.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
    });
    s.talk("empty ones too, and each one", ACKNOWLEDGE, |t| {
        t.client.send(vec![settings(&[]); 10]);
        for _ in 0..10 {
            t.client.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
        }
    });
    s.talk("together with PING, in any order", ACKNOWLEDGE, |t| {
        // "PING responses SHOULD be given higher priority than any other frame" (section 6.7).
        t.client.send([settings(&[]), ping(*b"in order")]);
        let (mut is_acknowledged, mut is_answered) = (false, false);
        t.client.wait_for("both", |event| {
            is_acknowledged |= *event == Event::SettingsAck;
            is_answered |= *event == Event::PingAck(*b"in order");
            (is_acknowledged && is_answered).then_some(())
        });
    });
    s.check("on a stream", STREAM, |_| vec![settings(&[]).on(1)], Expect::connection(code::PROTOCOL_ERROR));
    s.check(
        "an acknowledgement on a stream",
        STREAM,
        |_| vec![settings_ack().on(1)],
        Expect::connection(code::PROTOCOL_ERROR),
    );
    for length in [1, 6] {
        s.check(
            format!("an acknowledgement of {length} octets"),
            ACK_LENGTH,
            move |_| vec![settings_ack().payload(vec![0; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    for length in [1, 3, 5, 7, 13] {
        s.check(
            format!("of {length} octets"),
            LENGTH,
            move |_| vec![Frame::new(kind::SETTINGS, 0, 0, vec![0; length])],
            Expect::connection(code::FRAME_SIZE_ERROR),
        );
    }
    s.check(
        "an acknowledgement that nobody waits for",
        "6.5.3: SETTINGS frames are acknowledged in the order in which \
        they are received. A surplus one is none of the errors that the section names.",
        |_| vec![settings_ack()],
        Expect::nothing().or(Expect::connection(code::PROTOCOL_ERROR)),
    );
    s.run();
}

#[test]
fn values() {
    let mut s = Section::new("6.5.2 settings");
    type Value = (&'static str, &'static str, (u16, u32), Result<(), u32>);
    let values: &[Value] = &[
        ("ENABLE_PUSH 0", PUSH, (setting::ENABLE_PUSH, 0), Ok(())),
        ("ENABLE_PUSH 1", PUSH, (setting::ENABLE_PUSH, 1), Ok(())),
        ("ENABLE_PUSH 2", PUSH, (setting::ENABLE_PUSH, 2), Err(code::PROTOCOL_ERROR)),
        ("ENABLE_PUSH 2^32-1", PUSH, (setting::ENABLE_PUSH, u32::MAX), Err(code::PROTOCOL_ERROR)),
        ("INITIAL_WINDOW_SIZE 0", WINDOW, (setting::INITIAL_WINDOW_SIZE, 0), Ok(())),
        ("INITIAL_WINDOW_SIZE 2^31-1", WINDOW, (setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1), Ok(())),
        (
            "INITIAL_WINDOW_SIZE 2^31",
            WINDOW,
            (setting::INITIAL_WINDOW_SIZE, 1 << 31),
            Err(code::FLOW_CONTROL_ERROR),
        ),
        (
            "INITIAL_WINDOW_SIZE 2^32-1",
            WINDOW,
            (setting::INITIAL_WINDOW_SIZE, u32::MAX),
            Err(code::FLOW_CONTROL_ERROR),
        ),
        ("MAX_FRAME_SIZE 0", FRAME, (setting::MAX_FRAME_SIZE, 0), Err(code::PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE 2^14-1", FRAME, (setting::MAX_FRAME_SIZE, 16_383), Err(code::PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE 2^14", FRAME, (setting::MAX_FRAME_SIZE, 16_384), Ok(())),
        ("MAX_FRAME_SIZE 2^24-1", FRAME, (setting::MAX_FRAME_SIZE, 16_777_215), Ok(())),
        ("MAX_FRAME_SIZE 2^24", FRAME, (setting::MAX_FRAME_SIZE, 16_777_216), Err(code::PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE 2^32-1", FRAME, (setting::MAX_FRAME_SIZE, u32::MAX), Err(code::PROTOCOL_ERROR)),
        (
            "HEADER_TABLE_SIZE 0",
            "6.5.2: The encoder can select any size equal to or less than this value.",
            (setting::HEADER_TABLE_SIZE, 0),
            Ok(()),
        ),
        (
            "HEADER_TABLE_SIZE 2^32-1",
            "6.5.2: The encoder can select any size equal to or less than this value.",
            (setting::HEADER_TABLE_SIZE, u32::MAX),
            Ok(()),
        ),
        (
            "MAX_CONCURRENT_STREAMS 0",
            "6.5.2: A value of 0 SHOULD NOT be treated as special by endpoints.",
            (setting::MAX_CONCURRENT_STREAMS, 0),
            Ok(()),
        ),
        (
            "MAX_HEADER_LIST_SIZE 0",
            "6.5.2: This advisory setting informs a peer.",
            (setting::MAX_HEADER_LIST_SIZE, 0),
            Ok(()),
        ),
        ("0", UNKNOWN, (0, 1), Ok(())),
        ("7", UNKNOWN, (7, u32::MAX), Ok(())),
        ("0xff", UNKNOWN, (0xff, 1), Ok(())),
        ("0xffff", UNKNOWN, (0xffff, u32::MAX), Ok(())),
        (
            "ENABLE_CONNECT_PROTOCOL 1",
            "RFC 8441, 3: The value of the parameter MUST be 0 or 1.",
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
            Ok(()),
        ),
    ];
    for &(name, cites, value, result) in values {
        let expected = result.map_or_else(Expect::connection, |()| Expect::nothing());
        s.check(name, cites, move |_| vec![settings(&[value])], expected);
    }
    s.check(
        "a wrong value between right ones",
        "6.5: A badly formed or incomplete SETTINGS frame MUST be treated as a \
        connection error.",
        |_| {
            let values = [(setting::ENABLE_PUSH, 0), (setting::ENABLE_PUSH, 5), (setting::ENABLE_PUSH, 0)];
            vec![settings(&values)]
        },
        Expect::connection(code::PROTOCOL_ERROR),
    );
    s.talk(
        "a request is answered under any settings",
        "6.5: Implementations MUST support all of the settings defined \
        by this specification.",
        |t| {
            let values = [
                (setting::HEADER_TABLE_SIZE, 0),
                (setting::ENABLE_PUSH, 0),
                (setting::MAX_CONCURRENT_STREAMS, 0),
                (setting::INITIAL_WINDOW_SIZE, 100),
                (setting::MAX_FRAME_SIZE, 20_000),
                (setting::MAX_HEADER_LIST_SIZE, 10_000),
            ];
            let mut client = t.connect_with(&values);
            client.send([t.ask.get(1)]);
            assert_eq!(client.response(1).text(), "hello");
        },
    );
    s.talk(
        "answers use no dynamic table where there is none",
        "6.5.2: SETTINGS_HEADER_TABLE_SIZE allows the sender to \
        inform the remote endpoint of the maximum size of the compression table.",
        |t| {
            // The decoder fails on anything that was remembered.
            let mut client = t.connect_with(&[(setting::HEADER_TABLE_SIZE, 0)]);
            for stream in [1, 3, 5] {
                client.send([t.ask.get(stream)]);
                assert_eq!(client.response(stream).status, 200);
            }
            assert_eq!(client.link.audit.entries_used(), 0);
        },
    );
    s.talk("the table shrinks and grows in between", "RFC 7541, 4.2: a change in the maximum size of the dynamic table is \
        signaled via a dynamic table size update. This mechanism MUST occur at the beginning of the first header block \
        following the change.", |t| {
        for (stream, size) in [(1, 4096), (3, 64), (5, 0), (7, 8192), (9, 100)] {
            t.client.send([settings(&[(setting::HEADER_TABLE_SIZE, size)])]);
            t.client.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
            t.client.send([t.ask.get(stream)]);
            assert_eq!(t.client.response(stream).status, 200);
        }
    });
    s.talk(
        "the server never says that it pushes",
        "6.5.2: A server MUST NOT explicitly set this value to 1.",
        |t| {
            assert_ne!(t.client.link.audit.setting(setting::ENABLE_PUSH), Some(1));
        },
    );
    s.run();
}
