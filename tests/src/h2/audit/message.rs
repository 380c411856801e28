//! What a message consists of (RFC 9113 section 8).

use super::Side;
use crate::message::Fields;

/// What has come of one message.
#[derive(Debug)]
pub(super) struct Message {
    side: Side,
    has_head: bool,
    has_trailers: bool,
    length: Option<u64>,
    received: u64,
}

/// "Any message containing connection-specific header fields MUST be treated as malformed" (section 8.2.2).
const CONNECTION_SPECIFIC: [&str; 5] =
    ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];

impl Message {
    pub(super) fn new(side: Side) -> Self {
        Self { side, has_head: false, has_trailers: false, length: None, received: 0 }
    }

    pub(super) fn head(&mut self, fields: &Fields, ends: bool) -> Result<(), String> {
        validity(fields)?;
        let pseudo: Vec<_> = fields.0.iter().filter(|(name, _)| name.starts_with(':')).collect();
        if self.has_head {
            if !ends || !pseudo.is_empty() || self.has_trailers {
                return Err(format!("section 8.1: trailers: {fields:?}"));
            }
            self.has_trailers = true;
            return Ok(());
        }
        let is_final = match self.side {
            Side::Client => response(&pseudo)?,
            Side::Server => request(fields, &pseudo)?,
        };
        if !is_final && ends {
            return Err(format!("section 8.1: an interim response with END_STREAM: {fields:?}"));
        }
        self.has_head = is_final;
        self.length = fields.get("content-length").and_then(|length| length.parse().ok());
        Ok(())
    }

    pub(super) fn data(&mut self, length: u64) -> Result<(), String> {
        if !self.has_head {
            return Err("section 8.1: DATA before HEADERS".into());
        }
        self.received += length;
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), String> {
        if !self.has_head {
            return Err("section 8.1: the end before the head".into());
        }
        // Answers to HEAD and 304 have a length and no content.
        let has_content = self.received > 0 || self.side == Side::Server;
        match self.length {
            Some(length) if length != self.received && has_content => {
                Err(format!("section 8.1.1: content-length {length}, and {} came", self.received))
            }
            _ => Ok(()),
        }
    }
}

fn validity(fields: &Fields) -> Result<(), String> {
    let mut regular = false;
    for (name, value) in &fields.0 {
        let plain = name.strip_prefix(':').unwrap_or(name);
        let is_name = !plain.is_empty()
            && plain.chars().all(|c| ('!'..='~').contains(&c) && c != ':' && !c.is_ascii_uppercase());
        let is_value = !value.contains(['\0', '\r', '\n']) && value.trim_matches([' ', '\t']) == value;
        if !is_name || !is_value {
            return Err(format!("section 8.2.1: {name:?}: {value:?}"));
        }
        if CONNECTION_SPECIFIC.contains(&&name[..]) || (name == "te" && value != "trailers") {
            return Err(format!("section 8.2.2: {name:?}: {value:?}"));
        }
        if name.starts_with(':') && regular {
            return Err(format!("section 8.3: {name:?} behind regular fields"));
        }
        regular |= !name.starts_with(':');
    }
    Ok(())
}

/// True when it is a final one.
fn response(pseudo: &[&(String, String)]) -> Result<bool, String> {
    let [(name, status)] = pseudo else { return Err(format!("section 8.3.2: {pseudo:?}")) };
    let is_status =
        status.len() == 3 && status.parse().is_ok_and(|status: u16| (100..=599).contains(&status));
    if name != ":status" || !is_status || status == "101" {
        return Err(format!("section 8.3.2: {pseudo:?}"));
    }
    Ok(!status.starts_with('1'))
}

fn request(fields: &Fields, pseudo: &[&(String, String)]) -> Result<bool, String> {
    let wrong = || Err(format!("section 8.3.1: {pseudo:?}"));
    let count = |wanted: &str| pseudo.iter().filter(|(name, _)| name == wanted).count();
    let known = [":method", ":scheme", ":path", ":authority", ":protocol"];
    if pseudo.iter().any(|(name, _)| !known.contains(&&name[..])) || known.iter().any(|name| count(name) > 1)
    {
        return wrong();
    }
    let is_plain_connect = fields.get(":method") == Some("CONNECT") && count(":protocol") == 0;
    let expected = if is_plain_connect { (1, 0, 0) } else { (1, 1, 1) };
    if (count(":method"), count(":scheme"), count(":path")) != expected {
        return wrong();
    }
    let host = fields.get("host");
    if host.is_some() && fields.get(":authority").is_some_and(|authority| Some(authority) != host) {
        return Err(format!("section 8.3.1: host {host:?} beside {pseudo:?}"));
    }
    Ok(true)
}
