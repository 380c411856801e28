//! What checks ask and expect.

use super::{Fault, header, pattern, plain};
use crate::{JsonScalar, Sought, report::shown, tree::Scalar};

/// A check reads no more of an answer, so no longer text could be found.
const SOUGHT_BYTES_MAX: usize = 64 * 1024;

/// A method that can be asked for a path.
pub(crate) fn method(text: &str) -> Result<(), Fault> {
    match text {
        "CONNECT" => Err(Fault::new("a check asks for a path, which `CONNECT` does not")),
        "TRACE" => Ok(()),
        _ => header::method(text),
    }
}

/// A field that a check may send.
pub(crate) fn header(text: &str) -> Result<(), Fault> {
    match header::edited(text) {
        Err(_) if text.eq_ignore_ascii_case("host") => {
            Err(Fault::new(format!("`{}` is no field of its own here", shown(text)))
                .help("write `host: NAME` beside `http`"))
        }
        Err(fault) => Err(Fault { message: fault.message.replace("be edited", "be set"), ..fault }),
        fine => fine,
    }
}

/// Text, or `~ REGEX`.
pub(crate) fn sought(text: &str) -> Result<Sought, Fault> {
    if let Some(pattern) = pattern::regex(text)? {
        return Ok(Sought::Regex(pattern));
    }
    match text.len() {
        0 => Err(Fault::new("an empty text is in everything").help("take the key away")),
        1..=SOUGHT_BYTES_MAX => Ok(Sought::Text(text.to_owned())),
        _ => Err(Fault::new("the text is longer than what is read of an answer, 64 KiB")),
    }
}

/// RFC 6901 section 3.
pub(crate) fn json_pointer(text: &str) -> Result<(), Fault> {
    let not = || Fault::new(format!("`{}` is not a JSON pointer", shown(text)));
    if !text.is_empty() && !text.starts_with('/') {
        let meant = format!("/{}", text.trim_start_matches("$.").replace('.', "/"));
        return Err(not().help(format!("a pointer begins with `/`, did you mean `{}`?", shown(&meant))));
    }
    match text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1'])) {
        true => Ok(()),
        false => Err(not().help("in a name, `~` is written `~0` and `/` is written `~1`")),
    }
}

/// Quoted, it is text; plain, it is what JSON takes it for, or text that no reader of YAML takes for anything else.
pub(crate) fn json_scalar(scalar: &Scalar) -> Result<JsonScalar, Fault> {
    let text = scalar.text.as_str();
    if scalar.quoted {
        return Ok(JsonScalar::Text(text.to_owned()));
    }
    match text {
        "true" => return Ok(JsonScalar::Bool(true)),
        "false" => return Ok(JsonScalar::Bool(false)),
        _ => {}
    }
    match text.parse::<f64>() {
        Ok(number) if is_json_number(text) && number.is_finite() => Ok(JsonScalar::Number(number)),
        _ => plain::check(text).map(|()| JsonScalar::Text(text.to_owned())),
    }
}

/// RFC 8259 section 6, of what already parses as a number.
fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = unsigned.split(['.', 'e', 'E']).next().unwrap_or_default();
    let fraction = unsigned.split_once('.').map(|(_, after)| after);
    !whole.is_empty()
        && whole.bytes().all(|byte| byte.is_ascii_digit())
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers() {
        for fine in ["", "/", "/status", "/db/0/up", "/a~1b/~0c", "/ü"] {
            assert_eq!(json_pointer(fine), Ok(()), "{fine:?}");
        }
        let check = |text, help: &str| {
            let fault = json_pointer(text).unwrap_err();
            assert_eq!(fault.message, format!("`{text}` is not a JSON pointer"));
            assert_eq!(fault.help.unwrap_or_default(), help);
        };
        check("status", "a pointer begins with `/`, did you mean `/status`?");
        check("$.db.up", "a pointer begins with `/`, did you mean `/db/up`?");
        check("/a~b", "in a name, `~` is written `~0` and `/` is written `~1`");
        check("/a~", "in a name, `~` is written `~0` and `/` is written `~1`");
    }

    #[test]
    fn scalars() {
        let check = |text: &str, quoted, expected: Result<JsonScalar, &str>| {
            let found = json_scalar(&Scalar { text: text.to_owned(), quoted });
            assert_eq!(found.map_err(|fault| fault.message), expected.map_err(str::to_owned), "{text:?}");
        };
        check("ok", false, Ok(JsonScalar::Text("ok".into())));
        check("true", false, Ok(JsonScalar::Bool(true)));
        check("true", true, Ok(JsonScalar::Text("true".into())));
        check("yes", false, Err("plain `yes` is a boolean to some readers of YAML"));
        for (text, number) in [("0", 0.0), ("-1.5", -1.5), ("12", 12.0), ("1e3", 1000.0)] {
            check(text, false, Ok(JsonScalar::Number(number)));
        }
        for text in ["012", "1_000", "0x10", "1.", ".5", "+1", "1:30"] {
            check(text, false, Err(&format!("plain `{text}` is a number to some readers of YAML")));
        }
        check("2026-11-20", false, Err("plain `2026-11-20` is a date to some readers of YAML"));
    }
}
