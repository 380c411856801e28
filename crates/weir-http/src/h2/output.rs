//! Frames on their way to the socket: one buffer, in the order in which they go.

use super::frame::{FrameHeader, HEADER_BYTES, PAYLOAD_BYTES_MAX, flag, kind};

/// A buffer beyond this, in bytes, is given back when it has run empty.
const KEPT_BYTES_MAX: usize = 128 * 1024;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// What of `bytes` has been written.
    written: usize,
    /// What had been written of the connection before `bytes`.
    base: u64,
    /// Bytes of control frames behind `mark`, and of those that stood between the last mark and this one.
    control: usize,
    control_before: usize,
    /// A place in the connection. When all before it has been written, the control frames there have been too.
    mark: u64,
}

impl Output {
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Bytes of control frames that wait, or a little more: none that have waited longer than what stood before them. Not
    /// counted one by one, for there may be thousands.
    pub(super) fn control(&self) -> usize {
        (self.control_before + self.control).min(self.len())
    }

    pub(super) fn wrote(&mut self, n: usize) {
        self.written += n;
        assert!(self.written <= self.bytes.len(), "more was written than there was");
        if self.base + self.written as u64 >= self.mark {
            self.control_before = std::mem::take(&mut self.control);
            self.mark = self.place();
        }
        if self.len() == 0 {
            (self.control, self.control_before) = (0, 0);
            self.base += self.written as u64;
            self.written = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_BYTES_MAX {
                self.bytes = Vec::new();
            }
        } else if self.written * 2 >= self.bytes.len() {
            // No more is moved than was written, so each byte is moved once at most on average.
            self.base += self.written as u64;
            self.bytes.drain(..std::mem::take(&mut self.written));
        }
    }

    /// Frees the buffer, if nothing is in it.
    pub(super) fn shed(&mut self) {
        if self.len() == 0 {
            self.bytes = Vec::new();
            self.base += std::mem::take(&mut self.written) as u64;
        }
    }

    /// A frame that answers the peer or steers it.
    pub(super) fn push_control(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.control += frame.len();
    }

    /// A frame that we send for our own sake.
    pub(super) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
    }

    /// A DATA frame. Returns its place, for [`Output::end_stream`].
    pub(super) fn push_data(&mut self, stream: u32, payload: &[u8], flags: u8) -> u64 {
        let place = self.place();
        let header = FrameHeader { len: payload.len(), kind: kind::DATA, flags, stream };
        self.bytes.extend_from_slice(&header.bytes());
        self.bytes.extend_from_slice(payload);
        place
    }

    /// A header block that `encode` appends, as HEADERS and, where it is too long for one frame, CONTINUATION. Returns its
    /// place, for [`Output::end_stream`].
    pub(super) fn push_block(
        &mut self,
        stream: u32,
        end_stream: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> u64 {
        let place = self.place();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        encode(&mut self.bytes);
        let flags = if end_stream { flag::END_STREAM } else { 0 };
        let len = self.bytes.len() - start - HEADER_BYTES;
        if len <= PAYLOAD_BYTES_MAX {
            let flags = flags | flag::END_HEADERS;
            let header = FrameHeader { len, kind: kind::HEADERS, flags, stream };
            self.bytes[start..start + HEADER_BYTES].copy_from_slice(&header.bytes());
        } else {
            let block = self.bytes.split_off(start + HEADER_BYTES);
            self.bytes.truncate(start);
            self.push_long_block(stream, flags, &block);
        }
        place
    }

    fn push_long_block(&mut self, stream: u32, flags: u8, block: &[u8]) {
        let last = block.len().div_ceil(PAYLOAD_BYTES_MAX) - 1;
        for (i, part) in block.chunks(PAYLOAD_BYTES_MAX).enumerate() {
            let kind = if i == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let flags = if i == 0 { flags } else { 0 } | if i == last { flag::END_HEADERS } else { 0 };
            self.push(&FrameHeader { len: part.len(), kind, flags, stream }.bytes());
            self.push(part);
        }
    }

    /// Sets END_STREAM on the frame at `place`, which is its stream's last one, if nothing of it has been written. That
    /// spares an empty DATA frame at the end of nearly every body.
    pub(super) fn end_stream(&mut self, place: u64) -> bool {
        let Some(start) = place.checked_sub(self.base).map(|start| start as usize) else { return false };
        if start < self.written || start + HEADER_BYTES > self.bytes.len() {
            return false;
        }
        self.bytes[start + 4] |= flag::END_STREAM;
        true
    }

    fn place(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }
}
