//! Just enough DER (X.690) to find names and times in a certificate and in an OCSP response.
//!
//! Fifty thousand certificates are looked through at the start, for their names alone; a parser of everything costs
//! several times as much. Whether a certificate is well formed as a whole, rustls says when it is loaded.

use std::time::{Duration, SystemTime};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A row of values that is read from the front.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value: its tag and its contents. `None` at the end, or where it is no DER.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // A length of one to four bytes; nothing here is longer.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    /// The contents of the next value, if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, value) = ahead.next()?;
        (found == tag).then(|| {
            *self = ahead;
            value
        })
    }

    /// The same, to read what is in it.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader)
    }

    /// A point in time, as certificates write it (RFC 5280 section 4.1.2.5).
    pub(super) fn time(&mut self) -> Option<SystemTime> {
        let (tag, text) = self.next()?;
        let digits = text.strip_suffix(b"Z")?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |part: &[u8]| part.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        let (year, rest) = match (tag, digits.len()) {
            (UTC_TIME, 12) => {
                let year = number(&digits[..2]);
                (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
            }
            (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
            _ => return None,
        };
        let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|at| number(&rest[at..at + 2]));
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let length = Duration::from_secs(seconds.unsigned_abs());
        match seconds >= 0 {
            true => SystemTime::UNIX_EPOCH.checked_add(length),
            false => SystemTime::UNIX_EPOCH.checked_sub(length),
        }
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the odd day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The day of a time, for people: `2026-11-21`.
pub(crate) fn date(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    let wanted = seconds.div_euclid(86_400);
    // The year by its mean length, corrected by at most one.
    let mut year = 1970 + (wanted * 400).div_euclid(146_097);
    while days(year + 1, 1, 1) <= wanted {
        year += 1;
    }
    while days(year, 1, 1) > wanted {
        year -= 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= wanted).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", wanted - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(tag: u8, text: &str, expected: Option<u64>) {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend_from_slice(text.as_bytes());
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(Reader::new(&der).time().map(seconds), expected, "{text}");
    }

    #[test]
    fn times() {
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "240229235959Z", Some(1_709_251_199));
        check(GENERALIZED_TIME, "20240301000000Z", Some(1_709_251_200));
        check(GENERALIZED_TIME, "20991231235959Z", Some(4_102_444_799));
        for wrong in ["", "Z", "20240301000000", "2024030100000Z", "20241301000000Z", "2024-3-1T00:00:0Z"] {
            check(GENERALIZED_TIME, wrong, None);
        }
    }

    #[test]
    fn dates() {
        let at = |seconds| date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(1_709_251_199), "2024-02-29");
        assert_eq!(at(1_709_251_200), "2024-03-01");
        assert_eq!(at(4_102_444_799), "2099-12-31");
    }

    proptest! {
        #[test]
        fn every_day_comes_back(day in 0..100_000u64) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400 + 40_000);
            let text = format!("{}120000Z", date(time).replace('-', ""));
            let mut der = vec![GENERALIZED_TIME, 15];
            der.extend_from_slice(text.as_bytes());
            let back = Reader::new(&der).time().unwrap();
            prop_assert_eq!(date(back), date(time));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.time();
            while let Some((_, value)) = reader.next() {
                prop_assert!(value.len() <= bytes.len());
            }
        }
    }
}
