//! Walks over the whole definition.

use super::{ROOT, Section, Shape, Status};

/// Every section, parents before their children, in the written order.
pub(crate) fn sections() -> Vec<&'static Section> {
    let mut found = Vec::new();
    visit(&ROOT, &mut found);
    found
}

/// The paths of the sections that have this key.
pub(crate) fn sections_with(name: &str) -> Vec<&'static str> {
    let has = |section: &&&Section| section.key(name).is_some_and(|key| key.status == Status::Built);
    sections().iter().filter(has).map(|section| section.path).collect()
}

fn visit(section: &'static Section, found: &mut Vec<&'static Section>) {
    found.push(section);
    for key in section.keys {
        visit_shape(&key.shape, found);
    }
}

fn visit_shape(shape: &'static Shape, found: &mut Vec<&'static Section>) {
    match shape {
        Shape::One(_) | Shape::OneOrList(_) => {}
        Shape::List(list) => visit_shape(&list.item, found),
        Shape::Map(map) => visit_shape(&map.value, found),
        Shape::Section(section) | Shape::Short(_, _, section) | Shape::WordOrSection(_, section) => {
            visit(section, found);
        }
    }
}
