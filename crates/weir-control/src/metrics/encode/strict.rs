//! A strict reader of OpenMetrics text, for tests: it refuses what a scraper might let pass.

use std::collections::{BTreeMap, BTreeSet};

/// One family, as read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) help: String,
    /// Name with suffix and labels, to value.
    pub(crate) samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

/// All families by name, or the first thing that is wrong.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no end mark")?;
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("a line without its end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').ok_or_else(|| wrong("comment", line))?;
            let (name, value) = rest.split_once(' ').ok_or_else(|| wrong("comment", line))?;
            if word == "TYPE" {
                if families
                    .insert(name.to_owned(), Family { kind: value.into(), ..Family::default() })
                    .is_some()
                {
                    return Err(wrong("second type", line));
                }
                name.clone_into(&mut current);
            }
            let family = families.get_mut(name).filter(|family| family.samples.is_empty() && name == current);
            let family = family.ok_or_else(|| wrong("comment not above its samples", line))?;
            match word {
                "TYPE" => {}
                "UNIT" if name.ends_with(&format!("_{value}")) => family.unit = Some(value.to_owned()),
                "HELP" => family.help = unescape(value)?,
                _ => return Err(wrong("comment", line)),
            }
        } else {
            let (name, labels, value) = sample(line)?;
            let family = families.get_mut(&current).ok_or_else(|| wrong("sample without family", line))?;
            let suffix =
                name.strip_prefix(&current).ok_or_else(|| wrong("sample of another family", line))?;
            let allowed: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => return Err(wrong("unknown type", line)),
            };
            if !allowed.contains(&suffix) {
                return Err(wrong("suffix", line));
            }
            if family.kind != "gauge" && (value < 0.0 || value.is_nan()) {
                return Err(wrong("negative value", line));
            }
            if family.samples.insert((name, labels), value).is_some() {
                return Err(wrong("same labels twice", line));
            }
        }
    }
    for (name, family) in &families {
        if family.kind == "histogram" {
            check_histograms(name, family)?;
        }
    }
    Ok(families)
}

type Labels = Vec<(String, String)>;

fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let name_end = line.find(['{', ' ']).ok_or_else(|| wrong("sample", line))?;
    let (name, mut rest) = line.split_at(name_end);
    check_name(name)?;
    let mut labels = Labels::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inside.split_once("=\"").ok_or_else(|| wrong("label", line))?;
            check_name(label)?;
            let end = closing_quote(after).ok_or_else(|| wrong("label value", line))?;
            labels.push((label.to_owned(), unescape(&after[..end])?));
            inside = &after[end + 1..];
            if let Some(next) = inside.strip_prefix(',') {
                inside = next;
            } else {
                rest = inside.strip_prefix('}').ok_or_else(|| wrong("labels", line))?;
                break;
            }
        }
    }
    let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
    if names.len() < labels.len() {
        return Err(wrong("label twice", line));
    }
    let value = rest.strip_prefix(' ').and_then(number).ok_or_else(|| wrong("value", line))?;
    Ok((name.to_owned(), labels, value))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(match (char, char == '\\') {
            ('"', _) => return Err(wrong("bare quote", text)),
            (_, false) => char,
            (_, true) => match chars.next() {
                Some('n') => '\n',
                Some(same @ ('"' | '\\')) => same,
                _ => return Err(wrong("escape", text)),
            },
        });
    }
    Ok(plain)
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) => text.parse().ok(),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let fine = name.bytes().next().is_some_and(starts)
        && name.bytes().all(|byte| starts(byte) || byte.is_ascii_digit());
    if fine { Ok(()) } else { Err(wrong("name", name)) }
}

/// Of each histogram: rising bounds, counts that never fall, an infinite bucket that is the count, a sum.
fn check_histograms(name: &str, family: &Family) -> Result<(), String> {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for ((sample, labels), value) in &family.samples {
        let mut own = labels.clone();
        if sample.ends_with("_bucket") {
            let (le, bound) = own.pop().ok_or_else(|| wrong("bucket without bound", name))?;
            let bound = number(&bound).filter(|_| le == "le" && (bound.contains('.') || bound.contains('I')));
            let bound = bound.ok_or_else(|| wrong("bound", name))?;
            buckets.entry(own).or_default().push((bound, *value));
        } else {
            buckets.entry(own).or_default();
        }
    }
    for (labels, mut rows) in buckets {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = family.samples.get(&(format!("{name}_count"), labels.clone()));
        let complete = rows.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1)
            && rows.last().is_some_and(|(bound, total)| *bound == f64::INFINITY && Some(total) == count)
            && family.samples.contains_key(&(format!("{name}_sum"), labels.clone()));
        if !complete {
            return Err(wrong(&format!("histogram {labels:?}"), name));
        }
    }
    Ok(())
}

fn wrong(what: &str, place: &str) -> String {
    format!("{what} in {place:?}")
}

#[test]
fn the_reader_is_strict() {
    for (text, expected) in [
        ("# TYPE a gauge\na 1\n", "no end mark"),
        ("# TYPE a gauge\na 1# EOF\n", "a line without its end"),
        ("a 1\n# EOF\n", "sample without family"),
        ("# TYPE a gauge\nb 1\n# EOF\n", "sample of another family"),
        ("# TYPE a counter\na 1\n# EOF\n", "suffix"),
        ("# TYPE a counter\na_total -1\n# EOF\n", "negative value"),
        ("# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 1\n# EOF\n", "same labels twice"),
        ("# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n# EOF\n", "label twice"),
        ("# TYPE a gauge\na{b=\"\\t\"} 1\n# EOF\n", "escape"),
        ("# TYPE a gauge\na one\n# EOF\n", "value"),
        ("# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "second type"),
        ("# TYPE a gauge\na 1\n# HELP a late\n# EOF\n", "comment not above its samples"),
        ("# TYPE a gauge\n# UNIT a seconds\n# EOF\n", "comment"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_count 1\na_sum 1.0\n# EOF\n", "histogram"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n# EOF\n", "histogram"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n", "bound"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}
