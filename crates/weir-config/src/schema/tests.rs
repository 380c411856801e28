use std::{fs, path::Path};

use serde_json::Value;

use crate::{json::Json, report::Findings, yaml};

fn schema() -> Value {
    serde_json::from_str(&super::schema()).expect("the schema is JSON")
}

fn value_of(text: &str) -> Value {
    let mut findings = Findings::default();
    let node = yaml::parse(text, &mut findings).expect("right YAML");
    serde_json::from_str(&Json::of(&node).print()).expect("JSON")
}

/// Whether the schema takes this file.
fn check(text: &str, taken: bool) {
    let root = schema();
    let found = valid(&value_of(text), &root, &root);
    assert_eq!(found.is_ok(), taken, "{found:?}: {text}");
}

/// As much of a validator as the schema needs. A word of JSON Schema that it does not know fails the test, so
/// that nothing in the schema goes untested.
fn valid(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    for (word, rule) in schema.as_object().ok_or("a schema is an object")? {
        let holds = match word.as_str() {
            "$schema" | "title" | "description" | "default" | "$defs" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap_or_default().trim_start_matches('#');
                valid(value, root.pointer(pointer).ok_or(format!("{pointer} leads nowhere"))?, root)?;
                true
            }
            "type" => match rule.as_str() {
                Some("object") => value.is_object(),
                Some("array") => value.is_array(),
                Some("string") => value.is_string(),
                Some("integer") => value.is_u64(),
                Some("number") => value.is_number(),
                Some("boolean") => value.is_boolean(),
                _ => return Err(format!("unknown type {rule}")),
            },
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "const" => rule == value,
            "pattern" => {
                let regex =
                    regex::bytes::RegexBuilder::new(rule.as_str().unwrap_or_default()).unicode(false).build();
                let regex = regex.map_err(|error| error.to_string())?;
                value.as_str().is_none_or(|text| regex.is_match(text.as_bytes()))
            }
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap_or(0)),
            "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().unwrap_or(0)),
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap_or(0))
            }
            "maxItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap_or(0))
            }
            "minProperties" => {
                value.as_object().is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap_or(0))
            }
            "maxProperties" => {
                value.as_object().is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap_or(0))
            }
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }),
            "anyOf" => {
                rule.as_array().is_some_and(|rules| rules.iter().any(|rule| valid(value, rule, root).is_ok()))
            }
            "oneOf" => rule.as_array().is_some_and(|rules| {
                rules.iter().filter(|rule| valid(value, rule, root).is_ok()).count() == 1
            }),
            "allOf" => {
                rule.as_array().is_some_and(|rules| rules.iter().all(|rule| valid(value, rule, root).is_ok()))
            }
            "not" => valid(value, rule, root).is_err(),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array()
                    .is_some_and(|keys| keys.iter().all(|key| map.contains_key(key.as_str().unwrap_or(""))))
            }),
            "dependentRequired" => value.as_object().is_none_or(|map| {
                rule.as_object().is_some_and(|needs| {
                    needs.iter().filter(|(key, _)| map.contains_key(*key)).all(|(_, needed)| {
                        let mut needed = needed.as_array().into_iter().flatten();
                        needed.all(|key| map.contains_key(key.as_str().unwrap_or("")))
                    })
                })
            }),
            "items" => {
                value.as_array().into_iter().flatten().try_for_each(|item| valid(item, rule, root))?;
                true
            }
            "propertyNames" => {
                let names = value.as_object().into_iter().flat_map(|map| map.keys());
                names.map(|name| Value::from(name.as_str())).try_for_each(|name| valid(&name, rule, root))?;
                true
            }
            "properties" => {
                for (key, rule) in rule.as_object().ok_or("properties is an object")? {
                    value.get(key).map_or(Ok(()), |value| valid(value, rule, root))?;
                }
                true
            }
            "additionalProperties" => {
                let known =
                    |key: &str| schema.pointer("/properties").is_some_and(|known| known.get(key).is_some());
                let others = value.as_object().into_iter().flatten().filter(|(key, _)| !known(key));
                for (key, value) in others {
                    match rule {
                        Value::Bool(false) => return Err(format!("unknown key {key}")),
                        rule => valid(value, rule, root)?,
                    }
                }
                true
            }
            _ => return Err(format!("the test does not know `{word}`")),
        };
        if !holds {
            return Err(format!("{word} {rule} does not hold for {value}"));
        }
    }
    Ok(())
}

#[test]
fn every_example_is_taken_as_it_is_and_as_it_takes_effect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let root = schema();
    let mut examples = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let effective = crate::check("f", &text).unwrap().effective();
        for text in [text, effective] {
            assert_eq!(valid(&value_of(&text), &root, &root), Ok(()), "{}", path.display());
        }
        examples += 1;
    }
    assert!(examples >= 4, "only {examples} examples were found");
}

const POOLS: &str = "pools: { a: { servers: [10.0.0.1:80] } }";

#[test]
fn what_a_shape_can_say_is_said() {
    check(&format!("listeners: [{{ bind: :80, pool: a }}]\n{POOLS}"), true);
    check(POOLS, false);
    check("listeners: []", false);
    check(&format!("listeners: [{{ bind: :80, pool: a, colour: blue }}]\n{POOLS}"), false);
    check(&format!("listeners: [{{ bind: :80 }}]\n{POOLS}"), false);
    check(&format!("listeners: [{{ bind: :80, pool: a, routes: [{{ pool: a }}] }}]\n{POOLS}"), false);
    check(&format!("runtime: {{ workers: many }}\nlisteners: [{{ bind: :80, pool: a }}]\n{POOLS}"), false);
    check(
        &format!("runtime: {{ shutdown_grace: 30 }}\nlisteners: [{{ bind: :80, pool: a }}]\n{POOLS}"),
        false,
    );
}

#[test]
fn choices_and_needs_are_said() {
    let pool = |health: &str| {
        format!(
            "listeners: [{{ bind: :80, pool: a }}]\npools: {{ a: {{ servers: [10.0.0.1:80], health: {health} }} }}"
        )
    };
    check(&pool("none"), true);
    check(&pool("{ interval: 1s }"), true);
    check(&pool("{ http: /, expect: [200, 300-399] }"), true);
    check(&pool("{ http: /, tcp: connect }"), false);
    check(&pool("{ expect: 200 }"), false);
    check(&pool("all"), false);
}

#[test]
fn what_is_not_built_is_not_offered() {
    let text = super::schema();
    for word in ["accept_proxy", "on_role_change", "\"udp\""] {
        assert!(!text.contains(word), "{word}");
    }
}
