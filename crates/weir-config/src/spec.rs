//! The one definition of every key of the file: its name, its meaning, its shape, its default.
//!
//! From this table come the check of a file, its errors, the effective file, the JSON Schema, and the reference
//! page. A key that the design names but no engine does yet is [`Status::Later`]: it is refused as `not
//! supported yet`, so that nobody believes in a protection that is not there.

mod balance;
mod certificate;
mod eject;
mod health;
mod listener;
mod overload;
mod pool;
mod rehearsal;
mod resilience;
mod root;
mod route;
mod sticky;
mod tls;
mod walk;
mod zones;

use crate::kind::Kind;

pub(crate) use balance::PREQUAL;
pub(crate) use health::{AGENT, HEALTH};
pub(crate) use pool::POOL;
pub(crate) use root::ROOT;
pub(crate) use walk::{sections, sections_with};

/// A section: a map with known keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// Where it stands, as the reference writes it: `listeners[].http`. Unique.
    pub(crate) path: &'static str,
    /// What it is for, in a sentence or two.
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys that exclude each other.
    pub(crate) choices: &'static [Choice],
}

/// Of these keys one may be written, and if `needed`, one must be.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) keys: &'static [&'static str],
    pub(crate) needed: bool,
}

/// A key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) doc: &'static str,
    pub(crate) shape: Shape,
    pub(crate) default: Preset,
    pub(crate) status: Status,
    /// Another key of the section without which this one means nothing.
    pub(crate) needs: Option<&'static str>,
}

/// What stands where a key is not written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// Nothing: the key must be written.
    Required,
    /// Nothing: what the key asks for does not happen.
    Absent,
    /// This text, as it would be written.
    Text(&'static str),
    /// What [`crate::settle`] works out from the other keys; the text says what, for the reference.
    Settled(&'static str),
}

/// Whether an engine does what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Built,
    /// Refused as `not supported yet`.
    Later,
}

/// The shape of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    One(Kind),
    List(&'static List),
    /// One value, or a list of at least one.
    OneOrList(Kind),
    Map(&'static Map),
    Section(&'static Section),
    /// A section, or a single value that stands for the section with only this key.
    Short(&'static str, Kind, &'static Section),
    /// One of these words, or a section.
    WordOrSection(&'static [Word], &'static Section),
}

/// A list whose values have one shape.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) item: Shape,
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// No two values are the same text.
    pub(crate) unique: bool,
}

/// A map from names that the user chooses to values of one shape.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) name: Kind,
    /// What a name stands for in the reference: `NAME`.
    pub(crate) placeholder: &'static str,
    pub(crate) value: Shape,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

/// A word that a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) status: Status,
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key without a default: what it asks for does not happen unless it is written.
const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, shape, default: Preset::Absent, status: Status::Built, needs: None }
}

/// A key of the design which no engine does yet.
const fn later(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        shape: Shape::One(Kind::Text),
        default: Preset::Absent,
        status: Status::Later,
        needs: None,
    }
}

impl Key {
    const fn required(self) -> Key {
        Key { default: Preset::Required, ..self }
    }

    const fn default(self, text: &'static str) -> Key {
        Key { default: Preset::Text(text), ..self }
    }

    const fn settled(self, text: &'static str) -> Key {
        Key { default: Preset::Settled(text), ..self }
    }

    const fn needs(self, key: &'static str) -> Key {
        Key { needs: Some(key), ..self }
    }
}

const fn word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc, status: Status::Built }
}

const fn later_word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc, status: Status::Later }
}

/// A list without further conditions.
const fn list(item: Kind, min: usize, max: usize) -> List {
    List { item: Shape::One(item), min, max, unique: true }
}

#[cfg(test)]
mod tests;
