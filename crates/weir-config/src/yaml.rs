//! YAML text to a [`Node`] tree. The only module that names the YAML crate.
//!
//! The crate is saphyr-parser, an event parser, and not a serde one (serde-saphyr was the other candidate): a
//! serde type stops at its first error and knows its place only where it is wrapped by hand, while a check must
//! find every error of a file at once, point at keys as well as at values, see every duplicate key, and tell `1`
//! from `"1"`. Events carry all of that: exact spans, the style of each scalar, anchors and tags.
//!
//! What makes YAML surprising is refused with a way out: anchors, aliases, tags, and more than one document.
//! The tree is built on an explicit stack and bounded in depth and size, so no file can exhaust the program.
//! JSON is read by the same parser, being a subset.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use crate::{
    report::Findings,
    tree::{Content, Key, Node, Place, Scalar, Span},
};

/// The deepest nesting; the deepest value of the reference stands at 8.
const DEPTH_MAX: usize = 32;
/// The most values in one file. A server with all its keys is about ten.
const NODES_MAX: usize = 1_000_000;

const TOO_MANY: &str = "the file has more than a million values";

/// Reads one document. `None` when there is nothing to go on with; the reason is then in `findings`.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let mut builder = Builder { stack: Vec::new(), root: None, nodes: 0, documents: 0, findings };
    // The parser holds all tokens of a bracketed list in one line before it gives the first, at a hundred times
    // the size of the text: what has too many values is refused before.
    if text.bytes().filter(|byte| *byte == b',').count() > NODES_MAX {
        builder.findings.error(Span::point(1, 1), TOO_MANY);
        return None;
    }
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                builder.take(event, span_of(span))?;
            }
            Err(error) => {
                syntax_error(text, &error, builder.findings);
                return None;
            }
        }
    }
    let root = builder.root.take();
    if root.is_none() && builder.documents <= 1 {
        builder
            .findings
            .error(Span::point(1, 1), "the file is empty")
            .help("the smallest file has `listeners` and `pools`");
    }
    root
}

/// A list or a map that is still open.
enum Open {
    List { start: Span, items: Vec<Node> },
    Map { start: Span, pairs: Vec<(Key, Node)>, lines: HashMap<String, u32>, pending: Pending },
}

/// What stands before the value that comes next in a map.
enum Pending {
    /// Nothing: what comes next is a key.
    Key,
    /// A key.
    Value(Key),
    /// A key which was reported; its value is dropped.
    Dropped,
}

struct Builder<'a> {
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    findings: &'a mut Findings,
}

impl Builder<'_> {
    /// Takes one event; `None` ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.findings
                        .error(span, "a second document begins here")
                        .help("a configuration is one document: remove `---` and what follows");
                    return None;
                }
            }
            Event::Alias(_) => {
                self.refuse_alias(span);
                self.close(Node { span, content: Content::Refused })?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor, tag.is_some(), span);
                let scalar = Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain };
                self.scalar(scalar, span)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), span);
                self.open(Open::List { start: span, items: Vec::new() }, span)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), span);
                let open = Open::Map {
                    start: span,
                    pairs: Vec::new(),
                    lines: HashMap::new(),
                    pending: Pending::Key,
                };
                self.open(open, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.stack.pop()? {
                    Open::List { start, items } => {
                        Node { span: whole(start, span), content: Content::List(items) }
                    }
                    Open::Map { start, pairs, .. } => {
                        Node { span: whole(start, span), content: Content::Map(pairs) }
                    }
                };
                self.close(node)?;
            }
        }
        Some(())
    }

    fn open(&mut self, open: Open, span: Span) -> Option<()> {
        if self.stack.len() >= DEPTH_MAX {
            self.findings.error(span, format!("values are nested more than {DEPTH_MAX} levels deep"));
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    /// A scalar is a key when a map waits for one, a value otherwise.
    fn scalar(&mut self, scalar: Scalar, span: Span) -> Option<()> {
        let Some(Open::Map { pending: pending @ Pending::Key, lines, .. }) = self.stack.last_mut() else {
            return self.close(Node { span, content: Content::Scalar(scalar) });
        };
        if let Some(line) = lines.get(&scalar.text) {
            let message =
                format!("`{}` is written twice, first in line {line}", crate::report::shown(&scalar.text));
            self.findings.error(span, message);
            *pending = Pending::Dropped;
        } else {
            lines.insert(scalar.text.clone(), span.start.line);
            *pending = Pending::Value(Key { span, name: scalar });
        }
        Some(())
    }

    /// A value is complete: it goes to whatever is open.
    fn close(&mut self, node: Node) -> Option<()> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.findings.error(node.span, TOO_MANY);
            return None;
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { pairs, pending, .. }) => match std::mem::replace(pending, Pending::Key) {
                Pending::Value(key) => pairs.push((key, node)),
                Pending::Dropped => {}
                Pending::Key => {
                    self.findings.error(node.span, "a key must be a word, not a list or a section");
                    *pending = Pending::Dropped;
                }
            },
        }
        Some(())
    }

    fn refuse(&mut self, anchor: usize, tagged: bool, span: Span) {
        if anchor != 0 {
            self.findings
                .error(span, "anchors (`&name`) are not supported")
                .help("write the value out, or quote it if `&` belongs to it");
        }
        if tagged {
            self.findings
                .error(span, "tags (`!name`) are not supported")
                .help("take the tag away, or quote the value if `!` belongs to it");
        }
    }

    fn refuse_alias(&mut self, span: Span) {
        self.findings.error(span, "aliases (`*name`) are not supported").help(STAR_HELP);
    }
}

const STAR_HELP: &str = "write the value out; if `*` belongs to the value, quote it, like \"*.example.com\"";

/// The parser's message and, for the traps that people fall into, the way out.
fn syntax_error(text: &str, error: &ScanError, findings: &mut Findings) {
    let marker = error.marker();
    let place = place_of(marker);
    let at = text.chars().nth(marker.index());
    let info = error.info();
    let (message, help) = match at {
        Some('*') => {
            ("a plain value cannot begin with `*`, which marks an alias".to_owned(), Some(STAR_HELP))
        }
        Some('@' | '`' | '%') => {
            ("a plain value cannot begin with this character".to_owned(), Some("put the value in quotes"))
        }
        _ if info.contains("recursion limit") => {
            (format!("values are nested more than {DEPTH_MAX} levels deep"), None)
        }
        _ if info.contains("tab") => {
            ("a tab stands where YAML allows only spaces".to_owned(), Some("indent with spaces"))
        }
        _ if info.starts_with("mapping values are not allowed") => (
            "a `:` stands where no key can be".to_owned(),
            Some("put the value in quotes if `: ` belongs to it, and check how the line is indented"),
        ),
        _ if ["block mapping", "block sequence", "block collection"]
            .iter()
            .any(|what| info.contains(what)) =>
        {
            (
                "this line is indented differently from its neighbours".to_owned(),
                Some("keys of one section, and the `-` of one list, stand in one column"),
            )
        }
        _ if info.contains("flow mapping") || info.contains("flow sequence") => (
            format!("not valid YAML: {info}"),
            Some("close the bracket, or quote the value if it holds any of `[]{},`"),
        ),
        _ => (format!("not valid YAML: {info}"), None),
    };
    let found = findings.error(Span { start: place, end: place }, message);
    if let Some(help) = help {
        found.help(help);
    }
}

/// From the opening event to the end of the closing one.
fn whole(start: Span, end: Span) -> Span {
    Span { start: start.start, end: end.end }
}

fn span_of(span: saphyr_parser::Span) -> Span {
    Span { start: place_of(&span.start), end: place_of(&span.end) }
}

fn place_of(marker: &Marker) -> Place {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

#[cfg(test)]
mod tests;
