use std::fmt::Write as _;

use super::{NODES_MAX, parse};
use crate::{
    report::Findings,
    tree::{Content, Node, Span},
};

/// The tree with every place, or the messages.
fn check(text: &str, expected: &str) {
    let mut findings = Findings::default();
    let root = parse(text, &mut findings);
    let mut found = String::new();
    match findings.finish("f", text) {
        Ok(_) => write_node(&root.expect("a tree without errors"), &mut found),
        Err(errors) => {
            for finding in errors.findings {
                let place = finding.place.unwrap();
                let _ = writeln!(found, "{}:{} {}", place.line, place.column, finding.message);
            }
        }
    }
    let start: String = text.chars().take(200).collect();
    assert_eq!(found.trim_end(), expected, "{start}");
}

fn write_node(node: &Node, out: &mut String) {
    match &node.content {
        Content::Scalar(scalar) => {
            let quote = if scalar.quoted { "\"" } else { "" };
            let _ = write!(out, "{quote}{}{quote}{}", scalar.text, place(node.span));
        }
        Content::List(items) => {
            out.push('[');
            for item in items {
                write_node(item, out);
                out.push(' ');
            }
            let _ = write!(out, "]{}", place(node.span));
        }
        Content::Map(pairs) => {
            out.push('{');
            for (key, value) in pairs {
                let _ = write!(out, "{}{}=", key.name.text, place(key.span));
                write_node(value, out);
                out.push(' ');
            }
            let _ = write!(out, "}}{}", place(node.span));
        }
        Content::Refused => out.push_str("refused"),
    }
}

fn place(span: Span) -> String {
    format!("@{}:{}-{}:{}", span.start.line, span.start.column, span.end.line, span.end.column)
}

#[test]
fn keys_and_values_know_their_places() {
    check("a: b # c", "{a@1:1-1:2=b@1:4-1:5 }@1:1-2:1");
    check("ä: [ü, \"1\"]", "{ä@1:1-1:2=[ü@1:5-1:6 \"1\"@1:8-1:11 ]@1:4-1:12 }@1:1-2:1");
    check("a:\r\n  b:\r\n", "{a@1:1-1:2={b@2:3-2:4=@2:4-2:4 }@2:3-3:1 }@1:1-3:1");
    check("\u{feff}{\"a\": 1}", "{a@1:2-1:5=1@1:7-1:8 }@1:1-1:9");
}

#[test]
fn every_duplicate_is_reported() {
    check(
        "a: 1\nb: 2\na: 3\na: {c: 1, c: 2}\n",
        concat!(
            "3:1 `a` is written twice, first in line 1\n",
            "4:1 `a` is written twice, first in line 1\n",
            "4:11 `c` is written twice, first in line 4",
        ),
    );
}

#[test]
fn what_surprises_is_refused_at_its_place() {
    check(
        "a: &x b\nc: *x\n",
        concat!("1:4 anchors (`&name`) are not supported\n", "2:4 aliases (`*name`) are not supported",),
    );
    check("a: !!str b\n", "1:4 tags (`!name`) are not supported");
    check("a: b\n---\nc: d\n", "2:1 a second document begins here");
    check("? [a]\n: b\n", "1:3 a key must be a word, not a list or a section");
    check("# nothing\n", "1:1 the file is empty");
    check("a: @b\n", "1:4 a plain value cannot begin with this character");
    check("a: b: c\n", "1:5 a `:` stands where no key can be");
    check("a:\n\tb: c\n", "2:2 a tab stands where YAML allows only spaces");
}

#[test]
fn depth_and_size_are_bounded() {
    check(&"- ".repeat(100), "1:65 values are nested more than 32 levels deep");
    check(&"[".repeat(100), "1:33 values are nested more than 32 levels deep");
    check(&"[".repeat(10_000), "1:256 values are nested more than 32 levels deep");
    check(&",".repeat(NODES_MAX + 1), "1:1 the file has more than a million values");
    check(&"- a\n".repeat(NODES_MAX + 1), "1000001:3 the file has more than a million values");
}
