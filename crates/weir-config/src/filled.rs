//! The file after its shape is checked: every value parsed, every default in its place.
//!
//! Engines' types are built from this tree, and the effective file is a print of it.

use std::time::Duration;

use crate::{
    kind::Value,
    tree::{Scalar, Span},
};

/// A value with its place. A default stands at the place of the section that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) span: Span,
    /// Somebody wrote it; otherwise it is a default.
    pub(crate) written: bool,
    pub(crate) data: Data,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// A single value: its text, and what it means.
    One(Scalar, Value),
    List(Vec<Filled>),
    /// Names that the user chose.
    Map(Vec<Entry>),
    Section(Section),
    /// It was reported; nothing more is to be said about it.
    Bad,
}

/// A section and whether something in it was reported as unknown or not yet supported: then nothing can be said
/// about what it lacks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) entries: Vec<Entry>,
    pub(crate) doubtful: bool,
}

/// A name and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) value: Filled,
}

/// Reading by name. What is absent or was refused reads as `None`, empty or zero: the errors that are already
/// found keep the result from being used.
impl Filled {
    pub(crate) fn section(&self) -> Option<&Section> {
        match &self.data {
            Data::Section(section) => Some(section),
            _ => None,
        }
    }

    pub(crate) fn section_mut(&mut self) -> Option<&mut Section> {
        match &mut self.data {
            Data::Section(section) => Some(section),
            _ => None,
        }
    }

    /// The value of a key of this section.
    pub(crate) fn get(&self, name: &str) -> Option<&Filled> {
        self.section()?.get(name)
    }

    pub(crate) fn items(&self) -> &[Filled] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn pairs(&self) -> &[Entry] {
        match &self.data {
            Data::Map(pairs) => pairs,
            _ => &[],
        }
    }

    pub(crate) fn value(&self) -> Option<&Value> {
        match &self.data {
            Data::One(_, value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::One(scalar, _) => Some(&scalar.text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<u64> {
        match self.value() {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn as_word(&self) -> Option<&'static str> {
        match self.value() {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.data, Data::Bad)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(Filled::as_number).unwrap_or(0)
    }

    pub(crate) fn word(&self, name: &str) -> Option<&'static str> {
        self.get(name)?.as_word()
    }

    pub(crate) fn duration(&self, name: &str) -> Duration {
        match self.get(name).and_then(Filled::value) {
            Some(Value::Duration(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[Filled] {
        self.get(name).map_or(&[], Filled::items)
    }

    pub(crate) fn map(&self, name: &str) -> &[Entry] {
        self.get(name).map_or(&[], Filled::pairs)
    }
}

impl Section {
    pub(crate) fn get(&self, name: &str) -> Option<&Filled> {
        self.entry(name).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
