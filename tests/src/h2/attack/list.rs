//! The attacks that are known by name, and their like.

use super::{Attack, Ending};
use crate::h2::{Block, Frame, code, flag, frame::*, setting};

/// All of them.
pub const ALL: &[Attack] = &[
    // CVE-2023-44487.
    Attack { name: "rapid-reset", round: rapid_reset, end: Ending::Calm(&["rapid_reset"]), ..FLOOD },
    // The same, by somebody who knows the budget, and never waits for the answer.
    Attack { name: "rapid-reset-below", round: rapid_reset, rounds_max: Some(199), reads: false, ..FLOOD },
    // The same, in pieces that come apart: each request is begun before it is reset.
    Attack {
        name: "rapid-reset-apart",
        round: rapid_reset_apart,
        rounds_at_once: 1,
        end: Ending::Calm(&["rapid_reset"]),
        ..FLOOD
    },
    // CVE-2025-8671.
    Attack { name: "made-you-reset", round: made_you_reset, end: Ending::Calm(&["made_you_reset"]), ..FLOOD },
    // CVE-2024-27316 and its like.
    Attack {
        name: "continuation-tiny",
        opening: open_block,
        round: |_| vec![continuation(1, *b"").without(flag::END_HEADERS)],
        end: Ending::Calm(&["continuations"]),
        ..FLOOD
    },
    Attack {
        name: "continuation",
        opening: open_block,
        round: |_| vec![continuation(1, vec![0x82; 16_384]).without(flag::END_HEADERS)],
        end: Ending::Calm(&["block_bytes"]),
        ..FLOOD
    },
    // CVE-2016-6581: one large entry, named over and over. Each head is as large as it may be.
    Attack {
        name: "header-bomb",
        opening: enter_large,
        round: |n| name_large(n, 8),
        end: Ending::Calm(&["header_bomb"]),
        ..FLOOD
    },
    // The same, beyond what a head may be.
    Attack {
        name: "header-bomb-huge",
        opening: enter_large,
        round: |n| name_large(n, 4000),
        end: Ending::Calm(&["header_bomb"]),
        ..FLOOD
    },
    // The largest heads that are no bomb.
    Attack { name: "large-heads", opening: enter_large, round: |n| name_large(n, 2), ..FLOOD },
    // CVE-2019-9515.
    Attack {
        name: "settings",
        round: |_| vec![settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)])],
        end: Ending::Calm(&["settings"]),
        ..FLOOD
    },
    // CVE-2019-9512.
    Attack {
        name: "ping",
        round: |_| vec![ping([0; 8])],
        end: Ending::Calm(&["pings", "unread_control"]),
        ..FLOOD
    },
    Attack {
        name: "ping-unread",
        round: |_| vec![ping([0; 8])],
        reads: false,
        end: Ending::Calm(&["pings", "unread_control"]),
        ..FLOOD
    },
    // CVE-2019-9518.
    Attack {
        name: "empty-data",
        opening: || vec![post(1)],
        round: |_| vec![data(1, *b"")],
        end: Ending::Calm(&["empty_data"]),
        ..FLOOD
    },
    Attack {
        name: "tiny-data",
        opening: || vec![post(1)],
        round: |_| vec![data(1, *b"x")],
        end: Ending::Calm(&["small_data"]),
        ..FLOOD
    },
    Attack {
        name: "window-update",
        round: |_| vec![window_update(0, 1)],
        end: Ending::Calm(&["window_updates"]),
        ..FLOOD
    },
    // CVE-2019-9513.
    Attack {
        name: "priority",
        round: |n| vec![priority(2 * n + 1, false, 0, 1)],
        end: Ending::Calm(&["priorities"]),
        ..FLOOD
    },
    Attack {
        name: "unknown",
        round: |_| vec![Frame::new(0xbe, 0, 0, *b"")],
        end: Ending::Calm(&["unknown_frames"]),
        ..FLOOD
    },
    // CVE-2019-9511, CVE-2019-9517: answers that are never taken, because the windows say so or nobody reads.
    Attack {
        name: "window-stall",
        settings: &[(setting::INITIAL_WINDOW_SIZE, 0)],
        opening: || (0..100).map(|n| get(2 * n + 1)).collect(),
        end: Ending::Time(&["body_timeout"]),
        ..HOLD
    },
    Attack {
        name: "unread",
        settings: &[(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)],
        opening: || {
            let all = (0..100).map(|n| get(2 * n + 1));
            [window_update(0, (1 << 31) - 1 - 65_535)].into_iter().chain(all).collect()
        },
        reads: false,
        end: Ending::Time(&["body_timeout"]),
        ..HOLD
    },
    // Slowloris, on many streams.
    Attack {
        name: "half-open",
        opening: || (0..100).map(|n| post(2 * n + 1)).collect(),
        end: Ending::Time(&["body_timeout"]),
        ..HOLD
    },
    Attack { name: "half-head", opening: open_block, end: Ending::Time(&["header_timeout"]), ..HOLD },
];

/// Floods that are read meanwhile.
const FLOOD: Attack = Attack {
    name: "",
    settings: &[],
    opening: Vec::new,
    round: |_| Vec::new(),
    rounds_at_once: 64,
    rounds_max: None,
    reads: true,
    end: Ending::Bounded,
};

/// Connections that are held.
const HOLD: Attack = Attack { rounds_at_once: 1, ..FLOOD };

fn request(method: &str) -> Block {
    Block::of(&[(":method", method), (":scheme", "http"), (":path", "/64k"), (":authority", "attack.test")])
}

fn get(stream: u32) -> Frame {
    headers(stream, request("GET")).end()
}

fn post(stream: u32) -> Frame {
    headers(stream, request("POST"))
}

fn rapid_reset(n: u32) -> Vec<Frame> {
    vec![get(2 * n + 1), rst_stream(2 * n + 1, code::CANCEL)]
}

/// Fifty requests, then fifty resets.
fn rapid_reset_apart(n: u32) -> Vec<Frame> {
    let streams = (0..50).map(|m| 2 * (n / 2 * 50 + m) + 1);
    if n.is_multiple_of(2) {
        streams.map(get).collect()
    } else {
        streams.map(|stream| rst_stream(stream, code::CANCEL)).collect()
    }
}

/// The server must reset the stream, for an increment of 0.
fn made_you_reset(n: u32) -> Vec<Frame> {
    vec![post(2 * n + 1), window_update(2 * n + 1, 0)]
}

fn open_block() -> Vec<Frame> {
    vec![headers(1, request("GET")).end().without(flag::END_HEADERS)]
}

/// An entry that fills the table nearly.
fn enter_large() -> Vec<Frame> {
    vec![headers(1, request("GET").remembered("x-large", &"x".repeat(4000))).end()]
}

/// The request with that entry so many times: a byte each.
fn large(times: usize) -> Block {
    (0..times).fold(request("GET"), |block, _| block.indexed(62))
}

fn name_large(n: u32, times: usize) -> Vec<Frame> {
    vec![headers(2 * n + 3, large(times)).end()]
}
