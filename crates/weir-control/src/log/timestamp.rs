//! A point in time as RFC 3339 writes it, in UTC and to the millisecond.
//!
//! Twenty lines of calendar instead of a library: a log needs no time zones and no parsing.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Shown as `2026-11-20T18:53:21.123Z`. Times before 1970 are shown as its first moment.
#[derive(Clone, Copy)]
pub(super) struct Timestamp(pub(super) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (year, month, day) = date(since.as_secs() / DAY_SECONDS);
        let second = since.as_secs() % DAY_SECONDS;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let ms = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of the day that is so many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    let mut day = days - days_before(year);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    (year, month as u64 + 1, day + 1)
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_before(year: u64) -> u64 {
    // Leap years up to the end of a year: every fourth, but of the hundreds only every fourth.
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the time that is `seconds` after 1970 (as `date -u -d @SECONDS` shows it).
    #[track_caller]
    fn check(seconds: u64, ms: u64, expected: &str) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(ms);
        assert_eq!(Timestamp(time).to_string(), expected);
    }

    #[test]
    fn known_moments() {
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(951_782_399, 999, "2000-02-28T23:59:59.999Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.000Z");
        check(951_868_800, 1, "2000-03-01T00:00:00.001Z");
        check(1_795_200_801, 123, "2026-11-20T18:53:21.123Z");
        check(1_798_761_599, 0, "2026-12-31T23:59:59.000Z");
        check(1_798_761_600, 0, "2027-01-01T00:00:00.000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z");
        check(253_402_300_799, 0, "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn before_1970_is_1970() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Timestamp(time).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut before = date(0);
        for days in 1..400_000 {
            let (year, month, day) = date(days);
            let follows = if day > 1 {
                before == (year, month, day - 1)
            } else if month > 1 {
                (before.0, before.1) == (year, month - 1) && before.2 >= 28
            } else {
                before == (year - 1, 12, 31)
            };
            assert!(follows, "{before:?} and then {:?}", (year, month, day));
            before = (year, month, day);
        }
    }
}
