//! The head of a request or a response, whatever version of HTTP brought it.
//!
//! A head owns no bytes. It is a table of places ([`Span`]) in the text that lies in the connection's buffer, filled
//! by the codec (today `h1`) and reused from exchange to exchange, so that decoding a head allocates nothing.
//! Everything after the codec, guard, route, balance, retry, sees only this.

use std::ops::Range;

/// A place in a head's text. Heads are at most 32 KiB (`HEADER_BYTES_MAX`), so 16 bits reach everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// The place of `range`, which lies below 64 KiB.
    pub fn new(range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= usize::from(u16::MAX));
        Self { start: range.start as u16, end: range.end as u16 }
    }

    /// The bytes at this place of `text`.
    pub fn of(self, text: &[u8]) -> &[u8] {
        &text[self.range()]
    }

    /// As a range.
    pub fn range(self) -> Range<usize> {
        self.start.into()..self.end.into()
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start.into()
    }

    /// Where it ends.
    pub fn end(self) -> usize {
        self.end.into()
    }

    /// Nothing is there.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Versions of HTTP as far as they change what a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// There is none.
    #[default]
    None,
    /// This many bytes; more than zero.
    Sized(u64),
    /// Chunks up to the last.
    Chunked,
    /// Everything until its source ends: an HTTP/2 stream, or, for responses only, an HTTP/1 connection.
    UntilEnd,
}

/// Fields that the engine knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum FieldKind {
    #[default]
    Other,
    /// `Client-Cert` (RFC 9440) and its like, lookalikes included.
    ClientCert,
    Connection,
    ContentLength,
    Expect,
    Forwarded,
    /// `X_Forwarded_For` and `X.Forwarded.For`: CGI, FastCGI and WSGI cannot tell them from the real one.
    ForwardedLookalike,
    Host,
    KeepAlive,
    ProxyConnection,
    StrictTransportSecurity,
    SecWebSocketAccept,
    SecWebSocketKey,
    Te,
    TransferEncoding,
    Upgrade,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
}

impl FieldKind {
    /// The kind of the field of this name, in any case.
    pub fn of(name: &[u8]) -> Self {
        use FieldKind as K;
        let Some(first) = name.first() else { return K::Other };
        // Length and first letter leave at most one candidate, so most names are never compared.
        match (name.len(), first | 0x20) {
            (2, b't') => K::Te.if_named(b"te", name),
            (4, b'h') => K::Host.if_named(b"host", name),
            (6, b'e') => K::Expect.if_named(b"expect", name),
            (7, b'u') => K::Upgrade.if_named(b"upgrade", name),
            (9, b'f') => K::Forwarded.if_named(b"forwarded", name),
            (10, b'c') => K::Connection.if_named(b"connection", name),
            (11, b'c') => K::ClientCert.if_named(b"client-cert", name),
            (10, b'k') => K::KeepAlive.if_named(b"keep-alive", name),
            (14, b'c') => K::ContentLength.if_named(b"content-length", name),
            (15, b'x') => K::XForwardedFor.if_named(b"x-forwarded-for", name),
            (16, b'x') => K::XForwardedHost.if_named(b"x-forwarded-host", name),
            (16, b'p') => K::ProxyConnection.if_named(b"proxy-connection", name),
            (17, b's') => K::SecWebSocketKey.if_named(b"sec-websocket-key", name),
            (17, b't') => K::TransferEncoding.if_named(b"transfer-encoding", name),
            (17, b'c') => K::ClientCert.if_named(b"client-cert-chain", name),
            (17, b'x') => match K::XForwardedProto.if_named(b"x-forwarded-proto", name) {
                K::Other => K::ClientCert.if_named(b"x-client-cert-san", name),
                kind => kind,
            },
            (20, b's') => K::SecWebSocketAccept.if_named(b"sec-websocket-accept", name),
            (21, b'x') => K::ClientCert.if_named(b"x-client-cert-subject", name),
            // Written by Envoy; servers that stood behind one may believe it.
            (23, b'x') => K::ClientCert.if_named(b"x-forwarded-client-cert", name),
            (25, b's') => K::StrictTransportSecurity.if_named(b"strict-transport-security", name),
            (25, b'x') => K::ClientCert.if_named(b"x-client-cert-fingerprint", name),
            _ => K::Other,
        }
    }

    /// This kind, if `name` is `word` in any case. The length is known here, so that all letters are compared at once.
    fn if_named<const N: usize>(self, word: &[u8; N], name: &[u8]) -> Self {
        let is_named = <&[u8; N]>::try_from(name).is_ok_and(|name| {
            name.iter().zip(word).fold(0, |other, (a, b)| other | (a.to_ascii_lowercase() ^ b)) == 0
        });
        if is_named {
            self
        } else if self.is_forwarding() && is_lookalike(name, word) {
            if self == Self::ClientCert { self } else { Self::ForwardedLookalike }
        } else {
            Self::Other
        }
    }

    /// Means something on one connection only and is never passed on (RFC 9110 section 7.6.1). What replaces it is
    /// written anew where it is wanted.
    pub fn is_hop_by_hop(self) -> bool {
        use FieldKind as K;
        matches!(self, K::Connection | K::KeepAlive | K::ProxyConnection | K::Te | K::Upgrade)
    }

    /// Belongs to the handshake of a WebSocket over HTTP/1.1 (RFC 6455), and to no other version's.
    pub fn is_handshake(self) -> bool {
        matches!(self, Self::SecWebSocketAccept | Self::SecWebSocketKey)
    }

    /// Decides where a message ends or whom it is for: `Connection` cannot name it away.
    pub fn is_essential(self) -> bool {
        use FieldKind as K;
        matches!(self, K::ContentLength | K::TransferEncoding | K::Host)
    }

    /// Says who the client is: believed only from a trusted proxy, and only in a head.
    pub fn is_forwarding(self) -> bool {
        use FieldKind as K;
        matches!(
            self,
            K::ClientCert
                | K::Forwarded
                | K::ForwardedLookalike
                | K::XForwardedFor
                | K::XForwardedHost
                | K::XForwardedProto
        )
    }

    /// May stand behind a body. RFC 9110 section 6.5.1: what frames or routes a message has no place there. Nor has what
    /// says who sent it: some servers merge trailers into the head, where a stranger's word is not let in.
    pub fn may_trail(self) -> bool {
        !self.is_essential() && !self.is_hop_by_hop() && !self.is_forwarding()
    }
}

/// `name` is `word` but for case, and for anything else in the place of hyphens. Most servers that hand fields on as
/// variables (RFC 3875 section 4.1.18) write `_` for a hyphen only, some for all that is neither letter nor digit.
pub(crate) fn is_lookalike(name: &[u8], word: &[u8]) -> bool {
    let is_like = |(a, b): (&u8, &u8)| match b {
        b'-' => !a.is_ascii_alphanumeric(),
        _ => a.eq_ignore_ascii_case(b),
    };
    name.iter().zip(word).all(is_like)
}

/// One field line of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name; also where its line begins.
    pub name: Span,
    /// Its value, without the white space around it.
    pub value: Span,
    /// The end of its line, behind CR LF.
    pub line_end: u16,
    /// Which it is, if the engine knows it.
    pub kind: FieldKind,
}

/// What `Connection` says, over all its fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close`.
    pub close: bool,
    /// `keep-alive`.
    pub keep_alive: bool,
    /// `upgrade`.
    pub upgrade: bool,
    /// `te`.
    pub te: bool,
    /// Names of other fields, which are then hop-by-hop too.
    pub names: bool,
}

/// A request's head.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// Case-sensitive token.
    pub method: Span,
    /// Path and query as they go upstream (origin-form); empty stands for `/`; `*` for `OPTIONS *`.
    pub target: Span,
    /// The path alone.
    pub path: Span,
    /// Behind `?`, if there is one.
    pub query: Option<Span>,
    /// The value of `Host`, or the authority of the target; `None` only in HTTP/1.0.
    pub host: Option<Span>,
    /// `Host` is among the fields.
    pub has_host_field: bool,
    /// Of the client.
    pub version: Version,
    /// In the order they came.
    pub fields: Vec<Field>,
    /// How its body ends.
    pub body: BodyLength,
    /// What `Connection` says.
    pub connection: ConnectionOptions,
    /// `Expect: 100-continue` is there.
    pub expects_continue: bool,
    /// The protocol of a wanted upgrade, when `Connection` names it too.
    pub upgrade: Option<Span>,
    /// `TE` has `trailers`, and `Connection` names it.
    pub takes_trailers: bool,
    /// It came as an extended CONNECT (RFC 8441): `upgrade` is its protocol, and its body is the tunnel.
    pub extended_connect: bool,
    /// The whole head's length in bytes.
    pub len: usize,
}

impl RequestHead {
    /// The client will send more requests on this connection if the answer allows it (RFC 9112 section 9.3).
    pub fn keeps_alive(&self) -> bool {
        !self.connection.close && (self.version != Version::Http10 || self.connection.keep_alive)
    }

    /// May be sent again when nobody knows whether it was carried out (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self, text: &[u8]) -> bool {
        matches!(self.method.of(text), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
    }
}

/// A response's head.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// Of the server.
    pub version: Version,
    /// In the order they came.
    pub fields: Vec<Field>,
    /// How its body ends, given the request that it answers.
    pub body: BodyLength,
    /// What `Connection` says.
    pub connection: ConnectionOptions,
    /// The whole head's length in bytes.
    pub len: usize,
}

impl ResponseHead {
    /// The server will take more requests on this connection.
    pub fn keeps_alive(&self) -> bool {
        !self.connection.close && (self.version != Version::Http10 || self.connection.keep_alive)
    }
}

/// Whether `Connection`, whose `options` these are, names this field, which makes it hop-by-hop.
pub(crate) fn connection_names(
    fields: &[Field],
    options: ConnectionOptions,
    text: &[u8],
    name: &[u8],
) -> bool {
    options.names
        && fields
            .iter()
            .filter(|field| field.kind == FieldKind::Connection)
            .flat_map(|field| list(field.value.of(text)))
            .any(|option| option.eq_ignore_ascii_case(name))
}

/// The members of a comma-separated list, without white space and without empty ones (RFC 9110 section 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
