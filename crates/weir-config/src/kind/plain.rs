//! Plain (unquoted) values that readers of YAML 1.1 or 1.2 take for a boolean, nothing, or a number.

use super::Fault;
use crate::report::shown;

/// `true` and `false`; everything else that means so elsewhere gets the way out.
pub(super) fn boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ if denies(text) => Err(Fault::new(format!("write `false`, not `{text}`"))),
        _ if boolean_or_null(text) => Err(Fault::new(format!("write `true`, not `{text}`"))),
        _ => Err(Fault::new(format!("expected `true` or `false`, found `{}`", shown(text)))),
    }
}

/// Refuses a plain value that is meant as text but read as something else by other tools.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    match taken_for(text) {
        Some(what) => Err(misread(text, what)),
        None => Ok(()),
    }
}

/// The fault of a plain value that some reader takes for `what`.
pub(crate) fn misread(text: &str, what: &str) -> Fault {
    Fault::new(format!("plain `{}` is {what} to some readers of YAML", shown(text)))
        .help(format!("write \"{}\", in quotes", shown(text)))
}

/// What some reader of YAML takes this plain value for, unless it is text to all of them.
pub(crate) fn taken_for(text: &str) -> Option<&'static str> {
    match text {
        _ if boolean_or_null(text) => Some("a boolean"),
        _ if date(text) => Some("a date"),
        _ if numeric(text) => Some("a number"),
        _ => None,
    }
}

/// What YAML 1.1 takes for a boolean, and both versions for nothing.
pub(crate) fn boolean_or_null(text: &str) -> bool {
    let folded = text.to_ascii_lowercase();
    matches!(folded.as_str(), "y" | "yes" | "n" | "no" | "true" | "false" | "on" | "off" | "null" | "~" | "")
}

/// What YAML 1.1 takes for "false".
pub(super) fn denies(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "n" | "no" | "false" | "off")
}

/// `2026-11-20`, alone or before a time.
fn date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape =
        |(at, byte): (usize, &u8)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    bytes.len() >= 10
        && bytes.iter().take(10).enumerate().all(shape)
        && matches!(bytes.get(10), None | Some(b'T' | b't' | b' '))
}

/// Integers and floats of both versions, with `_`, in other bases, and in base 60 (`1:30`).
fn numeric(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    if !begins {
        return matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan");
    }
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let based = ["0x", "0o", "0b"].iter().any(|prefix| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_'))
    });
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let sixty = whole.contains(':') && whole.split(':').all(digits) && digits(fraction);
    based || sixty || unsigned.replace('_', "").parse::<f64>().is_ok()
}
