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
    /// A header block that is decoded to far more than its own size and the table's (CVE-2016-6581).
    HeaderBomb,
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
    pub const ALL: [Self; 14] = [
        Self::RapidReset,
        Self::MadeYouReset,
        Self::Continuations,
        Self::BlockBytes,
        Self::HeaderBomb,
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
            Self::HeaderBomb => "header_bomb",
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
            Self::HeaderBomb => "a header block names the same large entries over and over",
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens at the beginning, and the most that it ever holds.
    pub burst: u32,
    /// Tokens that come back each hour.
    pub per_hour: u64,
}

impl Budget {
    /// So many tokens come back each second.
    pub const fn per_second(burst: u32, tokens: u32) -> Self {
        Self { burst, per_hour: tokens as u64 * 3600 }
    }
}

/// How much of each a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// DATA frames of fewer than [`SMALL_DATA_BYTES`](super::SMALL_DATA_BYTES); a frame that we send gives one back. Small
    /// messages of gRPC are such frames, so this is by far the largest.
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
        let budget = Budget::per_second;
        Self {
            resets: budget(200, 20),
            continuations_max: 16,
            block_bytes_factor: 2,
            settings: budget(100, 10),
            pings: budget(1000, 100),
            empty_data: budget(200, 20),
            small_data: budget(100_000, 10_000),
            priorities: budget(500, 50),
            window_updates: budget(2000, 200),
            unknown_frames: budget(500, 50),
            late_frames: budget(2000, 200),
            control_bytes_max: 32 * 1024,
        }
    }
}

/// The buckets of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    now_ms: u64,
    /// Bytes sent that have paid for nothing yet.
    carried: usize,
    resets: Bucket,
    settings: Bucket,
    pings: Bucket,
    empty_data: Bucket,
    small_data: Bucket,
    priorities: Bucket,
    window_updates: Bucket,
    unknown_frames: Bucket,
    late_frames: Bucket,
}

impl Guard {
    pub(super) fn new(budgets: &Budgets) -> Self {
        Self {
            now_ms: 0,
            carried: 0,
            resets: Bucket::new(budgets.resets),
            settings: Bucket::new(budgets.settings),
            pings: Bucket::new(budgets.pings),
            empty_data: Bucket::new(budgets.empty_data),
            small_data: Bucket::new(budgets.small_data),
            priorities: Bucket::new(budgets.priorities),
            window_updates: Bucket::new(budgets.window_updates),
            unknown_frames: Bucket::new(budgets.unknown_frames),
            late_frames: Bucket::new(budgets.late_frames),
        }
    }

    /// The time, in milliseconds since whenever.
    pub(super) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// One more of these.
    pub(super) fn draw(&mut self, abuse: Abuse) -> Result<(), Abuse> {
        let now_ms = self.now_ms;
        if self.bucket(abuse).is_none_or(|bucket| bucket.draw(now_ms)) { Ok(()) } else { Err(abuse) }
    }

    /// A new stream brings frames with it.
    pub(super) fn stream_opened(&mut self) {
        self.priorities.refund(2);
        self.unknown_frames.refund(2);
        self.window_updates.refund(2);
        self.pings.refund(1);
    }

    /// Both sides have come to their END_STREAM.
    pub(super) fn exchange_ended(&mut self) {
        self.resets.refund(1);
    }

    /// We have sent a frame with something in it: the peer may answer it with a PING and, for DATA, two windows.
    pub(super) fn sent(&mut self) {
        self.pings.refund(1);
        self.window_updates.refund(2);
        self.small_data.refund(1);
    }

    /// We have sent so many bytes of DATA. Where a peer gives back each frame's window at once, windows fall into pieces, and
    /// what fills small ones pays for nothing by itself: so all bytes together pay for what answers them.
    pub(super) fn carried(&mut self, bytes: usize) {
        /// Bytes that pay for a pair of WINDOW_UPDATEs.
        const BYTES: usize = 256;
        self.carried += bytes;
        self.window_updates.refund(2 * (self.carried / BYTES) as u32);
        self.carried %= BYTES;
    }

    /// DATA has come that was worth its header.
    pub(super) fn received(&mut self) {
        self.pings.refund(1);
    }

    fn bucket(&mut self, abuse: Abuse) -> Option<&mut Bucket> {
        Some(match abuse {
            Abuse::RapidReset | Abuse::MadeYouReset => &mut self.resets,
            Abuse::Settings => &mut self.settings,
            Abuse::Pings => &mut self.pings,
            Abuse::EmptyData => &mut self.empty_data,
            Abuse::SmallData => &mut self.small_data,
            Abuse::Priorities => &mut self.priorities,
            Abuse::WindowUpdates => &mut self.window_updates,
            Abuse::UnknownFrames => &mut self.unknown_frames,
            Abuse::LateFrames => &mut self.late_frames,
            // These are plain maxima, checked where they are counted.
            Abuse::Continuations | Abuse::BlockBytes | Abuse::HeaderBomb | Abuse::UnreadControl => {
                return None;
            }
        })
    }
}

/// Parts of a token, so that a millisecond's share of a rate per hour is a whole number.
const PARTS: u64 = 3_600_000;

/// Tokens, in [`PARTS`].
#[derive(Debug)]
struct Bucket {
    parts: u64,
    filled_at_ms: u64,
    budget: Budget,
}

impl Bucket {
    fn new(budget: Budget) -> Self {
        Self { parts: u64::from(budget.burst) * PARTS, filled_at_ms: 0, budget }
    }

    fn draw(&mut self, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.filled_at_ms);
        self.filled_at_ms = now_ms;
        self.add(passed_ms.saturating_mul(self.budget.per_hour));
        let left = self.parts.checked_sub(PARTS);
        self.parts = left.unwrap_or(self.parts);
        left.is_some()
    }

    fn refund(&mut self, tokens: u32) {
        self.add(u64::from(tokens) * PARTS);
    }

    fn add(&mut self, parts: u64) {
        let full = u64::from(self.budget.burst) * PARTS;
        self.parts = self.parts.saturating_add(parts).min(full);
    }
}
