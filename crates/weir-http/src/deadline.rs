//! How long a request may take in the eyes of those before us, and what those behind us are told of it.
//!
//! A call of gRPC may bring its deadline (`grpc-timeout`), and a route may name a field for the same in HTTP
//! (`timeout_header`). Both shorten the route's `timeout` and never lengthen it; towards the server both say what is left
//! when the request goes out, which is less with each further attempt. A client is believed in gRPC, where it gives up by
//! itself then; in HTTP only who is in `trusted_proxies` is, since servers may do more with a field than give up.
//!
//! A value that cannot be read is as none. In gRPC it goes on as it came: some servers refuse such a call, and that
//! is theirs to say.

use std::ops::Range;

use crate::{
    connection::Connection,
    exchange::{Desk, End},
    forward::{decimal, is_edited_away, line},
    head::{Field, is_lookalike},
    site::{ListenerSite, RouteSite},
};

const GRPC_TIMEOUT: &[u8] = b"grpc-timeout";

/// What can be said in `grpc-timeout` in milliseconds: it has 8 digits.
const GRPC_MS_MAX: u64 = 99_999_999;

/// A longer number is no time that anybody would wait.
const DIGITS_MAX: usize = 15;

/// What a request asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The least of what was asked for, in milliseconds.
    pub(crate) within_ms: Option<u64>,
    /// `grpc-timeout` is to be written anew.
    pub(crate) in_grpc: bool,
}

/// What a server is told in a request's head.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told<'a> {
    pub(crate) left_ms: u64,
    /// In `grpc-timeout`.
    pub(crate) in_grpc: bool,
    /// In this field.
    pub(crate) header: Option<&'a str>,
}

/// Reads what the request asks for, and cuts it out of the text that goes to the server.
pub(crate) fn take(
    connection: &Connection,
    desk: &mut Desk,
    listener: Option<&ListenerSite>,
    route: &RouteSite,
) -> Asked {
    let header = route.route.timeout_header.as_deref();
    if header.is_none() && !desk.is_grpc {
        return Asked::default();
    }
    let trusted = || {
        let trusted = listener.map(|listener| &listener.settings.trusted_proxies);
        trusted.is_some_and(|trusted| trusted.iter().any(|network| network.contains(&connection.client)))
    };
    let names = Names { in_grpc: desk.is_grpc, header };
    names.take(&desk.request.fields, connection.text(), trusted, &mut desk.sticky.cuts)
}

/// The time that was asked for is over.
pub(crate) fn late() -> End {
    End::answer(504, "the deadline that came with the request is over")
}

struct Names<'a> {
    in_grpc: bool,
    header: Option<&'a str>,
}

impl Names<'_> {
    fn take(
        &self,
        fields: &[Field],
        text: &[u8],
        is_trusted: impl Fn() -> bool,
        cuts: &mut Vec<Range<usize>>,
    ) -> Asked {
        let mut asked = Asked::default();
        let mut cut = false;
        for field in fields {
            let (name, value) = (field.name.of(text), field.value.of(text));
            let is_header = |word: &str| name.len() == word.len() && is_lookalike(name, word.as_bytes());
            let ms = if self.in_grpc && name.eq_ignore_ascii_case(GRPC_TIMEOUT) {
                let Some(ms) = grpc(value) else { continue };
                asked.in_grpc = true;
                Some(ms)
            } else if self.header.is_some_and(is_header) {
                number(value, DIGITS_MAX).filter(|_| is_trusted())
            } else {
                continue;
            };
            asked.within_ms = ms.into_iter().chain(asked.within_ms).min();
            let start = field.name.start();
            cuts.push(start..field.line_end.into());
            cut = true;
        }
        if cut {
            cuts.sort_unstable_by_key(|cut| cut.start);
        }
        asked
    }
}

/// Writes what is left.
pub(crate) fn write(out: &mut Vec<u8>, told: &Told<'_>, edits: &weir_config::HeaderEdits) {
    let is_ours = |name: &[u8]| edits.is_empty() || !is_edited_away(edits, name);
    if told.in_grpc && is_ours(GRPC_TIMEOUT) {
        out.extend_from_slice(b"grpc-timeout: ");
        let fits = told.left_ms <= GRPC_MS_MAX;
        decimal(out, if fits { told.left_ms } else { (told.left_ms / 1000).min(GRPC_MS_MAX) });
        out.extend_from_slice(if fits { b"m\r\n" } else { b"S\r\n" });
    }
    if let Some(name) = told.header.filter(|name| is_ours(name.as_bytes())) {
        line(out, name.as_bytes(), b"");
        out.truncate(out.len() - 2);
        decimal(out, told.left_ms);
        out.extend_from_slice(b"\r\n");
    }
}

/// `grpc-timeout`: up to 8 digits and a unit (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). What
/// is shorter than a millisecond is one, unless it is nothing.
fn grpc(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    let number = number(digits, 8)?;
    Some(match unit {
        b'H' => number * 3_600_000,
        b'M' => number * 60_000,
        b'S' => number * 1000,
        b'm' => number,
        b'u' => number.div_ceil(1000),
        b'n' => number.div_ceil(1_000_000),
        _ => return None,
    })
}

fn number(digits: &[u8], digits_max: usize) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.len() <= digits_max && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Span;

    #[test]
    fn timeouts_of_grpc_are_read() {
        let check = |value: &str, expected| assert_eq!(grpc(value.as_bytes()), expected, "{value:?}");
        check("1S", Some(1000));
        check("250m", Some(250));
        check("2H", Some(7_200_000));
        check("3M", Some(180_000));
        check("1u", Some(1));
        check("1500u", Some(2));
        check("99999999n", Some(100));
        check("0n", Some(0));
        check("99999999H", Some(99_999_999 * 3_600_000));
        for malformed in
            ["", "S", "1", "1s", "100000000S", "-1S", "+1S", " 1S", "1 S", "1.5S", "1SS", "1\u{e4}"]
        {
            check(malformed, None);
        }
    }

    /// Fields of a head, and what is left of its lines.
    fn taken(text: &str, names: &Names<'_>, is_trusted: bool) -> (Asked, String) {
        let mut fields = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let colon = line.find(':').unwrap();
            fields.push(Field {
                name: Span::new(at..at + colon),
                value: Span::new(at + colon + 2..at + line.len() - 2),
                line_end: (at + line.len()) as u16,
                ..Field::default()
            });
            at += line.len();
        }
        let mut cuts = Vec::from_iter(std::iter::once(text.len()..text.len()));
        let asked = names.take(&fields, text.as_bytes(), || is_trusted, &mut cuts);
        let mut out = Vec::new();
        crate::forward::run(&mut out, text.as_bytes(), 0..text.len(), &cuts);
        (asked, String::from_utf8(out).unwrap())
    }

    #[test]
    fn fields_are_taken_out_where_they_are_written_anew() {
        let check = |text: &str, names: &Names<'_>, trusted, within_ms, in_grpc, left: &str| {
            let (asked, rest) = taken(text, names, trusted);
            assert_eq!((asked, rest.as_str()), (Asked { within_ms, in_grpc }, left), "{text}");
        };
        let grpc = &Names { in_grpc: true, header: None };
        check("a: b\r\nGRPC-Timeout: 2S\r\nc: d\r\n", grpc, false, Some(2000), true, "a: b\r\nc: d\r\n");
        check("grpc-timeout: 2S\r\ngrpc-timeout: 1S\r\n", grpc, false, Some(1000), true, "");
        check("grpc-timeout: soon\r\n", grpc, false, None, false, "grpc-timeout: soon\r\n");
        let http = &Names { in_grpc: false, header: Some("x-left-ms") };
        check("X-Left-Ms: 70\r\na: b\r\n", http, true, Some(70), false, "a: b\r\n");
        check("X_Left_Ms: 70\r\na: b\r\n", http, false, None, false, "a: b\r\n");
        check("x-left-ms: 1e9\r\n", http, true, None, false, "");
        check("grpc-timeout: 2S\r\n", http, true, None, false, "grpc-timeout: 2S\r\n");
    }

    #[test]
    fn what_is_left_fits_into_the_field() {
        let check = |left_ms, expected: &str| {
            let mut out = Vec::new();
            let told = Told { left_ms, in_grpc: true, header: Some("x-left-ms") };
            write(&mut out, &told, &weir_config::HeaderEdits::default());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(70, "grpc-timeout: 70m\r\nx-left-ms: 70\r\n");
        check(0, "grpc-timeout: 0m\r\nx-left-ms: 0\r\n");
        check(100_000_999, "grpc-timeout: 100000S\r\nx-left-ms: 100000999\r\n");
        check(u64::MAX, "grpc-timeout: 99999999S\r\nx-left-ms: 18446744073709551615\r\n");
    }
}
