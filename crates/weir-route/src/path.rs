//! Paths in one form.
//!
//! The form is that of RFC 3986 section 6.2.2: escapes of unreserved characters are decoded, the others are
//! written in upper case, and dot segments are removed. Octets that may not stand in a URI at all are escaped,
//! and so is a `%` that escapes nothing, so that every path has one form and that form is its own.
//!
//! Two things stay apart on purpose: `%2F` is not `/`, and `//` is not `/`. Servers differ over both, and an
//! application may mean them. A route sees them in the form and can refuse them, except where a `..` has taken
//! them away: `/x//../admin` is `/x/admin` here, and `/admin` to a server that merges slashes first. Such paths
//! are contested ([`Table::is_contested`](crate::Table::is_contested)).

use weir_config::{PathPattern, Pattern};

/// The form of a path that routes compare. Is `path` itself when it has that form already, as most have;
/// otherwise it is written into `scratch`.
///
/// Dot segments are removed only where a path begins with `/`. (`*` and other targets without a path stay.)
pub fn normalise<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if is_normal(path) {
        return path;
    }
    write_normal(path, scratch);
    scratch
}

/// Whether a path has dot segments that servers resolve differently, so that none of its forms tells where it
/// leads: a `..` takes away a segment that is empty, or that holds a `;`, `\`, `%2F` or `%5C`. No client needs
/// such a path, browsers resolve the dots themselves.
pub(crate) fn is_contested(path: &[u8], scratch: &mut Vec<u8>) -> bool {
    !is_normal(path) && write_normal(path, scratch)
}

/// Whether a path has its form already. May be false for some that have, never true for one that has not.
pub(crate) fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|&byte| {
        let plain = byte.is_ascii_graphic() && byte != b'%' && !(byte == b'.' && before == b'/');
        before = byte;
        plain
    })
}

/// Replaces what is in `into` by the form of `path`. Whether the path is contested.
pub(crate) fn write_normal(path: &[u8], into: &mut Vec<u8>) -> bool {
    into.clear();
    let Some((b'/', segments)) = path.split_first() else {
        unescape(path, into);
        return false;
    };
    let mut contested = false;
    into.push(b'/');
    let mut segments = segments.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        // RFC 3986 section 5.2.4. What is in `into` ends with a slash here.
        let start = into.len();
        unescape(segment, into);
        match &into[start..] {
            b"." => into.truncate(start),
            b".." => {
                if let Some(slash) = into[..start - 1].iter().rposition(|&byte| byte == b'/') {
                    contested |= differs(&into[slash + 1..start - 1]);
                    into.truncate(slash + 1);
                } else {
                    into.truncate(1);
                }
            }
            _ if segments.peek().is_some() => into.push(b'/'),
            _ => {}
        }
    }
    contested
}

/// Whether servers differ over how many segments this one is, or whether it is one.
fn differs(segment: &[u8]) -> bool {
    let slashes = segment.windows(3).any(|three| matches!(three, b"%2F" | b"%5C"));
    segment.is_empty() || slashes || segment.iter().any(|byte| matches!(byte, b';' | b'\\'))
}

/// Appends `text` with its escapes in their one form.
fn unescape(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            match hex_pair(after) {
                Some(octet) => {
                    rest = &after[2..];
                    if is_unreserved(octet) { into.push(octet) } else { escape(octet, into) }
                }
                None => escape(b'%', into),
            }
        } else if byte.is_ascii_graphic() {
            into.push(byte);
        } else {
            escape(byte, into);
        }
    }
}

fn escape(octet: u8, into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    into.extend([b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
}

/// The octet that the two hexadecimal digits at the front of `text` stand for.
pub(crate) fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A path in a route, in the form of the paths that it is compared with.
#[derive(Debug, Clone)]
pub(crate) enum Path {
    Any,
    Exact(Box<[u8]>),
    /// Without the slash that must follow where more follows.
    Prefix(Box<[u8]>),
    Regex(Pattern),
}

impl Path {
    pub(crate) fn new(pattern: Option<&PathPattern>) -> Self {
        let mut normal = Vec::new();
        match pattern {
            None => Self::Any,
            Some(PathPattern::Exact(path)) => {
                write_normal(path.as_bytes(), &mut normal);
                Self::Exact(normal.into())
            }
            Some(PathPattern::Prefix(prefix)) if prefix.is_empty() => Self::Any,
            Some(PathPattern::Prefix(prefix)) => {
                write_normal(format!("{prefix}/").as_bytes(), &mut normal);
                normal.pop();
                Self::Prefix(normal.into())
            }
            Some(PathPattern::Regex(pattern)) => Self::Regex(pattern.clone()),
        }
    }

    /// `path` has its form.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => path == &exact[..],
            Self::Prefix(prefix) => {
                path.strip_prefix(&prefix[..]).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            }
            Self::Regex(pattern) => pattern.regex.is_match(path),
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}
