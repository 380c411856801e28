//! SETTINGS (RFC 9113 section 6.5): ours, and what we know of the peer's.

use super::abuse::Budgets;
use crate::h1::HeadLimits;

/// How a connection is run. The same for both roles, except where said.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Server: streams that the client may have open, our SETTINGS_MAX_CONCURRENT_STREAMS. Client: the most that we
    /// open, whatever the server allows.
    pub streams_max: u32,
    /// Bytes that a peer may send on one stream before somebody reads them, our SETTINGS_INITIAL_WINDOW_SIZE.
    ///
    /// 128 KiB by default: an upload runs at 20 Mbit/s over 50 ms, and only eight streams that nobody reads hold up the
    /// others through the connection's window; with 256 KiB four would.
    pub stream_window: u32,
    /// Bytes that a peer may send on all streams before somebody reads them: the bound of what is kept for a
    /// connection. At least 65,535, with which every connection begins (RFC 9113 section 6.9.2).
    pub connection_window: u32,
    /// Limits of heads; `bytes_max` is also our SETTINGS_MAX_HEADER_LIST_SIZE.
    pub head: HeadLimits,
    /// The most that comes in one body.
    pub body_bytes_max: u64,
    /// Server: extended CONNECT (RFC 8441) is offered.
    pub extended_connect: bool,
    /// While more than this waits in the output, no DATA is added and no request is accepted.
    pub output_bytes_max: usize,
    /// What a peer may do only so often.
    pub budgets: Budgets,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams_max: 100,
            stream_window: 128 * 1024,
            connection_window: 1024 * 1024,
            head: HeadLimits { bytes_max: 32 * 1024, fields_max: 100, uri_bytes_max: 8 * 1024 },
            body_bytes_max: u64::MAX,
            extended_connect: false,
            output_bytes_max: 64 * 1024,
            budgets: Budgets::default(),
        }
    }
}
