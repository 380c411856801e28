//! Other protocols: how the wish for one goes to the server, how its consent comes back, and the tunnel behind it.
//!
//! HTTP/1.1 asks with `Upgrade` and grants with 101 (RFC 9110 section 7.8). HTTP/2 asks with CONNECT and `:protocol` and
//! grants with 200 (RFC 8441). Both mean the same, so each is translated into the other. Only a WebSocket has something
//! beside it in HTTP/1.1: a key, which the server must answer. Towards such a server the key is ours, since clients of
//! HTTP/2 send none; towards such a client we answer for the server, which was given none.

use std::{future::poll_fn, task::Poll};

use weir_tls::{WEBSOCKET_ACCEPT_LEN, WEBSOCKET_KEY_LEN, websocket_accept, websocket_key};

use super::{Outcome, Relay, bad_gateway, head::More};
use crate::{
    connection::Next,
    counters::Limit,
    exchange::{End, Record},
    forward::{Answering, Handshake, Switch},
    h1::tokens,
    head::{Field, FieldKind, ResponseHead, Span},
    pump::Pump,
    tunnel,
    wire::Wire,
};

/// How the client's wish for another protocol goes on.
#[derive(Debug, Default)]
pub(super) enum Wish {
    /// There is none, or it stays here: the server need not know of it.
    #[default]
    None,
    /// As it came, from HTTP/1.1 to HTTP/1.1.
    Same,
    /// From a stream to HTTP/1.1; for a WebSocket with this key.
    Upgrade { key: Option<[u8; WEBSOCKET_KEY_LEN]> },
    /// To a stream. A client of HTTP/1.1 that wants a WebSocket gets this for its key.
    Connect { protocol: Vec<u8>, accept: Option<[u8; WEBSOCKET_ACCEPT_LEN]> },
}

impl Wish {
    /// What the head that goes out has of a WebSocket's handshake.
    pub(super) fn handshake(&self) -> Handshake<'_> {
        match self {
            Self::None | Self::Same => Handshake::AsItCame,
            Self::Upgrade { key } => Handshake::Own(key.as_ref().map(|key| &key[..])),
            Self::Connect { .. } => Handshake::Without,
        }
    }

    /// The protocol, where it goes beside the head's text.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Connect { protocol, .. } => Some(protocol),
            _ => None,
        }
    }
}

impl Relay<'_> {
    /// Finds out how the wish of this request goes to this server. On a new connection of HTTP/2 its SETTINGS must have
    /// come before that can be known.
    pub(super) async fn find_wish(&mut self) -> Result<Wish, End> {
        let request = &self.desk.request;
        let Some(upgrade) = request.upgrade else { return Ok(Wish::None) };
        let text = self.connection.text();
        let is_websocket = is_websocket(upgrade.of(text));
        let Wire::Http2(stream) = &self.upstream.wire else {
            return Ok(match request.extended_connect {
                false => Wish::Same,
                true => Wish::Upgrade { key: is_websocket.then(websocket_key) },
            });
        };
        if !request.extended_connect && (request.method.of(text) != b"GET" || !is_name(upgrade.of(text))) {
            // RFC 9110 section 7.8: whoever is asked may stay with HTTP. A choice of protocols has no form in HTTP/2.
            return Ok(Wish::None);
        }
        let deadline = &self.connection.deadline;
        deadline.set(self.listener.settings.body_timeout);
        let takes_connect = poll_fn(|context| match stream.poll_takes_connect(context) {
            Poll::Pending if deadline.expired() => Poll::Ready(None),
            polled => polled.map(Some),
        });
        match takes_connect.await {
            Some(true) => {}
            Some(false) if is_websocket || request.extended_connect => {
                return Err(End::answer(
                    502,
                    "the server speaks HTTP/2 without extended CONNECT, so it takes no WebSocket and no other protocol",
                ));
            }
            Some(false) => return Ok(Wish::None),
            None => {
                self.reached(Limit::BodyTimeout);
                return Err(End::answer(504, "the server did not send its SETTINGS within body_timeout"));
            }
        }
        let accept = if is_websocket && !request.extended_connect {
            let key = value(&request.fields, FieldKind::SecWebSocketKey, text);
            let key = key.ok_or_else(|| End::answer(400, "a WebSocket is asked for without a key"))?;
            Some(websocket_accept(key))
        } else {
            None
        };
        // As registered, for servers that compare it as it is (RFC 8441 section 5).
        let protocol = upgrade.of(text);
        let protocol = if is_websocket { protocol.to_ascii_lowercase() } else { protocol.to_vec() };
        Ok(Wish::Connect { protocol, accept })
    }

    /// The server has granted it: from here on both sides belong to another protocol.
    pub(super) async fn upgrade(&mut self, record: &mut Record) -> Result<Outcome, End> {
        let wish = std::mem::take(&mut self.wish);
        let edits = &self.route.route.response_headers;
        let plain = Answering { hsts: self.listener.hsts(edits), is_final: true, ..Answering::plain(edits) };
        let answering = match &wish {
            Wish::None => {
                return Err(bad_gateway("it switches protocols, which the request did not ask for"));
            }
            Wish::Same => {
                Answering { upgrade: upgrade_field(&self.desk.response, self.reply_text()), ..plain }
            }
            Wish::Upgrade { key } => {
                self.check_switch(key.as_ref())?;
                Answering { switch: Some(Switch::Stream), ..plain }
            }
            Wish::Connect { .. } if self.connection.wire.is_http2() => {
                Answering { switch: Some(Switch::Stream), ..plain }
            }
            Wish::Connect { protocol, accept } => {
                let accept = accept.as_ref().map(|accept| &accept[..]);
                Answering { switch: Some(Switch::Connection { protocol, accept }), ..plain }
            }
        };
        self.learn();
        self.write_response(&answering, &mut Pump::nothing(), More::Messages).await?;
        record.status = if self.connection.wire.is_http2() { 200 } else { 101 };
        record.is_tunnel = true;
        self.connection.consume(self.desk.request.len);
        let reply = self.reply.take().filter(|reply| !reply.is_empty());
        let timeout = self.listener.settings.tunnel_timeout;
        let (up, down) = tunnel::tunnel(self.connection, &mut self.upstream.wire, reply, timeout).await;
        record.request_bytes += up;
        record.response_bytes += down;
        Ok(Outcome::Answered { next: Next::Close, reusable: false })
    }

    /// What a client of HTTP/1.1 would check, since ours cannot (RFC 6455 section 4.1).
    fn check_switch(&self, key: Option<&[u8; WEBSOCKET_KEY_LEN]>) -> Result<(), End> {
        let (response, text) = (&self.desk.response, self.reply_text());
        let Some(key) = key else { return Ok(()) };
        let is_wanted = upgrade_field(response, text).is_some_and(|protocol| is_websocket(protocol.of(text)));
        if !is_wanted {
            return Err(bad_gateway("it switches to another protocol than the WebSocket that was asked for"));
        }
        let accept = value(&response.fields, FieldKind::SecWebSocketAccept, text);
        if accept != Some(&websocket_accept(key)) {
            return Err(bad_gateway("its Sec-WebSocket-Accept does not belong to the key"));
        }
        Ok(())
    }
}

/// The protocol that is switched to, or wanted.
pub(super) fn upgrade_field(response: &ResponseHead, text: &[u8]) -> Option<Span> {
    response
        .fields
        .iter()
        .find(|field| field.kind == FieldKind::Upgrade && !field.value.of(text).is_empty())
        .map(|field| field.value)
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}

/// One protocol, not a list.
fn is_name(protocol: &[u8]) -> bool {
    tokens::is_token(protocol)
}

fn value<'a>(fields: &[Field], kind: FieldKind, text: &'a [u8]) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.kind == kind).map(|field| field.value.of(text))
}
