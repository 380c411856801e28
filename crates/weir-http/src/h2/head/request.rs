//! Request heads (RFC 9113 section 8.3.1, RFC 8441).

use super::{HeadError, Malformed, Scratch, lines::Lines};
use crate::{
    h1::{
        HeadLimits, Refusal,
        request::{METHOD_BYTES_MAX, place_target},
        tokens,
    },
    h2::hpack::Decoder,
    head::{BodyLength, RequestHead, Span, Version, list},
};

/// What the meaning of a request's block depends on.
#[derive(Debug, Clone, Copy)]
pub struct RequestRules<'a> {
    /// Of the listener.
    pub limits: &'a HeadLimits,
    /// The block came with END_STREAM.
    pub end_stream: bool,
    /// We have announced SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
    pub extended_connect: bool,
}

/// Decodes a request's block. `text` and `head` are overwritten; `head` points into `text`.
///
/// `text` has the method, the path and so on as they came, and then the lines of all fields, `host` first. A CONNECT has
/// its authority as host and an empty target, and is for others to refuse. An extended CONNECT is a GET that wants to be
/// upgraded, as it would be in HTTP/1.
pub fn decode_request(
    decoder: &mut Decoder,
    block: &[u8],
    rules: &RequestRules<'_>,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
    head: &mut RequestHead,
) -> Result<(), HeadError> {
    let lines = Lines::new(text, &mut scratch.crumbs, std::mem::take(&mut head.fields), rules.limits);
    let mut request = Request { lines, pseudo: Pseudo::default(), begun: false, host_repeated: false };
    let mut result = Ok(());
    let decoded = decoder.decode(block, &mut scratch.strings, |name, value| {
        if result.is_ok() {
            result = request.field(name, value, rules);
        }
    });
    *head = RequestHead { version: Version::Http2, ..RequestHead::default() };
    let result = match (decoded, result) {
        (Err(error), _) => Err(HeadError::Compression(error)),
        (Ok(()), Err(error)) => {
            request.place(head, rules);
            Err(error)
        }
        (Ok(()), Ok(())) => request.finish(head, rules),
    };
    head.fields = request.lines.fields;
    head.len = text.len();
    result
}

/// Where the pseudo-fields are.
#[derive(Debug, Default)]
struct Pseudo {
    method: Option<Span>,
    path: Option<Span>,
    authority: Option<Span>,
    protocol: Option<Span>,
    scheme: bool,
}

struct Request<'a> {
    lines: Lines<'a>,
    pseudo: Pseudo,
    /// The fields have begun.
    begun: bool,
    /// There was a `host` beside `:authority`.
    host_repeated: bool,
}

impl Request<'_> {
    fn field(&mut self, name: &[u8], value: &[u8], rules: &RequestRules<'_>) -> Result<(), HeadError> {
        if name.first() == Some(&b':') {
            return match self.begun {
                true => Err(Malformed::PseudoLate.into()),
                false => self.pseudo(name, value, rules),
            };
        }
        self.begin()?;
        if let (b"host", Some(authority)) = (name, self.pseudo.authority) {
            // RFC 9113 section 8.3.1: they must not differ. One line is enough for both.
            if std::mem::replace(&mut self.host_repeated, true) {
                return Err(Refusal::HostRepeated.into());
            }
            let is_same = authority.of(self.lines.text()).eq_ignore_ascii_case(value);
            return if is_same { Ok(()) } else { Err(Refusal::HostContradicted.into()) };
        }
        self.lines.field(name, value)
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8], rules: &RequestRules<'_>) -> Result<(), HeadError> {
        let place = match name {
            b":method" if value.len() > METHOD_BYTES_MAX || !tokens::is_token(value) => {
                return Err(Refusal::Method.into());
            }
            b":method" => &mut self.pseudo.method,
            b":path" if value.len() > rules.limits.uri_bytes_max => return Err(Refusal::UriTooLong.into()),
            b":path" => &mut self.pseudo.path,
            b":authority" if !tokens::is_host(value) => return Err(Refusal::HostInvalid.into()),
            b":authority" => &mut self.pseudo.authority,
            b":protocol" if !rules.extended_connect => return Err(Malformed::PseudoUnknown.into()),
            b":protocol" => &mut self.pseudo.protocol,
            b":scheme" if std::mem::replace(&mut self.pseudo.scheme, true) => {
                return Err(Malformed::PseudoRepeated.into());
            }
            b":scheme" if value.eq_ignore_ascii_case(b"http") || value.eq_ignore_ascii_case(b"https") => {
                return Ok(());
            }
            b":scheme" => return Err(Malformed::Scheme.into()),
            _ => return Err(Malformed::PseudoUnknown.into()),
        };
        if place.is_some() {
            return Err(Malformed::PseudoRepeated.into());
        }
        *place = Some(self.lines.push(value)?);
        Ok(())
    }

    /// Begins the fields, with the line of the host.
    fn begin(&mut self) -> Result<(), HeadError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        match self.pseudo.authority {
            Some(authority) => self.lines.host(authority),
            None => Ok(()),
        }
    }

    /// Enters method and target, as far as they are there and right.
    fn place(&self, head: &mut RequestHead, rules: &RequestRules<'_>) -> bool {
        let text = self.lines.text();
        head.method = self.pseudo.method.unwrap_or_default();
        let Some(path) = self.pseudo.path else { return true };
        let is_right = match path.of(text) {
            b"*" => head.method.of(text) == b"OPTIONS",
            target => target.first() == Some(&b'/') && tokens::is_target(target),
        };
        if is_right && path.range().len() <= rules.limits.uri_bytes_max {
            place_target(text, head, path.range());
        }
        is_right
    }

    fn finish(&mut self, head: &mut RequestHead, rules: &RequestRules<'_>) -> Result<(), HeadError> {
        self.begin()?;
        self.lines.gather_crumbs();
        if !self.place(head, rules) {
            return Err(Refusal::Target.into());
        }
        let Pseudo { method, path, authority, protocol, scheme } = self.pseudo;
        let is_connect = method.is_some_and(|method| method.of(self.lines.text()) == b"CONNECT");
        match (is_connect, protocol) {
            // RFC 9113 section 8.5.
            (true, None) if scheme || path.is_some() => return Err(Malformed::PseudoForbidden.into()),
            (true, None) if authority.is_none() => return Err(Malformed::PseudoMissing.into()),
            (true, None) => {}
            (false, Some(_)) => return Err(Malformed::PseudoForbidden.into()),
            _ if method.is_none() || path.is_none() || !scheme => {
                return Err(Malformed::PseudoMissing.into());
            }
            // RFC 8441 section 4.
            (true, Some(_)) if authority.is_none() => return Err(Malformed::PseudoMissing.into()),
            (true, Some(protocol)) => self.extended(head, protocol)?,
            (false, None) => {}
        }
        let sums = &self.lines.sums;
        let host = sums.host.ok_or(Refusal::HostMissing)?;
        if authority.is_none() && !tokens::is_host(host.of(self.lines.text())) {
            return Err(Refusal::HostInvalid.into());
        }
        head.host = Some(host);
        head.has_host_field = true;
        head.expects_continue = sums.expects_continue;
        head.takes_trailers = sums.te_trailers;
        head.body = body(sums.content_length, rules.end_stream)?;
        if head.extended_connect {
            // The tunnel is no body, and has no length (RFC 9110 section 9.3.6).
            if sums.content_length.is_some() {
                return Err(Refusal::ContentLengthForbidden.into());
            }
            head.body = BodyLength::None;
        }
        Ok(())
    }

    /// Makes it what HTTP/1 has for it.
    fn extended(&mut self, head: &mut RequestHead, protocol: Span) -> Result<(), HeadError> {
        let name = protocol.of(self.lines.text());
        // As in HTTP/1, h2c would make a tunnel past all routes, once it is asked for upstream.
        if !tokens::is_token(name) || list(name).any(|name| name.eq_ignore_ascii_case(b"h2c")) {
            return Err(Malformed::Protocol.into());
        }
        let start = head.method.start();
        head.method = Span::new(start..start + GET.len());
        self.lines.text_mut()[head.method.range()].copy_from_slice(GET);
        head.upgrade = Some(protocol);
        head.extended_connect = true;
        Ok(())
    }
}

/// Takes the place of CONNECT.
const GET: &[u8] = b"GET";

/// How the body ends, given `Content-Length` and whether there is one at all (RFC 9113 section 8.1.1).
fn body(content_length: Option<u64>, end_stream: bool) -> Result<BodyLength, HeadError> {
    match (content_length, end_stream) {
        (Some(1..), true) => Err(Malformed::LengthContradicted.into()),
        (_, true) | (Some(0), false) => Ok(BodyLength::None),
        (Some(bytes), false) => Ok(BodyLength::Sized(bytes)),
        (None, false) => Ok(BodyLength::UntilEnd),
    }
}
