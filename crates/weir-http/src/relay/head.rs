//! Writing a head, with the beginning of its body behind it.

use std::{future::poll_fn, io, task::Poll};

use weir_net::Buffer;

use crate::{pump::Pump, wire::Wire};

/// The first bytes of a body, up to this many, are copied behind the head: that costs less than a second piece in the
/// system call.
const COPIED_BYTES_MAX: usize = 4096;

/// What comes behind a head.
#[derive(Debug, Clone, Copy)]
pub(super) enum More {
    /// Its own body.
    Body,
    /// Other messages: another head, or those of another protocol.
    Messages,
}

/// Writes `head`, which on a new stream may be that of another `protocol` (RFC 8441), and what `pump` has ready in `buffer` behind it, in as few calls as the sink allows.
pub(super) async fn write_head(
    to: &mut Wire,
    head: &mut Vec<u8>,
    protocol: Option<&[u8]>,
    pump: &mut Pump,
    mut buffer: Option<&mut Buffer>,
    more: More,
    is_overdue: impl Fn() -> bool,
) -> io::Result<()> {
    if let Wire::Http2(stream) = to {
        // Its body goes frame by frame.
        let more = matches!(more, More::Messages) || !pump.is_done();
        return stream.send_head(head, protocol, more);
    }
    if let Some(buffer) = buffer.as_deref_mut() {
        let (before, data) = pump.writable(buffer.filled());
        if !before.is_empty() || data.len() <= COPIED_BYTES_MAX {
            head.extend_from_slice(before);
            head.extend_from_slice(data);
            let n = before.len() + data.len();
            pump.wrote(n, Some(buffer));
        }
    }
    let mut at = 0;
    poll_fn(|context| {
        while at < head.len() {
            let filled = buffer.as_deref().map_or(&[][..], Buffer::filled);
            let (_, data) = pump.writable(filled);
            let written = match data.is_empty() {
                true => to.poll_write(context, &head[at..]),
                false => to.poll_write_both(context, &head[at..], data),
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    let of_head = n.min(head.len() - at);
                    at += of_head;
                    pump.wrote(n - of_head, buffer.as_deref_mut());
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if is_overdue() => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
