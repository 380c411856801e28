//! Names, free text, and the values that have a small language of their own.

use super::{Fault, header};
use crate::{HashKey, nearest::nearest, report::shown};

const NAME_CHARACTERS_MAX: usize = 128;
/// A larger page belongs to a server.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A name: it becomes a label in metrics and a word in logs, so it is one word.
pub(crate) fn name(text: &str) -> Result<(), Fault> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '`' | '#');
    // `LISTENER#N` is what a route without a name is called: it may be written, as the effective file does.
    let plain = match text.rsplit_once('#') {
        Some((front, number)) if number.parse::<u32>().is_ok() => front,
        _ => text,
    };
    if plain.is_empty() || plain.chars().count() > NAME_CHARACTERS_MAX || plain.chars().any(bad) {
        return Err(Fault::new(format!("`{}` is not a name", shown(text))).help(format!(
            "a name is one word of at most {NAME_CHARACTERS_MAX} characters, without quotes"
        )));
    }
    Ok(())
}

/// Any text, of bounded length.
pub(crate) fn text(text: &str) -> Result<(), Fault> {
    match text.len() <= TEXT_BYTES_MAX {
        true => Ok(()),
        false => Err(Fault::new(format!("the text is longer than {TEXT_BYTES_MAX} bytes"))),
    }
}

/// The name of a query parameter: what its escapes stand for, since requests are compared so.
pub(crate) fn query_name(text: &str) -> Result<(), Fault> {
    let not = || Fault::new(format!("`{}` is not the name of a query parameter", shown(text)));
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(not());
    }
    let hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    match text.bytes().enumerate().any(|(at, byte)| byte == b'%' && hex(at + 1) && hex(at + 2)) {
        true => Err(not().help("write it without escapes: `a b`, which is sent as `a%20b` or `a+b`")),
        false => Ok(()),
    }
}

/// `client_ip`, `path`, `header:NAME`, `cookie:NAME`, `query:NAME`.
pub(crate) fn hash_key(text: &str) -> Result<HashKey, Fault> {
    const KINDS: [&str; 3] = ["header", "cookie", "query"];
    const ALONE: [&str; 2] = ["path", "client_ip"];
    if text == "path" {
        return Ok(HashKey::Path);
    }
    if text == "client_ip" {
        return Ok(HashKey::ClientIp);
    }
    let help = "expected `client_ip`, `path`, `\"header:NAME\"`, `\"cookie:NAME\"` or `\"query:NAME\"`";
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    let Some(name) = name.filter(|_| KINDS.contains(&kind)) else {
        let fault = match nearest(kind, KINDS.into_iter().chain(ALONE)) {
            Some(near) if near != kind => {
                let meant = name
                    .filter(|_| !ALONE.contains(&near))
                    .map_or(near.to_owned(), |name| format!("{near}:{name}"));
                format!("unknown value `{}`, did you mean `{}`?", shown(text), shown(&meant))
            }
            Some(near) if name.is_none() => format!("`{}` names no {near}", shown(text)),
            _ => format!("unknown value `{}`", shown(text)),
        };
        return Err(Fault::new(fault).help(help));
    };
    let name = name.trim_start();
    match kind {
        "header" => header::name(name).map(|()| HashKey::Header(name.to_ascii_lowercase())),
        "cookie" => header::cookie(name).map(|()| HashKey::Cookie(name.to_owned())),
        _ => query_name(name).map(|()| HashKey::Query(name.to_owned())),
    }
}

/// `client_ip` or `header:NAME`.
pub(crate) fn sticky_key(text: &str) -> Result<HashKey, Fault> {
    if text == "client_ip" {
        return Ok(HashKey::ClientIp);
    }
    match text.split_once(':') {
        Some(("header", name)) => {
            header::name(name.trim_start()).map(|()| HashKey::Header(name.trim_start().to_ascii_lowercase()))
        }
        Some(("cookie", _)) => {
            Err(Fault::new("a table does not go by cookies")
                .help("write `app_cookie: NAME` in place of `table`"))
        }
        _ => Err(Fault::new(format!("unknown value `{}`", shown(text)))
            .help("expected `client_ip` or `\"header:NAME\"`")),
    }
}

/// `stdout`, `stderr`, or the path of a file: with a `/`, so that no slip of the finger becomes a file.
pub(crate) fn log_target(text: &str) -> Result<(), Fault> {
    if matches!(text, "stdout" | "stderr") {
        return Ok(());
    }
    if text.contains('/') && !text.ends_with('/') && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let fault = match nearest(text, ["stdout", "stderr"]) {
        Some(near) => format!("unknown value `{}`, did you mean `{near}`?", shown(text)),
        None => format!("`{}` is neither `stdout` nor `stderr` nor the path of a file", shown(text)),
    };
    Err(Fault::new(fault).help("a file is written with a `/`: `/var/log/weir/access.log` or `./access.log`"))
}
