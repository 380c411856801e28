//! Methods, header fields, and cookies.

use super::Fault;
use crate::{nearest::nearest, report::shown};

/// Fields that frame a message or belong to one connection: Weir writes them itself. RFC 9110 section 7.6.1,
/// RFC 9112 section 6.
const OWN: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A method: a token, in the case in which it is sent (RFC 9110 section 9.1).
pub(crate) fn method(text: &str) -> Result<(), Fault> {
    if !is_token(text) {
        return Err(Fault::new(format!("`{}` is not a method", shown(text))));
    }
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(Fault::new(format!("`{text}` never reaches a route: Weir answers it with 501")));
    }
    if METHODS.contains(&text) {
        return Ok(());
    }
    // A method of one's own is fine. One that differs from a known one by case or a slip is not.
    match nearest(text, METHODS) {
        Some(known) if text.eq_ignore_ascii_case(known) || text.len() > 3 => {
            Err(Fault::new(format!("`{}` is not a known method, did you mean `{known}`?", shown(text)))
                .help("methods are written in capitals, as they are sent"))
        }
        _ => Ok(()),
    }
}

/// The name of a field (RFC 9110 section 5.1).
pub(crate) fn name(text: &str) -> Result<(), Fault> {
    if is_token(text) && text.len() <= 256 {
        return Ok(());
    }
    let fault = Fault::new(format!("`{}` is not the name of a header field", shown(text)));
    let bare = text.trim_end_matches(':').trim_end();
    Err(if bare != text && is_token(bare) { fault.help(format!("write `{}`", shown(bare))) } else { fault })
}

/// The name of a field that may be edited.
pub(crate) fn edited(text: &str) -> Result<(), Fault> {
    name(text)?;
    let lower = text.to_ascii_lowercase();
    if !OWN.contains(&lower.as_str()) {
        return Ok(());
    }
    Err(Fault::new(format!("`{}` cannot be edited", shown(text))).help(match lower.as_str() {
        "host" => "what the server sees as `host` is set by `rewrite: { host: NAME }`",
        "upgrade" | "connection" | "te" | "trailer" | "keep-alive" | "proxy-connection" => {
            "it belongs to one connection, and Weir writes it itself"
        }
        _ => "it says where a message ends, and Weir writes it itself",
    }))
}

/// What a field may hold (RFC 9110 section 5.5), of visible ASCII, spaces and tabs.
pub(crate) fn value(text: &str) -> Result<(), Fault> {
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(Fault::new("a header field neither begins nor ends with a space"));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() && !matches!(c, ' ' | '\t')) {
        None => Ok(()),
        Some('\n' | '\r') => Err(Fault::new("a header field cannot hold a line break")),
        Some(c) => Err(Fault::new(format!("`{}` cannot stand in a header field", shown(&c.to_string())))
            .help("use visible ASCII characters, spaces and tabs")),
    }
}

/// The name of a cookie: a token (RFC 6265 section 4.1.1).
pub(crate) fn cookie(text: &str) -> Result<(), Fault> {
    match is_token(text) {
        true => Ok(()),
        false => Err(Fault::new(format!("`{}` is not the name of a cookie", shown(text)))),
    }
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
