//! What a peer may do only so often: budgets of tokens, each with a name, refilled by time and by honest work.
//!
//! Each frame kind that costs us more than it costs the peer draws on a bucket. A bucket refills with time, so that a
//! quiet connection that lives for days is never cut off, and with work: a finished exchange pays for a reset, a frame
//! of DATA pays for the PING and the WINDOW_UPDATEs that it draws. So the busiest honest clients (h2load with 100
//! streams, gRPC with a PING per round trip, a browser that cancels a hundred downloads) stay far from any edge, and an
//! attack, which is traffic without work, has only the burst and the trickle. Rejected: counting per second alone (punishes
//! the busy), ratios over the whole life (a long calm start buys a long attack).

/// What was overdone. Reported in [`Fatal`](super::Fatal), for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Abuse {
    /// Streams that the peer reset before their exchange had ended (CVE-2023-44487).
    RapidReset,
    /// Streams that we had to reset for what the peer sent on them (CVE-2025-8671). Draws on the same bucket.
    MadeYouReset,
    /// CONTINUATION frames in one header block.
    Continuations,
    /// Bytes of one header block, as compressed.
    BlockBytes,
    /// SETTINGS frames.
    Settings,
    /// PING frames.
    Pings,
    /// DATA frames with nothing in them that do not end their stream.
    EmptyData,
    /// DATA frames with hardly anything in them.
    SmallData,
    /// PRIORITY frames.
    Priorities,
    /// WINDOW_UPDATE frames.
    WindowUpdates,
    /// Frames of unknown kinds.
    UnknownFrames,
    /// Frames on streams that are closed.
    LateFrames,
    /// Answers to control frames that the peer does not read.
    UnreadControl,
}

impl Abuse {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::RapidReset,
        Self::MadeYouReset,
        Self::Continuations,
        Self::BlockBytes,
        Self::Settings,
        Self::Pings,
        Self::EmptyData,
        Self::SmallData,
        Self::Priorities,
        Self::WindowUpdates,
        Self::UnknownFrames,
        Self::LateFrames,
        Self::UnreadControl,
    ];

    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::RapidReset => "rapid_reset",
            Self::MadeYouReset => "made_you_reset",
            Self::Continuations => "continuations",
            Self::BlockBytes => "block_bytes",
            Self::Settings => "settings",
            Self::Pings => "pings",
            Self::EmptyData => "empty_data",
            Self::SmallData => "small_data",
            Self::Priorities => "priorities",
            Self::WindowUpdates => "window_updates",
            Self::UnknownFrames => "unknown_frames",
            Self::LateFrames => "late_frames",
            Self::UnreadControl => "unread_control",
        }
    }

    /// One line for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::RapidReset => "too many streams reset before their answers",
            Self::MadeYouReset => "too many streams had to be reset",
            Self::Continuations => "too many CONTINUATION frames in a header block",
            Self::BlockBytes => "a header block is far too large",
            Self::Settings => "too many SETTINGS frames",
            Self::Pings => "too many PING frames",
            Self::EmptyData => "too many empty DATA frames",
            Self::SmallData => "too many tiny DATA frames",
            Self::Priorities => "too many PRIORITY frames",
            Self::WindowUpdates => "too many WINDOW_UPDATE frames",
            Self::UnknownFrames => "too many frames of unknown kinds",
            Self::LateFrames => "too many frames on closed streams",
            Self::UnreadControl => "answers to control frames are not read",
        }
    }
}

/// A bucket's measure.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Tokens at the beginning, and the most that it ever holds.
    pub burst: u32,
    /// Tokens that come back each second.
    pub per_second: u32,
}

/// How much of each a connection may do.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// [`Abuse::RapidReset`] and [`Abuse::MadeYouReset`] together. An exchange that ends in whole gives one back.
    pub resets: Budget,
    /// CONTINUATION frames in one header block.
    pub continuations_max: u32,
    /// Bytes of a header block before they are decoded, in multiples of the head limit.
    pub block_bytes_factor: u32,
    /// SETTINGS frames.
    pub settings: Budget,
    /// PING frames; a DATA or HEADERS frame in either direction gives one back.
    pub pings: Budget,
    /// Empty DATA frames.
    pub empty_data: Budget,
    /// DATA frames of fewer than [`SMALL_DATA_BYTES`](super::SMALL_DATA_BYTES).
    pub small_data: Budget,
    /// PRIORITY frames; a new stream gives two back.
    pub priorities: Budget,
    /// WINDOW_UPDATE frames; a DATA frame that we send gives two back, a new stream too.
    pub window_updates: Budget,
    /// Frames of unknown kinds; a new stream gives two back.
    pub unknown_frames: Budget,
    /// Frames on closed streams: those that were under way when we reset.
    pub late_frames: Budget,
    /// Bytes of control frames in the output that the peer has not read.
    pub control_bytes_max: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        let budget = |burst, per_second| Budget { burst, per_second };
        Self {
            resets: budget(200, 20),
            continuations_max: 16,
            block_bytes_factor: 2,
            settings: budget(100, 5),
            pings: budget(1000, 100),
            empty_data: budget(100, 10),
            small_data: budget(10_000, 1000),
            priorities: budget(500, 50),
            window_updates: budget(2000, 200),
            unknown_frames: budget(500, 50),
            late_frames: budget(2000, 200),
            control_bytes_max: 32 * 1024,
        }
    }
}
