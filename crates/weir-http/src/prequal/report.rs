//! What a server says of its load, in the format of ORCA: `TEXT cpu_utilization=0.3, named_metrics.requests_in_flight=5` or
//! `JSON {"cpu_utilization": 0.3, "named_metrics": {"requests_in_flight": 5}}`.
//!
//! The names are those of the message `OrcaLoadReport` (cncf/xds). It comes from a server, so nothing in it is trusted: it
//! is read once from front to end, nothing is kept of what is not understood, and no number that is negative or not finite
//! is taken. Its third form, a binary protocol buffer, is not read.

/// The longest report that is read.
pub(crate) const REPORT_BYTES_MAX: usize = 4096;

/// What is used of a report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Report {
    /// How busy the server is: requests in flight; where it says none, its utilization in percent.
    pub(crate) requests: f32,
    /// How long it takes for an answer now, if it says so.
    pub(crate) latency_us: Option<f32>,
}

/// As it is read.
#[derive(Debug, Default)]
struct Seen {
    requests: Option<f64>,
    latency_ms: Option<f64>,
    application: Option<f64>,
    cpu: Option<f64>,
}

/// Reads a report; `None` if it says nothing of how busy the server is.
pub(crate) fn read(value: &[u8]) -> Option<Report> {
    if value.len() > REPORT_BYTES_MAX {
        return None;
    }
    let value = value.trim_ascii();
    let mut seen = Seen::default();
    match value {
        [b'J', b'S', b'O', b'N', b' ', rest @ ..] => json(rest, &mut seen),
        [b'T', b'E', b'X', b'T', b' ', rest @ ..] => text(rest, &mut seen),
        // Bodies often are JSON without a word of it.
        [b'{', ..] => json(value, &mut seen),
        _ => text(value, &mut seen),
    }
    let busy = seen.requests.or_else(|| seen.application.or(seen.cpu).map(|share| share * 100.0))?;
    Some(Report {
        requests: busy.min(1e9) as f32,
        latency_us: seen.latency_ms.map(|latency| (latency * 1000.0).min(1e12) as f32),
    })
}

/// `name=value` or `name:value`, separated by commas.
fn text(value: &[u8], seen: &mut Seen) {
    for pair in value.split(|byte| *byte == b',') {
        let Some(at) = pair.iter().position(|byte| matches!(byte, b'=' | b':')) else { continue };
        let (name, number) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        match name.strip_prefix(b"named_metrics.") {
            Some(name) => seen.take(name, true, number),
            None => seen.take(name, false, number),
        }
    }
}

/// One object, in which only `named_metrics` is another that matters.
fn json(value: &[u8], seen: &mut Seen) {
    let (mut depth, mut is_named) = (0_usize, false);
    let mut key: &[u8] = b"";
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match first {
            b'"' => {
                let (string, behind) = string(after);
                rest = behind.trim_ascii_start();
                if let [b':', after @ ..] = rest {
                    key = string;
                    rest = after;
                }
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                is_named = depth == 2 && *first == b'{' && matches!(key, b"named_metrics" | b"namedMetrics");
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                is_named = false;
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                if depth == 1 || is_named {
                    seen.take(key, is_named, &rest[..end]);
                }
                rest = &rest[end..];
                continue;
            }
            _ => {}
        }
        rest = after;
    }
}

/// A string behind its first quote, and what follows it. Escapes stay as they are: no name that matters has any.
fn string(text: &[u8]) -> (&[u8], &[u8]) {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => return (&text[..at], &text[at + 1..]),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    (text, b"")
}

impl Seen {
    fn take(&mut self, name: &[u8], is_named: bool, number: &[u8]) {
        let place = match (name, is_named) {
            (b"requests_in_flight", true) => &mut self.requests,
            (b"latency_ms", true) => &mut self.latency_ms,
            (b"application_utilization" | b"applicationUtilization", false) => &mut self.application,
            (b"cpu_utilization" | b"cpuUtilization", false) => &mut self.cpu,
            _ => return,
        };
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<f64>().ok());
        if let Some(number) = number.filter(|number| number.is_finite() && *number >= 0.0) {
            *place = Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<(f32, Option<f32>)>) {
        let expected = expected.map(|(requests, latency_us)| Report { requests, latency_us });
        assert_eq!(read(value.as_bytes()), expected, "{value}");
    }

    #[test]
    fn both_forms_are_read() {
        let all = Some((5.0, Some(1500.0)));
        check(
            "TEXT cpu_utilization=0.3, named_metrics.requests_in_flight=5,named_metrics.latency_ms=1.5",
            all,
        );
        check(
            "TEXT cpu_utilization:0.3,named_metrics.requests_in_flight:5,named_metrics.latency_ms:1.5",
            all,
        );
        check(
            r#"JSON {"cpu_utilization": 0.3, "named_metrics": {"requests_in_flight": 5, "latency_ms": 1.5e0}}"#,
            all,
        );
        check(r#"{"namedMetrics":{"latency_ms":1.5,"requests_in_flight":5.0},"cpuUtilization":0.3}"#, all);
        check("named_metrics.requests_in_flight=5", Some((5.0, None)));
    }

    #[test]
    fn without_requests_in_flight_it_is_the_utilization() {
        check("TEXT cpu_utilization=0.25", Some((25.0, None)));
        check("TEXT cpu_utilization=0.25,application_utilization=0.5", Some((50.0, None)));
        check(r#"JSON {"cpu_utilization": 0.25}"#, Some((25.0, None)));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for value in [
            "",
            "TEXT",
            "TEXT ",
            "JSON",
            "JSON {}",
            "BIN CZqZmZmZmck/",
            "TEXT mem_utilization=0.5",
            "TEXT requests_in_flight=5",
            "TEXT cpu_utilization=-1",
            "TEXT cpu_utilization=NaN",
            "TEXT cpu_utilization=inf",
            "TEXT cpu_utilization",
            r#"JSON {"named_metrics": {"a": {"requests_in_flight": 5}}}"#,
            r#"JSON {"utilization": {"requests_in_flight": 5}}"#,
            r#"JSON {"named_metrics": "requests_in_flight: 5"}"#,
            r#"JSON {"a\": 1, \"cpu_utilization": 1"#,
        ] {
            check(value, None);
        }
        check(&format!("TEXT cpu_utilization=1,{}", "a=1,".repeat(2000)), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_numbers_are_numbers(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&value);
            for front in [&b"JSON "[..], b"TEXT ", b"{\"cpu_utilization\":", b"TEXT cpu_utilization="] {
                if let Some(report) = read(&[front, &value].concat()) {
                    prop_assert!(report.requests.is_finite() && report.requests >= 0.0);
                    prop_assert!(report.latency_us.is_none_or(|latency| latency.is_finite() && latency >= 0.0));
                }
            }
        }
    }
}
