//! How many times its share something may have.

use super::Fault;
use crate::report::shown;

/// A server with ten times its share is as good as unbounded.
pub(crate) const BOUND_PERCENT_MAX: u64 = 1000;

/// `1.25`: above 1, with at most two decimals; in percent.
pub(crate) fn bound(text: &str) -> Result<u64, Fault> {
    let not = || {
        Fault::new(format!("`{}` is not a bound", shown(text)))
            .help("write a number above 1 with at most two decimals: `1.25` lets a server have a quarter more than its share")
    };
    if let Some(percent) = text.strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok()) {
        return Err(match percent {
            101..=BOUND_PERCENT_MAX => Fault::new(format!(
                "`{}` is not a bound, did you mean `{}`?",
                shown(text),
                percent_text(percent)
            )),
            _ => not(),
        });
    }
    let (whole, decimals) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = match decimals {
        None => 0,
        Some(text) if text.len() <= 2 && are_digits(text) => {
            text.parse::<u64>().map_err(|_| not())? * if text.len() == 1 { 10 } else { 1 }
        }
        Some(_) => return Err(not()),
    };
    if !are_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(not());
    }
    let percent = whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(100).saturating_add(decimals);
    match percent {
        101..=BOUND_PERCENT_MAX => Ok(percent),
        0..=100 => {
            let fault = Fault::new(format!("`{}` leaves a server less than its share", shown(text)));
            Err(if percent == 100 {
                Fault::new("a bound of 1 lets a key move with every request")
                    .help("write one above 1, like `1.25`")
            } else {
                fault.help("write one above 1, like `1.25`")
            })
        }
        _ => Err(Fault::new(format!(
            "`{}` is out of range: expected more than 1, at most {}",
            shown(text),
            BOUND_PERCENT_MAX / 100
        ))),
    }
}

fn percent_text(percent: u64) -> String {
    let text = format!("{}.{:02}", percent / 100, percent % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_above_one() {
        let check = |text: &str, expected: Result<u64, &str>| match (bound(text), expected) {
            (Ok(percent), Ok(expected)) => assert_eq!(percent, expected, "{text}"),
            (Err(fault), Err(expected)) => {
                assert!(fault.message.contains(expected), "{text}: {}", fault.message);
            }
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("1.25", Ok(125));
        check("2", Ok(200));
        check("1.5", Ok(150));
        check("1.01", Ok(101));
        check("10", Ok(1000));
        check("10.01", Err("out of range"));
        check("99999999999999999999999", Err("out of range"));
        check("1", Err("a bound of 1"));
        check("1.00", Err("a bound of 1"));
        check("0.5", Err("less than its share"));
        check("125%", Err("did you mean `1.25`?"));
        check("150%", Err("did you mean `1.5`?"));
        for text in ["", ".", "1.", ".5", "1.255", "1,25", "-2", "+2", "01.25", "1e1", "x", "50%"] {
            check(text, Err("is not a bound"));
        }
    }
}
