//! Paths: in matches, in rewrites, in checks, and in redirects.

use super::{Fault, pattern::regex};
use crate::{PathPattern, report::shown};

/// The longest path that Weir asks for or redirects to; longer ones are refused by most servers.
const TARGET_BYTES_MAX: usize = 8 * 1024;

/// `/api` (exactly this), `/api/*` (this and everything below), `~ REGEX`.
pub(crate) fn pattern(text: &str) -> Result<PathPattern, Fault> {
    if let Some(pattern) = regex(text)? {
        return Ok(PathPattern::Regex(pattern));
    }
    check(text)?;
    if text.contains('?') {
        return Err(Fault::new(format!("`{}` holds a query", shown(text)))
            .help("`path` is matched without the query: use `query: { name: value }`"));
    }
    let (path, below) = match text.strip_suffix("/*") {
        Some(path) => (path, true),
        None => (text, false),
    };
    if path.contains('*') {
        return Err(Fault::new(format!("`{}` has a `*` where none can be", shown(text)))
            .help("`*` stands only at the end, after a `/`; for anything else there is `~ REGEX`"));
    }
    Ok(if below { PathPattern::Prefix(path.to_owned()) } else { PathPattern::Exact(path.to_owned()) })
}

/// The front of a path, to be taken off at a `/` boundary.
pub(crate) fn prefix(text: &str) -> Result<(), Fault> {
    if !text.starts_with('/') {
        return check(text.trim_end_matches('/'));
    }
    check(text)?;
    if text.contains('?') {
        return Err(Fault::new(format!("`{}` holds a query", shown(text))));
    }
    if text.contains('*') {
        return Err(Fault::new(format!("`{}` has a `*`, a prefix is plain text", shown(text))));
    }
    match text.strip_suffix('/') {
        Some("") => Err(Fault::new("`/` takes nothing away")),
        Some(path) => Err(Fault::new(format!("a prefix ends without `/`, did you mean `{}`?", shown(path)))),
        None => Ok(()),
    }
}

/// Path and query, as in a request line (origin-form, RFC 9112 section 3.2.1).
pub(crate) fn target(text: &str) -> Result<(), Fault> {
    check(text)?;
    if text.len() > TARGET_BYTES_MAX {
        return Err(Fault::new(format!("the path is longer than {TARGET_BYTES_MAX} bytes")));
    }
    // Weir sends these itself, and RFC 3986 section 2 has no place for them in a URI.
    match text.chars().find(|c| "\"<>\\^`{|}".contains(*c)) {
        Some(c) => Err(cannot_stand(c)),
        None => Ok(()),
    }
}

/// A whole URL, or an absolute path.
pub(crate) fn location(text: &str) -> Result<(), Fault> {
    if text.starts_with('/') {
        return characters(text);
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => characters(text),
        _ => Err(Fault::new(format!("`{}` is no place to redirect to", shown(text)))
            .help("write a URL, `https://HOST/PATH`, or a path, `/PATH`")),
    }
}

fn check(text: &str) -> Result<(), Fault> {
    if !text.starts_with('/') {
        let fault = format!("`{}` does not begin with `/`", shown(text));
        return Err(match text.contains("://") || text.contains(' ') || text.starts_with(['*', '.']) {
            true => Fault::new(fault),
            false => Fault::new(format!("{fault}, did you mean `/{}`?", shown(text))),
        });
    }
    characters(text)?;
    if text.contains('#') {
        return Err(Fault::new(format!("`{}` has a fragment (`#`), which no request carries", shown(text))));
    }
    Ok(())
}

/// What may stand in a request line and in a header field.
fn characters(text: &str) -> Result<(), Fault> {
    match text.chars().find(|c| !c.is_ascii_graphic()) {
        None => Ok(()),
        Some(c) => Err(cannot_stand(c)),
    }
}

fn cannot_stand(c: char) -> Fault {
    let mut bytes = [0; 4];
    let encoded: String = c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")).collect();
    let what = if c == ' ' { "a space".to_owned() } else { format!("`{}`", shown(&c.to_string())) };
    Fault::new(format!("{what} cannot stand in a path")).help(format!("write it as `{encoded}`"))
}
