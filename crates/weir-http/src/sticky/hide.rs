//! Weir's own cookies are not for the servers: they mean nothing to them, and in their logs they would only be copied.
//!
//! The request's head goes on as runs of its own text, so a cookie is hidden by leaving out the place where it stands:
//! with one separator, so that the others are as they came, or with the whole line when there is no other.

use std::ops::Range;

use super::StickyBy;
use crate::{
    connection::Connection,
    exchange::Desk,
    head::{Field, FieldKind, RequestHead},
    site::{PoolSite, RouteSite},
};

/// Notes where Weir's own cookies of this route and pool stand in the request.
#[inline]
pub(crate) fn hide(connection: &Connection, desk: &mut Desk, route: &RouteSite, pool: &PoolSite) {
    let of_route = route.split_sticky.as_ref().map(|own| own.settings.name.as_str());
    let of_pool = pool.sticky.as_ref().and_then(|sticky| match &sticky.by {
        StickyBy::Cookie(own) => Some(own.settings.name.as_str()),
        _ => None,
    });
    if of_route.is_some() || of_pool.is_some() {
        find(&desk.request, connection.text(), [of_route, of_pool], &mut desk.sticky.cuts);
    }
}

/// The places of all cookies with these names, as they are to be left out, in their order.
pub(crate) fn find(
    request: &RequestHead,
    text: &[u8],
    names: [Option<&str>; 2],
    cuts: &mut Vec<Range<usize>>,
) {
    for field in &request.fields {
        if field.kind == FieldKind::Other && field.name.of(text).eq_ignore_ascii_case(b"cookie") {
            of_field(field, text, names, cuts);
        }
    }
}

fn of_field(field: &Field, text: &[u8], names: [Option<&str>; 2], cuts: &mut Vec<Range<usize>>) {
    let is_hidden = |pair: &[u8]| {
        let name = memchr::memchr(b'=', pair).map(|equals| pair[..equals].trim_ascii());
        name.is_some_and(|name| names.iter().flatten().any(|own| own.as_bytes() == name))
    };
    let (before, end) = (cuts.len(), field.value.end());
    let (mut at, mut stays) = (field.value.start(), false);
    loop {
        let separator = memchr::memchr(b';', &text[at..end]).map(|offset| at + offset);
        let pair = at..separator.unwrap_or(end);
        let next = separator.map_or(end, |separator| separator + 1);
        if is_hidden(&text[pair.clone()]) {
            // With the separator in front of it, or, where nothing stands in front, with the one behind.
            let cut = if stays { at - 1..pair.end } else { pair.start..next + spaces(&text[next..end]) };
            cuts.push(cut);
        } else {
            stays |= !text[pair].trim_ascii().is_empty();
        }
        if separator.is_none() {
            break;
        }
        at = next;
    }
    if !stays && cuts.len() > before {
        cuts.truncate(before);
        cuts.push(field.name.start()..field.line_end.into());
    }
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{HeadLimits, Progress, RequestParser};

    #[track_caller]
    fn check(fields: &str, expected: &str) {
        let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}X: y\r\n\r\n");
        let text = head(fields).into_bytes();
        let mut request = RequestHead::default();
        let limits = HeadLimits { bytes_max: 4096, fields_max: 100, uri_bytes_max: 100 };
        assert!(matches!(RequestParser::default().parse(&text, &mut request, &limits), Ok(Progress::Whole)));
        let mut cuts = Vec::new();
        find(&request, &text, [Some("WEIR"), Some("SIDE")], &mut cuts);
        let mut out = Vec::new();
        crate::forward::run(&mut out, &text, 0..text.len(), &cuts);
        assert_eq!(String::from_utf8(out).unwrap(), head(expected), "{fields:?}");
    }

    #[test]
    fn own_cookies_are_left_out_and_no_others() {
        check("Cookie: a=b\r\n", "Cookie: a=b\r\n");
        check("Cookie: WEIR=x\r\n", "");
        check("Cookie: WEIR=x; a=b\r\n", "Cookie: a=b\r\n");
        check("Cookie: a=b; WEIR=x\r\n", "Cookie: a=b\r\n");
        check("Cookie: a=b; WEIR=x; c=d\r\n", "Cookie: a=b; c=d\r\n");
        check("Cookie: a=b;WEIR=x;c=d\r\n", "Cookie: a=b;c=d\r\n");
        check("cookie: SIDE=y; WEIR=x; a=b; WEIR=z\r\n", "cookie: a=b\r\n");
        check("Cookie: SIDE=y; WEIR=x;\r\n", "");
        check("Cookie: ; WEIR=x; a=b\r\n", "Cookie: ;a=b\r\n");
        check("Cookie: a=b; WEIR=x;\r\n", "Cookie: a=b;\r\n");
        // Each stands in a field of its own in HTTP/2.
        check("Cookie: a=b\r\nCookie: WEIR=x\r\nCookie: c=d\r\n", "Cookie: a=b\r\nCookie: c=d\r\n");
        check("Cookie: weir=x; WEIRD=y; xWEIR=z; WEIR\r\n", "Cookie: weir=x; WEIRD=y; xWEIR=z; WEIR\r\n");
        check("X-Cookie: WEIR=x\r\n", "X-Cookie: WEIR=x\r\n");
    }
}
