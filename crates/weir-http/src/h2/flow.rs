//! Flow control (RFC 9113 section 5.2): the same two windows for a stream and for the connection.

use super::frame::U31_MAX;

/// The window that every stream and every connection begins with (section 6.9.2).
pub(super) const WINDOW_INITIAL: u32 = 65_535;

/// What we may send. SETTINGS can make it negative (section 6.9.2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(bytes: u32) -> Self {
        Self(bytes.into())
    }

    /// How much may go now.
    pub(super) fn open(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(super) fn take(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.open());
        self.0 -= bytes as i64;
    }

    /// WINDOW_UPDATE, or a changed SETTINGS_INITIAL_WINDOW_SIZE. False: the window would exceed 2^31-1 (section 6.9.1).
    #[must_use]
    pub(super) fn grow(&mut self, by: i64) -> bool {
        self.0 += by;
        self.0 <= U31_MAX.into()
    }
}

/// What the peer may send.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecvWindow {
    /// What the peer may still send.
    left: u32,
    /// What has been read, and has not been given back yet.
    owed: u32,
    /// What it is when nothing is under way.
    size: u32,
}

impl RecvWindow {
    /// One of `size` bytes, of which the peer knows `left`; it may know more for the time being.
    pub(super) fn new(left: u32, size: u32) -> Self {
        Self { left, owed: size.saturating_sub(left), size }
    }

    /// Bytes have arrived. False: more than the peer was allowed.
    #[must_use]
    pub(super) fn take(&mut self, bytes: u32) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Bytes have been read, or thrown away.
    pub(super) fn give(&mut self, bytes: u32) {
        self.owed += bytes;
    }

    /// What it is when nothing is under way.
    pub(super) fn size(self) -> u32 {
        self.size
    }

    /// The peer is to know of so much more.
    pub(super) fn widen(&mut self, bytes: u32) {
        self.size += bytes;
        self.owed += bytes;
    }

    /// A WINDOW_UPDATE is due. Only when half the window is to be given back: a frame for each read would cost both sides
    /// more than it gains.
    pub(super) fn is_due(self) -> bool {
        self.owed > 0 && self.owed >= self.size / 2
    }

    /// The same for the window that all streams share. Where some of them are not read, there is never half of it to give
    /// back; the others must get what there is all the same.
    pub(super) fn is_due_to_all(self) -> bool {
        self.is_due() || (self.left < self.size / 4 && self.owed > 0 && self.owed >= self.left)
    }

    /// Gives back all that has been read, and says how much it is.
    pub(super) fn pay(&mut self) -> u32 {
        self.left += self.owed;
        std::mem::take(&mut self.owed)
    }

    /// The peer has sent so much that it may soon have to wait for more window.
    pub(super) fn is_half_used(self) -> bool {
        self.left < self.size / 2
    }

    /// What the peer may still send.
    #[cfg(test)]
    pub(super) fn left(self) -> usize {
        self.left as usize
    }

    /// Nothing is under way, and nothing is missing.
    #[cfg(test)]
    pub(super) fn is_accounted_for(self) -> bool {
        self.left + self.owed == self.size
    }
}
