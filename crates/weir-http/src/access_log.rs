//! The access log: one line per exchange, formatted by the worker, written by a thread of its own.
//!
//! A worker collects lines in a buffer and hands it over when it is large or a tick has passed. The queue is bounded:
//! when the disk does not keep up, lines are dropped and counted, and no request waits for a disk.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use weir_config::AccessFormat;

use crate::forward::{decimal, display, ip};
use crate::head::{FieldKind, RequestHead};

/// Blocks of lines that may wait to be written.
pub(crate) const ACCESS_LOG_QUEUE_MAX: usize = 64;

/// The size at which a worker hands its lines over, in bytes.
pub(crate) const BLOCK_BYTES: usize = 32 * 1024;

/// Where the lines of all workers go.
#[derive(Debug)]
pub struct AccessLog {
    format: AccessFormat,
    queue: SyncSender<Vec<u8>>,
}

impl AccessLog {
    /// Starts the thread that writes to `sink`. It ends when the last worker has let go of the log, after it has
    /// written everything. `on_error` is told of each block of lines that could not be written, or not whole.
    pub fn start(
        format: AccessFormat,
        sink: Box<dyn Write + Send>,
        on_error: impl FnMut(&io::Error) + Send + 'static,
    ) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let (queue, lines) = sync_channel(ACCESS_LOG_QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&lines, sink, on_error))?;
        Ok((Self { format, queue }, thread))
    }

    /// Hands over a block of lines; gives back false when it was dropped.
    pub(crate) fn hand_over(&self, block: &mut Vec<u8>) -> bool {
        if block.is_empty() {
            return true;
        }
        match self.queue.try_send(std::mem::take(block)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn write_all(
    lines: &Receiver<Vec<u8>>,
    mut sink: Box<dyn Write + Send>,
    mut on_error: impl FnMut(&io::Error),
) {
    while let Ok(block) = lines.recv() {
        // A full disk must not stop the traffic; the next block tries again.
        if let Err(error) = sink.write_all(&block).and_then(|()| sink.flush()) {
            on_error(&error);
        }
    }
}

/// What is known of an exchange when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// What [`request_part`] wrote.
    pub(crate) request: &'a [u8],
    pub(crate) status: u16,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) duration: Duration,
    pub(crate) listener: &'a str,
    pub(crate) route: Option<&'a str>,
    pub(crate) pool: Option<&'a str>,
    pub(crate) server: Option<std::net::SocketAddr>,
    /// Why Weir answered itself, if it did.
    pub(crate) reason: Option<&'a str>,
}

impl AccessLog {
    /// Writes the part of a line that the request gives. It is taken at the start, since the head's text goes on.
    pub(crate) fn request_part(
        &self,
        out: &mut Vec<u8>,
        client: std::net::IpAddr,
        head: Option<(&RequestHead, &[u8])>,
    ) {
        let field = |kind: &str| {
            head.and_then(|(head, text)| {
                head.fields
                    .iter()
                    .find(|field| {
                        field.kind == FieldKind::Other
                            && field.name.of(text).eq_ignore_ascii_case(kind.as_bytes())
                    })
                    .map(|field| field.value.of(text))
            })
        };
        let (method, target) =
            head.map_or((&b"-"[..], &b"-"[..]), |(head, text)| (head.method.of(text), head.target.of(text)));
        match self.format {
            AccessFormat::Json => {
                out.extend_from_slice(b"{\"time\":\"");
                rfc3339(out, SystemTime::now());
                out.extend_from_slice(b"\",\"client\":\"");
                ip(out, client);
                out.push(b'"');
                member(out, "method", Some(method));
                member(out, "host", head.and_then(|(head, text)| head.host.map(|host| host.of(text))));
                member(out, "target", Some(target));
                member(out, "user_agent", field("user-agent"));
                member(out, "referer", field("referer"));
            }
            AccessFormat::Common => {
                ip(out, client);
                out.extend_from_slice(b" - - [");
                clf_time(out, SystemTime::now());
                out.extend_from_slice(b"] \"");
                quoted(out, method);
                out.push(b' ');
                quoted(out, target);
                let version = match head.map(|(head, _)| head.version) {
                    Some(crate::head::Version::Http10) => &b" HTTP/1.0\""[..],
                    Some(crate::head::Version::Http11) => b" HTTP/1.1\"",
                    Some(crate::head::Version::Http2) => b" HTTP/2.0\"",
                    None => b" -\"",
                };
                out.extend_from_slice(version);
            }
        }
    }

    /// Writes a whole line.
    pub(crate) fn line(&self, out: &mut Vec<u8>, line: &Line<'_>) {
        out.extend_from_slice(line.request);
        match self.format {
            AccessFormat::Json => {
                number(out, "status", u64::from(line.status));
                number(out, "request_bytes", line.request_bytes);
                number(out, "response_bytes", line.response_bytes);
                number(out, "duration_us", line.duration.as_micros() as u64);
                member(out, "listener", Some(line.listener.as_bytes()));
                member(out, "route", line.route.map(str::as_bytes));
                member(out, "pool", line.pool.map(str::as_bytes));
                if let Some(server) = line.server {
                    out.extend_from_slice(b",\"server\":\"");
                    display(out, server);
                    out.push(b'"');
                }
                member(out, "reason", line.reason.map(str::as_bytes));
                out.extend_from_slice(b"}\n");
            }
            AccessFormat::Common => {
                out.push(b' ');
                decimal(out, u64::from(line.status));
                out.push(b' ');
                decimal(out, line.response_bytes);
                out.push(b'\n');
            }
        }
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    decimal(out, value);
}

/// Leaves out what is not there.
fn member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        quoted(out, value);
        out.push(b'"');
    }
}

/// Bytes that could end the string or the line, and those that are not ASCII, are written as `\u00XX`: the peer
/// chose them.
fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.push(*byte),
            _ => display(out, format_args!("\\u{byte:04x}")),
        }
    }
}

fn rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    let (date, millisecond) = civil(time);
    let [year, month, day, hour, minute, second] = date;
    display(
        out,
        format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"),
    );
}

fn clf_time(out: &mut Vec<u8>, time: SystemTime) {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let ([year, month, day, hour, minute, second], _) = civil(time);
    let month = MONTHS[month as usize - 1];
    display(out, format_args!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"));
}

/// Year, month, day, hour, minute, second in UTC, and milliseconds.
fn civil(time: SystemTime) -> ([u64; 6], u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days since 0000-03-01, in cycles of 400 years: leap days then come last in their year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    ([year, month, day, rest / 3600, rest / 60 % 60, rest % 60], since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_civil() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7);
        assert_eq!(text(|out| rfc3339(out, at(0))), "1970-01-01T00:00:00.007Z");
        assert_eq!(text(|out| rfc3339(out, at(951_827_696))), "2000-02-29T12:34:56.007Z");
        assert_eq!(text(|out| rfc3339(out, at(1_735_689_599))), "2024-12-31T23:59:59.007Z");
        assert_eq!(text(|out| clf_time(out, at(1_795_200_000))), "20/Nov/2026:18:40:00 +0000");
    }

    #[test]
    fn what_a_peer_chose_cannot_end_the_string_or_the_line() {
        assert_eq!(text(|out| quoted(out, b"a\"b\\c\n\xff")), "a\\\"b\\\\c\\u000a\\u00ff");
    }
}
