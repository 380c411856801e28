//! Values in matches, and regular expressions.

use regex::bytes::RegexBuilder;

use super::Fault;
use crate::{Pattern, ValuePattern, report::shown};

/// The most memory of one compiled expression: enough for any that a human reads, and ten thousand routes stay
/// bounded.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Exact text, `~ REGEX`, or `*` for any value.
pub(crate) fn value(text: &str) -> Result<ValuePattern, Fault> {
    if let Some(pattern) = regex(text)? {
        return Ok(ValuePattern::Regex(pattern));
    }
    if text == "*" {
        return Ok(ValuePattern::Present);
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("a control character can stand in no value"));
    }
    Ok(ValuePattern::Exact(text.to_owned()))
}

/// The expression of `~ REGEX`; `None` if the text does not begin with `~`.
pub(crate) fn regex(text: &str) -> Result<Option<Pattern>, Fault> {
    let Some(rest) = text.strip_prefix('~') else { return Ok(None) };
    let Some(expression) = rest.strip_prefix(' ').map(str::trim_start).filter(|rest| !rest.is_empty()) else {
        return Err(Fault::new("a regular expression is written as `~ REGEX`, with a space after `~`"));
    };
    let built = RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build();
    match built {
        Ok(regex) => Ok(Some(Pattern { text: expression.to_owned(), regex })),
        Err(regex::Error::CompiledTooBig(_)) => Err(Fault::new("the regular expression is too large")
            .help("count less: `{1000}` repeats what stands before it a thousand times")),
        Err(error) => {
            // The last line of the message is the reason; those before show the expression again.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ");
            Err(Fault::new(format!("not a regular expression: {}", shown(reason))))
        }
    }
}
