//! Limits and habits of HTTP on one listener.

use std::time::Duration;

use ipnet::IpNet;

/// `listeners[].http`: limits and habits of HTTP on one listener.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// What is spoken; at least one.
    pub protocols: HttpProtocols,
    /// From the first byte of a request (or, on a new connection, from the accept) to the end of its head.
    pub header_timeout: Duration,
    /// The longest time without progress of a body that is on its way, in either direction.
    pub body_timeout: Duration,
    /// How long a keep-alive connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long an upgraded connection (WebSocket) may be silent in both directions.
    pub tunnel_timeout: Duration,
    /// The largest request or response head: first line and all header fields, in bytes. At most
    /// [`HEADER_BYTES_MAX`].
    pub max_header_bytes: usize,
    /// The most header fields in one head.
    pub max_headers: usize,
    /// The longest request target, in bytes.
    pub max_uri_bytes: usize,
    /// The largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Peers whose own `X-Forwarded-*` and `Forwarded` fields are kept and extended. All others' are replaced.
    pub trusted_proxies: Vec<IpNet>,
    /// Which fields tell the server about the client.
    pub forwarded: ForwardedFields,
    /// Limits of HTTP/2.
    pub http2: Http2Settings,
}

/// The versions of HTTP that a listener speaks. With TLS they are offered by ALPN, `h2` first; without, a client
/// begins as it likes: HTTP/2 with prior knowledge (RFC 9113 section 3.3) or HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HttpProtocols {
    pub http1: bool,
    pub h2: bool,
}

/// `listeners[].http.http2`: limits of one HTTP/2 connection. Of a [`Rate`], ten seconds' worth may come at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Settings {
    /// Requests that may be open at once (SETTINGS_MAX_CONCURRENT_STREAMS).
    pub max_concurrent_streams: u32,
    /// Bytes of one request's body on their way (SETTINGS_INITIAL_WINDOW_SIZE).
    pub stream_window: u32,
    /// Bytes of all requests' bodies on their way; at least `stream_window`.
    pub connection_window: u32,
    /// Requests that the client cancels, or makes Weir cancel by a mistake, before they are answered.
    pub max_resets: Rate,
    /// PING, SETTINGS, PRIORITY and unknown frames, and window updates that open nothing.
    pub max_control_frames: Rate,
    /// DATA, HEADERS and CONTINUATION frames that carry nothing.
    pub max_empty_frames: Rate,
}

/// So many in this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// 1 to 1,000,000,000.
    pub count: u64,
    /// A second, a minute or an hour.
    pub per: Duration,
}

/// The most that `max_header_bytes` may be: a head must fit into one buffer.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Which request fields tell the server about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFields {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).
    All,
    /// Only `X-Forwarded-For`, `-Proto`, `-Host`.
    XForwarded,
    /// Only `Forwarded` (RFC 7239).
    Forwarded,
    /// None; those that a client sent are still removed unless it is trusted.
    None,
}
