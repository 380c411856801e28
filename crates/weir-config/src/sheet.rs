//! A sheet: a small file of its own beside the configuration, such as a scenario of `weir simulate`. A map of known keys to
//! words or lists of words, read by the same reader and with the same errors.

use std::path::Path;

use crate::{
    Errors,
    check::text_of,
    nearest::nearest,
    report::Findings,
    tree::{Content, Node, Span},
    yaml,
};

/// Reads a sheet and hands each key with its words to `take`, which says what is wrong with them.
///
/// # Errors
/// Why it cannot be read, or everything that is wrong with it, each at its place.
pub fn read_sheet(
    path: &Path,
    known: &[&str],
    mut take: impl FnMut(&str, &[&str]) -> Result<(), String>,
) -> Result<(), Errors> {
    let (name, text) = text_of(path)?;
    let mut findings = Findings::default();
    let root = yaml::parse(&text, &mut findings);
    match root.as_ref().map(|root| (&root.content, root.span)) {
        Some((Content::Map(pairs), _)) => {
            for (key, value) in pairs {
                let word = key.name.text.as_str();
                if !known.contains(&word) {
                    let meant = nearest(word, known.iter().copied());
                    let help = match meant {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("there are {}", known.join(", ")),
                    };
                    findings.error(key.span, format!("unknown key `{word}`; {help}"));
                } else if let Some(words) = words(value, &mut findings)
                    && let Err(message) = take(word, &words)
                {
                    findings.error(value.span, message);
                }
            }
        }
        Some((Content::Refused, _)) => {}
        Some((_, span)) => {
            findings.error(span, "a map of keys is expected here");
        }
        None if findings.is_empty() => {
            findings.error(Span::point(1, 1), "nothing could be read");
        }
        None => {}
    }
    findings.finish(&name, &text).map(drop)
}

/// One word, or those of a list.
fn words<'a>(value: &'a Node, findings: &mut Findings) -> Option<Vec<&'a str>> {
    match &value.content {
        Content::Scalar(scalar) => Some(vec![&scalar.text]),
        Content::List(nodes) => {
            let all: Vec<Option<&str>> = nodes
                .iter()
                .map(|node| match &node.content {
                    Content::Scalar(scalar) => Some(scalar.text.as_str()),
                    _ => {
                        findings.error(node.span, "a word is expected here");
                        None
                    }
                })
                .collect();
            all.into_iter().collect()
        }
        Content::Map(_) => {
            findings.error(value.span, "a word or a list of words is expected here");
            None
        }
        Content::Refused => None,
    }
}
