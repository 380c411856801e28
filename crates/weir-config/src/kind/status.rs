//! Status codes.

use super::Fault;
use crate::report::shown;

/// One code or an inclusive range, of final answers.
pub(crate) fn range(text: &str) -> Result<(u16, u16), Fault> {
    let code = |text: &str| -> Option<u16> {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().ok().filter(|code| (200..=599).contains(code)) } else { None }
    };
    let not = || {
        Fault::new(format!("`{}` is not a status code or a range of them", shown(text)))
            .help("write `200` or `200-299`, from 200 to 599")
    };
    let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
    if let Some(class @ ("2" | "3" | "4" | "5")) = class {
        return Err(Fault::new(format!("`{text}` is not a range, did you mean `{class}00-{class}99`?")));
    }
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (code(from).ok_or_else(not)?, code(to).ok_or_else(not)?),
        None => {
            let code = code(text).ok_or_else(not)?;
            (code, code)
        }
    };
    if from > to {
        return Err(Fault::new(format!("the range `{text}` is empty, did you mean `{to}-{from}`?")));
    }
    Ok((from, to))
}

/// The status of a redirect.
pub(crate) fn redirect(text: &str) -> Result<u64, Fault> {
    match text {
        "301" => Ok(301),
        "302" => Ok(302),
        "303" => Ok(303),
        "307" => Ok(307),
        "308" => Ok(308),
        _ => Err(Fault::new(format!("`{}` is not the status of a redirect", shown(text)))
            .help("expected 301, 302, 303, 307 or 308")),
    }
}
