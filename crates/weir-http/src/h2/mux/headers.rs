//! HEADERS and CONTINUATION (RFC 9113 sections 6.2 and 6.10): header blocks, put together and handed to whom they are for.
//!
//! A block that comes in one frame, as nearly all do, is decoded where it lies. Whatever becomes of it, it is decoded:
//! the compression's state belongs to the connection (section 4.3).

use super::Mux;
use crate::h2::{
    Abuse, ErrorCode, Fatal, StreamEnd, StreamKey,
    frame::{FrameHeader, PAYLOAD_BYTES_MAX, flag, u31},
    head::{HeadError, decode_trailers},
};

/// A header block of which CONTINUATION is still to come; its bytes are in `Mux::block_bytes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenBlock {
    pub(super) stream: u32,
    end_stream: bool,
    /// It depends on itself, which ends its stream.
    is_circular: bool,
    /// CONTINUATION frames so far.
    continuations: u32,
}

impl Mux {
    pub(super) fn handle_headers(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream == 0 {
            return Err(Fatal::protocol("HEADERS on stream 0"));
        }
        let (is_circular, fragment) = fragment(header, payload)?;
        let end_stream = header.has(flag::END_STREAM);
        let block = OpenBlock { stream: header.stream, end_stream, is_circular, continuations: 0 };
        if header.has(flag::END_HEADERS) {
            let result = self.handle_block(block, fragment);
            self.tire(fragment.len());
            return result;
        }
        self.block_bytes.clear();
        self.block_bytes.extend_from_slice(fragment);
        self.block = Some(block);
        Ok(())
    }

    pub(super) fn handle_continuation(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        let Some(mut block) = self.block else { return Ok(()) };
        block.continuations += 1;
        let budgets = &self.settings.budgets;
        if block.continuations > budgets.continuations_max {
            return Err(Abuse::Continuations.into());
        }
        let bytes_max = self.settings.head.bytes_max * budgets.block_bytes_factor as usize;
        if self.block_bytes.len() + payload.len() > bytes_max.max(PAYLOAD_BYTES_MAX) {
            return Err(Abuse::BlockBytes.into());
        }
        self.block_bytes.extend_from_slice(payload);
        self.block = Some(block);
        if !header.has(flag::END_HEADERS) {
            return Ok(());
        }
        self.block = None;
        let bytes = std::mem::take(&mut self.block_bytes);
        let result = self.handle_block(block, &bytes);
        self.tire(bytes.len());
        self.block_bytes = bytes;
        self.block_bytes.clear();
        // Blocks of several frames are rare: nothing is kept for the next one.
        self.block_bytes.shrink_to(0);
        result
    }

    /// A whole block. Section 5.1 says what it means by the state of its stream.
    fn handle_block(&mut self, block: OpenBlock, bytes: &[u8]) -> Result<(), Fatal> {
        let Some(key) = self.streams.find(block.stream) else { return self.handle_new_block(block, bytes) };
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        if stream.is_closed() {
            self.discard(bytes)?;
            return self.handle_late(block.stream);
        }
        if stream.recv.is_ended {
            self.discard(bytes)?;
            let code = ErrorCode::STREAM_CLOSED;
            return self.stream_error(key, code, StreamEnd::Reset(code));
        }
        if block.is_circular {
            self.discard(bytes)?;
            return self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed);
        }
        if stream.recv.has_head && stream.recv.is_tunnel {
            // Section 8.5: only DATA belongs on a tunnel.
            self.discard(bytes)?;
            return self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed);
        }
        if stream.recv.has_head {
            self.handle_trailers(key, block.end_stream, bytes)
        } else {
            self.handle_response(key, block.end_stream, bytes)
        }
    }

    /// On a stream that is idle, or gone.
    fn handle_new_block(&mut self, block: OpenBlock, bytes: &[u8]) -> Result<(), Fatal> {
        if !self.is_unused(block.stream) {
            self.discard(bytes)?;
            return self.handle_late(block.stream);
        }
        // Section 5.1.1: clients' streams are odd; nobody else opens any, since nothing is pushed.
        if !self.is_server() || block.stream.is_multiple_of(2) {
            return Err(Fatal::protocol("HEADERS opens a stream that is not the peer's to open"));
        }
        self.peer_last = block.stream;
        self.handle_request(block.stream, block.end_stream, block.is_circular, bytes)
    }

    /// Section 8.1: a second block ends the stream.
    fn handle_trailers(&mut self, key: StreamKey, end_stream: bool, bytes: &[u8]) -> Result<(), Fatal> {
        let mut text = Vec::new();
        let limits = &self.settings.head;
        match decode_trailers(&mut self.decoder, bytes, limits, &mut self.scratch, &mut text) {
            Err(HeadError::Compression(error)) => Err(compression(error)),
            Ok(()) if end_stream => {
                if let Some(stream) = self.streams.get(key) {
                    stream.recv.trailers = Some(text);
                }
                self.end_recv(key)
            }
            _ => self.stream_error(key, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed),
        }
    }

    /// Decodes a block that is for nobody.
    pub(super) fn discard(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        let limits = &self.settings.head;
        self.text.clear();
        match decode_trailers(&mut self.decoder, bytes, limits, &mut self.scratch, &mut self.text) {
            Err(HeadError::Compression(error)) => Err(compression(error)),
            _ => Ok(()),
        }
    }
}

/// Section 4.3: the table is lost, and with it the connection.
pub(super) fn compression(error: crate::h2::hpack::Error) -> Fatal {
    if error == crate::h2::hpack::Error::Bomb {
        return Abuse::HeaderBomb.into();
    }
    Fatal::new(ErrorCode::COMPRESSION_ERROR, "a header block cannot be decoded")
}

/// What of a HEADERS frame is header block, and whether its stream depends on itself.
fn fragment(header: FrameHeader, payload: &[u8]) -> Result<(bool, &[u8]), Fatal> {
    let mut fragment = payload;
    if header.has(flag::PADDED) {
        let Some((padding, rest)) = fragment.split_first() else {
            return Err(Fatal::frame_size("a padded frame without its padding's length"));
        };
        let Some(len) = rest.len().checked_sub(usize::from(*padding)) else {
            return Err(Fatal::protocol("padding as long as its frame, or longer"));
        };
        fragment = &rest[..len];
    }
    let mut is_circular = false;
    if header.has(flag::PRIORITY) {
        let Some((priority, rest)) = fragment.split_at_checked(5) else {
            return Err(Fatal::frame_size("HEADERS too short for its priority"));
        };
        is_circular = u31(priority) == header.stream;
        fragment = rest;
    }
    Ok((is_circular, fragment))
}
