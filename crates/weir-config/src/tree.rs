//! The file as a tree in which every key and every value knows its place.
//!
//! The command line (`weir run --listen …`) composes the same tree, so that it is checked by the same code and
//! gets the same defaults as a file.

/// A place in the text: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// From `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: Place,
    pub(crate) end: Place,
}

impl Span {
    /// An empty span: nothing is underlined but one caret.
    pub(crate) fn point(line: u32, column: u32) -> Span {
        let place = Place { line, column };
        Span { start: place, end: place }
    }

    /// `length` characters of one line.
    pub(crate) fn on_line(line: u32, column: u32, length: u32) -> Span {
        Span { start: Place { line, column }, end: Place { line, column: column.saturating_add(length) } }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One value of the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) content: Content,
}

/// What a value consists of.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the written order; the reader has already taken out duplicate keys.
    Map(Vec<(Key, Node)>),
    /// Already reported; nothing more is to be said about it.
    Refused,
}

/// A piece of text. Whether it was quoted decides if `1`, `true` or `null` are text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) span: Span,
    pub(crate) name: Scalar,
}

impl Node {
    /// An unquoted scalar.
    pub(crate) fn plain(span: Span, text: &str) -> Node {
        Node { span, content: Content::Scalar(Scalar { text: text.to_owned(), quoted: false }) }
    }

    /// A map whose keys all stand at the map's own place.
    pub(crate) fn map(span: Span, pairs: Vec<(&str, Node)>) -> Node {
        let pairs = pairs
            .into_iter()
            .map(|(name, node)| (Key { span, name: Scalar { text: name.to_owned(), quoted: true } }, node))
            .collect();
        Node { span, content: Content::Map(pairs) }
    }

    /// Nothing is written: `key:`, `key: null`, `key: ~`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar(scalar) => scalar.is_null(),
            _ => false,
        }
    }

    /// What this is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a section",
            Content::Refused => "nothing",
        }
    }
}

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}
