//! The JSON Schema (draft 2020-12) of the file, from the definition, for editors.
//!
//! It says what a shape can say. References, duplicates and contradictions are found by the check alone. Keys
//! that are not built yet are not in it, so that an editor marks them as the check does.

use crate::{
    json::Json,
    report::Findings,
    spec::{self, Choice, Key, List, Map, Preset, Section, Shape, Status},
    yaml,
};

/// The schema as text.
pub fn schema() -> String {
    let mut definitions = Vec::new();
    for section in spec::sections() {
        if !section.path.is_empty() {
            definitions.push((name(section), object(section)));
        }
    }
    let head = [
        ("$schema".to_owned(), Json::text("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), Json::text("Weir configuration")),
    ];
    let Json::Object(root) = object(&spec::ROOT) else { return String::new() };
    let all = head.into_iter().chain(root).chain([("$defs".to_owned(), Json::Object(definitions))]);
    Json::Object(all.collect()).print()
}

/// A closed object.
fn object(section: &'static Section) -> Json {
    let built = || section.keys.iter().filter(|key| key.status == Status::Built);
    let properties = built().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut object = Json::object([
        ("description", Json::text(section.doc)),
        ("type", Json::text("object")),
        ("properties", Json::Object(properties)),
        ("additionalProperties", Json::Bool(false)),
    ]);
    let required: Vec<&str> =
        built().filter(|key| matches!(key.default, Preset::Required)).map(|key| key.name).collect();
    if !required.is_empty() {
        object = object.with("required", Json::texts(required));
    }
    let needs: Vec<_> =
        built().filter_map(|key| Some((key.name.to_owned(), Json::texts([key.needs?])))).collect();
    if !needs.is_empty() {
        object = object.with("dependentRequired", Json::Object(needs));
    }
    if !section.choices.is_empty() {
        object = object.with("allOf", Json::List(section.choices.iter().map(choice).collect()));
    }
    object
}

/// Exactly one of the keys, or at most one.
fn choice(choice: &Choice) -> Json {
    let required = |key: &&str| Json::object([("required", Json::texts([*key]))]);
    let one: Vec<Json> = choice.keys.iter().map(required).collect();
    if choice.needed {
        return Json::object([("oneOf", Json::List(one))]);
    }
    let none = Json::object([("not", Json::object([("anyOf", Json::List(one.clone()))]))]);
    Json::object([("oneOf", Json::List(one.into_iter().chain([none]).collect()))])
}

/// A key: its shape with its description and its default.
fn property(key: &'static Key) -> Json {
    let mut description = key.doc.to_owned();
    if let Preset::Settled(text) = key.default {
        description.push_str(&format!(" Default: {text}."));
    }
    let described = Json::object([("description", Json::text(&description))]);
    let Json::Object(shape) = shape(&key.shape) else { return described };
    let described = shape.into_iter().fold(described, |json, (name, value)| json.with(&name, value));
    match key.default {
        Preset::Text(text) => described.with("default", default(text)),
        _ => described,
    }
}

fn shape(shape: &'static Shape) -> Json {
    match shape {
        Shape::One(kind) => kind.schema(),
        Shape::List(list) => array(list),
        Shape::OneOrList(kind) => {
            let items =
                [("type", Json::text("array")), ("items", kind.schema()), ("minItems", Json::Number(1))];
            any_of([kind.schema(), Json::object(items)])
        }
        Shape::Map(map) => names(map),
        Shape::Section(section) => reference(section),
        Shape::Short(_, kind, section) => any_of([kind.schema(), reference(section)]),
        Shape::WordOrSection(words, section) => {
            any_of([crate::kind::Kind::Word(words).schema(), reference(section)])
        }
    }
}

fn array(list: &'static List) -> Json {
    let array = Json::object([
        ("type", Json::text("array")),
        ("items", shape(&list.item)),
        ("minItems", Json::Number(list.min as u64)),
        ("maxItems", Json::Number(list.max as u64)),
    ]);
    if list.unique { array.with("uniqueItems", Json::Bool(true)) } else { array }
}

fn names(map: &'static Map) -> Json {
    Json::object([
        ("type", Json::text("object")),
        ("propertyNames", map.name.schema()),
        ("additionalProperties", shape(&map.value)),
        ("minProperties", Json::Number(map.min as u64)),
        ("maxProperties", Json::Number(map.max as u64)),
    ])
}

fn any_of<const N: usize>(shapes: [Json; N]) -> Json {
    Json::object([("anyOf", Json::List(shapes.into()))])
}

fn reference(section: &Section) -> Json {
    Json::object([("$ref", Json::Text(format!("#/$defs/{}", name(section))))])
}

/// The name of a definition: `listeners[].http` is `listeners_http`.
fn name(section: &Section) -> String {
    section.path.replace("[]", "").replace('.', "_")
}

fn default(text: &str) -> Json {
    let mut findings = Findings::default();
    yaml::parse(text, &mut findings).map_or(Json::text(text), |node| Json::of(&node))
}

#[cfg(test)]
mod tests;
