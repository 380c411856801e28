//! The tree of a file against the definition: unknown keys, wrong shapes, wrong values, missing keys; and every
//! default filled in.

mod section;

use crate::{
    filled::{Data, Entry, Filled, Section},
    kind::{Fault, Kind, boolean_or_null, misread},
    report::{Findings, shown},
    spec::{self, List, Map, Shape, Status},
    tree::{Content, Key, Node, Scalar, Span},
};

/// Fills the whole file.
pub(crate) fn fill(root: &Node, findings: &mut Findings) -> Filled {
    let mut filler = Filler { findings, written: true };
    filler.section(root, &spec::ROOT, &Subject::Root)
}

/// What a value is called in messages.
enum Subject<'a> {
    Root,
    /// The value of this key.
    Key(&'a str, Span),
    /// A value in the list or the map at this key.
    Within(&'a str),
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Root => f.write_str("the file"),
            Subject::Key(name, _) => write!(f, "`{}`", shown(name)),
            Subject::Within(name) => write!(f, "each value of `{}`", shown(name)),
        }
    }
}

struct Filler<'a> {
    findings: &'a mut Findings,
    /// What is filled in was written, and is not a default.
    written: bool,
}

impl Filler<'_> {
    fn shape(&mut self, node: &Node, shape: &Shape, subject: &Subject<'_>) -> Filled {
        if matches!(node.content, Content::Refused) {
            return self.bad(node.span);
        }
        if node.is_null() {
            return self.nothing(node, shape, subject);
        }
        match *shape {
            Shape::One(kind) => self.one(node, kind, subject),
            Shape::List(list) => self.list(node, list, subject),
            Shape::OneOrList(kind) => {
                let list = List { item: Shape::One(kind), min: 1, max: 1000, unique: true };
                match node.content {
                    Content::Scalar(_) => {
                        let one = self.one(node, kind, subject);
                        self.filled(node.span, Data::List(vec![one]))
                    }
                    _ => self.list(node, &list, subject),
                }
            }
            Shape::Map(map) => self.map(node, map, subject),
            Shape::Section(section) => self.section(node, section, subject),
            Shape::Short(key, kind, section) => match node.content {
                Content::Scalar(_) => {
                    let value = self.one(node, kind, subject);
                    if value.is_bad() {
                        return value;
                    }
                    let entry = Entry { name: key.to_owned(), span: node.span, value };
                    let mut filled = Section { entries: vec![entry], doubtful: false };
                    self.defaults(&mut filled, section, node.span, &[]);
                    self.filled(node.span, Data::Section(filled))
                }
                _ => self.section(node, section, subject),
            },
            Shape::WordOrSection(words, section) => match node.content {
                Content::Scalar(_) => {
                    let or = format!(", or a section with {}", keys(section));
                    self.one_or(node, Kind::Word(words), subject, &or)
                }
                _ => self.section(node, section, subject),
            },
        }
    }

    /// A key without a value is a mistake everywhere: a section that is meant to be empty is written `{}`.
    fn nothing(&mut self, node: &Node, shape: &Shape, subject: &Subject<'_>) -> Filled {
        let span = match subject {
            Subject::Key(_, span) if node.span.is_empty() => *span,
            _ => node.span,
        };
        let found = self.findings.error(span, format!("{subject} has no value"));
        found.help(format!("expected {}", expected(shape)));
        self.bad(node.span)
    }

    fn one(&mut self, node: &Node, kind: Kind, subject: &Subject<'_>) -> Filled {
        self.one_or(node, kind, subject, "")
    }

    /// A single value; `or` names what else could stand there.
    fn one_or(&mut self, node: &Node, kind: Kind, subject: &Subject<'_>, or: &str) -> Filled {
        let Content::Scalar(scalar) = &node.content else {
            let message = format!("{subject} must be {}, not {}", kind.what(), node.kind());
            self.findings.error(place(node, subject), message);
            return self.bad(node.span);
        };
        match kind.parse(scalar) {
            Ok(value) => self.filled(node.span, Data::One(scalar.clone(), value)),
            Err(fault) => {
                let found = self.findings.error(node.span, fault.message);
                if let Some(help) = fault.help {
                    found.help(help + or);
                }
                self.bad(node.span)
            }
        }
    }

    fn list(&mut self, node: &Node, list: &List, subject: &Subject<'_>) -> Filled {
        let items = match &node.content {
            Content::List(items) => items,
            other => {
                let message = format!("{subject} must be a list, not {}", node.kind());
                let found = self.findings.error(place(node, subject), message);
                match other {
                    Content::Scalar(scalar) => {
                        found.help(format!("write it in brackets: `[{}]`", shown(&scalar.text)));
                    }
                    _ => found.help("begin each value with `- `"),
                }
                return self.bad(node.span);
            }
        };
        if items.len() < list.min {
            self.findings
                .error(place(node, subject), format!("{subject} must have at least {} value", list.min));
            return self.bad(node.span);
        }
        if items.len() > list.max {
            let message = format!("{subject} has {} values, the most are {}", items.len(), list.max);
            self.findings.error(place(node, subject), message);
            return self.bad(node.span);
        }
        let within = subject.within();
        if list.unique {
            self.unique(items);
        }
        let items = items.iter().map(|item| self.shape(item, &list.item, &within)).collect();
        self.filled(node.span, Data::List(items))
    }

    fn unique(&mut self, items: &[Node]) {
        let mut seen = std::collections::HashMap::new();
        for item in items {
            let Content::Scalar(Scalar { text, .. }) = &item.content else { continue };
            if let Some(first) = seen.insert(text.to_ascii_lowercase(), item.span) {
                let message = format!("`{}` is in the list twice{}", shown(text), first_at(first, item.span));
                self.findings.error(item.span, message);
            }
        }
    }

    fn map(&mut self, node: &Node, map: &Map, subject: &Subject<'_>) -> Filled {
        let Content::Map(pairs) = &node.content else {
            let message = format!("{subject} must be a section of names and values, not {}", node.kind());
            self.findings.error(place(node, subject), message);
            return self.bad(node.span);
        };
        if pairs.len() < map.min || pairs.len() > map.max {
            let message =
                format!("{subject} must have {} to {} names, not {}", map.min, map.max, pairs.len());
            self.findings.error(place(node, subject), message);
            return self.bad(node.span);
        }
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Err(fault) = name(key, map.name) {
                let found = self.findings.error(key.span, fault.message);
                if let Some(help) = fault.help {
                    found.help(help);
                }
            }
            let value = self.shape(value, &map.value, &Subject::Key(&key.name.text, key.span));
            entries.push(Entry { name: key.name.text.clone(), span: key.span, value });
        }
        self.filled(node.span, Data::Map(entries))
    }

    fn filled(&self, span: Span, data: Data) -> Filled {
        Filled { span, written: self.written, data }
    }

    fn bad(&self, span: Span) -> Filled {
        self.filled(span, Data::Bad)
    }
}

impl<'a> Subject<'a> {
    fn within(&self) -> Subject<'a> {
        match self {
            Subject::Root => Subject::Root,
            Subject::Key(name, _) | Subject::Within(name) => Subject::Within(name),
        }
    }
}

/// Where to point: a section or list over several lines is best shown by its key.
fn place(node: &Node, subject: &Subject<'_>) -> Span {
    match subject {
        Subject::Key(_, span) if node.span.start.line != node.span.end.line || node.span.is_empty() => *span,
        _ => node.span,
    }
}

/// ` , first in line 3`, when that is another line.
pub(crate) fn first_at(first: Span, second: Span) -> String {
    match first.start.line == second.start.line {
        true => String::new(),
        false => format!(", first in line {}", first.start.line),
    }
}

fn name(key: &Key, kind: Kind) -> Result<(), Fault> {
    let text = &key.name.text;
    if !key.name.quoted && boolean_or_null(text) {
        return Err(misread(text, "a boolean"));
    }
    // Numbers are fine as names: a key is always text.
    let quoted = Scalar { text: text.clone(), quoted: true };
    kind.parse(&quoted).map(|_| ())
}

/// What a value of this shape must be, for messages.
fn expected(shape: &Shape) -> String {
    match shape {
        Shape::One(kind) => kind.what(),
        Shape::OneOrList(kind) => format!("{}, or a list", kind.what()),
        Shape::List(_) => "a list".to_owned(),
        Shape::Map(map) => format!("`{{ {}: … }}`", map.placeholder),
        Shape::Section(section) | Shape::Short(_, _, section) => {
            format!("a section with {}", keys(section))
        }
        Shape::WordOrSection(words, section) => {
            format!("{}, or a section with {}", Kind::Word(words).what(), keys(section))
        }
    }
}

/// The keys of a section that are built.
fn keys(section: &spec::Section) -> String {
    let built = section.keys.iter().filter(|key| key.status == Status::Built);
    let names: Vec<String> = built.map(|key| format!("`{}`", key.name)).collect();
    let noun = if names.len() == 1 { "the key" } else { "the keys" };
    format!("{noun} {}", names.join(", "))
}
