use std::collections::HashSet;

use super::{Preset, Shape, Status, Word, sections};
use crate::kind::{Kind, boolean_or_null};

#[test]
fn every_section_has_its_own_path() {
    let paths: Vec<&str> = sections().iter().map(|section| section.path).collect();
    let unique: HashSet<&&str> = paths.iter().collect();
    assert_eq!(unique.len(), paths.len(), "{paths:?}");
}

#[test]
fn no_key_and_no_word_is_a_boolean_to_anybody() {
    for section in sections() {
        let words = section.keys.iter().flat_map(|key| words(&key.shape)).map(|word| word.name);
        for name in section.keys.iter().map(|key| key.name).chain(words) {
            assert!(!boolean_or_null(name), "{}: {name}", section.path);
            let fine = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(fine, "{}: {name} is not in snake_case", section.path);
        }
    }
}

#[test]
fn keys_are_unique_and_described_in_a_sentence() {
    for section in sections() {
        let names: HashSet<&str> = section.keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), section.keys.len(), "{}", section.path);
        for doc in section.keys.iter().map(|key| key.doc).chain([section.doc]) {
            assert!(doc.ends_with('.') && !doc.contains('\n'), "{}: {doc}", section.path);
        }
    }
}

#[test]
fn keys_that_others_name_exist() {
    for section in sections() {
        let needed = section.keys.iter().filter_map(|key| key.needs);
        let chosen = section.choices.iter().flat_map(|choice| choice.keys.iter().copied());
        for name in needed.chain(chosen) {
            assert!(section.key(name).is_some(), "{}: {name}", section.path);
        }
    }
}

#[test]
fn what_is_not_built_has_no_default_and_no_default_is_not_built() {
    for section in sections() {
        for key in section.keys {
            if key.status == Status::Later {
                assert!(matches!(key.default, Preset::Absent), "{}.{}", section.path, key.name);
            }
            if let (Preset::Text(text), [_, ..]) = (key.default, words(&key.shape)) {
                let word = words(&key.shape).iter().find(|word| word.name == text);
                assert!(
                    word.is_none_or(|word| word.status == Status::Built),
                    "{}.{}",
                    section.path,
                    key.name
                );
            }
        }
    }
}

fn words(shape: &Shape) -> &'static [Word] {
    match shape {
        Shape::One(Kind::Word(words)) | Shape::WordOrSection(words, _) => words,
        _ => &[],
    }
}
