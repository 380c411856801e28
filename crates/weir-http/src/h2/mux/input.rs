//! Cuts what arrives into frames, and checks what can be said of a frame before its payload is looked at.

use super::{super::frame::HEADER_BYTES, Mux};
use crate::h2::{
    Abuse, Fatal,
    frame::{FrameHeader, PAYLOAD_BYTES_MAX, PREFACE, flag, kind},
};

/// Work in one go, in bytes of decoded heads and what frames and heads cost besides. The heads of a hundred small requests
/// stay below it, an attack's do not.
const WORK_BYTES_MAX: usize = 32 * 1024;

/// What a frame costs, in bytes.
const FRAME_BYTES: usize = 32;

/// What a header block costs beside its bytes, in bytes.
const HEAD_BYTES: usize = 128;

impl Mux {
    /// Takes what has arrived and says how much of it: whole frames, except for DATA, which is taken as it comes. The
    /// rest comes again with more behind it, or, when [`Mux::is_tired`], as it is. No frame is longer than 16,393 bytes.
    ///
    /// Afterwards a server calls [`Mux::accept`] until it gives nothing. `now_ms` never goes back.
    pub fn handle_input(&mut self, input: &[u8], now_ms: u64) -> Result<usize, Fatal> {
        if let Some(fatal) = self.fatal {
            return Err(fatal);
        }
        if self.is_lost {
            return Ok(input.len());
        }
        self.guard.set_now(now_ms);
        self.work = 0;
        self.take_frames(input).inspect_err(|fatal| self.die(*fatal))
    }

    /// [`Mux::handle_input`] has stopped because it was enough for one go.
    pub fn is_tired(&self) -> bool {
        self.work >= WORK_BYTES_MAX
    }

    /// A header block of so many bytes has been decoded. They count besides what came out: an entry may be empty.
    pub(super) fn tire(&mut self, block_bytes: usize) {
        self.work += HEAD_BYTES + 2 * block_bytes + self.decoder.take_decoded();
    }

    fn take_frames(&mut self, input: &[u8]) -> Result<usize, Fatal> {
        let mut at = self.take_preface(input)?;
        while self.preface_left == 0 {
            at += self.take_data(&input[at..])?;
            if self.data.is_some() {
                break;
            }
            let Some(taken) = self.take_frame(&input[at..])? else { break };
            at += taken;
            if self.output.control() > self.settings.budgets.control_bytes_max {
                return Err(Abuse::UnreadControl.into());
            }
            if self.is_tired() {
                break;
            }
        }
        Ok(at)
    }

    /// RFC 9113 section 3.4: anything else in its place is a connection error.
    fn take_preface(&mut self, input: &[u8]) -> Result<usize, Fatal> {
        let expected = &PREFACE[PREFACE.len() - self.preface_left..];
        let n = expected.len().min(input.len());
        if input[..n] != expected[..n] {
            return Err(Fatal::protocol("the connection does not begin with the preface of HTTP/2"));
        }
        self.preface_left -= n;
        Ok(n)
    }

    /// The length of the frame at the front of `input`, or for DATA that of what precedes its data; `None` until it is
    /// whole.
    fn take_frame(&mut self, input: &[u8]) -> Result<Option<usize>, Fatal> {
        let Some(header) = FrameHeader::parse(input) else { return Ok(None) };
        self.check_header(header)?;
        let payload = &input[HEADER_BYTES..];
        self.work += FRAME_BYTES;
        if header.kind == kind::DATA {
            return Ok(self.begin_data(header, payload.first().copied())?.map(|n| HEADER_BYTES + n));
        }
        let Some(payload) = payload.get(..header.len) else { return Ok(None) };
        self.handle_frame(header, payload)?;
        Ok(Some(HEADER_BYTES + header.len))
    }

    fn check_header(&self, header: FrameHeader) -> Result<(), Fatal> {
        // Section 4.2. It could be a stream error for some kinds; a peer that breaks it is not worth the difference.
        if header.len > PAYLOAD_BYTES_MAX {
            return Err(Fatal::frame_size("a frame is longer than SETTINGS_MAX_FRAME_SIZE allows"));
        }
        // Section 3.4: the preface of either side is or ends in SETTINGS.
        if !self.is_settled && (header.kind != kind::SETTINGS || header.has(flag::ACK)) {
            return Err(Fatal::protocol("the first frame is not SETTINGS"));
        }
        // Section 4.3: nothing comes between the frames of a header block.
        match &self.block {
            Some(block) if header.kind != kind::CONTINUATION || header.stream != block.stream => {
                Err(Fatal::protocol("a header block is interrupted"))
            }
            None if header.kind == kind::CONTINUATION => {
                Err(Fatal::protocol("CONTINUATION continues nothing"))
            }
            _ => Ok(()),
        }
    }

    fn handle_frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        match header.kind {
            kind::HEADERS => self.handle_headers(header, payload),
            kind::CONTINUATION => self.handle_continuation(header, payload),
            kind::WINDOW_UPDATE => self.handle_window_update(header, payload),
            kind::RST_STREAM => self.handle_rst_stream(header, payload),
            kind::PRIORITY => self.handle_priority(header, payload),
            kind::SETTINGS => self.handle_settings(header, payload),
            kind::PING => self.handle_ping(header, payload),
            kind::GOAWAY => self.handle_goaway(header, payload),
            // Section 8.4: clients cannot push, and ours has forbidden it.
            kind::PUSH_PROMISE => Err(Fatal::protocol("PUSH_PROMISE")),
            // Section 5.5: unknown kinds are ignored.
            _ => self.draw(Abuse::UnknownFrames),
        }
    }

    /// Section 5.1, "idle": nobody has used this identifier yet.
    pub(super) fn is_unused(&self, stream: u32) -> bool {
        let is_odd = stream % 2 == 1;
        match self.role {
            crate::h2::settings::Role::Server => !is_odd || stream > self.peer_last,
            crate::h2::settings::Role::Client => !is_odd || stream >= self.own_next,
        }
    }
}
