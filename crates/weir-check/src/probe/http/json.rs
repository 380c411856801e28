//! What an answer in JSON must say.

use serde_json::Value;
use weir_config::JsonScalar;

use crate::said::said;

/// Compares what stands at each pointer (RFC 6901). The error is the reason, for a person.
pub(super) fn expect(body: &[u8], expected: &[(String, JsonScalar)]) -> Result<(), String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        // Its texts are fixed: no byte of the server's gets into a log.
        format!("the body is not JSON: {error}")
    })?;
    for (pointer, wanted) in expected {
        let place = if pointer.is_empty() { "the body" } else { pointer };
        let found = body.pointer(pointer).ok_or_else(|| format!("the body has nothing at {pointer}"))?;
        let is_same = match (wanted, found) {
            (JsonScalar::Text(wanted), Value::String(found)) => wanted == found,
            (JsonScalar::Bool(wanted), Value::Bool(found)) => wanted == found,
            (JsonScalar::Number(wanted), Value::Number(found)) => found.as_f64() == Some(*wanted),
            _ => false,
        };
        if !is_same {
            return Err(format!("{place} is {}, expected {}", shown(found), written(wanted)));
        }
    }
    Ok(())
}

/// What was found, in a few words.
fn shown(found: &Value) -> String {
    match found {
        Value::Null => "null".to_owned(),
        Value::Bool(found) => found.to_string(),
        Value::Number(found) => found.to_string(),
        Value::String(found) => format!("{:?}", said(found.as_bytes())),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn written(wanted: &JsonScalar) -> String {
    match wanted {
        JsonScalar::Text(text) => format!("{text:?}"),
        JsonScalar::Number(number) => number.to_string(),
        JsonScalar::Bool(is) => is.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> JsonScalar {
        JsonScalar::Text(text.to_owned())
    }

    #[test]
    fn values_at_pointers() {
        let body = r#"{"status":"ok","db":[{"up":true}],"n":5,"a/b":{"~":0.5},"":"x","no":null,"s":"5"}"#;
        let check = |pointer: &str, wanted: JsonScalar, expected: Result<(), &str>| {
            let found = expect(body.as_bytes(), &[(pointer.to_owned(), wanted)]);
            assert_eq!(found, expected.map_err(str::to_owned), "{pointer}");
        };
        check("/status", text("ok"), Ok(()));
        check("/db/0/up", JsonScalar::Bool(true), Ok(()));
        check("/n", JsonScalar::Number(5.0), Ok(()));
        check("/a~1b/~0", JsonScalar::Number(0.5), Ok(()));
        check("/", text("x"), Ok(()));
        check("/status", text("down"), Err("/status is \"ok\", expected \"down\""));
        check("/db/0/up", JsonScalar::Bool(false), Err("/db/0/up is true, expected false"));
        check("/s", JsonScalar::Number(5.0), Err("/s is \"5\", expected 5"));
        check("/n", text("5"), Err("/n is 5, expected \"5\""));
        check("/no", text("x"), Err("/no is null, expected \"x\""));
        check("/db", text("x"), Err("/db is a list, expected \"x\""));
        check("", text("x"), Err("the body is an object, expected \"x\""));
        check("/db/1", text("x"), Err("the body has nothing at /db/1"));
        check("/db/00", text("x"), Err("the body has nothing at /db/00"));
    }

    #[test]
    fn what_is_no_json_fails() {
        let check = |body: &str, reason: &str| {
            let found = expect(body.as_bytes(), &[("/a".to_owned(), text("b"))]).unwrap_err();
            assert!(found.starts_with(reason), "{found}");
        };
        check("", "the body is not JSON: EOF");
        check("<html>", "the body is not JSON: expected value at line 1 column 1");
        check(r#"{"a":"b"} more"#, "the body is not JSON: trailing characters");
        check(&"[".repeat(60_000), "the body is not JSON: recursion limit exceeded");
        check(r#"{"a":"\u001b[31m"}"#, r#"/a is "?[31m", expected "b""#);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            pointer in "(/[a-z0-9~/]{0,5}){0,4}",
        ) {
            if let Err(reason) = expect(&body, &[(pointer, text("x"))]) {
                prop_assert!(!reason.chars().any(char::is_control));
            }
        }

        #[test]
        fn nothing_that_looks_like_json_does_either(
            body in r#"[\[\]{}",:0-9eE+\-.a\\ ]{0,60}"#,
        ) {
            let _ = expect(body.as_bytes(), &[("/a/0".to_owned(), JsonScalar::Number(1.0))]);
        }
    }
}
