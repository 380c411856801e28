//! Answers of Weir's own: refusals, failures, redirects and `respond`.

use std::{borrow::Cow, time::SystemTime};

use weir_config::{HeaderEdits, Redirect, Respond};
use weir_route::Request as _;

use crate::{
    forward::{decimal, display, edited, is_edited_away, line},
    grpc,
    h1::Refusal,
    view::View,
};

/// What Weir tells a client in place of a server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// One line for a person; also in the access log.
    pub(crate) reason: Cow<'static, str>,
    /// When another try may do better, in seconds (RFC 9110 section 10.2.3).
    pub(crate) retry_after_s: Option<u64>,
}

impl Answer {
    pub(crate) fn new(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: reason.into(), retry_after_s: None }
    }

    /// Writes the whole answer, and says how long its body is. `with_body` is false for HEAD.
    pub(crate) fn write(&self, out: &mut Vec<u8>, with_body: bool, also: Also<'_>) -> usize {
        let body = format!("{} {}: {}\n", self.status, phrase(self.status), self.reason);
        head(out, self.status, also);
        if let Some(seconds) = self.retry_after_s {
            out.extend_from_slice(b"retry-after: ");
            decimal(out, seconds);
            out.extend_from_slice(b"\r\n");
        }
        line(out, b"content-type", b"text/plain; charset=utf-8");
        content(out, body.as_bytes(), with_body)
    }

    /// Writes it for a client of gRPC, which expects its kind of status whatever happens: an answer of trailers alone,
    /// with no body.
    pub(crate) fn write_grpc(&self, out: &mut Vec<u8>, status: u8, also: Also<'_>, is_http2: bool) {
        head(out, 200, also);
        line(out, b"content-type", b"application/grpc");
        out.extend_from_slice(b"grpc-status: ");
        decimal(out, u64::from(status));
        out.extend_from_slice(b"\r\ngrpc-message: ");
        grpc::message(out, &self.reason);
        out.extend_from_slice(b"\r\n");
        if !is_http2 {
            line(out, b"content-length", b"0");
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.words())
    }
}

/// What an answer's head says beside the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Also<'a> {
    /// `Connection`.
    pub(crate) connection: Option<&'static str>,
    /// `Strict-Transport-Security`.
    pub(crate) hsts: Option<&'a str>,
}

/// Writes the answer of a `respond` route, and says how long its body is.
pub(crate) fn respond(
    out: &mut Vec<u8>,
    respond: &Respond,
    edits: &HeaderEdits,
    with_body: bool,
    also: Also<'_>,
) -> usize {
    head(out, respond.status, also);
    let has_content = !matches!(respond.status, 204 | 304);
    if has_content && !is_edited_away(edits, b"content-type") {
        line(out, b"content-type", respond.content_type.as_bytes());
    }
    edited(out, edits);
    if has_content {
        content(out, respond.body.as_bytes(), with_body)
    } else {
        out.extend_from_slice(b"\r\n");
        0
    }
}

/// Writes the answer of a `redirect` route.
pub(crate) fn redirect(
    out: &mut Vec<u8>,
    redirect: &Redirect,
    view: &View<'_>,
    edits: &HeaderEdits,
    also: Also<'_>,
) {
    head(out, redirect.status, also);
    out.extend_from_slice(b"location: ");
    match &redirect.to {
        Some(to) => out.extend_from_slice(to.as_bytes()),
        None => location(out, redirect, view),
    }
    out.extend_from_slice(b"\r\n");
    edited(out, edits);
    out.extend_from_slice(b"content-length: 0\r\n\r\n");
}

/// The request's own URL with the redirect's changes.
fn location(out: &mut Vec<u8>, redirect: &Redirect, view: &View<'_>) {
    let (own_host, own_port) = split_port(view.host());
    let host = redirect.host.as_deref().map_or(own_host, str::as_bytes);
    // A request of HTTP/1.0 may name no host; a path alone is then all that can be said (RFC 9110 section 10.2.2).
    if !host.is_empty() {
        authority(out, redirect, host, own_port, view.scheme);
    }
    match &redirect.path {
        Some(path) => out.extend_from_slice(path.as_bytes()),
        None => {
            out.extend_from_slice(view.path());
            if let Some(query) = view.query() {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
    }
}

/// Scheme, host and port.
fn authority(out: &mut Vec<u8>, redirect: &Redirect, host: &[u8], own_port: Option<&[u8]>, own_scheme: &str) {
    let scheme = redirect.scheme.as_deref().unwrap_or(own_scheme);
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    out.extend_from_slice(host);
    // The port of the request belongs to its scheme and host; it means nothing with others.
    let own_port = own_port.filter(|_| redirect.scheme.is_none() && redirect.host.is_none());
    match (redirect.port, own_port) {
        (Some(port), _) if Some(port) != default_port(scheme) => {
            out.push(b':');
            decimal(out, u64::from(port));
        }
        (None, Some(port)) => {
            out.push(b':');
            out.extend_from_slice(port);
        }
        _ => {}
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// A host and its port. The colons of an IPv6 address stand within brackets.
fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = host.iter().position(|byte| *byte == b']').unwrap_or(0);
    match host[from..].iter().position(|byte| *byte == b':') {
        Some(at) => (&host[..from + at], Some(&host[from + at + 1..])),
        None => (host, None),
    }
}

fn head(out: &mut Vec<u8>, status: u16, also: Also<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    // RFC 9110 section 6.6.1: who originates a response and has a clock says when.
    out.extend_from_slice(b"\r\ndate: ");
    display(out, httpdate::HttpDate::from(SystemTime::now()));
    out.extend_from_slice(b"\r\n");
    if let Some(option) = also.connection {
        line(out, b"connection", option.as_bytes());
    }
    if let Some(hsts) = also.hsts {
        line(out, b"strict-transport-security", hsts.as_bytes());
    }
}

fn content(out: &mut Vec<u8>, body: &[u8], with_body: bool) -> usize {
    out.extend_from_slice(b"content-length: ");
    decimal(out, body.len() as u64);
    out.extend_from_slice(b"\r\n\r\n");
    if !with_body {
        return 0;
    }
    out.extend_from_slice(body);
    body.len()
}

/// The reason phrases of RFC 9110 section 15.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
