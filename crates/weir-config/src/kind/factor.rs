//! How many times as much: `3x`.

use super::Fault;
use crate::report::shown;

/// Less than this is within what chance does.
pub(crate) const FACTOR_PERCENT_MIN: u64 = 150;

/// More would never be reached.
pub(crate) const FACTOR_PERCENT_MAX: u64 = 100_000;

/// `3x` or `2.5x`, with at most two decimals; in hundredths.
pub(crate) fn factor(text: &str) -> Result<u64, Fault> {
    let not = || {
        Fault::new(format!("`{}` is not a factor", shown(text)))
            .help("write a number and an `x`: `3x` or `2.5x`")
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.strip_suffix('x').unwrap_or(text);
    let (whole, decimals) =
        number.split_once('.').map_or((number, "00"), |(whole, decimals)| (whole, decimals));
    let is_number = are_digits(whole) && are_digits(decimals) && decimals.len() <= 2;
    if !is_number || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(match text.strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok()) {
            Some(percent) if percent % 100 == 0 && percent > 0 => {
                Fault::new(format!("`{}` is not a factor, did you mean `{}x`?", shown(text), percent / 100))
            }
            _ => not(),
        });
    }
    if number.len() == text.len() {
        return Err(Fault::new(format!("`{}` has no unit, did you mean `{}x`?", shown(text), shown(text))));
    }
    let hundredths = decimals.parse::<u64>().unwrap_or_default() * if decimals.len() == 1 { 10 } else { 1 };
    let percent = whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(100).saturating_add(hundredths);
    if (FACTOR_PERCENT_MIN..=FACTOR_PERCENT_MAX).contains(&percent) {
        return Ok(percent);
    }
    Err(Fault::new(format!("`{}` is out of range: expected 1.5x to 1000x", shown(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_a_number_and_an_x() {
        let check = |text: &str, expected: Result<u64, &str>| match (factor(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(fault), Err(expected)) => {
                assert!(fault.message.contains(expected), "{text}: {}", fault.message);
            }
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("3x", Ok(300));
        check("1.5x", Ok(150));
        check("2.25x", Ok(225));
        check("1000x", Ok(100_000));
        check("3", Err("has no unit, did you mean `3x`?"));
        check("2.5", Err("did you mean `2.5x`?"));
        check("300%", Err("did you mean `3x`?"));
        check("1x", Err("out of range"));
        check("1.49x", Err("out of range"));
        check("1000.01x", Err("out of range"));
        check("99999999999999999999x", Err("out of range"));
        for text in ["", "x", "3 x", "x3", ".5x", "3.x", "3.333x", "-3x", "03x", "350%", "3X", "3ms"] {
            check(text, Err("is not a factor"));
        }
    }
}
