//! What goes on to the other side, as bytes: for those who compare it with what other readers make of it
//! (`fuzz/checks`). It is written by the very code that the relay uses; no part of the crate's interface.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};

use weir_config::{ForwardedFields, Route};
use weir_net::{Buffer, Buffers};

use crate::{
    deadline,
    forward::{self, Answering, Forwarding, Handshake},
    h1::{Body, HeadLimits, Refusal},
    head::{RequestHead, ResponseHead, Version},
    prequal,
    pump::Pump,
    relay::Plan,
    sticky::{self, CookieSite},
};

/// `Host` towards the server for a request of HTTP/1.0 that has none.
pub const HOST_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 8080);

/// The head of `request`, which lies in `text`, as the server is sent it.
pub fn request(
    request: &RequestHead,
    text: &[u8],
    route: &Route,
    (client, trusted): (IpAddr, bool),
    fields: ForwardedFields,
) -> Vec<u8> {
    let mut out = Vec::new();
    let forwarding = Forwarding {
        route,
        text,
        client,
        scheme: "http",
        trusted,
        asks_clients: false,
        identity: None,
        fields,
        host_default: HOST_DEFAULT,
        handshake: Handshake::AsItCame,
        cuts: &[],
        deadline: deadline::Told::default(),
    };
    forward::request(&mut out, request, &forwarding);
    out
}

/// The same without the cookies of these names.
pub fn request_without(request: &RequestHead, text: &[u8], route: &Route, names: [&str; 2]) -> Vec<u8> {
    let mut cuts = Vec::new();
    sticky::find(request, text, names.map(Some), &mut cuts);
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut out = Vec::new();
    let forwarding = Forwarding {
        route,
        text,
        client,
        scheme: "http",
        trusted: false,
        asks_clients: false,
        identity: None,
        fields: ForwardedFields::None,
        host_default: HOST_DEFAULT,
        handshake: Handshake::AsItCame,
        cuts: &cuts,
        deadline: deadline::Told::default(),
    };
    forward::request(&mut out, request, &forwarding);
    out
}

/// The server that a cookie with this value names, at this moment in seconds since 1970.
pub fn server_of_cookie(own: &CookieSite, value: &[u8], now_s: u64) -> Option<SocketAddr> {
    sticky::server_of(own, value, now_s)
}

/// The line that sets a cookie for this server.
pub fn cookie_for(own: &CookieSite, server: SocketAddr, now_s: u64) -> Vec<u8> {
    let mut out = Vec::new();
    sticky::cookie_for(&mut out, own, server, now_s);
    out
}

/// What a server says of its load: how busy it is, and how long it takes in microseconds.
pub fn load_report(value: &[u8]) -> Option<(f32, Option<f32>)> {
    prequal::read(value).map(|report| (report.requests, report.latency_us))
}

/// An interim response (1xx) as the client is sent it.
pub fn interim(response: &ResponseHead, text: &[u8], route: &Route) -> Vec<u8> {
    let mut out = Vec::new();
    let answering = Answering::plain(&route.response_headers);
    forward::response(&mut out, response, text, &answering, &[]);
    out
}

/// A final response as the client is sent it.
#[derive(Debug)]
pub struct Answer {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// How many of them are the head.
    pub head_len: usize,
    /// The client's connection stays open.
    pub keeps_client: bool,
    /// The body was passed on to its end, not cut off.
    pub is_whole: bool,
}

/// The answer in `text`, of which `response` is the head; the server closes behind it. `pieces` says how many bytes of
/// the body arrive at a time.
pub fn answer(
    response: &ResponseHead,
    text: &[u8],
    route: &Route,
    (client, may_keep): (Version, bool),
    limits: HeadLimits,
    mut pieces: impl FnMut() -> usize,
) -> Answer {
    let plan = Plan::new(response.body, client, may_keep);
    let mut bytes = Vec::new();
    forward::response(&mut bytes, response, text, &plan.answering(&route.response_headers), &[]);
    let head_len = bytes.len();
    let mut pump = Pump::new(Body::new(response.body, u64::MAX, limits), plan.coding);
    let result = pass(&mut pump, &text[response.len..], &mut bytes, &mut pieces);
    let is_whole = result.is_ok() && pump.is_done();
    Answer { bytes, head_len, keeps_client: plan.keeps_client, is_whole }
}

/// [`Pump::poll`] with memory on both sides.
fn pass(
    pump: &mut Pump,
    mut from: &[u8],
    to: &mut Vec<u8>,
    pieces: &mut impl FnMut() -> usize,
) -> Result<(), Refusal> {
    let mut buffer = Rc::new(Buffers::default()).take();
    loop {
        write(pump, &mut buffer, to);
        if pump.is_done() {
            return Ok(());
        }
        pump.prepare(&mut buffer)?;
        if !pump.writable(buffer.filled()).1.is_empty() || pump.is_done() {
            continue;
        }
        if buffer.is_full() {
            buffer.compact();
        }
        let n = pieces().max(1).min(from.len()).min(buffer.room().len());
        if n == 0 {
            if pump.source_end(None, &mut buffer).is_err() {
                return Ok(());
            }
            continue;
        }
        let (now, later) = from.split_at(n);
        buffer.room()[..n].copy_from_slice(now);
        buffer.fill(n);
        from = later;
    }
}

fn write(pump: &mut Pump, buffer: &mut Buffer, to: &mut Vec<u8>) {
    let (before, data) = pump.writable(buffer.filled());
    let n = before.len() + data.len();
    to.extend_from_slice(before);
    to.extend_from_slice(data);
    pump.wrote(n, Some(buffer));
}
