//! One event as one line. Pure.
//!
//! Values come from files and from the network. Whatever they contain, a line stays one line, its fields can
//! be told apart, and no terminal is steered by it.

use std::{fmt::Write, time::SystemTime};

use weir_config::{LogFormat, LogLevel};

use super::{Field, timestamp::Timestamp};

/// The line, with its line feed.
pub(super) fn line(
    format: LogFormat,
    time: SystemTime,
    level: LogLevel,
    message: &str,
    fields: &[Field<'_>],
) -> String {
    let time = Timestamp(time);
    match format {
        LogFormat::Text => text(time, level, message, fields),
        LogFormat::Json => json(time, level, message, fields),
    }
}

fn text(time: Timestamp, level: LogLevel, message: &str, fields: &[Field<'_>]) -> String {
    let mut line = format!("{time} {:<5} ", word(level));
    push_escaped(&mut line, message, Quotes::Plain);
    for (name, value) in fields {
        let value = value.to_string();
        line.push(' ');
        line.push_str(name);
        line.push('=');
        if is_bare(&value) {
            line.push_str(&value);
        } else {
            line.push('"');
            push_escaped(&mut line, &value, Quotes::Escaped);
            line.push('"');
        }
    }
    line.push('\n');
    line
}

fn json(time: Timestamp, level: LogLevel, message: &str, fields: &[Field<'_>]) -> String {
    let mut line = format!("{{\"time\":\"{time}\",\"level\":\"{}\",\"message\":\"", word(level));
    push_escaped(&mut line, message, Quotes::Escaped);
    line.push('"');
    for (name, value) in fields {
        assert!(!["time", "level", "message"].contains(name), "field {name} would be there twice");
        line.push_str(",\"");
        push_escaped(&mut line, name, Quotes::Escaped);
        line.push_str("\":\"");
        push_escaped(&mut line, &value.to_string(), Quotes::Escaped);
        line.push('"');
    }
    line.push_str("}\n");
    line
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// Can stand without quotes.
fn is_bare(value: &str) -> bool {
    let plain =
        |char: char| !is_dangerous(char) && !char.is_whitespace() && !matches!(char, '"' | '\\' | '=');
    !value.is_empty() && value.chars().all(plain)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// No quotes around: quotes and backslashes are plain characters.
    Plain,
    /// Within quotes.
    Escaped,
}

/// Adds `text` with the escapes of JSON (RFC 8259 section 7), which serve the text form as well.
fn push_escaped(line: &mut String, text: &str, quotes: Quotes) {
    for char in text.chars() {
        match char {
            '"' | '\\' if quotes == Quotes::Escaped => line.extend(['\\', char]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // All of these lie below U+10000, so one escape suffices.
            char if is_dangerous(char) => write!(line, "\\u{:04x}", char as u32).expect("a string takes all"),
            char => line.push(char),
        }
    }
}

/// Control characters, line separators, and the marks that turn the direction of what follows.
fn is_dangerous(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn written(format: LogFormat, level: LogLevel, message: &str, fields: &[Field<'_>]) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_200_801_123);
        line(format, time, level, message, fields)
    }

    #[test]
    fn text_is_for_people() {
        let line = written(
            LogFormat::Text,
            LogLevel::Info,
            "listening",
            &[("listener", &"web"), ("address", &"127.0.0.1:8080"), ("count", &3)],
        );
        assert_eq!(
            line,
            "2026-11-20T18:53:21.123Z info  listening listener=web address=127.0.0.1:8080 count=3\n"
        );
    }

    #[test]
    fn text_quotes_what_is_not_one_word() {
        for (value, expected) in [
            ("", r#"v="""#),
            ("web", "v=web"),
            ("größe", "v=größe"),
            ("two words", r#"v="two words""#),
            ("a=b", r#"v="a=b""#),
            (r#"say "hi""#, r#"v="say \"hi\"""#),
            (r"c:\dir", r#"v="c:\\dir""#),
            ("one\ntwo\r\t", r#"v="one\ntwo\r\t""#),
            ("\u{1b}[31mred\u{7f}\u{9b}", r#"v="\u001b[31mred\u007f\u009b""#),
            ("\u{202e}gnp", r#"v="\u202egnp""#),
        ] {
            let line = written(LogFormat::Text, LogLevel::Warn, "message", &[("v", &value)]);
            assert_eq!(line, format!("2026-11-20T18:53:21.123Z warn  message {expected}\n"));
        }
    }

    #[test]
    fn json_is_for_machines() {
        let line =
            written(LogFormat::Json, LogLevel::Error, "cannot \"start\"", &[("file", &"a\nb"), ("line", &7)]);
        assert_eq!(
            line,
            concat!(
                r#"{"time":"2026-11-20T18:53:21.123Z","level":"error","message":"cannot \"start\"","#,
                r#""file":"a\nb","line":"7"}"#,
                "\n"
            )
        );
    }

    proptest! {
        #[test]
        fn json_gives_back_every_value(message in any::<String>(), value in any::<String>()) {
            let line = written(LogFormat::Json, LogLevel::Debug, &message, &[("value", &value)]);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(parsed["message"].as_str().unwrap(), message);
            prop_assert_eq!(parsed["value"].as_str().unwrap(), value);
        }

        #[test]
        fn text_stays_one_harmless_line(message in any::<String>(), value in any::<String>()) {
            let line = written(LogFormat::Text, LogLevel::Debug, &message, &[("value", &value)]);
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains(is_dangerous));
            // A quoted value gives back what was written: its escapes are those of JSON.
            let (_, shown) = body.rsplit_once("value=").unwrap();
            if shown.ends_with('"') && body.contains("value=\"") {
                let (_, quoted) = body.split_once(" value=\"").unwrap();
                if !message.contains(" value=") {
                    let back: String = serde_json::from_str(&format!("\"{quoted}")).unwrap();
                    prop_assert_eq!(back, value);
                }
            }
        }
    }
}
