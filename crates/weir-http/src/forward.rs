//! Heads as they go on: the request towards the server, the response towards the client.
//!
//! Header lines are copied as they came, in runs: no map is built, and a head without edits is a few copies. What is
//! left out are the fields of the connection they came on, and whatever a stranger says about who he is.

use std::{net::IpAddr, ops::Range};

use weir_config::{ForwardedFields, HeaderEdits, Route};
use weir_tls::Identity;

use crate::{
    deadline,
    head::{
        BodyLength, ConnectionOptions, Field, FieldKind, RequestHead, ResponseHead, Span, connection_names,
    },
};

/// What the request line and the fields about the client need besides the head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forwarding<'a> {
    pub(crate) route: &'a Route,
    /// What the head points into.
    pub(crate) text: &'a [u8],
    pub(crate) client: IpAddr,
    /// Of the URL that the client asked for.
    pub(crate) scheme: &'static str,
    /// The client is a proxy that is believed.
    pub(crate) trusted: bool,
    /// The listener itself asks who its clients are: nobody else is believed in that.
    pub(crate) asks_clients: bool,
    /// What the client's certificate says.
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) fields: ForwardedFields,
    /// The host when the request has none (HTTP/1.0).
    pub(crate) host_default: std::net::SocketAddr,
    /// Of a WebSocket.
    pub(crate) handshake: Handshake<'a>,
    /// Places in the text that are not for the server, in their order.
    pub(crate) cuts: &'a [Range<usize>],
    /// How long the server may take.
    pub(crate) deadline: deadline::Told<'a>,
}

/// What a request has of a WebSocket's handshake beside `Upgrade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake<'a> {
    /// What the client sent, if it sent something.
    AsItCame,
    /// This key, if it is a WebSocket.
    Own(Option<&'a [u8]>),
    /// Nothing: it is asked for in HTTP/2 (RFC 8441 section 5), where the tunnel is no body and has no length.
    Without,
}

/// Writes the head of `request` as the server shall see it.
pub(crate) fn request(out: &mut Vec<u8>, request: &RequestHead, forwarding: &Forwarding<'_>) {
    let Forwarding { route, text, trusted, asks_clients, handshake, .. } = *forwarding;
    out.extend_from_slice(request.method.of(text));
    out.push(b' ');
    match (request.target.of(text), request.method.of(text)) {
        // RFC 9112 section 3.2.4: absolute-form without a path, which asks for the server itself.
        (b"", b"OPTIONS") => out.push(b'*'),
        (text, _) => target(out, text, route.rewrite.strip_prefix.as_deref()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let own_host = own_host(out, request, forwarding);
    let edits = &route.request_headers;
    copy(out, (text, forwarding.cuts), &request.fields, request.connection, edits, |kind| {
        matches!(kind, FieldKind::ContentLength | FieldKind::TransferEncoding)
            || (own_host && kind == FieldKind::Host)
            || (!trusted && kind.is_forwarding())
            || (asks_clients && kind == FieldKind::ClientCert)
            || (kind == FieldKind::Expect && !request.expects_continue)
            || (kind.is_handshake() && handshake != Handshake::AsItCame)
    });
    if let Handshake::Own(Some(key)) = handshake {
        line(out, b"sec-websocket-key", key);
    }
    if handshake != Handshake::Without {
        framing(out, request);
    }
    about_client(out, request, forwarding);
    match (request.upgrade, request.takes_trailers) {
        (Some(protocol), _) => {
            line(out, b"upgrade", protocol.of(text));
            line(out, b"connection", b"upgrade");
        }
        // RFC 9110 section 10.1.4: TE is of one connection, so it is said anew and named.
        (None, true) => out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n"),
        (None, false) => {}
    }
    deadline::write(out, &forwarding.deadline, edits);
    edited(out, edits);
    out.extend_from_slice(b"\r\n");
}

/// What the response's head needs besides what the server sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answering<'a> {
    pub(crate) edits: &'a HeaderEdits,
    /// The body is passed on in chunks that the server did not make.
    pub(crate) encode: bool,
    /// The body's chunks are taken off.
    pub(crate) decode: bool,
    /// `Connection` towards the client; `None` says nothing, which in HTTP/1.1 means that it stays open.
    pub(crate) connection: Option<&'static str>,
    /// The protocol that is upgraded to with status 101, or wanted with 426.
    pub(crate) upgrade: Option<Span>,
    /// There is no body, and the server had no need to say so in the head.
    pub(crate) says_empty: bool,
    /// `Strict-Transport-Security`, in place of the server's: there must be one only (RFC 6797 section 7.1).
    pub(crate) hsts: Option<&'a str>,
    /// The protocol changes, and what says so is not what the server said.
    pub(crate) switch: Option<Switch<'a>>,
    /// It is no interim response: what Weir itself tells the client goes along.
    pub(crate) is_final: bool,
}

/// How a change of the protocol is said to a client of another version of HTTP than the server's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Switch<'a> {
    /// To a stream: 200.
    Stream,
    /// To a connection of HTTP/1.1: 101 to this protocol, with this answer to a WebSocket's key.
    Connection { protocol: &'a [u8], accept: Option<&'a [u8]> },
}

impl<'a> Answering<'a> {
    /// Nothing but the route's edits.
    pub(crate) fn plain(edits: &'a HeaderEdits) -> Self {
        Self {
            edits,
            encode: false,
            decode: false,
            connection: None,
            upgrade: None,
            says_empty: false,
            hsts: None,
            switch: None,
            is_final: false,
        }
    }
}

/// Writes the head of `response`, which lies in `text`, as the client shall see it, with `own_lines` as they are.
pub(crate) fn response(
    out: &mut Vec<u8>,
    response: &ResponseHead,
    text: &[u8],
    answering: &Answering<'_>,
    own_lines: &[u8],
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let (status, reason) = match answering.switch {
        None => (response.status, response.reason.of(text)),
        Some(Switch::Stream) => (200, &b"OK"[..]),
        Some(Switch::Connection { .. }) => (101, &b"Switching Protocols"[..]),
    };
    status_line(out, status, reason);
    copy(out, (text, &[]), &response.fields, response.connection, answering.edits, |kind| {
        (answering.decode && kind == FieldKind::TransferEncoding)
            || (answering.hsts.is_some() && kind == FieldKind::StrictTransportSecurity)
            // RFC 9110 section 8.6: not with 1xx and 204.
            || (kind == FieldKind::ContentLength && (status < 200 || status == 204))
            // RFC 9110 section 9.3.6: nor with what grants a CONNECT, where it would mean nothing.
            || (answering.switch.is_some() && (kind.is_handshake() || kind == FieldKind::ContentLength))
    });
    if answering.encode {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if answering.says_empty {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    if let Some(protocol) = answering.upgrade {
        line(out, b"upgrade", protocol.of(text));
        line(out, b"connection", b"upgrade");
    }
    if let Some(hsts) = answering.hsts {
        line(out, b"strict-transport-security", hsts.as_bytes());
    }
    if let Some(Switch::Connection { protocol, accept }) = answering.switch {
        line(out, b"upgrade", protocol);
        line(out, b"connection", b"upgrade");
        if let Some(accept) = accept {
            line(out, b"sec-websocket-accept", accept);
        }
    }
    if let Some(option) = answering.connection {
        line(out, b"connection", option.as_bytes());
    }
    out.extend_from_slice(own_lines);
    edited(out, answering.edits);
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    let digit = |value: u16| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// How the body ends, in the one spelling that every server reads alike: the gate lets `chunKed` and `0005` pass, as
/// RFC 9112 wants it.
fn framing(out: &mut Vec<u8>, request: &RequestHead) {
    match request.body {
        BodyLength::Sized(bytes) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, bytes);
            out.extend_from_slice(b"\r\n");
        }
        // What ends with its stream has no other end in HTTP/1; in HTTP/2 the line is left out again.
        BodyLength::Chunked | BodyLength::UntilEnd => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        BodyLength::None if request.fields.iter().any(|field| field.kind == FieldKind::ContentLength) => {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        BodyLength::None => {}
    }
}

/// Path and query; an empty path is `/`.
fn target(out: &mut Vec<u8>, target: &[u8], strip_prefix: Option<&str>) {
    match strip_prefix {
        Some(prefix) if target.first() == Some(&b'/') => stripped(out, target, prefix),
        _ => {
            if target.is_empty() || target[0] == b'?' {
                out.push(b'/');
            }
            out.extend_from_slice(target);
        }
    }
}

/// `prefix` is taken off at a `/` boundary of the path in the form in which routes see it: a route for `/files/*` takes
/// `/%66iles/x` too. What is left begins with `/`.
fn stripped(out: &mut Vec<u8>, target: &[u8], prefix: &str) {
    let mark = memchr::memchr(b'?', target).unwrap_or(target.len());
    let mut room = Vec::new();
    let path = weir_route::normalise(&target[..mark], &mut room);
    let rest = path.strip_prefix(prefix.trim_end_matches('/').as_bytes());
    let rest = rest.filter(|rest| matches!(rest.first(), None | Some(b'/')));
    match rest {
        Some(b"") => out.push(b'/'),
        Some(rest) => out.extend_from_slice(rest),
        None => out.extend_from_slice(&target[..mark]),
    }
    out.extend_from_slice(&target[mark..]);
}

/// Writes another `Host` than the request's, if there is to be one.
fn own_host(out: &mut Vec<u8>, request: &RequestHead, forwarding: &Forwarding<'_>) -> bool {
    match (&forwarding.route.rewrite.host, request.host) {
        (Some(host), _) => line(out, b"host", host.as_bytes()),
        // RFC 9112 section 3.2: of an absolute-form target without Host, the authority is the host.
        (None, Some(host)) if !request.has_host_field => line(out, b"host", host.of(forwarding.text)),
        (None, Some(_)) => return false,
        (None, None) => {
            out.extend_from_slice(b"host: ");
            display(out, forwarding.host_default);
            out.extend_from_slice(b"\r\n");
        }
    }
    true
}

/// Copies the lines of all fields but those of the connection, those that `is_left_out` names, and those that are edited
/// away. Each line begins where the one before it ends, so neighbours go in one piece.
fn copy(
    out: &mut Vec<u8>,
    (text, cuts): (&[u8], &[Range<usize>]),
    fields: &[Field],
    connection: ConnectionOptions,
    edits: &HeaderEdits,
    is_left_out: impl Fn(FieldKind) -> bool,
) {
    let (Some(first), Some(last)) = (fields.first(), fields.last()) else { return };
    let by_name = connection.names || !edits.is_empty();
    let mut from = first.name.start();
    for field in fields {
        let kind = field.kind;
        if kind == FieldKind::Other && !by_name {
            continue;
        }
        let is_named = || {
            let name = field.name.of(text);
            (!kind.is_essential() && connection_names(fields, connection, text, name))
                || is_edited_away(edits, name)
        };
        if kind.is_hop_by_hop() || is_left_out(kind) || (by_name && is_named()) {
            run(out, text, from..field.name.start(), cuts);
            from = field.line_end.into();
        }
    }
    run(out, text, from..last.line_end.into(), cuts);
}

/// Copies a run of the text without what is cut out of it.
#[inline]
pub(crate) fn run(out: &mut Vec<u8>, text: &[u8], run: Range<usize>, cuts: &[Range<usize>]) {
    if cuts.is_empty() {
        out.extend_from_slice(&text[run]);
        return;
    }
    let mut from = run.start;
    for cut in cuts.iter().filter(|cut| cut.end > run.start && cut.start < run.end) {
        out.extend_from_slice(&text[from..cut.start.max(from)]);
        from = cut.end.min(run.end);
    }
    out.extend_from_slice(&text[from..run.end]);
}

/// `X-Forwarded-*` and `Forwarded` (RFC 7239): what a trusted proxy said, then what is known here.
///
/// A trusted proxy's own `-Proto` and `-Host` stand, since it saw the client's URL. The lists get a field line of
/// their own, which extends them (RFC 9110 section 5.3).
fn about_client(out: &mut Vec<u8>, request: &RequestHead, forwarding: &Forwarding<'_>) {
    let Forwarding { client, scheme, text, trusted, fields, route, .. } = *forwarding;
    let edits = &route.request_headers;
    let edited = |name: &str| !edits.is_empty() && is_edited_away(edits, name.as_bytes());
    for (name, value) in forwarding.identity.into_iter().flat_map(Identity::fields) {
        if !edited(name) {
            line(out, name.as_bytes(), value.as_bytes());
        }
    }
    let said = |kind| trusted && request.fields.iter().any(|field| field.kind == kind);
    let host = request.host.map_or(&b""[..], |host| host.of(text));
    let address = IpText::new(client);
    if matches!(fields, ForwardedFields::All | ForwardedFields::XForwarded) {
        if !edited("x-forwarded-for") {
            line(out, b"x-forwarded-for", address.bytes());
        }
        if !said(FieldKind::XForwardedProto) && !edited("x-forwarded-proto") {
            line(out, b"x-forwarded-proto", scheme.as_bytes());
        }
        if !host.is_empty() && !said(FieldKind::XForwardedHost) && !edited("x-forwarded-host") {
            line(out, b"x-forwarded-host", host);
        }
    }
    if matches!(fields, ForwardedFields::All | ForwardedFields::Forwarded) && !edited("forwarded") {
        // RFC 7239 section 4 wants quotes where a value is more than a token, such as an IPv6 address or a host with
        // its port, and allows them everywhere.
        let (open, close): (&[u8], &[u8]) = if client.is_ipv6() { (b"\"[", b"]\"") } else { (b"", b"") };
        out.extend_from_slice(b"forwarded: for=");
        out.extend_from_slice(open);
        out.extend_from_slice(address.bytes());
        out.extend_from_slice(close);
        if !host.is_empty() {
            out.extend_from_slice(b";host=\"");
            out.extend_from_slice(host);
            out.push(b'"');
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(scheme.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// A field of this name is not to be there as it came.
pub(crate) fn is_edited_away(edits: &HeaderEdits, name: &[u8]) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    edits.remove.iter().any(|name| is(name)) || edits.set.iter().any(|(name, _)| is(name))
}

/// The edits have a say in a field of this name.
pub(crate) fn is_edited(edits: &HeaderEdits, name: &[u8]) -> bool {
    is_edited_away(edits, name) || edits.add.iter().any(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Writes the fields that the edits set and add.
pub(crate) fn edited(out: &mut Vec<u8>, edits: &HeaderEdits) {
    for (name, value) in edits.set.iter().chain(&edits.add) {
        line(out, name.as_bytes(), value.as_bytes());
    }
}

pub(crate) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// An address as text.
pub(crate) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    out.extend_from_slice(IpText::new(address).bytes());
}

/// An address as text that needs no memory. Written by hand for IPv4, since `Display` costs more than all the rest of
/// a forwarded head.
struct IpText {
    bytes: [u8; 45],
    len: usize,
}

impl IpText {
    fn new(address: IpAddr) -> Self {
        let mut text = Self { bytes: [0; 45], len: 0 };
        match address {
            IpAddr::V4(address) => {
                for octet in address.octets() {
                    text.octet(octet);
                }
                text.len -= 1;
            }
            IpAddr::V6(address) => {
                use std::io::Write;
                let mut room = &mut text.bytes[..];
                write!(room, "{address}").expect("no IPv6 address is longer");
                let left = room.len();
                text.len = text.bytes.len() - left;
            }
        }
        text
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The number and a dot.
    fn octet(&mut self, octet: u8) {
        if octet >= 100 {
            self.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            self.push(b'0' + octet / 10 % 10);
        }
        self.push(b'0' + octet % 10);
        self.push(b'.');
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

pub(crate) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    write!(out, "{value}").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_writes_them() {
        for text in [
            "0.0.0.0",
            "1.20.255.100",
            "192.0.2.9",
            "::",
            "2001:db8::1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            let mut out = Vec::new();
            ip(&mut out, text.parse().unwrap());
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn prefixes_are_stripped_at_a_slash_only() {
        let check = |path: &str, prefix: &str, expected: &str| {
            let mut out = Vec::new();
            target(&mut out, path.as_bytes(), Some(prefix));
            assert_eq!(out, expected.as_bytes(), "{path} without {prefix}");
        };
        check("/api/x?y", "/api", "/x?y");
        check("/api", "/api", "/");
        check("/api?y", "/api/", "/?y");
        check("/apix", "/api", "/apix");
        check("/%61pi/%2e/x?/../y", "/api", "/x?/../y");
        check("/x/../api/y", "/api", "/y");
        check("*", "/api", "*");
        check("", "/", "/");
    }
}
