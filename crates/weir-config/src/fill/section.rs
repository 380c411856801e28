//! Sections: which keys are known, which are missing, which exclude each other.

use super::{Filler, Subject, expected, keys, place};
use crate::{
    filled::{Data, Entry, Filled, Section},
    nearest::nearest,
    report::{Findings, shown},
    spec::{self, Choice, Preset, Status},
    tree::{Content, Key, Node, Span},
    yaml,
};

impl Filler<'_> {
    pub(super) fn section(
        &mut self,
        node: &Node,
        section: &'static spec::Section,
        subject: &Subject<'_>,
    ) -> Filled {
        let Content::Map(pairs) = &node.content else {
            let message = format!("{subject} must be a section, not {}", node.kind());
            let found = self.findings.error(place(node, subject), message);
            match &node.content {
                // A secret, or keys of tickets, as other programs name them.
                Content::Scalar(path) if section.key("file").is_some() && path.text.contains('/') => {
                    found.help(format!("write `{{ file: {} }}`", shown(&path.text)));
                }
                _ => found.help(format!("it has {}", keys(section))),
            }
            return self.bad(node.span);
        };
        let mut filled = Section::default();
        // Keys that an unknown one was probably meant to be: they are not missing as well.
        let mut meant = Vec::new();
        for (key, value) in pairs {
            let name = &key.name.text;
            match section.key(name) {
                Some(known) if known.status == Status::Later => {
                    self.findings.error(key.span, format!("`{name}` is not supported yet"));
                    filled.doubtful = true;
                }
                Some(known) => {
                    let value = self.shape(value, &known.shape, &Subject::Key(name, key.span));
                    filled.entries.push(Entry { name: name.clone(), span: key.span, value });
                }
                None => {
                    meant.extend(self.unknown(key, section));
                    filled.doubtful = true;
                }
            }
        }
        for choice in section.choices {
            self.choice(choice, &filled, node, subject);
        }
        self.needs(&filled, section);
        let span = place(node, subject);
        self.defaults(&mut filled, section, span, &meant);
        self.filled(node.span, Data::Section(filled))
    }

    /// Reports a key that the section does not have; the known one that it is near to.
    fn unknown(&mut self, key: &Key, section: &'static spec::Section) -> Option<&'static str> {
        let written = &key.name.text;
        // The search for what was meant takes longer than all else.
        if self.findings.is_full() {
            self.findings.error(key.span, "unknown key");
            return None;
        }
        if let Some((front, after)) = written.split_once(':')
            && let Some(known) = section.key(front)
        {
            let found = self.findings.error(key.span, format!("unknown key `{}`", shown(written)));
            found.help(format!("a space stands behind the colon: `{front}: {}`", shown(after)));
            return Some(known.name);
        }
        let near = nearest(written, section.keys.iter().map(|key| key.name));
        if let Some(near) = near {
            let message = format!("unknown key `{}`, did you mean `{near}`?", shown(written));
            self.findings.error(key.span, message);
            return Some(near);
        }
        let found = self.findings.error(key.span, format!("unknown key `{}`", shown(written)));
        let elsewhere = spec::sections_with(written);
        if !elsewhere.is_empty() && elsewhere.len() <= 3 {
            let elsewhere: Vec<String> = elsewhere
                .iter()
                .map(|path| if path.is_empty() { "the top level".into() } else { format!("`{path}`") })
                .collect();
            found.help(format!("`{written}` is a key of {}", elsewhere.join(" and of ")));
        } else {
            found.help(format!("known here are {}", keys(section)));
        }
        None
    }

    fn choice(&mut self, choice: &Choice, filled: &Section, node: &Node, subject: &Subject<'_>) {
        let mut written = choice.keys.iter().filter_map(|name| filled.entry(name));
        match (written.next(), written.next()) {
            (Some(first), Some(second)) => {
                let (first, second) =
                    if first.span <= second.span { (first, second) } else { (second, first) };
                let message = format!("`{}` and `{}` exclude each other", first.name, second.name);
                self.findings.error(second.span, message);
            }
            (None, _) if choice.needed && !filled.doubtful => {
                let keys: Vec<String> = choice.keys.iter().map(|key| format!("`{key}`")).collect();
                let keys = match keys.split_last() {
                    Some((last, others)) => format!("{} or {last}", others.join(", ")),
                    None => String::new(),
                };
                let message = match subject {
                    Subject::Within("listeners") => {
                        format!("this listener has neither {keys}").replace(" or ", " nor ")
                    }
                    Subject::Within("routes") => format!("this route does nothing: it needs {keys}"),
                    _ => format!("{subject} needs {keys}"),
                };
                self.findings.error(place(node, subject), message);
            }
            _ => {}
        }
    }

    fn needs(&mut self, filled: &Section, section: &spec::Section) {
        for entry in &filled.entries {
            let needed = section.key(&entry.name).and_then(|key| key.needs);
            let Some(needed) = needed.filter(|needed| filled.entry(needed).is_none() && !filled.doubtful)
            else {
                continue;
            };
            self.findings.error(entry.span, format!("`{}` has no meaning without `{needed}`", entry.name));
        }
    }

    /// Adds what is not written, and puts all entries into the order of the definition.
    pub(super) fn defaults(
        &mut self,
        filled: &mut Section,
        section: &spec::Section,
        span: Span,
        meant: &[&str],
    ) {
        for key in section.keys {
            if filled.entry(key.name).is_some() {
                continue;
            }
            match key.default {
                Preset::Absent | Preset::Settled(_) => {}
                Preset::Required if meant.contains(&key.name) => {}
                Preset::Required => {
                    let found = self.findings.error(span, format!("`{}` is missing", key.name));
                    found.help(format!("expected {}", expected(&key.shape)));
                }
                Preset::Text(text) => {
                    let node = preset(text, span, self.findings);
                    let written = std::mem::replace(&mut self.written, false);
                    let value = self.shape(&node, &key.shape, &Subject::Key(key.name, span));
                    self.written = written;
                    filled.entries.push(Entry { name: key.name.to_owned(), span, value });
                }
            }
        }
        let order = |entry: &Entry| section.keys.iter().position(|key| key.name == entry.name);
        filled.entries.sort_by_key(order);
    }
}

/// The text of a default as a tree. Most are single values, which need no parser.
fn preset(text: &str, span: Span, findings: &mut Findings) -> Node {
    let mut node = match text.starts_with(['{', '[', '"']) {
        true => yaml::parse(text, findings).unwrap_or_else(|| Node::plain(span, "")),
        false => Node::plain(span, text),
    };
    move_to(&mut node, span);
    node
}

fn move_to(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.content {
        Content::Scalar(_) | Content::Refused => {}
        Content::List(items) => items.iter_mut().for_each(|item| move_to(item, span)),
        Content::Map(pairs) => {
            for (key, value) in pairs {
                key.span = span;
                move_to(value, span);
            }
        }
    }
}
