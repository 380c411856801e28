//! Durations, sizes, counts, and shares.

use std::time::Duration;

use super::Fault;
use crate::report::shown;

/// A year; nothing that Weir waits for is longer, and no timer overflows below it.
const DURATION_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

const DURATION_HELP: &str = "write a whole number and a unit: `100ms`, `2s`, `5m` or `1h`";
const SIZE_HELP: &str = "write a whole number and a unit: `512B`, `16KiB`, `10MiB` or `1GiB`";

/// `100ms`, `2s`, `5m`, `1h`; longer than zero, at most a year.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let (digits, unit) = split(text);
    let not = || Fault::new(format!("`{}` is not a duration", shown(text))).help(DURATION_HELP);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ if digits.is_empty() => return Err(not()),
        "" => return Err(meant(text, "has no unit", &format!("{digits}s"))),
        _ => {
            let unit = unit.trim().to_ascii_lowercase();
            return Err(match unit.as_str() {
                "ms" | "msec" | "millis" | "milliseconds" => {
                    meant(text, "is not a duration", &format!("{digits}ms"))
                }
                "s" | "sec" | "secs" | "second" | "seconds" => {
                    meant(text, "is not a duration", &format!("{digits}s"))
                }
                "m" | "min" | "mins" | "minute" | "minutes" => {
                    meant(text, "is not a duration", &format!("{digits}m"))
                }
                "h" | "hr" | "hour" | "hours" => meant(text, "is not a duration", &format!("{digits}h")),
                "d" | "day" | "days" => not().help("the largest unit is the hour: write `24h` for a day"),
                "us" | "µs" | "ns" => not().help("the smallest unit is `ms`"),
                _ if unit.starts_with('.') => fraction(text).unwrap_or_else(not),
                _ => not(),
            });
        }
    };
    if digits.is_empty() {
        return Err(not());
    }
    let count: u64 = digits.parse().unwrap_or(u64::MAX);
    let duration = Duration::from_millis(count.saturating_mul(millis));
    if duration.is_zero() {
        return Err(Fault::new("a duration must be longer than zero"));
    }
    if duration > DURATION_MAX {
        return Err(Fault::new(format!("`{}` is longer than a year", shown(text))));
    }
    Ok(duration)
}

/// `1.5m` is `90s`.
fn fraction(text: &str) -> Option<Fault> {
    let end = text.bytes().position(|b| b.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let millis: f64 = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let duration =
        Duration::try_from_secs_f64((number.parse::<f64>().ok()? * millis).round() / 1000.0).ok()?;
    Some(meant(text, "is not a whole number", &duration_text(duration)))
}

/// `512B`, `16KiB`, `10MiB`, `1GiB`, `1TiB`, within limits in bytes.
pub(crate) fn size(text: &str, min: u64, max: u64) -> Result<u64, Fault> {
    let (digits, unit) = split(text);
    let not = || Fault::new(format!("`{}` is not a size", shown(text))).help(SIZE_HELP);
    if digits.is_empty() {
        return Err(not());
    }
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        "" => return Err(meant(text, "has no unit", &format!("{digits}B"))),
        _ => {
            let prefix = unit.trim().to_ascii_lowercase();
            return Err(match prefix.as_str() {
                "b" | "bytes" => meant(text, "is not a size", &format!("{digits}B")),
                "k" | "kb" | "kib" => meant(text, "is not a size", &format!("{digits}KiB")),
                "m" | "mb" | "mib" => meant(text, "is not a size", &format!("{digits}MiB")),
                "g" | "gb" | "gib" => meant(text, "is not a size", &format!("{digits}GiB")),
                "t" | "tb" | "tib" => meant(text, "is not a size", &format!("{digits}TiB")),
                _ => not(),
            });
        }
    };
    let count: u64 = digits.parse().unwrap_or(u64::MAX);
    let bytes = count.saturating_mul(1 << shift);
    if bytes < min || bytes > max {
        let range = format!("expected {} to {}", size_text(min), size_text(max));
        return Err(Fault::new(format!("`{}` is out of range: {range}", shown(text))));
    }
    Ok(bytes)
}

/// A size as it is written, in the largest unit that holds it exactly.
pub(crate) fn size_text(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    match unit {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// A duration as it is written, in the largest unit that holds it exactly.
pub(crate) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.iter().find(|(length, _)| millis > 0 && millis.is_multiple_of(*length));
    match unit {
        Some((length, unit)) => format!("{}{unit}", millis / length),
        None => format!("{millis}ms"),
    }
}

/// A whole number within limits. `or` names what else may stand here.
pub(crate) fn count(text: &str, min: u64, max: u64, or: &str) -> Result<u64, Fault> {
    let (digits, rest) = split(text);
    if digits.is_empty() || !rest.is_empty() {
        let joined = text.replace(['_', ',', '\''], "");
        let grouped = joined != text && joined.bytes().all(|b| b.is_ascii_digit());
        if grouped && !joined.is_empty() {
            return Err(meant(text, "is not a whole number", &joined));
        }
        if rest == "%" && !digits.is_empty() {
            return Err(meant(text, "is not a whole number", digits));
        }
        return Err(Fault::new(format!("expected {or}a whole number, found `{}`", shown(text))));
    }
    // To readers of YAML 1.1, `010` is eight.
    if digits.len() > 1 && digits.starts_with('0') {
        let trimmed = digits.trim_start_matches('0');
        return Err(meant(text, "begins with a zero", if trimmed.is_empty() { "0" } else { trimmed }));
    }
    match digits.parse() {
        Ok(count) if (min..=max).contains(&count) => Ok(count),
        _ => Err(Fault::new(format!("`{}` is out of range: expected {min} to {max}", shown(text)))),
    }
}

/// `20%`, within limits in hundredths.
pub(crate) fn share(text: &str, min: u64, max: u64) -> Result<u64, Fault> {
    let (digits, unit) = split(text);
    let not = || Fault::new(format!("`{}` is not a share", shown(text))).help("write a whole number: `20%`");
    match unit {
        "%" => {}
        "" if !digits.is_empty() => return Err(meant(text, "has no unit", &format!("{digits}%"))),
        _ => {
            let fraction = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
            return Err(match fraction {
                Some(share) => meant(text, "is not a share", &format!("{}%", (share * 100.0).round())),
                None => not(),
            });
        }
    }
    match digits.parse() {
        Ok(share) if (min..=max).contains(&share) => Ok(share),
        Ok(_) => Err(Fault::new(format!("`{}` is out of range: expected {min}% to {max}%", shown(text)))),
        Err(_) => Err(not()),
    }
}

fn meant(text: &str, problem: &str, meant: &str) -> Fault {
    Fault::new(format!("`{}` {problem}, did you mean `{}`?", shown(text), shown(meant)))
}

/// The digits at the front, and the rest.
fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}
