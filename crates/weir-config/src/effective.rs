//! The effective file: the whole configuration as YAML, with every default written out.
//!
//! Values are printed as they were written, and text is quoted wherever a reader of YAML 1.1 or 1.2 could take it
//! for anything else.

use std::fmt::Write as _;

use crate::{
    JsonScalar,
    filled::{Data, Entry, Filled},
    kind::{Value, taken_for},
    tree::Scalar,
};

/// Prints the tree.
pub(crate) fn print(root: &Filled) -> String {
    let mut out = String::new();
    if let Data::Section(section) = &root.data {
        entries(&section.entries, 0, false, &mut out);
    }
    out
}

/// `in_item`: the first line continues one that begins with `- `.
fn entries(list: &[Entry], depth: usize, in_item: bool, out: &mut String) {
    for (index, entry) in list.iter().enumerate() {
        if index > 0 || !in_item {
            indent(depth, out);
        }
        out.push_str(&text(&entry.name));
        out.push(':');
        value(&entry.value, depth + 1, out);
    }
}

/// What stands behind `key:`, with the line's end.
fn value(node: &Filled, depth: usize, out: &mut String) {
    match &node.data {
        Data::One(scalar, value) => {
            let _ = writeln!(out, " {}", one(scalar, value));
        }
        Data::List(items) if items.iter().all(|item| matches!(item.data, Data::One(..))) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            let _ = writeln!(out, " [{}]", items.join(", "));
        }
        Data::List(list) => {
            out.push('\n');
            for item in list {
                indent(depth, out);
                out.push_str("- ");
                match &item.data {
                    Data::Section(section) => entries(&section.entries, depth + 1, true, out),
                    _ => {
                        let _ = writeln!(out, "{}", flow(item));
                    }
                }
            }
        }
        Data::Map(list) => nested(list, depth, out),
        Data::Section(section) => nested(&section.entries, depth, out),
        // A tree without errors holds none of these.
        Data::Bad => out.push('\n'),
    }
}

fn nested(list: &[Entry], depth: usize, out: &mut String) {
    if list.is_empty() {
        out.push_str(" {}\n");
    } else {
        out.push('\n');
        entries(list, depth, false, out);
    }
}

fn flow(node: &Filled) -> String {
    match &node.data {
        Data::One(scalar, value) => one(scalar, value),
        _ => String::new(),
    }
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn one(scalar: &Scalar, value: &Value) -> String {
    match value {
        Value::Number(_)
        | Value::Auto
        | Value::Bool(_)
        | Value::Word(_)
        | Value::Duration(_)
        | Value::Json(JsonScalar::Number(_) | JsonScalar::Bool(_))
        | Value::Range(..) => scalar.text.clone(),
        _ => text(&scalar.text),
    }
}

/// Plain if it is a word, a path or an address to every reader; in double quotes otherwise.
fn text(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'*');
    let plain = begins && text.bytes().all(fine) && !text.ends_with(':') && taken_for(text).is_none();
    if plain { text.to_owned() } else { quoted(text) }
}

/// Double quotes, with the escapes that YAML shares with JSON, and all but printable ASCII escaped or known to
/// be safe.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c if c as u32 <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}
