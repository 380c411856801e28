//! Shares that may be small: `0.1%`.

use super::Fault;
use crate::{Part, report::shown};

/// Decimals of a percent; a millionth has four.
const DECIMALS_MAX: usize = 4;

/// `10%` or `0.1%`: above zero, with at most four decimals; in millionths.
pub(crate) fn part(text: &str) -> Result<u64, Fault> {
    let not = || {
        Fault::new(format!("`{}` is not a share", shown(text)))
            .help("write a number with at most four decimals: `10%` or `0.1%`")
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = are_digits(whole) && are_digits(decimals) && decimals.len() <= DECIMALS_MAX;
    if !is_number || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(not());
    }
    if number.len() == text.len() {
        return Err(Fault::new(format!("`{}` has no unit, did you mean `{}%`?", shown(text), shown(text))));
    }
    let decimals: u64 = format!("{decimals:0<DECIMALS_MAX$}").parse().unwrap_or_default();
    let millionths = whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(10_000).saturating_add(decimals);
    if (1..=u64::from(Part::WHOLE.0)).contains(&millionths) {
        return Ok(millionths);
    }
    Err(Fault::new(format!("`{}` is out of range: expected more than 0%, at most 100%", shown(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_may_be_small() {
        let check = |text: &str, expected: Result<u64, &str>| match (part(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(fault), Err(expected)) => {
                assert!(fault.message.contains(expected), "{text}: {}", fault.message);
            }
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("100%", Ok(1_000_000));
        check("10%", Ok(100_000));
        check("0.1%", Ok(1_000));
        check("2.25%", Ok(22_500));
        check("0.0001%", Ok(1));
        check("0%", Err("out of range"));
        check("0.0000%", Err("out of range"));
        check("100.0001%", Err("out of range"));
        check("99999999999999999999%", Err("out of range"));
        check("10", Err("has no unit, did you mean `10%`?"));
        check("0.1", Err("has no unit, did you mean `0.1%`?"));
        for text in ["", "%", "1.%", ".5%", "0.00001%", "01%", "-1%", "+1%", "1e1%", "1 %", "1,5%", "all"] {
            check(text, Err("is not a share"));
        }
    }
}
