//! JSON values that keep the order of their keys, for the schema: editors show keys in that order.

use std::fmt::Write as _;

use crate::tree::{Content, Node};

#[derive(Debug, Clone)]
pub(crate) enum Json {
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    pub(crate) fn object<const N: usize>(pairs: [(&str, Json); N]) -> Json {
        Json::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Json {
        Json::List(texts.into_iter().map(Json::text).collect())
    }

    /// Adds a key to an object.
    pub(crate) fn with(mut self, name: &str, value: Json) -> Json {
        if let Json::Object(pairs) = &mut self {
            pairs.push((name.to_owned(), value));
        }
        self
    }

    /// What a tree means to a JSON reader.
    pub(crate) fn of(node: &Node) -> Json {
        match &node.content {
            Content::Scalar(scalar) => match (scalar.quoted, scalar.text.as_str(), scalar.text.parse()) {
                (false, _, Ok(number)) => Json::Number(number),
                (false, "true", _) => Json::Bool(true),
                (false, "false", _) => Json::Bool(false),
                (_, text, _) => Json::text(text),
            },
            Content::List(items) => Json::List(items.iter().map(Json::of).collect()),
            Content::Map(pairs) => {
                let pair = |(key, value): &(crate::tree::Key, Node)| (key.name.text.clone(), Json::of(value));
                Json::Object(pairs.iter().map(pair).collect())
            }
            Content::Refused => Json::Object(Vec::new()),
        }
    }

    /// Two spaces per level, as people read it.
    pub(crate) fn print(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        match self {
            Json::Bool(value) => {
                let _ = write!(out, "{value}");
            }
            Json::Number(value) => {
                let _ = write!(out, "{value}");
            }
            Json::Text(text) => write_text(text, out),
            Json::List(items)
                if items.iter().all(|item| !matches!(item, Json::Object(_) | Json::List(_))) =>
            {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write(depth, out);
                }
                out.push(']');
            }
            Json::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    line(index, depth + 1, out);
                    item.write(depth + 1, out);
                }
                line(0, depth, out);
                out.push(']');
            }
            Json::Object(pairs) if pairs.is_empty() => out.push_str("{}"),
            Json::Object(pairs) => {
                out.push('{');
                for (index, (name, value)) in pairs.iter().enumerate() {
                    line(index, depth + 1, out);
                    write_text(name, out);
                    out.push_str(": ");
                    value.write(depth + 1, out);
                }
                line(0, depth, out);
                out.push('}');
            }
        }
    }
}

fn line(index: usize, depth: usize, out: &mut String) {
    out.push_str(if index > 0 { ",\n" } else { "\n" });
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// RFC 8259 section 7.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
